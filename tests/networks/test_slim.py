"""Slim networks and their maps against loops; the file that comes with the code."""

import dataclasses
import hashlib
import importlib
import json
import os
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

from experiments.distill import export
from nst import images
from nst.configs import classic
from nst.errors import UserError
from nst.losses import problem, weights
from nst.losses.content import CONTENT
from nst.losses.spec import Spec
from nst.networks import checkpoints, formats, slim, table
from nst.networks.checkpoints import Convention
from nst.networks.network import FRAMES, PREPROCESSING, Network
from nst.networks.table import layers_to
from nst.runs import job as run_job
from nst.styles.grams import GRAM_DISTANCE
from tests.helpers.frozen import features, freeze

# conv1_2 has so many channels that the compact frame would save none
WIDTHS = (5, 63, 4, 7, 6)
CONVS = ("conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1")
FULL = {"1": 64, "2": 128, "3": 256, "4": 512, "5": 512}
RELUS = ("relu1_1", "relu1_2", "pool1", "relu2_1", "relu2_2", "pool2", "relu3_1")
LAYERS = ("conv1_1", "conv2_2", *RELUS)


def make_params(widths=WIDTHS, seed=0):
    """A slim network whose maps all go to VGG's channels; those of conv layers as they come from training."""
    rng, inputs, params = np.random.default_rng(seed), 3, {}
    for conv, width in zip(CONVS, widths, strict=False):
        kernel = rng.normal(0, (2 / (9 * inputs)) ** 0.5, (3, 3, inputs, width))
        params[conv] = {"kernel": kernel, "bias": rng.normal(0, 0.1, width)}
        for name in (f"{conv}_map", f"{conv.replace('conv', 'relu')}_map"):
            full = FULL[conv[4]]
            params[name] = {"kernel": rng.normal(0, 1, (width, full)), "bias": rng.normal(0, 0.3, full)}
        inputs = width
    return jax.tree.map(lambda array: array.astype(np.float32), params)


def map_name(layer):
    return f"{slim.mapped_layer(table.ARCHITECTURES['vgg19'].layers, layer).name}_map"


def network(frame="vgg", widths=WIDTHS, **choices):
    return Network(widths=widths, frame=frame, preprocessing=PREPROCESSING["torchvision"], **choices)


def variables(frame, layers, params=None):
    """What `weights.read` would give for `layers`, frozen."""
    params = params or make_params()
    convs = [layer.name for layer in layers_to("vgg19", layers) if layer.kind == "conv"]
    wanted = {*convs, *(map_name(layer) for layer in layers)}
    return freeze({name: params[name] for name in params if name in wanted}, frame=frame)


def picture(seed=1, height=12, width=14):
    return np.random.default_rng(seed).uniform(0, 1, (1, height, width, 3)).astype(np.float32)


