"""Projections against NumPy loops in float64, and against gradients."""

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nst.errors import UserError
from nst.networks import slim, table, vgg
from nst.networks.network import Network, Preprocessing
from nst.networks.pooling import POOLING
from nst.networks.receptive import receptive
from nst.networks.table import layers_to
from nst.visualize import deconvnet
from nst.visualize.deconvnet import RULES, Unit, keep_unit, project, project_unit, strongest, to_image
from nst.visualize.network import Model
from nst.visualize.receptive import box, cut
from tests.helpers.frozen import features, freeze

# numbers that float32 holds exactly, so that ties are ties in both precisions
EXACT = Preprocessing("BGR", 4.0, (1.0, 2.0, 0.5), (1.0, 0.5, 2.0))
WIDTHS = (5, 6, 7, 8, 9)
HEIGHT, WIDTH = 9, 11


def make_image():
    image = np.random.default_rng(0).integers(0, 5, (1, HEIGHT, WIDTH, 3)) / 4
    image[:, :, :7] = (0.75, 0.25, 0.5)  # an area of one colour, whose windows are ties
    return image.astype(np.float32)


def make_params(widths):
    """Sparse integer weights, and for a slim network maps."""
    rng, params, inputs = np.random.default_rng(1), {}, 3
    for each in layers_to("vgg19", ("conv3_1",)):
        if each.kind == "conv":
            conv = each.name
            width = widths[len(params) // (3 if widths else 1)] if widths else each.channels
            kernel = rng.integers(-1, 2, (3, 3, inputs, width))
            kernel = kernel * (rng.random(kernel.shape) < min(1, 40 / (9 * inputs)))
            params[conv] = {"kernel": kernel, "bias": rng.integers(-1, 3, width)}
            for layer, outputs in (
                (conv, min(width + 1, each.channels)),
                (conv.replace("conv", "relu"), each.channels),
            ):
                if widths:
                    kernel = rng.integers(-2, 3, (width, outputs))
                    params[f"{layer}_map"] = {"kernel": kernel, "bias": rng.integers(-2, 3, outputs)}
            inputs = width
    return params


def build(widths=WIDTHS, **options):
    network = Network(widths=widths, frame="vgg", preprocessing=EXACT, **options)
    params = make_params(widths)
    return network, params, freeze(params, network.dtype, "vgg")


def make_signal(network, layer, seed=2):
    halvings = int(layer[4]) - 1 + layer.startswith("pool")
    shape = 1, HEIGHT >> halvings, WIDTH >> halvings, table.layer("vgg19", layer).channels
    if network.widths and layer.startswith("conv"):
        width = network.widths[table.convolutions("vgg19").index(layer)]
        shape = (*shape[:3], min(width + 1, shape[-1]))
    return np.random.default_rng(seed).integers(-3, 4, shape).astype(np.float32)


# --- the loops


def padded(index, size, padding):
    """Where a convolution's input beyond the border comes from; None: nowhere."""
    if 0 <= index < size:
        return index
    if padding == "zero":
        return None
    return min(max(index, 0), size - 1) if padding == "replicate" else (1 if index < 0 else size - 2)


def taps(height, width, padding):
    """Of a 3x3 convolution: output y, x, kernel i, j, and input row, column."""
    for y, x, i, j in itertools.product(range(height), range(width), range(3), range(3)):
        row, column = padded(y + i - 1, height, padding), padded(x + j - 1, width, padding)
        if row is not None and column is not None:
            yield y, x, i, j, row, column


def convolved(x_HxWxI, layer, padding):
    out = np.zeros((*x_HxWxI.shape[:2], len(layer["bias"]))) + layer["bias"]
    for y, x, i, j, row, column in taps(*x_HxWxI.shape[:2], padding):
        out[y, x] += x_HxWxI[row, column] @ layer["kernel"][i, j]
    return out


def convolved_back(g_HxWxO, layer, padding):
    out = np.zeros((*g_HxWxO.shape[:2], layer["kernel"].shape[2]))
    for y, x, i, j, row, column in taps(*g_HxWxO.shape[:2], padding):
        out[row, column] += layer["kernel"][i, j] @ g_HxWxO[y, x]
    return out


def reads(plane, i, j, name):
    """What output (i, j) is made of: the value, and [(row, column, its share of the signal)]."""
    places = [(2 * i, 2 * j), (2 * i, 2 * j + 1), (2 * i + 1, 2 * j), (2 * i + 1, 2 * j + 1)]
    values = [plane[place] for place in places]
    largest = [float(k == values.index(max(values))) for k in range(4)]  # the first at ties
    if name == "blur":
        return blurred(plane, i, j)
    if name == "hann":
        return weighted_squares(plane, i, j)
    if name == "max":
        shares, value = largest, max(values)
    elif name == "average":
        shares, value = [0.25] * 4, sum(values) / 4
    elif name == "mixed":
        shares, value = [0.5 * k + 0.125 for k in largest], 0.5 * max(values) + sum(values) / 8
    elif name == "strided":
        shares, value = [1, 0, 0, 0], values[0]
    else:
        p = {"l2": 2, "lp": 3}[name]
        value = sum(abs(v) ** p for v in values) ** (1 / p)
        shares = [np.sign(v) * (abs(v) / value) ** (p - 1) if value else 0.0 for v in values]
    return value, [(*place, share) for place, share in zip(places, shares, strict=True)]


def weighted_squares(plane, i, j):
    parts, total = [], 1e-12
    for di, dj in itertools.product((-1, 0, 1), repeat=2):
        r, s = 2 * i + di, 2 * j + dj
        if min(r, s) >= 0:  # 2 i + 1 lies inside
            weight = (2 - abs(di)) * (2 - abs(dj)) / 16
            total += weight * plane[r, s] ** 2
            parts.append((r, s, weight * plane[r, s]))
    value = total**0.5
    return value, [(r, s, share / value) for r, s, share in parts]


def blurred(plane, i, j):
    rows, columns = plane.shape[0] - 1, plane.shape[1] - 1

    def inside(index, size):
        index = abs(index)
        return max(2 * (size - 1) - index if index >= size else index, 0)

    value, parts = 0.0, []
    for di, dj in itertools.product((-1, 0, 1), repeat=2):
        r, s = inside(2 * i + di, rows), inside(2 * j + dj, columns)
        weight = (2 - abs(di)) * (2 - abs(dj)) / 16
        window = [(r, s), (r + 1, s), (r, s + 1), (r + 1, s + 1)]  # columns first, as its two maxima go
        values = [plane[place] for place in window]
        value += weight * max(values)
        parts.append((*window[values.index(max(values))], weight))
    return value, parts


def pooled(x_HxWxC, name):
    out = np.zeros((x_HxWxC.shape[0] // 2, x_HxWxC.shape[1] // 2, x_HxWxC.shape[2]))
    for i, j, c in np.ndindex(out.shape):
        out[i, j, c] = reads(x_HxWxC[:, :, c], i, j, name)[0]
    return out


def pooled_back(g_hxwxC, x_HxWxC, name):
    out = np.zeros(x_HxWxC.shape)
    for i, j, c in np.ndindex(g_hxwxC.shape):
        for row, column, share in reads(x_HxWxC[:, :, c], i, j, name)[1]:
            out[row, column, c] += share * g_hxwxC[i, j, c]
    return out


def rectified_back(g_HxWxC, x_HxWxC, rule):
    out = np.zeros(g_HxWxC.shape)
    for index in np.ndindex(out.shape):
        passes = {
            "deconvnet": g_HxWxC[index] > 0,
            "gradient": x_HxWxC[index] > 0,
            "guided": g_HxWxC[index] > 0 and x_HxWxC[index] > 0,
        }
        out[index] = g_HxWxC[index] if passes[rule] else 0
    return out


def forward(network, params, image, layer):
    """The input of every operation up to a layer."""
    x = (EXACT.scale * image[0, :, :, ::-1].astype(np.float64) - EXACT.mean) / EXACT.std
    inputs = {}
    for name in (each.name for each in layers_to("vgg19", (layer,))):
        inputs[name] = x
        if name.startswith("conv"):
            x = convolved(x, params[name], network.padding)
        else:
            x = np.maximum(x, 0) if name.startswith("relu") else pooled(x, network.pooling)
    return inputs


def naive(network, params, image, layer, signal, rule):
    inputs = forward(network, params, image, layer)
    g = signal[0].astype(np.float64)
    if network.widths:
        g = g @ params[f"{slim.mapped_layer(vgg.LAYERS['vgg19'], layer).name}_map"]["kernel"].T
    for name, x in reversed(inputs.items()):
        if name.startswith("conv"):
            g = convolved_back(g, params[name], network.padding)
        elif name.startswith("relu"):
            g = rectified_back(g, x, rule)
        else:
            g = pooled_back(g, x, network.pooling)
    return (g * EXACT.scale / EXACT.std)[None, :, :, ::-1]


def agree(network, params, variables, layer, rule):
    image, signal = make_image(), make_signal(network, layer)
    found = np.asarray(project(network, variables, image, layer, signal, rule))
    expected = naive(network, params, image, layer, signal, rule)
    assert found.shape == expected.shape == (1, HEIGHT, WIDTH, 3)
    assert np.count_nonzero(expected) > 50
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=2e-6 * np.abs(expected).max())


PAIRS = [
    pytest.param(
        pooling, rule, marks=() if rule == "deconvnet" or pooling in ("max", "blur") else pytest.mark.slow
    )
    for pooling in POOLING
    for rule in RULES
]


@pytest.mark.parametrize("pooling, rule", PAIRS)
def test_a_projection_is_that_of_the_loops(pooling, rule):
    agree(*build(pooling=pooling), "relu3_1", rule)


@pytest.mark.parametrize("layer", ["conv1_1", "relu1_2", "pool2"])
def test_other_layers(layer):
    agree(*build(), layer, "deconvnet")


@pytest.mark.parametrize("padding", ["reflect", "replicate"])
def test_padding(padding):
    agree(*build(padding=padding), "relu2_1", "deconvnet")


@pytest.mark.parametrize("rule", RULES)
def test_vgg_itself(rule):
    agree(*build(()), "relu2_1", rule)


def test_the_picture_of_these_tests_has_ties():
    network, params, _ = build()
    inputs = forward(network, params, make_image(), "pool2")
    ties = {}
    for name in ("pool1", "pool2"):
        height, width, channels = inputs[name].shape
        even = inputs[name][: height // 2 * 2, : width // 2 * 2]
        windows = even.reshape(height // 2, 2, width // 2, 2, channels)
        largest = windows.max((1, 3), keepdims=True)
        tied = (windows == largest).sum((1, 3)) > 1
        ties[name] = (tied & (largest[:, 0, :, 0] > 0)).sum(), (tied & (largest[:, 0, :, 0] == 0)).sum()
    assert min(ties["pool1"]) > 3
    assert ties["pool2"][1] > 3  # dead windows: deconvnet sends a signal through them all the same


# --- what the way back means


def test_the_rules_differ_only_in_what_a_rectifier_lets_pass():
    x, g = np.meshgrid([-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0])
    expected = {
        "deconvnet": [[0, 0, 0], [0, 0, 0], [2, 2, 2]],
        "guided": [[0, 0, 0], [0, 0, 0], [0, 0, 2]],
        "gradient": [[0, 0, -2], [0, 0, 0], [0, 0, 2]],
    }
    for rule, values in expected.items():
        np.testing.assert_array_equal(RULES[rule](x, g), values)
    network, _, variables = build()
    signal = make_signal(network, "relu2_1")
    found = [np.asarray(project(network, variables, make_image(), "relu2_1", signal, rule)) for rule in RULES]
    for a, b in itertools.combinations(found, 2):
        assert np.abs(a - b).max() > 0.1


@pytest.mark.parametrize("pooling", ["max", "l2"])
def test_gradient_is_the_gradient_of_the_unit(pooling):
    network, _, variables = build(pooling=pooling)
    image = np.random.default_rng(3).uniform(0, 1, (1, HEIGHT, WIDTH, 3)).astype(np.float32)
    unit = Unit(1, 1, 17)

    @jax.jit
    @partial(jax.value_and_grad, has_aux=True)
    def value(image):
        found = features(network, variables, image, ("relu3_1",))["relu3_1"]
        return found[0, 1, 1, 17], found

    (_, activation), gradient = value(image)
    signal = keep_unit(activation, unit)
    expected = signal[0, 1, 1, 17] * gradient
    assert np.abs(expected).max() > 0.1
    found = project(network, variables, image, "relu3_1", signal, "gradient")
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6 * scale)
    one = project_unit(network, variables, image, "relu3_1", unit, "gradient")
    np.testing.assert_allclose(one, expected, rtol=1e-5, atol=1e-6 * scale)


def test_switches_put_a_value_back_where_it_came_from():
    # convolutions that do nothing: colours are the first three channels of the network
    kernels = np.zeros((3, 3, 3, 64)), np.zeros((3, 3, 64, 64))
    for kernel in kernels:
        kernel[1, 1] = np.eye(*kernel.shape[2:])
    params = {f"conv1_{k}": {"kernel": kernel, "bias": np.zeros(64)} for k, kernel in enumerate(kernels, 1)}
    network = Network(preprocessing=Preprocessing("BGR", 1.0, (0.0,) * 3, (1.0,) * 3))
    image = np.random.default_rng(4).integers(1, 4, (1, 5, 7, 3)).astype(np.float32) / 4  # ties, none is 0
    variables = freeze(params)
    activation = features(network, variables, image, ("pool1",))["pool1"]
    found = np.asarray(project(network, variables, image, "pool1", activation, "deconvnet"))
    expected = np.zeros(image.shape)  # an odd last row and column stay empty
    for y, x, c in itertools.product(range(2), range(3), range(3)):
        corners = [(2 * y + k // 2, 2 * x + k % 2) for k in range(4)]
        row, column = max(corners, key=lambda corner: image[0, *corner, c])  # the first of equals
        expected[0, row, column, c] = image[0, row, column, c]
    np.testing.assert_array_equal(found, expected)


def test_a_signal_of_more_strength_has_a_projection_of_more_strength():
    network, _, variables = build(pooling="average")
    signal = make_signal(network, "relu2_1")
    one, three = (
        np.asarray(project(network, variables, make_image(), "relu2_1", k * signal)) for k in (1, 3)
    )
    np.testing.assert_allclose(three, 3 * one, rtol=1e-5)


def test_a_projection_stays_in_the_receptive_field():
    network, _, variables = build()
    image = np.random.default_rng(3).uniform(0, 1, (1, 40, 36, 3)).astype(np.float32)
    unit = strongest(features(network, variables, image, ("relu2_2",))["relu2_2"], 1)[0]
    found = np.abs(project_unit(network, variables, image, "relu2_2", unit)[0])
    square = box(receptive(network, "relu2_2"), unit.y, unit.x)
    assert 0 < found.sum() == pytest.approx(cut(found, square, 0.0).patch_hxwx3.sum(), rel=1e-6)


def test_half_precision_comes_back_as_float32():
    network, _, variables = build(dtype="bfloat16")
    signal = make_signal(network, "relu1_1")
    found = project(network, variables, make_image(), "relu1_1", signal)
    assert found.dtype == np.float32 and np.abs(found).max() > 0


# --- units and figures


def test_strongest_is_that_of_loops():
    activation = np.random.default_rng(0).integers(0, 6, (1, 4, 5, 9)).astype(np.float32)  # many ties
    peaks = []
    for c in range(9):
        best = max(((y, x) for y in range(4) for x in range(5)), key=lambda p: activation[0, *p, c])
        peaks.append((*best, c))
    expected = sorted(peaks, key=lambda peak: -activation[0][peak])[:6]
    assert list(strongest(activation, 6)) == expected
    with pytest.raises(UserError, match="count = 10: the layer has 9 channels"):
        strongest(activation, 10)


def test_show():
    projection = np.array([[[-2.0, 0.0, 1.0]]])
    np.testing.assert_allclose(to_image(projection), [[[0, 0.5, 0.75]]])
    np.testing.assert_array_equal(to_image(np.zeros((2, 2, 3))), np.full((2, 2, 3), 0.5))


def test_examine_and_its_figure():
    network, _, variables = build()
    image = np.random.default_rng(3).uniform(0, 1, (23, 29, 3)).astype(np.float32)
    found = deconvnet.examine(Model(network, variables), image, "relu2_1", 3, ("deconvnet", "gradient"))
    activation = np.asarray(features(network, variables, image[None], ("relu2_1",))["relu2_1"])
    assert found.units == strongest(activation, 3)
    field = receptive(network, "relu2_1")
    assert found.patches_Nxsxsx3.shape == (3, field.size, field.size, 3)
    for n, unit in enumerate(found.units):
        np.testing.assert_allclose(found.values_N[n], activation[0][unit], rtol=1e-5)
        square = box(field, unit.y, unit.x)
        np.testing.assert_array_equal(found.patches_Nxsxsx3[n], cut(image, square).patch_hxwx3)
        signal = keep_unit(jnp.asarray(activation), unit)
        whole = np.asarray(project(network, variables, image[None], "relu2_1", signal, "gradient"))[0]
        expected = cut(whole, square, 0.0).patch_hxwx3
        scale = np.abs(expected).max()
        np.testing.assert_allclose(found.projections["gradient"][n], expected, rtol=1e-5, atol=1e-5 * scale)
    figure = deconvnet.figure(found, "noise")
    assert len(figure.axes) == 9
    shown = figure.axes[4].images[0].get_array()  # the second unit's projection
    np.testing.assert_allclose(shown, to_image(found.projections["deconvnet"][1]), atol=1e-6)


def test_errors_name_what_is_wrong():
    network, _, variables = build()
    with pytest.raises(UserError, match="rule = 'deconv': did you mean 'deconvnet'"):
        project(network, variables, make_image(), "relu1_1", np.zeros((1, 9, 11, 64)), "deconv")
    with pytest.raises(UserError, match=r"signal of shape \(1, 9, 11, 5\): relu1_1 has \(1, 9, 11, 64\)"):
        project(network, variables, make_image(), "relu1_1", np.zeros((1, 9, 11, 5), np.float32))
