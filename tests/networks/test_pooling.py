"""Poolings against NumPy loops; gradients against finite differences of those loops."""

import itertools
from functools import cache
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nst import images
from nst.errors import UserError
from nst.networks import checkpoints
from nst.networks.network import Network
from nst.networks.pooling import POOLING, average_pool, check, max_pool, pooling, resolve_gain
from nst.networks.receptive import receptive
from tests.helpers.frozen import features, freeze

SHARED = Path(__file__).parents[3] / "shared"
SIZES = [(4, 6), (5, 7), (2, 2), (3, 2)]
SETTINGS = [  # name, p, mix
    ("max", 3.0, 0.5),
    ("average", 3.0, 0.5),
    ("l2", 3.0, 0.5),
    ("lp", 3.0, 0.5),
    ("lp", 1.5, 0.5),
    ("lp", 0.7, 0.5),
    ("mixed", 3.0, 0.3),
    ("strided", 3.0, 0.5),
    ("blur", 3.0, 0.5),
    ("hann", 3.0, 0.5),
]


@cache
def build(name, p=3.0, mix=0.5, gain=1.0):
    return jax.jit(pooling(name, p=p, mix=mix, gain=gain))


def slope(function, x):
    """The gradient of the sum of a function's values."""
    return np.asarray(jax.jit(jax.grad(lambda x: function(x).sum()))(x))


def draw(height=5, width=7, batch=2, channels=3, seed=0):
    return np.random.default_rng(seed).normal(0, 1, (batch, height, width, channels)).astype(np.float32)


