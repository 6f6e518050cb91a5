"""Colour spaces against known colours and scikit-image; the transfers against loops and their properties."""

import math

import jax.numpy as jnp
import numpy as np
import pytest
import skimage.color

from nst.errors import UserError
from nst.images import color, spaces
from nst.images.color import RIDGE, TRANSFORMS
from nst.images.spaces import SPACES, WITH_LUMINANCE
from nst.metrics import measures

LINEAR = {"cholesky": color.cholesky, "pca": color.pca, "symmetric": color.symmetric}
PRIMARIES = np.array([[(1, 1, 1), (1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 0, 0)]], np.float32)


def picture(seed, height=13, width=17):
    """Correlated colours, away from 0 and 1."""
    rng = np.random.default_rng(seed)
    rgb = rng.normal(size=(height, width, 3)) @ (0.07 * np.eye(3) + rng.uniform(0, 0.04, (3, 3)))
    return (rgb + rng.uniform(0.35, 0.65, 3)).clip(0.02, 0.98).astype(np.float32)


def grey(seed, height=13, width=17):
    steps = np.random.default_rng(seed).integers(30, 220, (height, width, 1))
    return np.repeat(steps / 255, 3, -1).astype(np.float32)


def constant(*rgb):
    return np.full((7, 5, 3), rgb, np.float32)


def rows(rgb, space):
    return spaces.to_space(rgb, space).reshape(-1, 3)


def moments(rgb, space, weights=None):
    """Mean and covariance by loops, in units of white."""
    x = rows(rgb, space) / SPACES[space].white
    w = np.ones(len(x)) if weights is None else weights.ravel().astype(np.float64)
    mu = np.zeros(3)
    for m in range(len(x)):
        for i in range(3):
            mu[i] += w[m] * x[m, i] / w.sum()
    Sigma = np.zeros((3, 3))
    for m in range(len(x)):
        for i in range(3):
            for j in range(3):
                Sigma[i, j] += w[m] * (x[m, i] - mu[i]) * (x[m, j] - mu[j]) / w.sum()
    return mu, Sigma


def spd(seed):
    """A covariance, of condition around 100."""
    x = np.random.default_rng(seed).normal(size=(3, 5))
    return x @ x.T / 100


# --- spaces


def naive_coordinates(rgb, space):
    """One colour, from the definitions: chromaticities for Lab, the rotated colour differences for YIQ."""
    r, g, b = (float(value) for value in rgb)
    if space == "srgb":
        return r, g, b
    if space == "yiq":
        y = 0.299 * r + 0.587 * g + 0.114 * b
        u, v, angle = 0.492111 * (b - y), 0.877283 * (r - y), math.radians(33)
        i, q = v * math.cos(angle) - u * math.sin(angle), v * math.sin(angle) + u * math.cos(angle)
        return y, i, q
    light = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in (r, g, b)]
    if space == "lab":
        xyz = lambda x, y: np.array([x / y, 1, (1 - x - y) / y])  # noqa: E731
        columns = np.stack([xyz(0.64, 0.33), xyz(0.30, 0.60), xyz(0.15, 0.06)], 1)
        white = xyz(0.3127, 0.3290)
        ratios = columns @ (np.linalg.solve(columns, white) * light) / white
        fx, fy, fz = (t ** (1 / 3) if t > 216 / 24389 else (24389 / 27 * t + 16) / 116 for t in ratios)
        return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)
    (r, g, b) = light
    l = (0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b) ** (1 / 3)  # noqa: E741
    m = (0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b) ** (1 / 3)
    s = (0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b) ** (1 / 3)
    return (
        0.2104542553 * l + 0.7936177850 * m - 0.0040720468 * s,
        1.9779984951 * l - 2.4285922050 * m + 0.4505937099 * s,
        0.0259040371 * l + 0.7827717662 * m - 0.8086757660 * s,
    )


