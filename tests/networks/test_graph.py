"""Networks as lists of operations: strides, groups, branches, borders, strips, and what is refused."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from nst.errors import UserError
from nst.losses import problem, strips, weights
from nst.losses.spec import Spec
from nst.networks import checkpoints, graph, table
from nst.networks.convolution import Geometry, adjoint_kernel, convolve, frozen_convolve
from nst.networks.layers import Sliding, connect, needed
from nst.networks.network import PREPROCESSING, Network
from nst.networks.operations import add, conv, pool, relu, sliding
from nst.networks.pooling import pooling
from nst.networks.receptive import receptive
from nst.runs import settings, sharding, specs
from tests.helpers.frozen import features
from tests.helpers.running import small, stylize
from tests.helpers.sweeping import picture

RNG = np.random.default_rng(0)


def network(architecture, **choices):
    return Network(architecture, preprocessing=PREPROCESSING["torchvision"], **choices)


# --- convolutions

SLIDES = [
    Sliding(3, 1, 1, 1), Sliding(1, 2), Sliding(3, 2, 1, 1), Sliding(3, 2, 0, 1), Sliding(7, 2, 3, 3),
    Sliding(11, 4, 2, 2), Sliding(4, 4), Sliding(2, 3, 1, 0),
]  # fmt: skip


def naive(x_HxWxI, kernel, slides, groups):
    """The sum that a convolution is, in float64."""
    edges = (slides.before, slides.after)
    x = np.pad(np.asarray(x_HxWxI, np.float64), (edges, edges, (0, 0)))
    k, s, each = slides.size, slides.stride, kernel.shape[-1] // groups
    rows, columns = ((edge - k) // s + 1 for edge in x.shape[:2])
    result = np.zeros((rows, columns, kernel.shape[-1]))
    for y, column, g in itertools.product(range(rows), range(columns), range(groups)):
        inputs = x[y * s : y * s + k, column * s : column * s + k]
        inputs = inputs[..., g * kernel.shape[2] : (g + 1) * kernel.shape[2]]
        outputs = slice(g * each, (g + 1) * each)
        result[y, column, outputs] = np.einsum("yxi,yxio->o", inputs, kernel[..., outputs])
    return result


# (groups, inputs, outputs); no depthwise kernel is as large as 11, and XLA takes seconds over its sum
GROUPS = [(1, 3, 4), (2, 4, 6), (4, 4, 4)]
CONVOLUTIONS = [(s, *g) for s in SLIDES for g in GROUPS if g[0] < 4 or s.size < 8]


@pytest.mark.parametrize("slides, groups, inputs, outputs", CONVOLUTIONS, ids=str)
def test_a_frozen_convolution_is_the_sum_and_its_gradient_that_of_autodiff(slides, groups, inputs, outputs):
    """Of strides that leave rows over, of groups, and of a group for each channel."""
    x = RNG.normal(size=(1, 14, 17, inputs)).astype(np.float32)
    kernel = RNG.normal(size=(slides.size, slides.size, inputs // groups, outputs)).astype(np.float32)
    geometry = Geometry(slides, groups)
    adjoint = adjoint_kernel(kernel, groups)

    def frozen(x):
        return frozen_convolve(x, kernel, adjoint, geometry, x.shape[1:3])

    def plain(x):
        return lax.conv_general_dilated(
            x, kernel, (slides.stride,) * 2, ((slides.before, slides.after),) * 2,
            dimension_numbers=("NHWC", "HWIO", "NHWC"), feature_group_count=groups, precision="highest",
        )  # fmt: skip

    @jax.jit
    def compute(x, signal):
        found, back = jax.vjp(frozen, x)
        return found, back(signal)[0], jax.vjp(plain, x)[1](signal)[0]

    expected = naive(x[0], kernel, slides, groups)
    assert expected.shape[:2] == tuple(slides.positions(edge) for edge in x.shape[1:3])
    found, gradient, exact = compute(x, RNG.normal(size=(1, *expected.shape)).astype(np.float32))
    assert found.shape[1:] == expected.shape
    assert np.abs(found[0] - expected).max() < 1e-5 * np.abs(expected).max()
    assert np.abs(gradient - exact).max() < 1e-5 * np.abs(exact).max()


def test_a_depthwise_convolution_sums_in_float32():
    x = jnp.ones((1, 9, 9, 2), jnp.bfloat16)
    kernel = jnp.full((7, 7, 1, 2), 1 / 49, jnp.bfloat16)
    found = convolve(x, kernel, Geometry(Sliding(7), 2))
    assert found.dtype == jnp.bfloat16 and np.allclose(found.astype(np.float32), 1, atol=0.01)


# --- poolings

WINDOWS = [Sliding(3, 2, 1, 1), Sliding(3, 2, ceil=True), Sliding(3, 1, 1, 1, True), Sliding(2, 2, ceil=True)]
POOLS = {
    "max": np.max, "average": np.mean, "l2": lambda x: np.sqrt(np.sum(x**2)),
    "lp": lambda x: np.sum(np.abs(x) ** 3.0) ** (1 / 3.0),
    "mixed": lambda x: 0.5 * np.max(x) + 0.5 * np.mean(x), "strided": None, "blur": None,
}  # fmt: skip


@pytest.mark.parametrize("slides", WINDOWS, ids=str)
@pytest.mark.parametrize("name", POOLS)
def test_poolings_of_other_windows_are_those_of_the_positions_in_the_picture(name, slides):
    x = RNG.normal(size=(12, 9)).astype(np.float32)
    found = jax.jit(pooling(name, p=3.0, mix=0.5, gain=1.0, sliding=slides))(x[None, :, :, None])[0, ..., 0]
    counts = [slides.positions(edge) for edge in x.shape]
    assert found.shape == tuple(counts)
    dense = [n + (1 if slides.stride > 1 else 0) for n in (slides.stride * (c - 1) + 1 for c in counts)]
    largest = {}
    for y, column in itertools.product(range(-1, dense[0]), range(-1, dense[1])):
        top, left = y - slides.before, column - slides.before
        window = x[max(top, 0) : max(top + slides.size, 0), max(left, 0) : max(left + slides.size, 0)]
        largest[y, column] = window.max() if window.size else -np.inf
    for y, column in np.ndindex(*counts):
        top, left = y * slides.stride - slides.before, column * slides.stride - slides.before
        window = x[max(top, 0) : top + slides.size, max(left, 0) : left + slides.size]
        if name == "strided":
            expected = x[y * slides.stride, column * slides.stride]
        elif name == "blur" and slides.stride == 1:
            expected = window.max()
        elif name == "blur":
            if not (0 < y < counts[0] - 1 and 0 < column < counts[1] - 1):
                continue  # the border reflects; here the inside
            expected = sum(
                (2 - abs(i)) * (2 - abs(j)) * largest[y * slides.stride + i, column * slides.stride + j] / 16
                for i in (-1, 0, 1)
                for j in (-1, 0, 1)
            )
        else:
            expected = POOLS[name](window)
        assert found[y, column] == pytest.approx(expected, rel=1e-5, abs=1e-6), (y, column)


# --- lists of operations


def test_a_list_that_is_no_network_is_refused():
    first = conv("a", 4, sliding(3, pad=1))
    for rows, message in (
        ([first, relu("a")], "a: the name is not new"),
        ([first, add("c", "a", "b")], "c: the name is not new, or .*'b'"),
        ([first, pool("b"), add("c", "a", "b")], "c: its inputs have the strides"),
    ):
        with pytest.raises(ValueError, match=message):
            connect(rows)


def test_only_what_a_layer_needs_is_computed_and_read():
    params = checkpoints.load("random", "googlenet", ("inception3a.branch2.1",)).params
    assert list(params) == [
        "conv1.conv", "conv2.conv", "conv3.conv", "inception3a.branch2.0.conv", "inception3a.branch2.1.conv",
    ]  # fmt: skip
    layers = table.ARCHITECTURES["resnet18"].layers
    names = [layer.name for layer in needed(layers, ("layer1.0.add",), after="maxpool")]
    assert names == ["layer1.0.conv1", "layer1.0.relu1", "layer1.0.conv2", "layer1.0.add"]


def test_known_receptive_fields_and_least_sizes():
    """Of AlexNet by Araujo et al. 2019 (*Computing Receptive Fields*); sizes are torchvision's min_size."""
    assert receptive(Network("alexnet"), "pool5").size == 195
    assert (
        receptive(Network("resnet50"), "layer4.2").size == 427
    )  # 483 in the paper, whose strides stand elsewhere
    assert receptive(Network("resnet18"), "layer1.0.add") == (27, 4, -13)
    least = {
        "alexnet": 63,
        "squeezenet1_0": 21,
        "squeezenet1_1": 17,
        "googlenet": 15,
        "resnet18": 1,
        "vgg16": 32,
    }
    for name, pixels in least.items():
        last = table.ARCHITECTURES[name].layers[-1].name
        assert table.minimum_size(Network(name), (last,)) == pixels, name