def naive_features(params, image, layers, pool=np.max):
    """Loops over the kernel's taps, in float64; pool layers through the map of the layer before them."""
    x = (image[0].astype(np.float64) - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
    found = {}

    def read(layer, source):
        part = params[f"{source}_map"]
        found[layer] = x @ part["kernel"].astype(np.float64) + part["bias"]

    for conv in CONVS:
        if conv in ("conv2_1", "conv3_1"):
            height, width = x.shape[0] // 2, x.shape[1] // 2
            x = pool(x[: 2 * height, : 2 * width].reshape(height, 2, width, 2, -1), axis=(1, 3))
            read(f"pool{int(conv[4]) - 1}", before)  # noqa: F821
        kernel, (height, width) = params[conv]["kernel"].astype(np.float64), x.shape[:2]
        padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
        x = params[conv]["bias"] + sum(
            padded[i : i + height, j : j + width] @ kernel[i, j] for i in range(3) for j in range(3)
        )
        read(conv, conv)
        x, before = np.maximum(x, 0), conv.replace("conv", "relu")
        read(before, before)
    return {layer: found[layer] for layer in layers}


def relative(a, b):
    return np.linalg.norm(np.asarray(a, np.float64) - b) / np.linalg.norm(b)


# --- the network


@pytest.mark.parametrize("pooling", ["max", "average"])
def test_features_agree_with_numpy(pooling):
    image = picture(height=13, width=18)
    found = features(network(pooling=pooling), variables("vgg", RELUS), image, RELUS)
    expected = naive_features(make_params(), image, RELUS, {"max": np.max, "average": np.mean}[pooling])
    assert set(found) == set(RELUS)
    for layer, activation in found.items():
        assert activation.shape[-1] == FULL[layer[4]] and activation.dtype == jnp.float32
        assert relative(activation[0], expected[layer]) < 1e-5, layer


def test_a_network_need_not_be_as_deep_as_it_is_asked_to_be_wide():
    """Widths beyond the deepest layer, and maps beside those asked for, take no part."""
    image, layers = picture(), ("relu1_1", "relu2_1")
    all_of_it = features(network(), variables("vgg", RELUS), image, layers)
    less = variables("vgg", layers, make_params(WIDTHS[:3]))
    for layer, found in features(network(widths=WIDTHS[:3]), less, image, layers).items():
        assert relative(found, np.asarray(all_of_it[layer])) < 1e-6
    assert set(less["params"]) == {"conv1_1", "conv1_2", "conv2_1", "relu1_1_map", "relu2_1_map"}


@pytest.mark.parametrize("layer, source", [
    ("conv3_1", "conv3_1_map"), ("relu3_1", "relu3_1_map"), ("pool1", "relu1_2_map"),
    ("pool2", "relu2_2_map"), ("pool3", "relu3_4_map"), ("pool4", "relu4_4_map"),
])  # fmt: skip
def test_the_map_of_a_layer(layer, source):
    assert map_name(layer) == source


def test_pools_are_read_as_the_relu_before_and_that_is_exact_for_averages():
    """VGG's channels averaged are the average read in VGG's channels."""
    image, layers = picture(), ("relu2_2", "pool2")
    found = features(network(pooling="average"), variables("vgg", layers), image, layers)
    relu = np.asarray(found["relu2_2"])[0]
    expected = relu.reshape(3, 2, 3, 2, -1) if relu.shape[1] == 6 else relu[:, :6].reshape(3, 2, 3, 2, -1)
    assert relative(found["pool2"][0], expected.mean((1, 3))) < 1e-5


def test_bfloat16_is_close_and_stays_bfloat16():
    layers = ("relu2_1",)
    exact = features(network(), variables("vgg", layers), picture(), layers)["relu2_1"]
    params = {name: make_params()[name] for name in (*CONVS[:3], "relu2_1_map")}
    rough = freeze(params, "bfloat16", "vgg")
    found = features(network(dtype="bfloat16"), rough, picture(), layers)["relu2_1"]
    assert found.dtype == jnp.bfloat16
    assert 0 < relative(found.astype(np.float32), np.asarray(exact)) < 0.03


def test_widths_and_channels():
    shapes = table.ARCHITECTURES["vgg19"].parameter_shapes(
        (3, 70, 10), ("conv1_1", "relu1_1", "pool1", "conv2_1", "relu2_1")
    )
    assert shapes == {
        "conv1_1": {"kernel": (3, 3, 3, 3), "bias": (3,)},
        "conv1_2": {"kernel": (3, 3, 3, 70), "bias": (70,)},
        "conv2_1": {"kernel": (3, 3, 70, 10), "bias": (10,)},
        "conv1_1_map": {"kernel": (3, 4), "bias": (4,)},
        "relu1_1_map": {"kernel": (3, 64), "bias": (64,)},
        "relu1_2_map": {"kernel": (70, 64), "bias": (64,)},
        "conv2_1_map": {"kernel": (10, 11), "bias": (11,)},
        "relu2_1_map": {"kernel": (10, 128), "bias": (128,)},
    }
    assert list(shapes) == [
        "conv1_1", "conv1_2", "conv2_1", "conv1_1_map", "relu1_1_map", "relu1_2_map", "conv2_1_map",
        "relu2_1_map",
    ]  # fmt: skip
    shapes = table.ARCHITECTURES["vgg16"].parameter_shapes((), ("conv5_3",))
    assert shapes["conv5_3"]["kernel"] == (3, 3, 512, 512)
    names = "conv1_2", "relu3_1", "pool3", "relu4_2"
    assert [table.layer("vgg19", name).channels for name in names] == [64, 256, 256, 512]


# --- the compact frame


@pytest.mark.parametrize("count", [1, 5, 30, 62])
def test_compact_keeps_inner_products_and_distances(count):
    rng = np.random.default_rng(count)
    kernel, bias = rng.normal(size=(count, 64)), rng.normal(size=64)
    small, offset = slim.compact(kernel.astype(np.float32), bias.astype(np.float32))
    assert small.shape == (count, count + 1) and offset.shape == (count + 1,)
    assert small.dtype == offset.dtype == np.float32
    x = rng.normal(size=(40, count))
    full, compact = x @ kernel + bias, x @ small + offset
    assert relative(compact @ compact.T, full @ full.T) < 1e-6
    distances = [((y[:, None] - y[None]) ** 2).sum(-1) for y in (full, compact)]
    assert relative(*distances[::-1]) < 1e-6


@pytest.mark.parametrize("count", [63, 64, 80])
def test_compact_leaves_a_wide_map_alone(count):
    rng = np.random.default_rng(0)
    kernel, bias = rng.normal(size=(count, 64)).astype(np.float32), rng.normal(size=64).astype(np.float32)
    found = slim.compact(kernel, bias)
    assert found[0] is kernel and found[1] is bias


def test_compact_of_dependent_rows_is_finite():
    """A map of rank 1, and one of zeros."""
    for kernel in (np.ones((5, 64), np.float32), np.zeros((5, 64), np.float32)):
        bias = kernel[0]
        small, offset = slim.compact(kernel, bias)
        assert np.isfinite(small).all() and np.isfinite(offset).all()
        x = np.random.default_rng(0).normal(size=(7, 5))
        full, found = x @ kernel + bias, x @ small + offset
        assert found @ found.T == pytest.approx(full @ full.T, abs=1e-3)


def test_frames_have_the_same_inner_products():
    image = picture()
    full = features(network("vgg"), variables("vgg", RELUS), image, RELUS)
    compact = features(network("compact"), variables("compact", RELUS), image, RELUS)
    assert [compact[layer].shape[-1] for layer in RELUS] == [6, 64, 64, 5, 8, 8, 7]
    for layer in RELUS:
        a, b = (np.asarray(f[layer], np.float64).reshape(-1, f[layer].shape[-1]) for f in (full, compact))
        assert relative(b @ b.T, a @ a.T) < 1e-5, layer


def compact_convs(params):
    """As in a shipped file, where the maps of conv layers are in the compact frame already."""
    result = dict(params)
    for name, part in params.items():
        if name.startswith("conv") and name.endswith("_map"):
            kernel, bias = slim.compact(part["kernel"], part["bias"])
            result[name] = {"kernel": kernel, "bias": bias}
    return result


def test_conv_layers_have_the_inner_products_of_vggs_channels_in_either_frame():
    image, layers = picture(), ("conv1_1", "conv2_2")
    expected = naive_features(make_params(), image, layers)
    params = compact_convs(make_params())
    for frame in FRAMES:
        found = features(network(frame), variables(frame, layers, params), image, layers)
        assert [found[layer].shape[-1] for layer in layers] == [6, 8]
        for layer in layers:
            a = expected[layer].reshape(-1, FULL[layer[4]])
            b = np.asarray(found[layer], np.float64).reshape(len(a), -1)
            assert relative(b @ b.T, a @ a.T) < 1e-5


def terms_and_gradient(frame, content, style, layers):
    spec = Spec(
        network=network(frame), content_layers=layers[:1], style_layers=layers[1:],
        content_normalization=content, style_normalization=style,
    )  # fmt: skip
    weighted = weights.make_weights(spec, weights.WeightSettings(style=2.0), 1)

    @jax.jit
    def both(frozen, photo, painting, image):
        made = problem.make_problem(spec, frozen, photo, [painting], weighted)

        def loss(image):
            found = problem.terms(spec, made, image)
            return sum(found.values()), found

        return jax.grad(loss, has_aux=True)(image)

    pictures = picture(2, 6, 8), picture(3, 8, 4), picture(4, 6, 8)
    gradient, found = both(variables(frame, spec.layers), *pictures)
    return {name: float(value) for name, value in found.items()}, np.asarray(gradient)


# `scaled` is refused, since a rotation changes it
FRAMED = [[name for name in names if name != "scaled"] for names in (CONTENT, GRAM_DISTANCE)]
PAIRS = [*zip(*FRAMED, strict=False), ("relative", "relative")]


@pytest.mark.parametrize("content, style, layers", [
    *(
        pytest.param(*pair, ("relu1_1", "relu1_1", "pool1"), marks=pytest.mark.slow if k % 2 else ())
        for k, pair in enumerate(PAIRS)
    ),
    ("mse", "chw_mse", ("pool2", "relu2_1", "relu3_1")),
], ids=lambda value: value if isinstance(value, str) else value[0])  # fmt: skip
def test_both_frames_have_the_same_losses_and_gradients(content, style, layers):
    full, gradient = terms_and_gradient("vgg", content, style, layers)
    compact, same = terms_and_gradient("compact", content, style, layers)
    assert compact == pytest.approx(full, rel=1e-4)
    assert all(value > 0 for name, value in full.items() if name != "tv")
    assert relative(same, gradient) < 1e-4


def test_every_normalisation_is_compared():
    assert {content for content, _ in PAIRS} == set(CONTENT) - {"scaled"}
    assert {style for _, style in PAIRS} == set(GRAM_DISTANCE) - {"scaled"}
    compact = Network(widths=(8,) * 13)
    assert Spec(network=compact).network.frame == "compact"
    for group in ({"content_normalization": "scaled"}, {"style_normalization": "scaled"}):
        assert Spec(network=compact, **group).network.frame == "vgg"
        assert Spec(network=Network(), **group).network == Network()


def one_line(error):
    message = str(error.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("representation, frame", [
    ("gram", "compact"), ("gram_shift", "vgg"), ("moments", "vgg"), ("gram+moments", "vgg"),
    ("palette", "compact"), ("remd+palette", "compact"), ("remd+column_moments+palette", "vgg"),
])  # fmt: skip
def test_the_frame_is_what_the_representation_needs(representation, frame):
    spec = Spec(network=network("compact"), representation=representation, style_normalization="relative")
    assert spec.network.frame == frame
    assert spec == dataclasses.replace(spec) and hash(spec) == hash(dataclasses.replace(spec))
    # a caller may ask for VGG's channels where the loss does not need them
    asked = Spec(network=network("vgg"), representation=representation, style_normalization="relative")
    assert asked.network.frame == "vgg"


@pytest.mark.parametrize("fields, words", [
    ({"representation": "gram_shift", "style_layers": ("relu1_1", "conv1_2")}, "representation = gram_shift"),
    ({"style_normalization": "scaled", "style_layers": ("conv1_2",)}, "style_loss.normalization = scaled"),
    ({"content_normalization": "scaled", "content_layers": ("conv1_2",)}, "content_loss.norm.* = scaled"),
])  # fmt: skip
def test_conv_layers_have_no_single_channels(fields, words):
    message = (
        f"{words} needs single channels, which a slim network has at relu and pool layers, not at conv1_2"
    )
    for frame in FRAMES:
        with pytest.raises(UserError, match=message) as error:
            Spec(network=network(frame), **fields)
        one_line(error)
    Spec(network=Network(), **fields)


def test_conv_layers_may_stand_beside_single_channels():
    """The content at a conv layer, style by the means of channels at others."""
    spec = Spec(
        network=network(),
        content_layers=("conv1_2",),
        representation="moments",
        style_normalization="relative",
    )
    assert spec.network.frame == "vgg"


# --- files


def write(path, params=None, widths=WIDTHS, scales=None):
    params = params or make_params()
    scales = scales or {name.removesuffix("_map"): 1.0 for name in params if name.endswith("_map")}
    export.write(path, widths, params, scales, "ab12", "cd34")
    return path


@pytest.fixture
def path(tmp_path):
    return write(tmp_path / "slim.safetensors")


def rewrite(path, change, metadata=None):
    """The file with its arrays changed, and its metadata."""
    with safetensors.safe_open(path, framework="numpy") as file:
        arrays, found = (
            {name: file.get_tensor(name) for name in file.keys()},
            json.loads(file.metadata()["nst"]),
        )
    change(arrays)
    safetensors.numpy.save_file(arrays, path, {"nst": json.dumps(found | (metadata or {}))})


def test_an_exported_network_is_read_back(path):
    loaded = checkpoints.load(str(path), "vgg19", LAYERS)
    expected = compact_convs(make_params())
    maps = {map_name(layer) for layer in LAYERS}
    assert set(loaded.params) == {*CONVS, *maps}
    for name, part in loaded.params.items():
        for kind, array in part.items():
            assert array.dtype == np.float32
            assert array == pytest.approx(expected[name][kind], rel=1e-3, abs=1e-6), name
    assert loaded.path == path and loaded.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert list(formats.read(path, "vgg19", ("relu1_1",))) == ["conv1_1", "relu1_1_map"]
    assert list(formats.read(path, "vgg19", ("pool1",))) == ["conv1_1", "conv1_2", "relu1_2_map"]


def test_an_exported_network_is_the_network(path):
    loaded = checkpoints.load(str(path), "vgg19", RELUS)
    found = features(network(), freeze(loaded.params, frame="vgg"), picture(), RELUS)
    expected = naive_features(make_params(), picture(), RELUS)
    for layer in RELUS:
        assert relative(found[layer][0], expected[layer]) < 3e-3, layer


def test_a_file_says_what_it_is(path):
    assert checkpoints.convention(str(path), "vgg19", "") == Convention("vgg19", "torchvision", WIDTHS)
    assert checkpoints.convention(str(path), "vgg19", "caffe") == Convention("vgg19", "caffe", WIDTHS)
    assert formats.slim_widths(path) == WIDTHS
    with safetensors.safe_open(path, framework="numpy") as file:
        said = json.loads(file.metadata()["nst"])
        assert "ab12" in said["teacher"] and said["config"] == "cd34"
        assert all(file.get_tensor(name).dtype == np.float16 for name in file.keys())


def test_other_files_have_no_widths(tmp_path):
    assert formats.slim_widths(tmp_path / "none.safetensors") == ()
    safetensors.numpy.save_file({"x": np.ones(1, np.float32)}, tmp_path / "plain.safetensors")
    np.savez(tmp_path / "w.npz", x=1)
    for name in ("plain.safetensors", "w.npz"):
        assert formats.slim_widths(tmp_path / name) == ()
    named = str(tmp_path / "plain.safetensors")
    assert checkpoints.convention(named, "vgg16", "caffe") == Convention("vgg16", "caffe", ())


def test_the_same_arrays_give_the_same_bytes(path, tmp_path):
    assert write(tmp_path / "again.safetensors").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("layer", ["conv3_2", "relu3_2", "pool3", "relu5_1"])
def test_layers_deeper_than_the_network(path, layer):
    message = f"{path.name} ends at conv3_1: ask for shallower layers, or for all of vgg19"
    with pytest.raises(UserError) as error:
        checkpoints.load(str(path), "vgg19", ("relu1_1", layer))
    assert one_line(error) == message


@pytest.mark.parametrize("part", ["kernel", "bias"])
@pytest.mark.parametrize("name", ["relu2_1_map", "conv1_1_map", "conv1_2"])
def test_a_missing_part_is_named(path, name, part):
    rewrite(path, lambda arrays: arrays.pop(f"{name}/{part}"))
    with pytest.raises(UserError, match=f"{path.name}: has no {part} of {name}") as error:
        formats.read(path, "vgg19", LAYERS)
    one_line(error)
    if name.endswith("_map"):
        formats.read(path, "vgg19", ("relu1_1", "relu3_1"))  # that map is not needed


@pytest.mark.parametrize("name", ["relu2_1_map/kernel", "conv2_1_map/bias", "conv2_1/kernel"])
def test_a_part_of_another_shape_is_named(path, name):
    rewrite(path, lambda arrays: arrays.update({name: arrays[name][..., :-1].copy()}))
    with pytest.raises(UserError, match=f"{name.split('/')[1]} of {name.split('/')[0]} has shape") as error:
        formats.read(path, "vgg19", (*LAYERS, "conv2_1"))
    one_line(error)


def test_a_map_that_is_not_finite_is_named(path):
    rewrite(path, lambda arrays: arrays["relu2_1_map/bias"].fill(np.nan))
    with pytest.raises(UserError, match="bias of relu2_1_map holds values that are not finite"):
        formats.read(path, "vgg19", LAYERS)


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.99])
def test_a_truncated_file_is_named(path, share):
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    for read in (
        lambda: checkpoints.convention(str(path), "vgg19", ""),
        lambda: formats.read(path, "vgg19", ()),
    ):
        with pytest.raises(UserError, match=f"{path.name}: cannot be read") as error:
            read()
        one_line(error)


