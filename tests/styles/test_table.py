"""What every representation of style must do, whatever its equation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nst.errors import UserError
from nst.losses.spec import Spec
from nst.styles.grams import GRAM_DISTANCE
from nst.styles.positions import Positions
from nst.styles.representation import NORMALIZATIONS
from nst.styles.table import STYLES, style
from tests.helpers.describing import close, layer, measure, plain

NEIGHBOURS = {"gram_cross", "gram_long", "mrf"}  # look at what lies beside, or below, a position
# another size of the features is another picture: by a shift, a floor, or a sum of first and second powers
SCALED = {"gram_shift", "wasserstein_gaussian", "column_moments"}


def representation(name):
    return style(name, plain(name))[name]


# with the option that draws all positions of one picture, and some of the other's
DEFAULTS = {name: "samples=24" if representation(name).samples else "" for name in STYLES}
CASES = [*DEFAULTS.items(), ("mmd_polynomial", "degree=3"), ("wasserstein_gaussian", "iterations=12")]


def picture(name, height=4, width=6, seed=0):
    """The layers of one term: one, or two of which the second is half as large."""
    part = representation(name).parts(("relu1_1", "relu2_1"))[0]
    sizes = (height, width, 3), (height // 2, width // 2, 4)
    if name == "gram_long" and min(height, width) < 5:
        sizes = ((height + 4, width + 4, 3),)  # its shifts reach 4 positions
    if name == "mrf":
        sizes = ((height + 2, width + 2, 3),)
    return [layer(*sizes[index], seed + 50 * index) for index in range(len(part))]


def kinds(name, *size):
    """A picture with features, a rectified one, one without features, and a constant one."""
    found = picture(name, *size)
    rectified = [np.maximum(x - 0.5, 0) for x in picture(name, *size, seed=7)]
    return [found, rectified, [0 * x for x in found], [0 * x + 2 for x in found]]


@pytest.mark.parametrize("name, text", CASES)
def test_pictures_of_two_sizes_have_a_finite_gradient(name, text):
    """Whatever they show."""
    for found in kinds(name):
        for target in kinds(name, 4, 9):
            loss, gradients = measure(name, "", text)(found, target)
            assert np.isfinite(loss) and loss >= -1e-5
            assert all(np.isfinite(gradient).all() for gradient in gradients)
    loss, gradients = measure(name, "", text)(kinds(name)[0], kinds(name, 4, 9)[1])
    assert loss > 1e-3 and all(np.abs(gradient).max() > 1e-5 for gradient in gradients)


@pytest.mark.parametrize("name, text", CASES)
def test_relative_distance(name, text):
    """0 at the painting, 1 without features, finite for every picture, and without a scale."""
    of, pictures = measure(name, "relative", text), kinds(name)
    target, blank = pictures[0], pictures[2]
    apart = float(of(pictures[1], target)[0])
    loss, gradients = of(target, target)
    assert abs(float(loss)) < 1e-4 * apart
    slope = max(np.abs(gradient).max() for gradient in of(pictures[1], target)[1])
    if name not in ("contextual", "remd", "column_moments", "palette"):  # which have a kink there
        assert all(np.abs(gradient).max() < 1e-3 * slope for gradient in gradients)
    if name != "gram_shift":  # whose features are never 0
        assert float(of(blank, target)[0]) == pytest.approx(1, rel=1e-5)
    for found in pictures:
        for goal in pictures:
            loss, gradients = of(found, goal)
            assert np.isfinite(loss) and all(np.isfinite(gradient).all() for gradient in gradients)
    for factor in (0.25, 8.0):
        again = float(of([factor * x for x in pictures[1]], [factor * x for x in target])[0])
        if name in SCALED:
            assert abs(again - apart) > 1e-3 * apart
        else:
            assert again == pytest.approx(apart, rel=1e-4)


@pytest.mark.parametrize("name", STYLES)
def test_permuting_positions_moves_nothing(name):
    """But where neighbours count. Hypercolumns: of one layer."""
    found, target = picture(name), picture(name, 4, 9, seed=1)
    if name != "gram_cross":
        found, target = found[:1], target[:1]
    channels = found[0].shape[-1]
    shuffled = np.random.default_rng(3).permutation(found[0].reshape(-1, channels)).reshape(found[0].shape)
    of = measure(name, "", DEFAULTS[name])
    loss = of(found, target)[0]
    again = float(of([shuffled, *found[1:]], target)[0])
    if name in NEIGHBOURS:
        assert abs(again - float(loss)) > 1e-3 * float(loss)
    else:
        assert again == pytest.approx(float(loss), rel=1e-4)


def turned(layers, seed):
    """Each layer in a frame of its own."""
    frames = [np.random.default_rng(seed + k).normal(size=(x.shape[-1],) * 2) for k, x in enumerate(layers)]
    return [(x @ np.linalg.qr(Q)[0]).astype(np.float32) for x, Q in zip(layers, frames, strict=True)]


# random directions are as random in another frame (test_distributions); the picture itself has no other frame
RANDOM = ("sliced_wasserstein", "mmd_gaussian", "mmd_laplacian", "palette")


@pytest.mark.parametrize("name", [name for name in STYLES if name not in RANDOM])
def test_rotating_the_channels(name):
    found, target = picture(name), picture(name, 4, 9, seed=1)
    of = measure(name, "", DEFAULTS[name])
    expected, again = (
        float(of(*pair)[0]) for pair in ((found, target), (turned(found, 5), turned(target, 5)))
    )
    if representation(name).rotates:
        assert again == pytest.approx(expected, rel=1e-4)
    else:
        assert abs(again - expected) > 1e-3 * expected


@pytest.mark.parametrize("name", STYLES)
def test_uniform_weights_are_none_and_regions_are_kept(name):
    found, target = picture(name), picture(name, 4, 9, seed=1)
    even = [
        [np.full(x.shape[1:3], 1 / x[0, ..., 0].size, np.float32) for x in layers]
        for layers in (found, target)
    ]
    of = measure(name, "", DEFAULTS[name])
    loss, gradients = of(found, target)
    again, slopes = of(found, target, *even)
    assert float(again) == pytest.approx(float(loss), rel=1e-4)
    for slope, gradient in zip(slopes, gradients, strict=True):
        close(np.asarray(slope), np.asarray(gradient), 1e-3)
    if name in NEIGHBOURS or len(found) > 1:
        return
    inside = np.broadcast_to(np.arange(found[0].shape[2]) % 3 == 0, found[0].shape[1:3])
    region = [(inside / inside.sum()).astype(np.float32)]
    (slope,) = of(found, target, region, even[1])[1]
    assert not np.asarray(slope)[0][~inside].any() and np.asarray(slope)[0][inside].any()


@pytest.mark.parametrize(
    "name", [name for name in STYLES if name not in NEIGHBOURS and not representation(name).samples]
)
def test_a_region_is_a_picture_of_its_positions(name):
    """Also rectified ones, where many values are equal, and the rest of the pictures may show anything."""
    found, target = (
        [np.maximum(x, 0)] for x in (layer(4, 6), layer(4, 9, seed=1))
    )  # fmt: skip
    alone = measure(name)([found[0][:, :, :4]], [target[0][:, :, 3:]])
    p, q = np.zeros((4, 6), np.float32), np.zeros((4, 9), np.float32)
    p[:, :4], q[:, 3:] = 1 / 16, 1 / 24
    wild = [np.where(of[..., None] > 0, x[0], 5 - 3 * x[0])[None] for of, (x,) in ((p, found), (q, target))]
    for pictures in ((found, target), ([wild[0]], [wild[1]])):
        loss, (gradient,) = measure(name)(*pictures, [p], [q])
        assert float(loss) == pytest.approx(float(alone[0]), rel=1e-4)
        close(np.asarray(gradient)[:, :, :4], np.asarray(alone[1][0]), 1e-3)
        assert not np.asarray(gradient)[:, :, 4:].any()


@pytest.mark.parametrize("name", STYLES)
def test_statistics_are_float32(name):
    of = representation(name)
    positions = [Positions(None, jnp.arange(6), jax.random.key(0))] * 2

    def describe(layers):
        return of.describe(layers, positions[: len(layers)])

    layers = [jnp.asarray(x, jnp.bfloat16) for x in picture(name)]
    for leaf in jax.tree.leaves(jax.eval_shape(describe, layers)):
        assert leaf.dtype == jnp.float32 or jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)


@pytest.mark.parametrize("name", STYLES)
def test_parts_are_of_the_layers(name):
    layers = ("relu1_1", "relu2_1", "relu3_1")
    parts = representation(name).parts(layers)
    assert parts and all(set(part) <= {*layers, "image"} for part in parts)
    joined = {"gram_cross": 2, "remd": 3, "column_moments": 3}.get(name, 1)
    assert {len(part) for part in parts} == {joined}


def test_channels_of_a_term():
    """Of a pair: its square is the number of entries of their Gram matrix."""
    assert representation("gram").channels([64]) == 64
    assert representation("gram_cross").channels([64, 256]) == pytest.approx(128)
    assert representation("remd").channels([64, 128, 3]) == 195


# --- names


@pytest.mark.parametrize("name", STYLES)
def test_normalizations(name):
    allowed = GRAM_DISTANCE if name.startswith("gram") else NORMALIZATIONS
    for normalization in {*GRAM_DISTANCE, *NORMALIZATIONS}:
        if normalization in allowed:
            assert list(style(name, normalization)) == [name]
        else:
            with pytest.raises(UserError, match=f"style_loss.normalization = '{normalization}'"):
                style(name, normalization)


def test_unknown_names_are_refused():
    with pytest.raises(UserError, match="style_loss.representation = 'grams': did you mean 'gram'"):
        style("grams", "hw_mse")
    with pytest.raises(UserError, match="style_loss.representation = 'histograms'"):
        style("gram+histograms", "relative")
    with pytest.raises(UserError, match="style_loss.representation = ''"):
        style("gram+", "hw_mse")
    with pytest.raises(UserError, match="style_loss.normalization"):
        style("gram", "mse")


def test_two_representations_are_both():
    found = style("gram + histogram", "relative")
    assert list(found) == ["gram", "histogram"]
    spec = Spec(representation="gram+histogram", style_normalization="relative", style_layers=("relu1_1",))
    assert [(term.name, term.kind) for term in spec.style_terms] == [
        ("gram/relu1_1", "gram"),
        ("histogram/relu1_1", "histogram"),
    ]
    with pytest.raises(UserError, match="style_loss.normalization = 'hw_mse'"):
        style("gram+histogram", "hw_mse")


def test_a_representation_given_twice_is_refused():
    """It would be counted once, and its second weight lost."""
    with pytest.raises(UserError, match="style_loss.representation"):
        style("gram+gram", "hw_mse")


def test_terms_are_named_after_their_layers():
    layers = {"style_layers": ("relu1_1", "relu2_1", "relu3_1"), "style_normalization": "relative"}
    names = {
        "gram": ["relu1_1", "relu2_1", "relu3_1"],
        "gram_cross": ["relu1_1*relu2_1", "relu2_1*relu3_1"],
        "remd": ["hypercolumns"],
        "palette": ["image"],
    }
    for name, expected in names.items():
        terms = Spec(representation=name, **layers).style_terms
        assert [term.name for term in terms] == expected
    assert Spec(representation="gram_cross", **layers).style_terms[0].channels == pytest.approx(
        (64 * 128) ** 0.5
    )
