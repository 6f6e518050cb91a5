"""The measures against loops in their equations' notation, published numbers and scikit-image."""

import math
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from nst.errors import UserError
from nst.images import spaces
from nst.metrics import measures as all_measures
from nst.networks import checkpoints
from nst.networks.network import Network
from tests.helpers.frozen import features, freeze
from tests.helpers.narrow import narrow as narrow_vgg

# compiled as wholes, which takes a fraction of the time of their operations one by one
COMPILED = ("moments", "style_distances", "content_distance", "luma", "ssim", "psnr", "total_variation",
            "oklab", "colors", "color_distances")  # fmt: skip
measures = SimpleNamespace(
    **vars(all_measures) | {name: jax.jit(getattr(all_measures, name)) for name in COMPILED}
)

STYLE = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")


def picture(seed, height=24, width=31):
    """Waves of three colours, a little noise."""
    y, x = np.mgrid[:height, :width]
    rng = np.random.default_rng(seed)
    waves = [np.sin(x * rng.normal(0, 0.3) + y * rng.normal(0, 0.3) + rng.uniform(0, 6)) for _ in range(9)]
    rgb = 0.5 + 0.16 * np.stack([sum(waves[c::3]) for c in range(3)], -1) + rng.normal(0, 0.02, (1, 1, 3))
    return rgb.clip(0, 1).astype(np.float32)


def constant(value, height=24, width=31):
    return np.full((height, width, 3), value, np.float32)


def activations(seed, height=5, width=7, channels=4):
    return np.random.default_rng(seed).normal(0.3, 1, (1, height, width, channels)).clip(0).astype(np.float32)


# --- through a network


def naive_gram(F):
    _, height, width, channels = F.shape
    G = np.zeros((channels, channels))
    for i in range(channels):
        for j in range(channels):
            for h in range(height):
                for w in range(width):
                    G[i, j] += float(F[0, h, w, i]) * float(F[0, h, w, j])
    return G / (height * width)


def naive_moments(F):
    means, deviations = [], []
    for i in range(F.shape[-1]):
        values = [float(value) for value in F[0, :, :, i].ravel()]
        mean = sum(values) / len(values)
        means.append(mean)
        deviations.append(math.sqrt(sum((value - mean) ** 2 for value in values) / len(values)))
    return np.array([means, deviations])


def naive_relative(S, T):
    top = sum((s - t) ** 2 for s, t in zip(S.ravel(), T.ravel(), strict=True))
    return top / sum(t**2 for t in T.ravel())


def seen(F):
    """What measures.statistics would make of activations that differ between layers by a factor only."""
    factors = {layer: index + 1 for index, layer in enumerate(STYLE)}
    gram = {layer: measures.grams.gram(factor * jnp.asarray(F)) for layer, factor in factors.items()}
    moments = {layer: measures.moments(factor * jnp.asarray(F)) for layer, factor in factors.items()}
    return measures.Statistics(gram, moments, jnp.asarray(F), None)


@pytest.mark.parametrize("seed", range(3))
def test_moments_are_means_and_standard_deviations(seed):
    F = activations(seed)
    np.testing.assert_allclose(measures.moments(F)[0], naive_moments(F), rtol=1e-5)


def test_moments_of_a_map_of_one_position_and_of_a_large_constant():
    assert (measures.moments(activations(0, 1, 1))[0, 1] == 0).all()
    np.testing.assert_allclose(
        measures.moments(np.full((1, 9, 9, 2), 1000.3, np.float32))[0, 1], 0, atol=1e-3
    )


def test_style_distances_are_relative_to_the_painting():
    F, A = activations(0), activations(1, 6, 3)  # of another size
    found = measures.style_distances(seen(F), [seen(A)])
    gram, moments = (
        naive_relative(naive(F), naive(A)) for naive in (naive_gram, naive_moments)
    )  # the factor of a layer falls out
    expected = {"style": gram, "moments": moments}
    expected |= {f"style/{layer}": gram for layer in STYLE} | {f"moments/{layer}": moments for layer in STYLE}
    assert found == pytest.approx(expected, rel=1e-4)