@pytest.mark.parametrize("space", SPACES)
def test_coordinates_are_those_of_the_definitions(space):
    rng = np.random.default_rng(0)
    rgb = np.concatenate([rng.uniform(0, 1, (1, 40, 3)), rng.uniform(0, 0.05, (1, 20, 3)), PRIMARIES], 1)
    expected = [naive_coordinates(colour, space) for colour in rgb[0]]
    rounding = 6e-5 if space == "yiq" else 1e-8  # its constants have four decimals
    np.testing.assert_allclose(spaces.to_space(rgb, space)[0], expected, atol=rounding * SPACES[space].white)


def test_known_colours():
    """CIE 1976 of sRGB's primaries as tabled by Lindbloom, of Oklab as by Ottosson and CSS Color 4."""
    lab = [(100, 0, 0), (53.24, 80.09, 67.20), (87.74, -86.18, 83.18), (32.30, 79.19, -107.86), (0, 0, 0)]
    oklab = [
        (1, 0, 0),
        (0.62796, 0.22486, 0.12585),
        (0.86644, -0.23389, 0.17950),
        (0.45201, -0.03246, -0.31153),
    ]
    np.testing.assert_allclose(spaces.to_space(PRIMARIES, "lab")[0], lab, atol=0.01)
    np.testing.assert_allclose(spaces.to_space(PRIMARIES, "oklab")[0], [*oklab, (0, 0, 0)], atol=1e-5)
    np.testing.assert_allclose(spaces.to_space(PRIMARIES, "yiq")[0, 0], (1, 0, 0), atol=1e-12)
    np.testing.assert_allclose(spaces.to_space(PRIMARIES, "lab")[0, 0], (100, 0, 0), atol=1e-9)


def test_spaces_agree_with_other_implementations():
    rgb = picture(1)
    np.testing.assert_allclose(spaces.to_space(rgb, "yiq"), skimage.color.rgb2yiq(rgb), atol=6e-5)
    np.testing.assert_allclose(spaces.to_space(rgb, "lab"), skimage.color.rgb2lab(rgb), atol=0.02)
    np.testing.assert_allclose(spaces.to_space(rgb, "oklab"), measures.oklab(jnp.asarray(rgb)), atol=1e-6)


@pytest.mark.parametrize("space", SPACES)
def test_round_trips(space):
    inside = np.concatenate([np.random.default_rng(2).uniform(0, 1, (1, 200, 3)), PRIMARIES], 1)
    # either side of every threshold, black, and what a transfer may make
    steps = np.array([0, 1e-6, 0.0404, 0.0405, -0.0404, -0.0405, 0.0773, -0.3, 1.4])
    outside = np.stack(np.meshgrid(steps, steps, steps), -1).reshape(1, -1, 3)
    for rgb in (inside, outside):
        found = spaces.from_space(spaces.to_space(rgb, space), space)
        assert found.dtype == np.float32 and spaces.to_space(rgb, space).dtype == np.float64
        np.testing.assert_allclose(found, rgb, atol=1e-6)


def test_linear_light_is_continuous_odd_and_inverted():
    x = np.array([0.04045, 0.0404501, 1.0, 0.5])
    linear = spaces.linearize(x)
    assert linear[1] - linear[0] == pytest.approx(1e-7 / 12.92, rel=0.6)
    np.testing.assert_allclose(linear[2:], [1, 0.21404114], rtol=1e-7)
    np.testing.assert_allclose(spaces.encode(linear), x, rtol=1e-12)
    np.testing.assert_array_equal(spaces.linearize(-x), -linear)


@pytest.mark.parametrize("space", WITH_LUMINANCE)
def test_greys_have_no_chroma_and_their_luminance_rises(space):
    greys = np.repeat(np.linspace(0, 1, 50).reshape(1, 50, 1), 3, -1)
    found = spaces.to_space(greys, space)[0]
    assert np.abs(found[:, 1:]).max() < 1e-7 * SPACES[space].white
    assert (np.diff(found[:, 0]) > 0).all()
    assert found[-1, 0] == pytest.approx(SPACES[space].white, rel=1e-7)