@pytest.mark.parametrize("found", [["a"], [5, 4.5], "5 63", {"5": 63}, [True, 63, 4, 7, 6], None])
def test_widths_that_are_no_numbers(path, found):
    rewrite(path, lambda arrays: None, {"widths": found})
    for read in (
        lambda: checkpoints.convention(str(path), "vgg19", ""), lambda: formats.read(path, "vgg19", LAYERS),
    ):  # fmt: skip
        with pytest.raises(UserError, match=f"{path.name}: its widths are .*; they must be 1 to 16") as error:
            read()
        one_line(error)


@pytest.mark.parametrize("found", [[5, 0, 4, 7, 6], [-5, 63, 4, 7, 6], [5] * 17])
def test_widths_that_no_network_has(path, found):
    rewrite(path, lambda arrays: None, {"widths": found})
    with pytest.raises(UserError, match=f"{path.name}.*widths") as error:
        checkpoints.convention(str(path), "vgg19", "")
    one_line(error)


@pytest.mark.parametrize("found", [[5, 62, 4, 7, 6], [6, 63, 4, 7, 6]])
def test_widths_of_another_network(path, found):
    rewrite(path, lambda arrays: None, {"widths": found})
    with pytest.raises(UserError, match=f"{path.name}: kernel of conv1_. has shape"):
        formats.read(path, "vgg19", LAYERS)


