"""Receptive fields against the pixels that have a gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nst.errors import UserError
from nst.networks import table
from nst.networks.layers import Sliding, Window
from nst.networks.network import PREPROCESSING, Network
from nst.networks.pooling import POOLING, pooling
from nst.networks.receptive import receptive
from nst.networks.table import convolutions, features
from nst.visualize.receptive import box, cut
from tests.helpers.frozen import freeze

LAYERS = ("relu1_2", "pool1", "relu3_1")
# several, since a pixel at a corner of a field may be the maximum of no window in one of them
IMAGES = np.random.default_rng(0).uniform(0, 1, (3, 47, 41, 3)).astype(np.float32)
WIDTHS = (16, 16, 20, 20, 24)


def slim():
    """Random weights of a slim network, with a map of each layer."""
    rng, params, inputs = np.random.default_rng(1), {}, 3
    for conv, width in zip(convolutions("vgg19"), WIDTHS, strict=False):
        kernel = rng.normal(0, (2 / (9 * inputs)) ** 0.5, (3, 3, inputs, width))
        params[conv] = {"kernel": kernel, "bias": rng.normal(0, 0.1, width)}
        full = table.layer("vgg19", conv).channels
        for layer, outputs in ((conv, width + 1), (conv.replace("conv", "relu"), full)):
            kernel = rng.normal(0, 0.2, (width, outputs))
            params[f"{layer}_map"] = {"kernel": kernel, "bias": np.zeros(outputs)}
        inputs = width
    return freeze(params, frame="vgg")


def seen_pixels(network, variables):
    """(layer, y, x) -> HxW, whether a pixel moves the unit in some image; and the sizes of the layers."""
    shapes = jax.eval_shape(lambda: features(network, variables, IMAGES, LAYERS))

    @jax.jit
    def moved(variables, images, signals):
        _, back = jax.vjp(lambda x: features(network, variables, x, LAYERS), images)
        return (back(signals)[0] != 0).any((0, 3))

    def found(layer, y, x):
        signals = {name: np.zeros(shape.shape, shape.dtype) for name, shape in shapes.items()}
        signals[layer][:, y, x] = np.random.default_rng(2).normal(0, 1, shapes[layer].shape[-1])
        return moved(variables, IMAGES, signals)

    return found, {layer: shape.shape[1:3] for layer, shape in shapes.items()}


CASES = [(name, "zero") for name in POOLING] + [("blur", "reflect"), ("average", "replicate")]


# VGG's, the stem of a ResNet's, the arm of an Inception block's
@pytest.mark.parametrize("slides", [Sliding(2, 2), Sliding(3, 2, 1, 1), Sliding(3, 1, 1, 1)])
@pytest.mark.parametrize("name", POOLING)
def test_the_window_of_a_pooling_is_where_it_has_a_gradient(name, slides):
    """Whatever its parameters; 64 channels, since the maximum reads one input of each."""
    x_1xHxWxC = np.random.default_rng(0).uniform(1, 2, (1, 16, 16, 64)).astype(np.float32)
    parameters = (3.0, 0.5), (60.0, 0.01), (1.0, 0.5)
    pools = [pooling(name, p=p, mix=mix, gain=1.0, sliding=slides) for p, mix in parameters]
    units = jax.jit(jax.jacrev(lambda x, y: jnp.stack([pool(x)[0, y, y].sum() for pool in pools])))
    for pair in zip(*(units(x_1xHxWxC, y) for y in (3, 4)), strict=True):
        for axes in ((0, 2, 3), (0, 1, 3)):  # rows, columns
            first, second = (np.flatnonzero(np.any(gradient, axis=axes)) for gradient in pair)
            stride = int(second[0] - first[0])
            window = Window(int(first[-1] - first[0]) + 1, stride, int(first[0]) - 3 * stride)
            assert window == POOLING[name].window(slides)


@pytest.mark.parametrize("pooling, padding", CASES)
def test_exactly_the_box_has_a_gradient(pooling, padding):
    network = Network(
        widths=WIDTHS, frame="vgg", pooling=pooling, padding=padding,
        preprocessing=PREPROCESSING["torchvision"],
    )  # fmt: skip
    found, sizes = seen_pixels(network, slim())
    for place in ("middle", "first", "last"):
        units = {
            layer: {"middle": (h // 2, w // 2), "first": (0, 0), "last": (h - 1, w - 1)}[place]
            for layer, (h, w) in sizes.items()
        }
        for layer in LAYERS:
            field = receptive(network, layer)
            top, left, bottom, right = box(field, *units[layer])
            expected = np.zeros(IMAGES.shape[1:3], bool)
            expected[max(top, 0) : bottom, max(left, 0) : right] = True
            np.testing.assert_array_equal(found(layer, *units[layer]), expected, err_msg=f"{layer}, {place}")
            if place == "middle":
                assert expected.sum() == field.size**2  # wholly inside
            if place == "first":
                assert (top < 0) == (field.offset < 0)


def test_known_fields():
    # 3x3 convolutions and 2x2 poolings by hand
    network = Network()
    assert receptive(network, "relu1_1") == Window(3, 1, -1)
    assert receptive(network, "pool1") == Window(6, 2, -2)
    assert receptive(network, "relu3_1") == Window(24, 4, -10)
    assert receptive(network, "pool5").size == 268  # as published for VGG-19
    assert receptive(Network("vgg16"), "pool5").size == 212  # and for VGG-16
    assert receptive(Network(pooling="strided"), "pool1") == Window(5, 2, -2)
    with pytest.raises(UserError, match="did you mean 'relu3_1'"):
        receptive(network, "relu31")


def test_a_slim_network_has_the_same_geometry_and_no_setting_of_a_pooling_moves_it():
    for name in POOLING:
        fields = {
            receptive(Network(widths=widths, pooling=name, pooling_p=p, pooling_mix=mix), "relu4_2")
            for widths, p, mix in (((), 3.0, 0.5), ((), 60.0, 0.01), ((8,) * 13, 1.0, 0.5))
        }
        assert len(fields) == 1, name


def test_boxes_step_by_the_stride():
    field = Window(24, 4, -10)
    assert box(field, 0, 0) == (-10, -10, 14, 14)
    assert box(field, 3, 5) == (2, 10, 26, 34)
    assert all(type(edge) is int for edge in box(field, np.int32(3), np.int64(5)))


@pytest.mark.parametrize(
    "square", [(1, 2, 4, 6), (-2, -1, 3, 2), (3, 5, 8, 12), (-3, -3, 9, 9), (-9, 0, -4, 2), (2, 20, 3, 25)]
)
def test_a_cut_is_that_of_loops(square):
    image = np.random.default_rng(0).uniform(0, 1, (5, 7, 3)).astype(np.float32)
    top, left, bottom, right = square
    found = cut(image, square, grey=0.25)
    assert found.patch_hxwx3.shape == (bottom - top, right - left, 3)
    for y in range(top, bottom):
        for x in range(left, right):
            lies_in = 0 <= y < 5 and 0 <= x < 7
            expected = image[y, x] if lies_in else 0.25
            np.testing.assert_array_equal(found.patch_hxwx3[y - top, x - left], expected)
            a, b, c, d = found.inside
            assert lies_in == (a <= y - top < c and b <= x - left < d)