# --- linear maps


@pytest.mark.parametrize("name", LINEAR)
@pytest.mark.parametrize("seed", range(3))
def test_maps_carry_one_covariance_to_the_other(name, seed):
    S, T = spd(seed), spd(seed + 10)
    A = LINEAR[name](S, T)
    np.testing.assert_allclose(A @ S @ A.T, T, rtol=1e-9)
    np.testing.assert_allclose(LINEAR[name](S, S), np.eye(3), atol=1e-10)


@pytest.mark.parametrize("name", LINEAR)
def test_each_map_has_its_own_form(name):
    S, T = spd(1), spd(2)
    A = LINEAR[name](S, T)
    assert (np.linalg.eigvals(A).real > 0).all()
    symmetric, lower = np.allclose(A, A.T, atol=1e-9), np.allclose(A, np.tril(A), atol=1e-12)
    assert (symmetric, lower) == (name == "symmetric", name == "cholesky")
    if name == "pca":  # in the frame of S^-1/2 and T^1/2 nothing turns: T^-1/2 A S^1/2 = 1
        roots = [vectors * np.sqrt(values) @ vectors.T for values, vectors in map(np.linalg.eigh, (S, T))]
        np.testing.assert_allclose(np.linalg.inv(roots[1]) @ A @ roots[0], np.eye(3), atol=1e-9)


def test_the_symmetric_map_moves_colours_least():
    S, T = spd(3), spd(4)
    cost = {}
    for name, linear in LINEAR.items():
        A = linear(S, T) - np.eye(3)
        cost[name] = np.trace(A @ S @ A.T)  # E |A x - x|^2
    assert cost["symmetric"] < min(cost["cholesky"], cost["pca"])
    # the 2-Wasserstein distance of the two Gaussians, from the eigenvalues of S T
    bures = np.trace(S + T) - 2 * np.sqrt(np.linalg.eigvals(S @ T).real).sum()
    assert cost["symmetric"] == pytest.approx(bures, rel=1e-9)


def test_maps_agree_where_covariances_commute():
    S, T = np.diag([0.04, 0.01, 0.0025]), np.diag([0.01, 0.01, 0.09])
    for linear in LINEAR.values():
        np.testing.assert_allclose(linear(S, T), np.diag([0.5, 1, 6]), atol=1e-10)
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    S, T = turn @ S @ turn.T, turn @ T @ turn.T
    np.testing.assert_allclose(color.pca(S, T), color.symmetric(S, T), atol=1e-10)
    assert np.abs(color.cholesky(S, T) - color.pca(S, T)).max() > 0.1  # turned, it is a map of its own


# --- matching


def naive_match(source, target, transform, space, source_weights=None, target_weights=None):
    """Pixel by pixel, in the paper's notation; the rows of the result in units of white."""
    white = SPACES[space].white
    x_S = rows(source, space) / white
    if transform == "histogram":
        return naive_histogram(x_S, rows(target, space) / white, source_weights, target_weights)
    (mu_S, Sigma_S), (mu_T, Sigma_T) = (
        moments(source, space, source_weights),
        moments(target, space, target_weights),
    )
    Sigma_S, Sigma_T = Sigma_S + RIDGE * np.eye(3), Sigma_T + RIDGE * np.eye(3)

    def root(S):
        """Denman & Beavers: no eigenvalues."""
        Y, Z = S / np.trace(S), np.eye(3)
        for _ in range(60):
            Y, Z = (Y + np.linalg.inv(Z)) / 2, (Z + np.linalg.inv(Y)) / 2
        return Y * np.sqrt(np.trace(S))

    if transform == "cholesky":
        A = naive_cholesky(Sigma_T) @ np.linalg.inv(naive_cholesky(Sigma_S))
    elif transform == "pca":
        A = root(Sigma_T) @ np.linalg.inv(root(Sigma_S))
    else:
        inverse = np.linalg.inv(root(Sigma_S))
        A = inverse @ root(root(Sigma_S) @ Sigma_T @ root(Sigma_S)) @ inverse
    return np.array([A @ (x - mu_S) + mu_T for x in x_S])