def config_of(path, **changes):
    config = classic.get_config()
    config.weights.name, config.size = str(path), 16
    config.content_loss.layers, config.style_loss.layers = ("relu2_1",), ("relu1_1", "pool1")
    config.update_from_flattened_dict(changes)
    return config


def test_a_job_with_a_slim_network(path):
    job = run_job.prepare(picture()[0], picture(2)[0], config_of(path, **{"network.convolution": "direct"}))
    assert job.spec.network == network("compact")
    assert job.inputs["weights"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert any("small network" in note and "weights.name=vgg19" in note for note in job.notes)
    assert job.variables["params"]["relu2_1_map"]["kernel"].shape == (4, 5)
    single = {"style_loss.representation": "gram_shift"}
    job = run_job.prepare(picture()[0], picture(2)[0], config_of(path, **single))
    assert job.spec.network.frame == "vgg"
    assert job.variables["params"]["relu2_1_map"]["kernel"].shape == (4, 128)


@pytest.mark.parametrize("changes, message", [
    ({"weights.normalize": "photos"}, "weights.normalize: .*slim.safetensors is read through maps"),
    ({"style_loss.representation": "gram_shift", "style_loss.layers": ("conv2_1",)}, "channels.*conv2_1"),
    ({"content_loss.layers": ("relu3_2",)}, "slim.safetensors ends at conv3_1"),
])  # fmt: skip
def test_what_a_slim_network_cannot_do(path, changes, message):
    with pytest.raises(UserError, match=message) as error:
        run_job.prepare(picture()[0], picture(2)[0], config_of(path, **changes))
    one_line(error)


# --- the file that comes with the code

NOT_OF_VGG = ("__init__", "distill", "swag")  # the last has layers of a ResNet
CONFIGS = [path for path in sorted(Path("configs").glob("*.py")) if path.stem not in NOT_OF_VGG]

NAME = "vgg19_slim"
SHIPPED = Path(checkpoints.DATA) / "vgg19_slim.safetensors"
SLIM_RELUS = [layer.name for layer in layers_to("vgg19", ["relu5_1"]) if layer.kind != "conv"]
SLIM_CONVS = [layer.name for layer in layers_to("vgg19", ["relu5_1"]) if layer.kind == "conv"]


@pytest.fixture(autouse=True)
def no_network(monkeypatch, tmp_path):
    for name in list(os.environ):
        if name.startswith("NST_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("NST_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(checkpoints, "download", lambda *entry: pytest.fail("went to the network"))


def cat(size=128):
    rgb = images.read(SHIPPED.parent / "images/cat.jpg").rgb_HxWx3
    return images.resize(rgb, *images.target_size(*rgb.shape[:2], size, "long"), "lanczos")[None]


def shipped(frame, layers):
    """Its activations on the cat."""
    found = checkpoints.convention(NAME, "vgg19", "")
    net = Network(widths=found.widths, frame=frame, preprocessing=PREPROCESSING[found.preprocessing])
    frozen = freeze(checkpoints.load(NAME, "vgg19", layers).params, frame=frame)
    return features(net, frozen, cat(), tuple(layers))


@pytest.fixture(scope="module")
def seen():
    """In VGG's frame."""
    return shipped("vgg", SLIM_RELUS)


def test_the_shipped_file_is_the_one_that_was_meant():
    assert SHIPPED.stat().st_size <= 8e6
    sha256 = hashlib.sha256(SHIPPED.read_bytes()).hexdigest()
    assert checkpoints.CHECKPOINTS[NAME].hash == f"sha256:{sha256}"
    assert sha256 in SHIPPED.with_suffix(".md").read_text()
    for name, array in safetensors.numpy.load_file(SHIPPED).items():
        assert array.dtype == np.float16 and np.isfinite(array).all(), name


def test_the_shipped_file_says_what_it_is():
    made_for = checkpoints.convention(NAME, "vgg16", "")
    assert made_for[:2] == ("vgg19", "torchvision") and len(made_for.widths) == 13
    for width, conv in zip(made_for.widths, SLIM_CONVS, strict=True):
        assert 0 < width <= table.layer("vgg19", conv).channels
    with safetensors.safe_open(SHIPPED, framework="numpy") as file:
        found = json.loads(file.metadata()["nst"])
    assert "Visual Geometry Group" in found["teacher"] and "CC BY 4.0" in found["teacher"]
    assert len(found["teacher"].split("sha256 ")[1]) == 64 and len(found["config"]) == 16


def test_the_shipped_file_is_that_of_the_config():
    from experiments.distill import config as distill

    assert checkpoints.convention(NAME, "vgg19", "").widths == distill.get_config().widths


def test_the_shipped_file_needs_neither_folder_nor_network(tmp_path, monkeypatch):
    loaded = checkpoints.load(NAME, "vgg19", ("relu5_1", "pool2"))
    assert loaded.path == SHIPPED and loaded.sha256 == hashlib.sha256(SHIPPED.read_bytes()).hexdigest()
    monkeypatch.setenv("NST_WEIGHTS_DIR", str(tmp_path / "nowhere"))
    assert checkpoints.find(NAME) == SHIPPED
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("layer", [*SLIM_CONVS, *SLIM_RELUS])
def test_every_layer_of_the_shipped_file(layer):
    params = checkpoints.load(NAME, "vgg19", (layer,)).params
    assert list(params)[-1] == map_name(layer)
    assert all(np.isfinite(array).all() for part in params.values() for array in part.values())


def test_deeper_layers_than_the_shipped_file_has():
    for layer in ("conv5_2", "relu5_4", "pool5"):
        with pytest.raises(UserError, match="vgg19_slim.safetensors ends at conv5_1: ask for shallower"):
            checkpoints.load(NAME, "vgg19", (layer,))


@pytest.mark.slow
def test_the_shipped_network_sees_a_cat(seen):
    assert [seen[layer].shape[-1] for layer in SLIM_RELUS] == [FULL[layer[4]] for layer in SLIM_RELUS]
    compact = shipped("compact", SLIM_CONVS + SLIM_RELUS)
    for name, activation in [*seen.items(), *compact.items()]:
        activation = np.asarray(activation)
        assert np.isfinite(activation).all(), name
        assert activation.std() > 0 and np.ptp(activation, (1, 2)).mean() > 0.1 * activation.std(), name
    widths = dict(zip(SLIM_CONVS, checkpoints.convention(NAME, "vgg19", "").widths, strict=True))
    for conv in SLIM_CONVS:
        assert compact[conv].shape[-1] == min(widths[conv] + 1, FULL[conv[4]])


@pytest.mark.slow
@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_runs_with_it_by_changing_one_field(path):
    config = importlib.import_module(f"nst.configs.{path.stem}").get_config()
    config.weights.name = NAME
    config.size = 96 if path.stem == "li_wand" else 32  # its patches need 3 positions at relu4_1
    config.style_fit = "scale"
    if path.stem in ("strotss", "fastai_lesson8"):
        with pytest.raises(UserError, match="vgg19_slim.safetensors ends at conv5_1: ask for shallower"):
            run_job.prepare(cat()[0], picture(2, 32, 24)[0], config)
        return
    job = run_job.prepare(cat()[0], picture(2, 32, 24)[0], config)
    # its representation reads single channels
    assert job.spec.network.frame == ("vgg" if path.stem == "crowsonkb_gram" else "compact")
    photo, painting = (jnp.asarray(found.rgb_HxWx3)[None] for found in (job.content, job.styles[0]))
    make_problem = jax.jit(problem.make_problem, static_argnums=0)
    made = make_problem(job.spec, job.variables, photo, [painting], job.loss_weights)
    found = jax.jit(problem.terms, static_argnums=0)(job.spec, made, jnp.asarray(job.start))
    names = [name.split("/") for name in found if "/" in name]
    assert {name[1] for name in names} == {*job.spec.content_layers, *job.spec.style_layers}
    assert all(np.isfinite(value) and value >= 0 for value in found.values()) and sum(found.values()) > 0


# squared error of the activations relative to VGG-19's energy, at most
BOUNDS = {"relu1_1": 0.02, "relu2_1": 0.12, "relu3_1": 0.2, "relu4_1": 0.25}
SHARED = Path(__file__).parents[3] / "shared"


def test_the_shipped_network_stands_in_for_vgg19(seen, monkeypatch):
    if not list((SHARED / "weights").glob("vgg19*.h5")):
        pytest.skip("the shared weights are not here")
    monkeypatch.setenv("NST_WEIGHTS_DIR", str(SHARED / "weights"))
    layers = tuple(BOUNDS)
    teacher = freeze(checkpoints.load("vgg19", "vgg19", layers).params)
    expected = features(Network(), teacher, cat(), tuple(layers))
    errors = {
        layer: float(np.sum((seen[layer] - expected[layer]) ** 2) / np.sum(expected[layer] ** 2))
        for layer in layers
    }
    assert all(errors[layer] < bound for layer, bound in BOUNDS.items()), errors
    assert min(errors.values()) > 1e-6  # it is not VGG-19 itself