def test_style_is_the_mean_over_layers_and_over_paintings():
    image, a, b = (seen(activations(seed)) for seed in range(3))
    a = a._replace(gram={layer: (1 + n) * G for n, (layer, G) in enumerate(a.gram.items())})
    a = a._replace(moments={layer: (1 + n) * m for n, (layer, m) in enumerate(a.moments.items())})
    both, only_a, only_b = (measures.style_distances(image, x) for x in ([a, b], [a], [b]))
    for kind in ("style", "moments"):
        assert len({float(only_a[f"{kind}/{layer}"]) for layer in STYLE}) == 5
        mean = sum(float(only_a[f"{kind}/{layer}"]) for layer in STYLE) / 5
        assert only_a[kind] == pytest.approx(mean, rel=1e-6)
        for name in (kind, *(f"{kind}/{layer}" for layer in STYLE)):
            assert both[name] == pytest.approx((float(only_a[name]) + float(only_b[name])) / 2, rel=1e-6)


def test_style_has_no_places_and_content_has():
    F = activations(3, 6, 6)
    moved = np.random.default_rng(0).permutation(F.reshape(-1, 4)).reshape(F.shape)
    assert max(map(float, measures.style_distances(seen(moved), [seen(F)]).values())) < 1e-10
    assert measures.content_distance(moved, F) > 0.1
    assert measures.content_distance(F, F) == 0


def test_style_distances_tell_channels_apart():
    F = activations(4)
    found = measures.style_distances(seen(F[..., ::-1]), [seen(F)])
    assert found["style"] > 0.01 and found["moments"] > 0.001


def test_moments_do_not_see_correlations_which_gram_does():
    F = activations(5, 8, 8, 2)
    other = F.copy()
    other[..., 1] = F[:, ::-1, ::-1, 1]  # each channel keeps its values
    found = measures.style_distances(seen(other), [seen(F)])
    assert found["moments"] < 1e-10 and found["style"] > 1e-3


def test_content_is_relative_to_the_photograph():
    F, P = activations(0), activations(1)
    assert measures.content_distance(F, P) == pytest.approx(naive_relative(F.astype(float), P.astype(float)))
    assert measures.content_distance(np.zeros_like(P), P) == pytest.approx(1)


def test_targets_without_energy_divide_nothing():
    nothing = seen(np.zeros((1, 5, 7, 4), np.float32))
    found = measures.style_distances(seen(activations(0)), [nothing])
    assert all(math.isfinite(value) and value > 0 for value in found.values())
    assert set(map(float, measures.style_distances(nothing, [nothing]).values())) == {0.0}