def naive_cholesky(S):
    L = np.zeros((3, 3))
    for i in range(3):
        for j in range(i + 1):
            rest = S[i, j] - sum(L[i, k] * L[j, k] for k in range(j))
            L[i, j] = math.sqrt(rest) if i == j else rest / L[j, j]
    return L


def naive_histogram(x_S, x_T, w_S=None, w_T=None):
    w_S = np.ones(len(x_S)) if w_S is None else w_S.ravel()
    w_T = np.ones(len(x_T)) if w_T is None else w_T.ravel()
    w_S, w_T = w_S / w_S.sum(), w_T / w_T.sum()
    out = np.zeros(x_S.shape)
    for c in range(3):
        points, total = [], 0.0
        for value, share in sorted(zip(x_T[:, c], w_T, strict=True)):
            if share:
                alike = (np.abs(x_T[:, c] - value) < 1e-9) & (w_T > 0)
                weight = w_T[alike].mean()
                points.append((total + weight / 2, value))
                total += weight
        for m in range(len(x_S)):
            equal = np.abs(x_S[:, c] - x_S[m, c]) < 1e-9
            u = w_S[~equal & (x_S[:, c] < x_S[m, c])].sum() + w_S[equal].sum() / 2
            after = next((k for k, (level, _) in enumerate(points) if level > u), len(points))
            if after in (0, len(points)):
                out[m, c] = points[min(after, len(points) - 1)][1]
            else:
                (u0, v0), (u1, v1) = points[after - 1 : after + 1]
                out[m, c] = v0 + (v1 - v0) * (u - u0) / (u1 - u0)
    return out


def eighths(seed, height=6, width=7):
    """Few different values: many ties."""
    return (np.random.default_rng(seed).integers(1, 8, (height, width, 3)) / 8).astype(np.float32)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_match_is_the_loop(transform, space, weighted):
    source, target = eighths(0), eighths(1, 5, 9)
    weights = (None, None)
    if weighted:
        weights = (
            np.random.default_rng(2).uniform(0, 1, (6, 7)),
            np.random.default_rng(3).uniform(0, 9, (5, 9)),
        )
        weights[0][2:4], weights[1][:, 3] = 0, 0
    expected = naive_match(source, target, transform, space, *weights)
    found = color.match(source, target, transform, space, *weights)
    assert found.shape == source.shape and found.dtype == np.float32
    np.testing.assert_allclose(rows(found, space) / SPACES[space].white, expected, atol=2e-6)


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("transform", LINEAR)
def test_mean_and_covariance_become_the_target_s(transform, space):
    source, target = picture(0), picture(1, 9, 31)
    found = color.match(source, target, transform, space)
    (_, Sigma_S), (mu_T, Sigma_T), (mu, Sigma) = (moments(rgb, space) for rgb in (source, target, found))
    np.testing.assert_allclose(mu, mu_T, atol=1e-7)
    A = LINEAR[transform](Sigma_S + RIDGE * np.eye(3), Sigma_T + RIDGE * np.eye(3))
    np.testing.assert_allclose(Sigma, Sigma_T + RIDGE * (np.eye(3) - A @ A.T), atol=1e-8)
    assert np.abs(Sigma - Sigma_T).max() < 0.01 * np.abs(Sigma_T).max()
    assert np.abs(Sigma_S - Sigma_T).max() > 0.1 * np.abs(Sigma_T).max()  # there was something to do


@pytest.mark.parametrize("space", SPACES)
def test_histograms_of_pictures_of_one_size_become_the_target_s(space):
    source, target = picture(0), picture(1, 17, 13)
    found, expected = (
        np.sort(rows(rgb, space), 0) for rgb in (color.match(source, target, "histogram", space), target)
    )
    # two values within 1e-6 of each other are one, and take the mean of their quantiles
    np.testing.assert_allclose(found, expected, atol=5e-3 * SPACES[space].white)
    assert (np.abs(found - expected) > 1e-6 * SPACES[space].white).mean() < 0.02
    order = np.argsort(rows(source, space), 0)
    in_order = np.take_along_axis(rows(color.match(source, target, "histogram", space), space), order, 0)
    assert (np.diff(in_order, axis=0) > -1e-6 * SPACES[space].white).all()


