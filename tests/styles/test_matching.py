"""Patches, contextual similarity, the relaxed earth mover's distance and hypercolumns against loops."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nst.errors import UserError
from nst.styles import matching
from nst.styles.positions import Positions
from nst.styles.table import style
from tests.helpers.describing import (
    check,
    close,
    drawn,
    flat,
    layer,
    measure,
    shares,
    single,
    slopes,
    value,
)


def cosine(x, y):
    return 1 - x @ y / ((x @ x) ** 0.5 * (y @ y) ** 0.5)


# --- patches


def naive_patches(x_HxWxC, weights_HxW, size, stride):
    height, width, _ = x_HxWxC.shape
    at = [(y, x) for y in range(0, height - size + 1, stride) for x in range(0, width - size + 1, stride)]
    middles = np.array([weights_HxW[y + size // 2, x + size // 2] for y, x in at])
    return [x_HxWxC[y : y + size, x : x + size].ravel() for y, x in at], middles / middles.sum()


def naive_mrf(size, stride):
    """Li & Wand 2016, eq. 2-3, a patch at a time."""

    def naive(found, target, p, q):
        mine, weights = naive_patches(found[0], p[0], size, stride)
        theirs, allowed = naive_patches(target[0], q[0], size, stride)
        theirs = [patch for patch, weight in zip(theirs, allowed, strict=True) if weight > 0]
        total = 0
        for patch, weight in zip(mine, weights, strict=True):
            nearest = min(theirs, key=lambda other: cosine(patch, other))
            total += weight * ((patch - nearest) ** 2).mean()
        return total

    return naive


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("size, stride", [(3, 1), (3, 2), (2, 2), (1, 1)])
def test_patches(size, stride, given):
    found, target = [layer(5, 6, 2)], [layer(6, 4, 2, seed=1)]
    of = ([shares(5, 6)], [shares(6, 4)]) if given else ()
    check("mrf", naive_mrf(size, stride), found, target, *of, text=f"size={size},stride={stride}")


def test_patches_of_a_region_only_are_copied():
    q = np.zeros((7, 9), np.float32)
    q[2:5, 2:7] = 1 / 15
    found, target = [layer(5, 5, 2)], [layer(7, 9, 2, seed=1)]
    check("mrf", naive_mrf(3, 1), found, target, None, [q], text="stride=1")


def test_what_is_cut_from_the_painting_is_already_its_style():
    target = layer(9, 8)
    assert value("mrf", [target[:, 2:7, 1:6]], [target], text="stride=1") == 0
    assert value("mrf", [target[:, 2:7, 1:6]], [target], text="size=5,stride=1") == 0


@pytest.mark.parametrize("height, width", [(2, 8), (8, 2), (1, 1)])
def test_patches_larger_than_the_layer_are_refused(height, width):
    with pytest.raises(UserError, match=f"{width}x{height} positions has no 3x3 patch"):
        matching.patches(jnp.zeros((1, height, width, 2)), Positions(), 3, 1)


# --- contextual


def naive_contextual(h, found_at=None, target_at=None):
    """Mechrez et al. 2018, eq. 1-5, in their notation: x_i of the picture, y_j of the painting."""

    @single
    def naive(X, Y, p, q):
        X, Y = (Z if at is None else Z[at] for Z, at in ((X, found_at), (Y, target_at)))
        mu = Y.mean(0)
        d = np.array([[cosine(x - mu, y - mu) for y in Y] for x in X])
        CX = np.zeros(d.shape)
        for i in range(len(X)):
            relative = d[i] / (d[i].min() + 1e-5)
            w = np.exp((1 - relative) / h)
            CX[i] = w / w.sum()
        return -np.log(CX.max(0).mean())

    return naive


def test_contextual():
    check("contextual", naive_contextual(0.5), [layer(4, 5)], [layer(3, 6, seed=1)], rel=1e-3)


def test_contextual_bandwidth():
    found, target = [layer(4, 3)], [layer(3, 5, seed=1)]
    check("contextual", naive_contextual(0.2), found, target, text="bandwidth=0.2", rel=1e-3)


@pytest.mark.parametrize("given", [False, True])
def test_contextual_of_drawn_positions(given):
    found, target = [layer(4, 5)], [layer(3, 6, seed=1)]
    p, q = ([shares(4, 5)], [shares(3, 6)]) if given else ([None], [None])
    naive = naive_contextual(0.5, drawn((4, 5), p[0], 8), drawn((3, 6), q[0], 8))
    of = (p, q) if given else ()
    check("contextual", naive, found, target, *of, text="samples=8", rel=1e-3)


# --- hypercolumns


def naive_columns(layers, at):
    """Every layer at the middles of the first's positions, bilinear, position by position."""
    height, width = layers[0].shape[:2]
    columns = []
    for position in at:
        v, u = (position // width + 0.5) / height, (position % width + 0.5) / width
        column = []
        for x in layers:
            y = min(max(v * x.shape[0] - 0.5, 0), x.shape[0] - 1)
            z = min(max(u * x.shape[1] - 0.5, 0), x.shape[1] - 1)
            value = 0
            for a in range(x.shape[0]):
                for b in range(x.shape[1]):
                    value = value + max(0, 1 - abs(a - y)) * max(0, 1 - abs(b - z)) * x[a, b]
            column.append(value)
        columns.append(np.concatenate(column))
    return np.array(columns)


def naive_relaxed(D):
    """Kolkin et al. 2019, eq. 6: max of the two one-sided costs."""
    return max(sum(row.min() for row in D) / len(D), sum(column.min() for column in D.T) / len(D.T))


def naive_hyper(distance, found_at, target_at):
    def naive(found, target, p, q):
        return distance(naive_columns(found, found_at), naive_columns(target, target_at))

    return naive


def naive_remd(A, B):
    return naive_relaxed(np.array([[cosine(a, b) for b in B] for a in A]))


def naive_column_moments(A, B):
    """eq. 7, over the d features of a column."""
    d = A.shape[1]
    means = np.abs(A.mean(0) - B.mean(0)).sum() / d
    return means + np.abs(np.cov(A.T, bias=True) - np.cov(B.T, bias=True)).sum() / d**2


def stack(seed, height, width):
    return [layer(height, width, 2, seed), layer(height // 2, width // 2, 3, seed + 10)]


HYPER = [("remd", naive_remd), ("column_moments", naive_column_moments)]


@pytest.mark.parametrize("name, distance", HYPER)
def test_hypercolumns_of_all_positions(name, distance):
    naive = naive_hyper(distance, range(20), range(18))
    check(name, naive, stack(0, 4, 5), stack(1, 6, 3), rel=1e-3)


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("name, distance", HYPER)
def test_hypercolumns_of_drawn_positions(name, distance, given):
    found, target = stack(0, 4, 5), stack(1, 6, 3)
    p, q = ([shares(*x.shape[1:3]) if given else None for x in of] for of in (found, target))
    naive = naive_hyper(distance, drawn((4, 5), p[0], 6), drawn((6, 3), q[0], 6))
    check(name, naive, found, target, *((p, q) if given else ()), text="samples=6", rel=1e-3)


def test_a_hypercolumn_of_a_ramp_is_where_it_is():
    """Layers that hold their own coordinates: interpolation returns the point, away from the border."""

    def ramp(height, width):
        y, x = np.mgrid[:height, :width] + 0.5
        return np.stack([y / height, x / width], -1)[None].astype(np.float32)

    at = jnp.array([2 * 8 + 3, 3 * 8 + 4])
    columns = jax.jit(lambda layers: matching.hypercolumns(layers, [Positions(None, at)] * 3))(
        [ramp(6, 8), ramp(3, 4), ramp(12, 5)]
    )
    expected = [[2.5 / 6, 3.5 / 8] * 3, [3.5 / 6, 4.5 / 8] * 3]
    np.testing.assert_allclose(columns, expected, rtol=1e-5)


def test_both_sides_of_the_earth_movers_distance_count():
    """The picture has one of the painting's two colours: the other is missed, and the other way round."""
    one, two = np.array([[0.0]]), np.array([[0.0], [1.0]])
    distances = jnp.abs(jnp.asarray(one - two.T, jnp.float32))
    assert float(matching.relaxed_earth_mover(distances)) == pytest.approx(0.5)
    assert float(matching.relaxed_earth_mover(distances.T)) == pytest.approx(0.5)


# --- palette


def test_palette():
    """Colours in YUV of BT.601, Euclidean."""

    @single
    def naive(X, Y, p, q):
        A, B = (Z @ np.array(BT601).T for Z in (X, Y))
        return naive_relaxed(np.array([[((a - b) ** 2).sum() ** 0.5 for b in B] for a in A]))

    pictures = [np.random.default_rng(seed).uniform(0, 1, (1, 4, 5, 3)).astype(np.float32) for seed in (0, 1)]
    check("palette", naive, [pictures[0]], [pictures[1]], rel=1e-3)


BT601 = (
    (0.299, 0.587, 0.114),  # Y; then U = 0.492 (B - Y) and V = 0.877 (R - Y)
    (-0.492 * 0.299, -0.492 * 0.587, 0.492 * 0.886),
    (0.877 * 0.701, -0.877 * 0.587, -0.877 * 0.114),
)


def test_palette_looks_at_the_picture_itself():
    assert style("palette", "none")["palette"].parts(("relu1_1", "relu2_1")) == (("image",),)


# --- self-similarity


self_similarity = jax.jit(jax.value_and_grad(matching.self_similarity_distance))


def naive_self_similarity(A, B):
    """Kolkin et al. 2019, eq. 9, times 1/S."""
    S = len(A)
    D, E = (np.array([[cosine(a, b) for b in Z] for a in Z]) for Z in (A, B))
    total = 0
    for i in range(S):
        for j in range(S):
            total += abs(D[i, j] / D[:, j].sum() - E[i, j] / E[:, j].sum())
    return total / S**2


def test_self_similarity():
    A, B = flat(layer(3, 3, 4)), flat(layer(3, 3, 4, seed=1))
    value, gradient = self_similarity(A, B)
    assert float(value) == pytest.approx(
        naive_self_similarity(A.astype(np.float64), B.astype(np.float64)), rel=1e-4
    )
    expected = slopes(lambda x: naive_self_similarity(x, B.astype(np.float64)), A)
    close(np.asarray(gradient), expected, 2e-3)


def test_self_similarity_ignores_lengths_and_rotations():
    A = flat(layer(4, 3, 4))
    Q = np.linalg.qr(np.random.default_rng(0).normal(size=(4, 4)))[0]
    lengths = np.random.default_rng(1).uniform(0.5, 2, (len(A), 1))
    same, other = ((lengths * A @ Q).astype(np.float32), flat(layer(4, 3, 4, seed=1)))
    near, far = (float(self_similarity(B, A)[0]) for B in (same, other))
    assert near < 1e-4 * far


@pytest.mark.parametrize("constant", [0.0, 2.0])
def test_self_similarity_of_constant_pictures_is_finite(constant):
    even = np.full((6, 3), constant, np.float32)
    for A, B in ((even, layer(2, 3)), (layer(2, 3), even)):
        found = self_similarity(A.reshape(6, 3), B.reshape(6, 3))
        assert all(np.isfinite(of).all() for of in found)


# --- blocks


@pytest.mark.parametrize("name, pairs", [("mrf", 70), ("contextual", 50)])
def test_blocks_are_the_whole(name, pairs, monkeypatch):
    pictures = [layer(4, 5)], [layer(3, 6, seed=1)]
    text = "stride=1,size=1" if name == "mrf" else ""
    loss, (gradient,) = measure(name, "", text)(*pictures)
    monkeypatch.setattr(matching, "_BLOCK", pairs)
    again, (slope,) = measure.__wrapped__(name, "", text)(*pictures)
    assert float(again) == pytest.approx(float(loss), rel=1e-5)
    close(np.asarray(slope), np.asarray(gradient), 1e-4)


def test_padding_is_no_likeness(monkeypatch):
    """One of the painting's activations is 0, as the padding is, and unlike all of the picture's."""
    rows = np.array([[4, 0.1], [5, -0.2], [6, 0.5], [7, -0.4], [0, 0]], np.float32)
    found, target = jnp.asarray(rows[[0, 1, 2, 3, 1]]), jnp.asarray(rows)
    expected = float(matching.contextual_distance(found, target, 2, 0.5))
    monkeypatch.setattr(matching, "_BLOCK", 10)  # blocks of 2 rows
    assert float(matching.contextual_distance(found, target, 2, 0.5)) == pytest.approx(expected, rel=1e-5)
    assert expected > 0.1


def test_blocks_say_which_rows_are_real(monkeypatch):
    monkeypatch.setattr(matching, "_BLOCK", 9)  # 3 rows of 3 columns: blocks of 3, 3, 1
    rows, real = matching._blocks(lambda rows, real: (rows, real), jnp.arange(14.0).reshape(7, 2), 3)
    assert rows.shape == (3, 3, 2) and np.asarray(real).sum() == 7
    np.testing.assert_array_equal(np.asarray(rows)[np.asarray(real)], np.arange(14).reshape(7, 2))