def naive(x, name, p, mix):
    """One window at a time, in the precision of x."""
    batch, height, width, channels = x.shape
    out = np.zeros((batch, height // 2, width // 2, channels), x.dtype)
    for b, i, j, c in itertools.product(*map(range, out.shape)):
        if name == "blur":
            out[b, i, j, c] = naive_blur(x[b, :, :, c], i, j)
            continue
        if name == "hann":
            out[b, i, j, c] = naive_hann(x[b, :, :, c], i, j)
            continue
        window = [x[b, 2 * i, 2 * j, c], x[b, 2 * i, 2 * j + 1, c]]
        window += [x[b, 2 * i + 1, 2 * j, c], x[b, 2 * i + 1, 2 * j + 1, c]]
        out[b, i, j, c] = {
            "max": lambda w: max(w),
            "average": lambda w: sum(w) / 4,
            "l2": lambda w: sum(v**2 for v in w) ** 0.5,
            "lp": lambda w: sum(abs(v) ** p for v in w) ** (1 / p),
            "mixed": lambda w: mix * max(w) + (1 - mix) * sum(w) / 4,
            "strided": lambda w: w[0],
        }[name](window)
    return out


def naive_blur(plane, i, j):
    """Sum of [1 2 1]/4 x [1 2 1]/4 over the stride-1 maxima around (2i, 2j), reflected at the border."""
    rows, columns = plane.shape[0] - 1, plane.shape[1] - 1

    def inside(index, size):
        index = -index if index < 0 else index
        index = 2 * (size - 1) - index if index >= size else index
        return min(max(index, 0), size - 1)  # a single row reflects onto itself

    total = 0.0
    for di, dj in itertools.product((-1, 0, 1), repeat=2):
        r, s = inside(2 * i + di, rows), inside(2 * j + dj, columns)
        total += (2 - abs(di)) * (2 - abs(dj)) / 16 * plane[r : r + 2, s : s + 2].max()
    return total


def naive_hann(plane, i, j):
    """Ding et al. 2020: the square root of squares under a Hann window about (2i, 2j), 0 outside."""
    window = np.hanning(5)[1:-1, None] * np.hanning(5)[None, 1:-1]
    padded = np.pad(plane, 1)[2 * i : 2 * i + 3, 2 * j : 2 * j + 3]
    return ((window / window.sum() * padded**2).sum() + 1e-12) ** 0.5


def test_every_pooling_is_tested():
    assert {name for name, _, _ in SETTINGS} == set(POOLING)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_values(setting, size):
    name, p, mix = setting
    x = draw(*size)
    found = build(name, p, mix)(x)
    expected = naive(x.astype(np.float64), name, p, mix)
    assert found.shape == expected.shape == (2, size[0] // 2, size[1] // 2, 3)
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("size", [(5, 4), (2, 2)])
@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_gradient_is_that_of_the_loops(setting, size):
    name, p, mix = setting
    x = draw(*size, batch=1, channels=2, seed=3)
    shape = (1, size[0] // 2, size[1] // 2, 2)
    cotangent = np.random.default_rng(4).normal(0, 1, shape).astype(np.float32)
    found = slope(lambda x: cotangent * build(name, p, mix)(x), x)
    expected = np.zeros(x.shape)
    step = 1e-6
    for index in np.ndindex(x.shape):
        values = []
        for sign in (1, -1):
            moved = x.astype(np.float64)
            moved[index] += sign * step
            values.append((cotangent * naive(moved, name, p, mix)).sum())
        expected[index] = (values[0] - values[1]) / (2 * step)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("tied", range(1, 16))
def test_max_gives_the_gradient_of_ties_to_the_first(tied):
    at_top = [tied >> k & 1 for k in range(4)]  # which of the four corners share the maximum
    x = np.where(at_top, 2.0, -1.0).astype(np.float32).reshape(1, 2, 2, 1)
    gradient = np.ravel(slope(build("max"), x))
    expected = np.zeros(4)
    expected[at_top.index(1)] = 1
    np.testing.assert_array_equal(gradient, expected)


@pytest.mark.parametrize("name", ["max", "mixed", "blur", "average"])
def test_gradient_of_a_constant_map_keeps_its_sum(name):
    # every output is a weighted mean of inputs, also where all of them tie
    gradient = slope(build(name), np.zeros((1, 6, 8, 1), np.float32))
    assert abs(float(gradient.sum()) - 12) < 1e-5


@pytest.mark.parametrize(
    "setting", [s for s in SETTINGS if s[0] in ("l2", "lp")] + [("lp", 50.0, 0)], ids=str
)
def test_an_all_zero_window_has_value_and_gradient_zero(setting):
    x = np.zeros((1, 2, 4, 1), np.float32)
    x[0, 0, 2, 0] = 3.0  # the second window: one of four
    pool = build(*setting)
    np.testing.assert_allclose(np.ravel(pool(x)), [0, 3], rtol=1e-6)
    gradient = slope(pool, x)[0, :, :, 0]
    np.testing.assert_allclose(gradient, [[0, 0, 1, 0], [0, 0, 0, 0]], atol=1e-6)


def test_lp_between_sum_and_maximum():
    x = np.abs(draw(6, 8)) * 1e4
    np.testing.assert_allclose(build("lp", p=1.0)(x), 4 * build("average")(x), rtol=1e-5)
    np.testing.assert_allclose(build("lp", p=2.0)(x), build("l2")(x), rtol=1e-5)
    largest = np.asarray(build("max")(x))
    found = np.asarray(build("lp", p=50.0)(x))  # 1e4 ** 50 overflows unless it is scaled first
    assert (found >= largest * (1 - 1e-6)).all()
    assert (found <= largest * 4 ** (1 / 50) * (1 + 1e-6)).all()
    assert np.isfinite(slope(build("lp", p=50.0), x)).all()
    shrinking = [np.asarray(build("lp", p=p)(x)).sum() for p in (1.0, 2.0, 3.0, 10.0, 50.0)]
    assert shrinking == sorted(shrinking, reverse=True)


def test_lp_is_homogeneous_from_tiny_to_huge():
    x = draw()
    for scale in (1e-12, 1e12):
        np.testing.assert_allclose(build("lp")(x * scale), build("lp")(x) * scale, rtol=1e-5)


@pytest.mark.parametrize("corner", range(4))
@pytest.mark.parametrize("name", [name for name in POOLING if name != "strided"])
def test_nan_propagates(name, corner):
    x = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
    x[0, corner // 2, corner % 2, 0] = np.nan
    assert np.isnan(np.asarray(build(name)(x))[0, 0, 0, 0])


def select_and_scatter(function):
    """Whether the gradient holds one, before compilation and after (XLA:CPU expands it, XLA:GPU keeps it)."""
    lowered = jax.jit(jax.grad(lambda x: function(x).sum())).lower(draw(8, 10))
    assert "func.func public @main" in lowered.as_text()
    return "select_and_scatter" in lowered.as_text() or "select-and-scatter" in lowered.compile().as_text()


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_gradient_has_no_select_and_scatter(setting):
    assert not select_and_scatter(build(*setting))


def test_the_search_for_select_and_scatter_finds_one():
    window = (1, 2, 2, 1)
    assert select_and_scatter(
        lambda x: jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, window, window, "VALID")
    )


def test_mixed_goes_from_average_to_maximum():
    x = draw()
    np.testing.assert_allclose(build("mixed", mix=0.0)(x), build("average")(x), rtol=1e-6)
    np.testing.assert_allclose(build("mixed", mix=1.0)(x), build("max")(x), rtol=1e-6)


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_gain_multiplies(setting):
    x = draw()
    name, p, mix = setting
    np.testing.assert_allclose(build(name, p, mix, 1.7)(x), 1.7 * build(name, p, mix)(x), rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_dtype_is_kept(setting, dtype):
    name, p, mix = setting
    x = jnp.asarray(draw(), dtype)
    found = build(name, p, mix, 1.7)(x)
    assert found.dtype == x.dtype
    expected = 1.7 * naive(np.asarray(x, np.float64), name, p, mix)
    np.testing.assert_allclose(np.asarray(found, np.float64), expected, rtol=0.04, atol=0.04)


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_commutes_with_permutations_of_channels_and_batch(setting):
    x, pool = draw(batch=3, channels=4), build(*setting)
    channels, batch = [2, 0, 3, 1], [1, 2, 0]
    found = np.asarray(pool(x))
    np.testing.assert_array_equal(pool(x[..., channels]), found[..., channels])
    np.testing.assert_array_equal(pool(x[batch]), found[batch])


@pytest.mark.parametrize("setting", [s for s in SETTINGS if s[0] not in ("strided", "blur", "hann")], ids=str)
def test_does_not_see_the_order_within_a_window(setting):
    x = draw(4, 6)
    swapped = x.reshape(2, 2, 2, 6, 3)[:, :, ::-1].reshape(x.shape)  # rows of every window
    np.testing.assert_allclose(build(*setting)(swapped), build(*setting)(x), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", POOLING)
def test_an_odd_last_row_and_column_are_dropped(name):
    x = draw(5, 7)
    if name == "blur":  # its reflection reaches one pixel further; elsewhere nothing changes
        np.testing.assert_array_equal(build(name)(x)[:, :1, :2], build(name)(x[:, :4, :6])[:, :1, :2])
    else:
        np.testing.assert_array_equal(build(name)(x), build(name)(x[:, :4, :6]))


@pytest.mark.parametrize("choices, words", [
    ({"name": "avg"}, "network.pooling = 'avg': did you mean 'average'"),
    ({"p": 0.0}, "network.pooling_p = 0.0: must be positive"),
    ({"p": float("nan")}, "network.pooling_p = nan: must be positive"),
    ({"mix": 1.5}, r"network.pooling_mix = 1.5: must lie in \[0, 1\]"),
])  # fmt: skip
def test_bad_choices_name_the_field(choices, words):
    for ask in (check, lambda **choices: resolve_gain(choices.pop("name"), 0.0, **choices)):
        with pytest.raises(UserError, match=words):
            ask(**{"name": "lp", "p": 3.0, "mix": 0.5} | choices)


def test_a_new_pooling_is_one_function_and_one_row(monkeypatch):
    """It is validated, has its gain and its receptive field, and takes its parameters by name."""

    def sharp_pool(x, slides, wraps, mix):
        return max_pool(x, slides) - mix * average_pool(x, slides)

    monkeypatch.setitem(
        POOLING, "sharp", POOLING["max"]._replace(function=sharp_pool, parameters=(("mix", 0.25),))
    )
    network = Network(pooling="sharp", pooling_mix=0.25)
    assert resolve_gain("sharp", 0.0, p=3.0, mix=0.25) == 1.0
    x = draw()
    found = jax.jit(pooling("sharp", p=3.0, mix=0.25, gain=1.0))(x)
    np.testing.assert_allclose(found, build("max")(x) - 0.25 * build("average")(x), rtol=1e-6)
    variables = freeze(checkpoints.load("random", "vgg19", ("pool1",)).params)
    assert features(network, variables, jnp.zeros((1, 8, 8, 3)), ("pool1",))["pool1"].shape == (1, 4, 4, 64)
    assert receptive(network, "pool1") == receptive(Network(), "pool1")


# --- matched gain


def test_the_matching_gain_is_known_where_it_was_measured():
    for name, row in POOLING.items():
        assert resolve_gain(name, 0.0, p=3.0, mix=0.5) == row.matched_gain
        assert resolve_gain(name, 1.7, p=4.0, mix=0.1) == 1.7
    assert resolve_gain("max", 0.0, p=4.0, mix=0.1) == 1.0
    for name, field in (("lp", "pooling_p = 3.0"), ("mixed", "pooling_mix = 0.5")):
        with pytest.raises(
            UserError, match=f"network.pooling_gain = 0: .* {name} is known only for network.{field}"
        ):
            resolve_gain(name, 0.0, p=4.0, mix=0.1)


@pytest.mark.parametrize("name", [name for name in POOLING if name not in ("blur", "hann")])
def test_matched_gain_lies_between_flat_and_single_activations(name):
    """Its limits are max / variant for a flat window and, on average, for a single active corner."""
    flat = np.ones((1, 2, 2, 1))
    singles = np.eye(4).reshape(4, 2, 2, 1)
    limits = [1 / naive(x, name, 3.0, 0.5).mean() for x in (flat, singles)]
    assert min(limits) <= POOLING[name].matched_gain <= max(limits)


@pytest.mark.slow
def test_matched_gain_brings_the_mean_to_that_of_max_pooling(monkeypatch):
    """The measurement behind the table, on three of its photographs."""
    photos = sorted((SHARED / "images" / "photos").glob("*.jpg"))[::156][:3]
    if not photos or not list((SHARED / "weights").glob("vgg19*.h5")):
        pytest.skip("needs the real VGG-19 and photographs in ../shared")
    monkeypatch.setenv("NST_WEIGHTS_DIR", str(SHARED / "weights"))
    layers = ("relu1_2", "relu2_2", "relu3_4", "relu4_4")
    variables = freeze(checkpoints.load("vgg19", "vgg19", layers).params)

    @jax.jit
    def means(variables, image):
        found = features(Network(), variables, image, layers)
        return {name: jnp.stack([build(name)(found[layer]).mean() for layer in layers]) for name in POOLING}

    total = {name: np.zeros(4) for name in POOLING}
    for path in photos:
        picture = images.read(path)
        height, width = images.target_size(*picture.rgb_HxWx3.shape[:2], 321, "long")
        small = images.resize(picture.rgb_HxWx3, height, width, "lanczos")
        total = {name: total[name] + value for name, value in means(variables, small[None]).items()}
    for name, row in POOLING.items():
        measured = np.exp(np.log(total["max"] / total[name]).mean())
        assert abs(row.matched_gain / measured - 1) < 0.05, name