def test_histogram_of_another_size_keeps_the_range_and_the_quantiles():
    source, target = picture(0, 40, 50), picture(1, 9, 11)
    found = color.match(source, target, "histogram", "srgb")
    for c in range(3):
        assert found[..., c].min() == target[..., c].min() and found[..., c].max() == target[..., c].max()
        levels = (0.1, 0.5, 0.9)  # Hazen: the i-th of n values is the quantile (i - 1/2) / n
        quantiles = [np.quantile(rgb[..., c], levels, method="hazen") for rgb in (found, target)]
        np.testing.assert_allclose(*quantiles, atol=1e-3)


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_matching_with_itself_is_the_identity(transform, space):
    for rgb in (picture(0), grey(0), eighths(0), constant(0.2, 0.5, 0.7), PRIMARIES):
        np.testing.assert_allclose(color.match(rgb, rgb, transform, space), rgb, atol=3e-6)


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_pixel_order_does_not_matter(transform, space):
    source, target = eighths(0), picture(1)
    at = np.random.default_rng(0).permutation(source.shape[0] * source.shape[1])
    moved = source.reshape(-1, 1, 3)[at]
    mixed = np.random.default_rng(1).permutation(target.reshape(-1, 3)).reshape(1, -1, 3)
    found = color.match(moved, mixed, transform, space)
    expected = color.match(source, target, transform, space).reshape(-1, 1, 3)[at]
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_degenerate_pictures(transform, space):
    flat, white, black = constant(0.2, 0.5, 0.7), constant(1, 1, 1), constant(0, 0, 0)
    pictures = [picture(0), grey(0), flat, white, black, picture(1, 1, 1)]
    for source in pictures:
        for target in pictures:
            found = color.match(source, target, transform, space)
            assert found.shape == source.shape and np.isfinite(found).all()
    # a flat source takes the middle of the target, a flat target leaves one colour up to the ridge
    if transform != "histogram":
        mean = moments(color.match(flat, picture(0), transform, space), space)[0]
        np.testing.assert_allclose(mean, moments(picture(0), space)[0], atol=1e-6)
    spread = spaces.to_space(color.match(picture(0), flat, transform, space), space).std((0, 1))
    assert (spread / SPACES[space].white <= math.sqrt(RIDGE) + 1e-6).all()


@pytest.mark.parametrize("space", WITH_LUMINANCE)
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_greys_stay_one_chroma_each(transform, space):
    """Rounding in a grey picture's chroma is no colour: equal luminances give equal colours, in order."""
    found = color.match(grey(0), picture(1), transform, space)
    _, index, inverse = np.unique(grey(0)[..., 0], return_index=True, return_inverse=True)
    np.testing.assert_allclose(found.reshape(-1, 3), found.reshape(-1, 3)[index][inverse.ravel()], atol=1e-6)
    chroma = spaces.to_space(found, space)[..., 1:] / SPACES[space].white
    if transform == "histogram":  # all in the middle of the target's
        assert chroma.std((0, 1)).max() < 1e-6
    # and a grey target's result is grey, but for the ridge
    found = spaces.to_space(color.match(picture(1), grey(0), transform, space), space)[..., 1:]
    assert found.std((0, 1)).max() / SPACES[space].white <= 1.01 * math.sqrt(RIDGE)