@pytest.mark.parametrize("architecture", table.ARCHITECTURES)
def test_the_layers_that_auto_stands_for(architecture):
    """Five, deeper and deeper, from stride 1, 2 or 4 to 16; the fourth has stride 8 where there is one."""
    row = table.ARCHITECTURES[architecture]
    strides = [table.layer(architecture, name).stride for name in row.style]
    assert len(strides) == 5 and strides == sorted(strides) and strides[-1] <= 32
    assert len(row.content) == 3 and set(row.content) <= set(table.layer_names(architecture))


# --- strips, masks, memory


def terms(spec, variables, height, width):
    shape = height, width
    photo, style, x = (jnp.asarray(picture(seed, *shape))[None] for seed in range(3))
    made = jax.jit(problem.make_problem, static_argnums=0)(
        spec, variables, photo, [style], weights.make_weights(spec, weights.WeightSettings(), 1)
    )
    return jax.jit(jax.value_and_grad(lambda x, made: problem.loss(spec, made, x)))(x, made)


CASES = [
    "squeezenet1_1",
    *(pytest.param(n, marks=pytest.mark.slow) for n in ("alexnet", "resnet18", "googlenet")),
]


@pytest.mark.parametrize("architecture", CASES)
def test_strips_and_recomputed_blocks_have_the_same_loss_and_gradient(architecture):
    """203 rows are no whole strides, and the convolutions of two of these networks cut their borders."""
    layers = table.ARCHITECTURES[architecture].style[:3]
    spec = Spec(network(architecture), content_layers=layers[2:], style_layers=layers)
    variables = table.freeze(spec.network, checkpoints.load("random", architecture, layers).params)
    value, gradient = terms(spec, variables, 203, 33)
    striped = dataclasses.replace(spec, strip=24)
    assert strips.layout(striped, layers, 203).count > 1
    blocks = dataclasses.replace(spec, network=dataclasses.replace(spec.network, remat="block"))
    for other in (striped, blocks):
        same, found = terms(other, variables, 203, 33)
        assert float(same) == pytest.approx(float(value), rel=1e-4)
        assert np.abs(found - gradient).max() < 2e-4 * np.abs(gradient).max()


