"""The candidates for a measure of structure: loops in their equations' notation, and invariances."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nst import images
from nst.errors import UserError
from nst.metrics import measures, structure
from tests.helpers import sweeping


def luma(seed, height=48, width=40):
    return np.asarray(measures.luma(sweeping.picture(seed, height, width, pace=0.3)))


def naive_strength(Y):
    height, width = Y.shape
    e = np.zeros((height - 2, width - 2))
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            gx = sum(w * (Y[y + d, x + 1] - Y[y + d, x - 1]) for d, w in ((-1, 1), (0, 2), (1, 1))) / 8
            gy = sum(w * (Y[y + 1, x + d] - Y[y - 1, x + d]) for d, w in ((-1, 1), (0, 2), (1, 1))) / 8
            e[y - 1, x - 1] = math.sqrt(gx**2 + gy**2)
    return e


def test_edge_strength_is_sobels():
    Y = luma(0, 12, 9).astype(float)
    np.testing.assert_allclose(structure.edge_strength(Y), naive_strength(Y), atol=1e-12)


def test_a_ramp_has_its_slope_as_strength():
    ramp = 0.03 * np.arange(10.0)[:, None] + 0.04 * np.arange(8.0)
    np.testing.assert_allclose(structure.edge_strength(ramp), 0.05, atol=1e-12)


def test_edges_agree_as_their_strengths_correlate():
    X, P = luma(0), luma(1)  # not reduced: their long edge is below 64 px
    expected = np.corrcoef(naive_strength(X.astype(float)).ravel(), naive_strength(P.astype(float)).ravel())
    assert structure.edge_agreement(X, P) == pytest.approx(expected[0, 1], abs=1e-6)
    assert structure.edge_agreement(X, P) == pytest.approx(structure.edge_agreement(P, X))
    assert abs(expected[0, 1]) < 0.5


def test_edges_do_not_depend_on_tones():
    P = luma(2)
    for changed in (P, 1 - P, 0.3 * P + 0.4):
        assert structure.edge_agreement(changed, P) == pytest.approx(1, abs=1e-5)
    assert structure.edge_agreement(P[::-1], P) < 0.6


def test_edges_are_compared_at_64_pixels():
    P = luma(3, 192, 128)
    noise = 0.2 * np.random.default_rng(0).normal(size=P.shape).astype(np.float32)
    reduced = [images.resize(Y, 64, 43, "lanczos").astype(float) for Y in (P + noise, P)]
    expected = np.corrcoef(*(naive_strength(Y).ravel() for Y in reduced))[0, 1]
    assert structure.edge_agreement(P + noise, P) == pytest.approx(expected, abs=1e-5)
    # at the full size, where the noise is as strong, they agree less
    assert np.corrcoef(*(naive_strength(Y).ravel() for Y in (P + noise, P)))[0, 1] < expected - 0.1


@pytest.mark.parametrize("value", [0.0, 0.4])
def test_edges_of_a_constant_agree_with_none(value):
    flat = np.full((48, 40), value, np.float32)
    assert structure.edge_agreement(flat, luma(0)) == structure.edge_agreement(flat, flat) == 0


def test_ssim_is_measured_after_the_photograph_has_the_tones_of_the_image():
    X, P = luma(4), luma(5)
    matched = X.mean() + X.std() / P.std() * (P - P.mean())
    assert structure.matched_ssim(X, P) == pytest.approx(float(measures.ssim(X, matched)), abs=1e-5)
    toned = 0.4 * P + 0.5
    assert structure.matched_ssim(toned, P) == pytest.approx(1, abs=1e-5)
    assert measures.ssim(toned, P) < 0.9
    assert structure.matched_ssim(1 - P, P) < 0.5


def test_ssim_with_a_constant_photograph_is_finite():
    assert -1 <= structure.matched_ssim(luma(0), np.full((48, 40), 0.3, np.float32)) < 0.9
    with pytest.raises(UserError, match="at least 11 px"):
        structure.matched_ssim(luma(0, 8, 20), luma(0, 8, 20))


def cfsd(X, P):
    # compiled anew each time, since a test changes the number of rows
    return float(jax.jit(lambda X, P: structure.self_similarity_distance(X, P))(X, P))


def naive_cfsd(X, P):
    def similarity(F):
        F = F.reshape(-1, F.shape[-1])
        S = np.zeros((len(F), len(F)))
        for i, a in enumerate(F):
            for j, b in enumerate(F):
                lengths = math.sqrt((a * a).sum() * (b * b).sum())
                S[i, j] = (a * b).sum() / lengths if lengths else 0
        return S

    total, SX, SP = 0.0, similarity(X), similarity(P)
    for x, p in zip(SX, SP, strict=True):
        q, r = np.exp(p) / np.exp(p).sum(), np.exp(x) / np.exp(x).sum()
        total += sum(a * math.log(a / b) for a, b in zip(q, r, strict=True))
    return total / len(SX)


def activations(seed, height=4, width=5, channels=3):
    return np.random.default_rng(seed).normal(0, 1, (height, width, channels)).clip(0)


def test_the_distance_of_self_similarities():
    X, P = activations(0), activations(1)
    P[1, 2] = 0
    found = cfsd(X, P)
    assert found == pytest.approx(naive_cfsd(X, P), rel=1e-4) and found > 1e-3
    assert found != pytest.approx(cfsd(P, X), rel=1e-3)  # it has a direction
    assert cfsd(P, P) == 0


@pytest.mark.parametrize("rows", [1, 3, 7, 19, 20])
def test_the_rows_of_self_similarities_are_computed_in_blocks(rows, monkeypatch):
    X, P = activations(0), activations(1)
    whole = cfsd(X, P)
    monkeypatch.setattr(structure, "ROWS", rows)
    assert cfsd(X, P) == pytest.approx(whole, rel=1e-5)


def test_blocks_keep_the_memory_of_a_picture_of_512_px():
    shape = jax.ShapeDtypeStruct((128, 128, 256), jnp.float32)
    compiled = jax.jit(structure.self_similarity_distance).lower(shape, shape).compile()
    # the whole matrix of one picture alone would be 1 GB
    assert compiled.memory_analysis().temp_size_in_bytes < 300e6


def test_coarse_activations_are_means_of_squares(monkeypatch):
    X = np.random.default_rng(0).normal(size=(7, 11, 3)).astype(np.float32)
    np.testing.assert_array_equal(structure.coarse(jnp.asarray(X)), X)
    monkeypatch.setattr(structure, "POSITIONS", 4)
    found = np.asarray(structure.coarse(jnp.asarray(X)))
    assert found.shape == (2, 3, 3) and found[1, 2] == pytest.approx(X[3:6, 6:9].mean((0, 1)), rel=1e-5)


def test_self_similarities_do_not_depend_on_scale_or_channels():
    X, P = activations(2), activations(3)
    expected = cfsd(X, P)
    assert cfsd(7 * X[..., ::-1], 0.1 * P) == pytest.approx(expected, rel=1e-4)
    assert cfsd(X[::-1], P) != pytest.approx(expected, rel=1e-3)


def test_self_similarities_of_two_sizes_are_refused():
    with pytest.raises(UserError, match="give equal sizes"):
        cfsd(activations(0), activations(0, 5, 4))