def test_8_bit_noise_in_a_grey_picture_is_not_made_colour():
    x = np.random.default_rng(1).uniform(size=20000)
    assert np.var(x - np.round(255 * x) / 255) == pytest.approx(RIDGE, rel=0.05)
    noisy = (
        grey(0, 40, 50) + np.random.default_rng(0).uniform(-0.5, 0.5, (40, 50, 3)).astype(np.float32) / 255
    )
    target = picture(1)
    for transform in LINEAR:
        found = moments(color.match(noisy, target, transform, "oklab"), "oklab")[1]
        aim = moments(target, "oklab")[1]
        # residuals from the luminance, which alone carries something: at most the aim's own
        left = [S[1:, 1:] - np.outer(S[1:, 0], S[1:, 0]) / S[0, 0] for S in (found, aim)]
        assert np.trace(left[0]) < np.trace(left[1])


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_weights_are_of_the_statistics_only(transform):
    source, target = picture(0), picture(1)
    left = np.zeros((13, 17))
    left[:, :8] = 3
    found = color.match(source, target, transform, "lab", left, left)
    expected = color.match(source[:, :8], target[:, :8], transform, "lab")
    np.testing.assert_allclose(found[:, :8], expected, atol=1e-6)
    assert np.abs(found[:, 8:] - source[:, 8:]).max() > 0.05
    np.testing.assert_array_equal(
        color.match(source, target, transform, "lab", np.ones((13, 17))),
        color.match(source, target, transform, "lab"),
    )


def test_nothing_is_clipped_and_inputs_are_left_alone():
    source, target = picture(0), grey(1)
    target[:2], target[2:] = 0, 1
    copies = source.copy(), target.copy()
    for transform in LINEAR:
        found = color.match(source, target, transform, "srgb")
        assert found.min() < 0 and found.max() > 1
    np.testing.assert_array_equal(source, copies[0])
    np.testing.assert_array_equal(target, copies[1])


# --- luminance


@pytest.mark.parametrize("space", WITH_LUMINANCE)
def test_luminance_is_grey_and_the_picture_s(space):
    rgb = np.concatenate([picture(0), np.broadcast_to(PRIMARIES[:, :1], (13, 1, 3))], 1)
    found = color.luminance(rgb, space)
    assert found.shape == rgb.shape and found.dtype == np.float32
    np.testing.assert_allclose(found, found[..., :1].repeat(3, -1), atol=3e-7)
    white = SPACES[space].white
    np.testing.assert_allclose(
        spaces.to_space(found, space)[..., 0], spaces.to_space(rgb, space)[..., 0], atol=1e-6 * white
    )
    np.testing.assert_allclose(color.luminance(found, space), found, atol=1e-6)
    np.testing.assert_allclose(color.luminance(grey(0), space), grey(0), atol=1e-6)


def test_luminance_of_the_paper_is_y():
    found = color.luminance(PRIMARIES, "yiq")
    np.testing.assert_allclose(found[0, :, 1], [1, 0.299, 0.587, 0.114, 0], atol=1e-7)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("space", WITH_LUMINANCE)
def test_match_luminance_is_the_equation(space, weighted):
    source, target = picture(0), picture(1, 9, 31)
    weights = (
        np.random.default_rng(0).uniform(size=(13, 17)),
        np.random.default_rng(1).uniform(size=(9, 31)),
    )
    weights = weights if weighted else (None, None)
    (mu_S, Sigma_S), (mu_T, Sigma_T) = moments(source, space, weights[0]), moments(target, space, weights[1])
    sigma_S, sigma_T = (math.sqrt(Sigma[0, 0] + RIDGE) for Sigma in (Sigma_S, Sigma_T))
    found = color.match_luminance(source, target, space, *weights)
    white = SPACES[space].white
    expected = sigma_T / sigma_S * (spaces.to_space(source, space)[..., 0] / white - mu_S[0]) + mu_T[0]
    np.testing.assert_allclose(spaces.to_space(found, space)[..., 0] / white, expected, atol=1e-6)
    assert np.abs(spaces.to_space(found, space)[..., 1:]).max() < 1e-6 * white
    mu, Sigma = moments(found, space, weights[0])
    assert mu[0] == pytest.approx(mu_T[0], abs=1e-6)
    assert Sigma[0, 0] == pytest.approx(Sigma_T[0, 0], abs=2 * RIDGE * (1 + Sigma_T[0, 0] / Sigma_S[0, 0]))
    # the first channel of the triangular map comes from the first alone
    coloured = color.match(source, target, "cholesky", space, *weights)
    np.testing.assert_allclose(color.luminance(coloured, space), found, atol=1e-6)