def test_blocks_end_where_nothing_before_them_is_read_later():
    layers = needed(table.ARCHITECTURES["resnet18"].layers, ("layer1.1",))
    parts = graph._blocks(layers, ("layer1.1", "layer1.0.conv1"))
    assert [part[-1].name for part in parts] == ["maxpool", "layer1.0.add", "layer1.1.add", "layer1.1"]


# --- what an architecture cannot do


def config(**changes):
    result = small(**{"content_loss.layers": ("auto",), "style_loss.layers": ("auto",), **changes})
    return settings.resolve(result)


def test_what_does_not_go_is_refused_in_one_line():
    refused = {
        "network.padding = circular: conv1 of alexnet": {
            "weights.architecture": "alexnet", "network.padding": "circular",
        },
        "network.pooling = average: mobilenet_v2 has no poolings": {
            "weights.architecture": "mobilenet_v2", "network.pooling": "average",
        },
        "network.pooling_gain = 0: .* of resnet18": {
            "weights.architecture": "resnet18", "network.pooling": "average", "network.pooling_gain": 0,
        },
    }  # fmt: skip
    for message, changes in refused.items():
        with pytest.raises(UserError, match=message):
            specs.read_network(config(**changes))


def test_rows_that_devices_cannot_share_are_refused():
    class Mesh:
        size = 2

    names = {"resnet18": 2 * 16, "googlenet": 2 * 16, "alexnet": 0, "squeezenet1_0": 0}
    for architecture, multiple in names.items():
        spec = specs.read_network(config(**{"weights.architecture": architecture}))[1]
        if multiple:
            assert sharding.height_multiple(spec, Mesh) == multiple
        else:
            with pytest.raises(UserError, match=f"devices: conv1 of {architecture}"):
                sharding.height_multiple(spec, Mesh)


@pytest.mark.parametrize("architecture", ["resnet18", pytest.param("googlenet", marks=pytest.mark.slow)])
def test_a_tile_of_a_network_with_strides_moves_with_the_picture(architecture):
    """With circular borders, a picture shifted by the deepest stride has shifted activations."""
    name = table.ARCHITECTURES[architecture].style[3]
    stride = table.layer(architecture, name).stride
    net = network(architecture, padding="circular")
    table.check(net, (name,))
    variables = table.freeze(net, checkpoints.load("random", architecture, (name,)).params)
    x = np.random.default_rng(1).uniform(size=(1, 64, 64, 3)).astype(np.float32)

    def read(x):
        return np.asarray(features(net, variables, x, (name,))[name])

    moved = read(np.roll(x, (stride, 2 * stride), (1, 2)))
    expected = np.roll(read(x), (1, 2), (1, 2))
    assert np.abs(moved - expected).max() < 1e-4 * np.abs(expected).max()


@pytest.mark.slow
def test_a_picture_of_a_residual_network():
    """With the layers that auto stands for, in a run like any other."""
    changes = {
        "weights.architecture": "resnet18",
        "content_loss.layers": ("auto",),
        "style_loss.layers": ("auto",),
    }
    photo = picture(0, 24, 32)
    result = stylize(photo, picture(1, 32, 40), small(**changes))[0]
    assert np.isfinite(result.image).all() and np.abs(result.image - photo).max() > 0.01