def test_statistics_read_the_network(monkeypatch):
    narrow_vgg(monkeypatch, (3, 4, 5, 6, 7))
    variables = freeze(checkpoints.load("random", "vgg19", measures.LAYERS, 1).params)
    image = picture(0, 32, 40)[None]
    found = jax.jit(lambda image: measures.statistics(Network(), variables, image))(image)
    assert tuple(found.gram) == tuple(found.moments) == STYLE
    raw = jax.jit(lambda image: features(Network(), variables, image, measures.LAYERS))(image)
    for layer, channels in zip(STYLE, (3, 4, 5, 6, 7), strict=True):
        F = np.asarray(raw[layer])
        assert F.shape[-1] == channels
        np.testing.assert_allclose(found.gram[layer][0], naive_gram(F), rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(found.moments[layer][0], naive_moments(F), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(found.content, raw["relu4_2"], rtol=1e-4, atol=1e-3)


# --- pixels


def naive_luma(rgb):
    return np.array([[0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in row] for row in rgb.tolist()])


def test_luma_is_that_of_rec_709():
    rgb = picture(0)
    np.testing.assert_allclose(measures.luma(rgb), naive_luma(rgb), atol=1e-6)
    assert measures.luma(constant(1))[0, 0] == pytest.approx(1) and measures.luma(constant(0)).max() == 0


def naive_ssim(a, b):
    """Wang et al. 2004, eq. 13-16, a window at a time."""
    radius, sigma, C1, C2 = 5, 1.5, 0.01**2, 0.03**2
    offsets = [(dy, dx) for dy in range(-radius, radius + 1) for dx in range(-radius, radius + 1)]
    w = np.array([math.exp(-(dy * dy + dx * dx) / (2 * sigma**2)) for dy, dx in offsets])
    w /= w.sum()
    values = []
    for y in range(radius, a.shape[0] - radius):
        for x in range(radius, a.shape[1] - radius):
            p, q = (np.array([image[y + dy, x + dx] for dy, dx in offsets], float) for image in (a, b))
            mp, mq = (w * p).sum(), (w * q).sum()
            vp, vq, cov = (
                (w * (p - mp) ** 2).sum(),
                (w * (q - mq) ** 2).sum(),
                (w * (p - mp) * (q - mq)).sum(),
            )
            values.append((2 * mp * mq + C1) * (2 * cov + C2) / ((mp**2 + mq**2 + C1) * (vp + vq + C2)))
    return np.mean(values)


def pairs():
    noise = np.random.default_rng(9).uniform(0, 1, (24, 31, 3)).astype(np.float32)
    first = picture(0)
    halves = np.concatenate([constant(0, 12), constant(1, 12)])
    return {
        "two pictures": (first, picture(1)), "noise": (first, noise), "darker": (first, 0.5 * first),
        "upside down": (first, first[::-1]), "nearly": (first, (first + 0.02 * noise).clip(0, 1)),
        "negative": (first, 1 - first), "smallest": (first[:11, :11], noise[:11, :11]),
        "a constant": (first, constant(0.7)), "two constants": (constant(0.2), constant(0.9)),
        "halves": (halves, 0.9 * halves + 0.05), "halves and a constant": (halves, constant(0.9)),
    }  # fmt: skip


@pytest.mark.parametrize("name", pairs())
def test_ssim_is_that_of_the_paper_and_of_scikit_image(name):
    a, b = (np.asarray(measures.luma(rgb)) for rgb in pairs()[name])
    found = float(measures.ssim(a, b))
    assert found == pytest.approx(naive_ssim(a, b), abs=2e-5)
    reference = structural_similarity(
        a, b, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1.0
    )
    assert found == pytest.approx(reference, abs=1e-4)
    assert found == pytest.approx(float(measures.ssim(b, a)), abs=1e-6)
    assert measures.ssim(a, a) == pytest.approx(1, abs=1e-6)


def test_ssim_of_a_large_picture():
    a, b = (np.asarray(measures.luma(picture(seed, 300, 201))) for seed in (3, 4))
    b = 0.8 * a + 0.2 * b
    options = dict(gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1.0)
    assert measures.ssim(a, b) == pytest.approx(structural_similarity(a, b, **options), abs=1e-4)


def test_ssim_refuses_what_is_smaller_than_its_window():
    with pytest.raises(UserError, match="40x10 px is smaller than its window; give at least 11 px"):
        measures.ssim(np.zeros((10, 40), np.float32), np.zeros((10, 40), np.float32))


@pytest.mark.parametrize("name", pairs())
def test_psnr(name):
    a, b = (np.asarray(measures.luma(rgb)) for rgb in pairs()[name])
    mean = sum((float(p) - float(q)) ** 2 for p, q in zip(a.ravel(), b.ravel(), strict=True)) / a.size
    assert measures.psnr(a, b) == pytest.approx(10 * math.log10(1 / mean), rel=1e-4)
    assert measures.psnr(a, b) == pytest.approx(peak_signal_noise_ratio(a, b, data_range=1), rel=1e-4)
    assert measures.psnr(a, b) == measures.psnr(b, a)


def test_psnr_of_equal_pictures_is_finite():
    assert measures.psnr(constant(0.3), constant(0.3)) == pytest.approx(100)
    # a step of 1/255 in one value of a hundred thousand is still told
    a = np.zeros((300, 333), np.float32)
    b = a.copy()
    b[7, 7] = 1 / 255
    assert 98 < measures.psnr(a, b) < 99


def naive_tv(rgb):
    height, width, _ = rgb.shape
    steps = []
    for y in range(height):
        for x in range(width):
            for c in range(3):
                if y + 1 < height:
                    steps.append(abs(float(rgb[y + 1, x, c]) - float(rgb[y, x, c])))
                if x + 1 < width:
                    steps.append(abs(float(rgb[y, x + 1, c]) - float(rgb[y, x, c])))
    return sum(steps) / len(steps)


@pytest.mark.parametrize("shape", [(24, 31), (1, 9), (9, 1), (2, 2)])
def test_total_variation_is_the_mean_step(shape):
    rgb = np.random.default_rng(0).uniform(0, 1, (*shape, 3)).astype(np.float32)
    assert measures.total_variation(rgb) == pytest.approx(naive_tv(rgb), rel=1e-5)


def test_total_variation_of_a_chequerboard_a_constant_and_one_pixel():
    board = (np.indices((8, 5)).sum(0) % 2)[..., None] * np.ones(3)
    assert measures.total_variation(board) == pytest.approx(1)
    assert measures.total_variation(constant(0.4)) == measures.total_variation(constant(0.4, 1, 1)) == 0


# --- colour

# Ottosson's table of pairs of CIE XYZ (D65) and Oklab, to three decimals
OTTOSSON = (
    ((0.950, 1.000, 1.089), (1.000, 0.000, 0.000)),
    ((1.000, 0.000, 0.000), (0.450, 1.236, -0.019)),
    ((0.000, 1.000, 0.000), (0.922, -0.671, 0.263)),
    ((0.000, 0.000, 1.000), (0.153, -1.415, -0.449)),
)
XYZ_TO_SRGB = np.array(  # IEC 61966-2-1, linear
    [
        [3.2404542, -1.5371385, -0.4985314],
        [-0.9692660, 1.8760108, 0.0415560],
        [0.0556434, -0.2040259, 1.0572252],
    ]
)
# sRGB's primaries and greys, from CSS Color 4's conversion
CSS = (
    ((1, 0, 0), (0.62796, 0.22486, 0.12585)),
    ((0, 1, 0), (0.86644, -0.23389, 0.17950)),
    ((0, 0, 1), (0.45201, -0.03246, -0.31153)),
    ((1, 1, 1), (1, 0, 0)),
    ((0, 0, 0), (0, 0, 0)),
    ((0.5, 0.5, 0.5), (0.59818, 0, 0)),
)


@pytest.mark.parametrize("xyz, lab", OTTOSSON)
def test_oklab_of_the_published_table(xyz, lab):
    linear = (XYZ_TO_SRGB @ np.array(xyz)).astype(np.float32)[None, None]
    np.testing.assert_allclose(spaces.linear_to_oklab(jnp.asarray(linear))[0, 0], lab, atol=1.5e-3)


@pytest.mark.parametrize("rgb, lab", CSS)
def test_oklab_of_srgb(rgb, lab):
    found = measures.oklab(np.array(rgb, np.float32)[None, None])[0, 0]
    np.testing.assert_allclose(found, lab, atol=2e-5)


def naive_oklab(rgb):
    """Through CIE XYZ and Ottosson's own M1, a pixel at a time."""
    to_lms = np.array(
        [
            [0.8189330101, 0.3618667424, -0.1288597137],
            [0.0329845436, 0.9293118715, 0.0361456387],
            [0.0482003018, 0.2643662691, 0.6338517070],
        ]
    )
    to_lab = np.array(
        [
            [0.2104542553, 0.7936177850, -0.0040720468],
            [1.9779984951, -2.4285922050, 0.4505937099],
            [0.0259040371, 0.7827717662, -0.8086757660],
        ]
    )
    result = np.zeros(rgb.shape)
    for y, x in np.ndindex(rgb.shape[:2]):
        linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in rgb[y, x].tolist()]
        result[y, x] = to_lab @ np.cbrt(to_lms @ np.linalg.solve(XYZ_TO_SRGB, linear))
    return result


def test_oklab_of_a_picture_with_dark_places():
    rgb = picture(0) ** 3
    assert (rgb < 0.04).any()
    np.testing.assert_allclose(measures.oklab(rgb), naive_oklab(rgb), atol=3e-4)


def naive_colors(rgb):
    lab = naive_oklab(rgb).reshape(-1, 3)
    mean, covariance = lab.sum(0) / len(lab), np.zeros((3, 3))
    for pixel in lab:
        for i in range(3):
            for j in range(3):
                covariance[i, j] += (pixel[i] - mean[i]) * (pixel[j] - mean[j]) / len(lab)
    return mean, covariance


def test_color_distances():
    image, a, b = picture(0), picture(1, 17, 40), picture(2, 9, 9)  # of three sizes
    found = measures.colors(image)
    (mean, covariance), *others = (naive_colors(rgb) for rgb in (image, a, b))
    np.testing.assert_allclose(found.mean, mean, atol=3e-4)
    np.testing.assert_allclose(found.covariance, covariance, atol=3e-5)
    distances = measures.color_distances(found, [measures.colors(a), measures.colors(b)])
    means = [math.sqrt(sum((mean - m) ** 2)) for m, _ in others]
    spreads = [math.sqrt(sum(((covariance - c) ** 2).ravel())) for _, c in others]
    assert means[0] != pytest.approx(means[1], rel=0.05)
    assert distances["color_mean"] == pytest.approx(sum(means) / 2, abs=3e-4)
    assert distances["color_covariance"] == pytest.approx(sum(spreads) / 2, abs=3e-5)


def test_color_distances_are_symmetric_and_have_no_places():
    a, b = measures.colors(picture(0)), measures.colors(picture(1))
    there, back = ([*map(float, measures.color_distances(x, [y]).values())] for x, y in ((a, b), (b, a)))
    assert there == pytest.approx(back) and min(there) > 1e-3
    moved = np.random.default_rng(0).permutation(picture(0).reshape(-1, 3)).reshape(31, 24, 3)
    assert max(map(float, measures.color_distances(measures.colors(moved), [a]).values())) < 1e-6
    assert set(map(float, measures.color_distances(a, [a]).values())) == {0.0}


# --- of all


@pytest.mark.parametrize(
    "measure", [measures.luma, measures.total_variation, measures.oklab, measures.colors]
)
def test_pixels_outside_the_range_are_clipped_as_a_file_would(measure):
    rgb = 3 * picture(0) - 1
    assert rgb.min() < -0.2 and rgb.max() > 1.2
    jax.tree.map(np.testing.assert_array_equal, measure(rgb), measure(rgb.clip(0, 1)))


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_constant_pictures_give_numbers(value):
    a, b = constant(value), picture(0)
    for x, y in ((a, a), (a, b), (b, a)):
        p, q = measures.luma(x), measures.luma(y)
        numbers = [measures.ssim(p, q), measures.psnr(p, q), measures.total_variation(x)]
        numbers += measures.color_distances(measures.colors(x), [measures.colors(y)]).values()
        assert all(math.isfinite(number) for number in numbers)
    assert measures.ssim(measures.luma(a), measures.luma(a)) == pytest.approx(1)


def test_the_names_are_the_contract():
    assert measures.NAMES == (
        "style", "style/relu1_1", "style/relu2_1", "style/relu3_1", "style/relu4_1", "style/relu5_1",
        "moments", "moments/relu1_1", "moments/relu2_1", "moments/relu3_1", "moments/relu4_1",
        "moments/relu5_1", "content", "cfsd", "ssim", "psnr", "tv", "color_mean", "color_covariance",
        "checkerboard", "checkerboard/2", "checkerboard/4", "checkerboard/8", "checkerboard/16",
    )  # fmt: skip