@pytest.mark.parametrize("space", WITH_LUMINANCE)
def test_match_luminance_of_itself_and_of_flat_pictures(space):
    rgb, flat = picture(0), constant(0.2, 0.5, 0.7)
    np.testing.assert_allclose(color.match_luminance(rgb, rgb, space), color.luminance(rgb, space), atol=1e-6)
    found = rows(color.match_luminance(flat, rgb, space), space)[:, 0] / SPACES[space].white
    np.testing.assert_allclose(found, moments(rgb, space)[0][0], atol=1e-6)
    found = color.match_luminance(rgb, flat, space)
    assert rows(found, space)[:, 0].std() / SPACES[space].white < math.sqrt(RIDGE) + 1e-7


@pytest.mark.parametrize("space", WITH_LUMINANCE)
def test_with_colors_of_joins_luminance_and_chroma(space):
    result, photo = picture(0), picture(1)
    found = color.with_colors_of(color.luminance(result, space), photo, space)
    assert found.dtype == np.float32
    white = SPACES[space].white
    coordinates, of_result, of_photo = (spaces.to_space(rgb, space) / white for rgb in (found, result, photo))
    np.testing.assert_allclose(coordinates[..., 0], of_result[..., 0], atol=1e-6)
    np.testing.assert_allclose(coordinates[..., 1:], of_photo[..., 1:], atol=1e-6)
    # a coloured result's colours are dropped; what it is made of comes back
    np.testing.assert_allclose(color.with_colors_of(result, photo, space), found, atol=1e-6)
    np.testing.assert_allclose(color.with_colors_of(found, result, space), result, atol=1e-6)
    np.testing.assert_allclose(color.with_colors_of(result, result, space), result, atol=1e-6)
    np.testing.assert_allclose(
        color.with_colors_of(result, grey(0), space), color.luminance(result, space), atol=1e-6
    )


def test_with_colors_of_in_yiq_is_a_shift_of_all_channels():
    # Y alone changes, and white is (1, 0, 0): rgb' = rgb + (Y' - Y)
    result, photo = picture(0), picture(1)
    shift = color.luminance(result, "yiq") - color.luminance(photo, "yiq")
    np.testing.assert_allclose(color.with_colors_of(result, photo, "yiq"), photo + shift, atol=1e-6)


# --- errors


def test_errors():
    rgb = picture(0)
    with pytest.raises(UserError, match=r"color\.transform = 'colesky': did you mean 'cholesky'\?"):
        color.match(rgb, rgb, "colesky", "srgb")
    for call in (
        lambda: color.match(rgb, rgb, "pca", "okla"),
        lambda: spaces.to_space(rgb, "okla"),
        lambda: spaces.from_space(rgb, "okla"),
        lambda: color.luminance(rgb, "okla"),
        lambda: color.match_luminance(rgb, rgb, "okla"),
        lambda: color.with_colors_of(rgb, rgb, "okla"),
    ):
        with pytest.raises(UserError, match=r"color\.space = 'okla': did you mean 'oklab'\?"):
            call()
    with pytest.raises(UserError, match=r"color\.space = 'srgb': allowed: yiq, lab, oklab"):
        color.luminance(rgb, "srgb")
    with pytest.raises(UserError, match="17x13 px, the photograph 17x12"):
        color.with_colors_of(rgb, rgb[:12], "yiq")
    for call in (color.match_luminance, lambda *a: color.match(a[0], a[1], "pca", *a[2:])):
        with pytest.raises(UserError, match="0 throughout"):
            call(rgb, rgb, "lab", None, np.zeros((13, 17)))
