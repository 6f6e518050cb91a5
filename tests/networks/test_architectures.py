"""Every architecture of the table: parity with torchvision, its gradient, the properties of its layers."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

from nst.errors import UserError
from nst.networks import formats, table
from nst.networks.layers import Window
from nst.networks.network import PREPROCESSING, Network
from nst.networks.receptive import receptive
from tests.helpers import golden
from tests.helpers.weight_files import write_pth

# of each family one, at least, is in the quick tests
QUICK = ("alexnet", "squeezenet1_1", "resnet18", "vgg11_bn")
EVERY = [
    name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in table.ARCHITECTURES
]


class _Drawing(NamedTuple):
    """What `formats.Reader` is, for a file whose tensors the rule of the golden files makes."""

    names: dict[str, str]  # part -> name of the tensor

    def has(self, part):
        return part in self.names

    def take(self, part, shape):
        return golden.tensor(self.names[part], shape)


def network(architecture, **choices):
    return Network(architecture, preprocessing=PREPROCESSING["torchvision"], **choices)


def golden_params(architecture, layers):
    """The weights of the golden files, by the names, the layouts and the folding of a file of torchvision."""
    row, result = table.ARCHITECTURES[architecture], {}
    shapes = row.parameter_shapes((), layers)
    for layer in row.layers:
        if layer.name in shapes:
            weights = layer.operation.weights
            # the first name of each part, which is torchvision's; our own have a "/"
            names = {part: name for name, part in reversed(weights.files.items()) if "/" not in name}
            if "mean" in names and not architecture.startswith("vgg"):
                del names["bias"]  # there is none where a normalisation follows
            result[layer.name] = weights.read(_Drawing(names), shapes[layer.name])
    return result


def drawn(architecture, layers):
    """Golden weights and the activations of nst with them, {layer: HxWxC}."""
    net = network(architecture)
    variables = table.freeze(net, golden_params(architecture, layers))
    found = jax.jit(lambda v, x: table.features(net, v, x, layers))(variables, golden.image())
    return {name: np.asarray(array[0]) for name, array in found.items()}


@pytest.mark.parametrize("architecture", EVERY)
def test_activations_are_those_of_torchvision(architecture):
    """Within 1e-4 of the layer's largest, with weights of the same rule; every layer of the golden file."""
    check_parity(architecture)


@pytest.mark.parametrize("architecture", ["mobilenet_v2", "convnext_tiny", "vit_b_16"])
def test_the_first_activations_are_those_of_torchvision(architecture):
    """For operations that no network among the quick ones has."""
    check_parity(architecture, 8)


def check_parity(architecture, count=None):
    expected = dict(list(golden.read(architecture).items())[:count])
    found = drawn(architecture, tuple(expected))
    for name, (shape, largest, values) in ((name, each.values()) for name, each in expected.items()):
        assert list(found[name].shape) == shape, name
        assert np.abs(found[name]).max() == pytest.approx(largest, rel=1e-4), name
        picked = found[name].ravel()[golden.places(name, shape)]
        assert np.abs(picked - values).max() < 1e-4 * largest, name


@pytest.mark.parametrize("architecture", ["resnet18", "vgg11_bn", "googlenet"])
@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_a_file_of_torchvision_is_read(architecture, suffix, tmp_path):
    """With the classifier, and with counters of batches, which are integers and are not read."""
    layers = table.ARCHITECTURES[architecture].style[:1]
    expected, row = golden_params(architecture, layers), table.ARCHITECTURES[architecture]
    arrays = {"fc.weight": np.ones((2, 3), np.float32), "bn.num_batches_tracked": np.array([7])}
    for name, (layer, part) in row.file_names.items():
        if layer in expected and "/" not in name and not name.startswith(("conv1_1", "block")):
            *window, inputs, outputs = expected[layer]["kernel"].shape
            shape = (outputs, inputs, *window) if part == "weight" else (outputs,)
            if part != "bias" or architecture.startswith("vgg"):
                arrays[name] = golden.tensor(name, shape)
    path = tmp_path / f"w.{suffix}"
    if suffix == "pth":
        write_pth(path, arrays, "zip")
    else:
        safetensors.numpy.save_file(arrays, path)
    found = formats.read(path, architecture, layers)
    assert list(found) == list(expected)
    for layer, parts in expected.items():
        for part, array in parts.items():
            np.testing.assert_array_equal(found[layer][part], array)


def test_a_file_without_a_statistic_of_a_normalisation_names_it(tmp_path):
    arrays = {
        "conv1.weight": np.ones((64, 3, 7, 7), np.float32), "bn1.weight": np.ones(64, np.float32),
        "bn1.bias": np.ones(64, np.float32), "bn1.running_mean": np.ones(64, np.float32),
    }  # fmt: skip
    safetensors.numpy.save_file(arrays, path := tmp_path / "w.safetensors")
    with pytest.raises(UserError, match="has no variance of conv1; is it a resnet18 checkpoint"):
        formats.read(path, "resnet18", ("relu1",))


@pytest.mark.slow
@pytest.mark.parametrize("architecture", table.ARCHITECTURES)
def test_all_activations_are_those_of_torchvision_where_it_is_installed(architecture):
    pytest.importorskip("torchvision")
    if architecture == "efficientnet_lite0":
        pytest.importorskip("efficientnet_lite_pytorch")
    expected = golden.activations(architecture)
    found = drawn(architecture, tuple(expected))
    for name, array in expected.items():
        assert np.abs(found[name] - array).max() < 1e-4 * np.abs(array).max(), name


@pytest.mark.parametrize("architecture", EVERY)
def test_the_gradient_is_that_of_differences_along_it(architecture):
    """(f(x + h d) - f(x - h d)) / 2h is |g| for d = g / |g|, where f is the mean square of a layer.

    h changes f by a thousandth. The layers are those of the style, for the quick tests the first three.
    """
    layers = table.ARCHITECTURES[architecture].style
    layers = layers[:3] if architecture in QUICK else layers
    net, x = network(architecture), golden.image()
    variables = table.freeze(net, golden_params(architecture, layers))

    @jax.jit
    def loss(x, weights, variables):
        found = table.features(net, variables, x, layers)
        return sum(w * jnp.mean(found[name] ** 2) for w, name in zip(weights, layers, strict=True))

    gradient = jax.jit(jax.value_and_grad(loss))
    for weights in np.eye(len(layers), dtype=np.float32):
        value, g_1xHxWx3 = gradient(x, weights, variables)
        norm = np.linalg.norm(np.asarray(g_1xHxWx3, np.float64))
        h = 5e-4 * float(value) / norm
        step = np.asarray(h / norm * g_1xHxWx3)
        ends = [float(loss(x + sign * step, weights, variables)) for sign in (1, -1)]
        assert (ends[0] - ends[1]) / (2 * h) == pytest.approx(norm, rel=1e-2), weights


# --- ViT


VIT = "encoder.layers.encoder_layer_0"


def test_vit_takes_pictures_of_any_shape_and_reads_them_everywhere():
    """A map of whole patches, whose every position has a gradient at every pixel of a patch."""
    params = golden_params("vit_b_16", (VIT,))
    picture = np.random.default_rng(0).uniform(0, 1, (1, 40, 50, 3)).astype(np.float32)
    results = {}
    for remat in ("none", "block"):
        net = network("vit_b_16", remat=remat)
        variables = table.freeze(net, params)

        def corner(x, variables, net=net):
            found = table.features(net, variables, x, (f"{VIT}.add", VIT))
            return jnp.sum(found[VIT][0, 0, 0] ** 2), found

        results[remat] = jax.jit(jax.grad(corner, has_aux=True))(picture, variables)
    gradient, found = results["none"]
    assert {name: array.shape for name, array in found.items()} == {
        f"{VIT}.add": (1, 2, 3, 768), VIT: (1, 2, 3, 768),
    }  # fmt: skip
    np.testing.assert_array_equal(
        np.abs(gradient).max((0, 3)) > 0, np.pad(np.ones((32, 48), bool), ((0, 8), (0, 2)))
    )
    np.testing.assert_allclose(results["block"][0], gradient, rtol=1e-3, atol=1e-5 * np.abs(gradient).max())
    with pytest.raises(UserError, match="each unit reads the whole image"):
        receptive(network("vit_b_16"), VIT)


def test_pictures_have_whole_patches():
    """What fills no patch would keep the values of the start."""
    for architecture, patch in (("vit_b_16", 16), ("convnext_tiny", 4), ("alexnet", 1), ("googlenet", 1)):
        names = table.ARCHITECTURES[architecture].style
        assert table.multiples(network(architecture), names) == (patch, patch), architecture
    circular = network("convnext_tiny", padding="circular_x")
    assert table.multiples(circular, ("features.2",)) == (4, 8)


def test_vit_is_read_from_the_names_of_the_published_file_too():
    names = table.ARCHITECTURES["vit_b_16"].file_names
    for older, newer in (("mlp.linear_1", "mlp.0"), ("mlp.linear_2", "mlp.3")):
        for part in ("weight", "bias"):
            assert (
                names[f"{VIT}.{older}.{part}"] == names[f"{VIT}.{newer}.{part}"] == (f"{VIT}.{newer}", part)
            )


def test_receptive_fields_of_convnext():
    """4x4 in the stem, and a block adds the 6 positions around of its 7x7 kernel, 4 pixels each."""
    net = network("convnext_tiny")
    assert receptive(net, "features.0") == Window(4, 4, 0)
    assert receptive(net, "features.1.0") == Window(4 + 4 * 6, 4, -12)
    assert receptive(net, "features.1.2") == Window(4 + 3 * 24, 4, -36)
    assert receptive(net, "features.2") == Window(4 + 3 * 24 + 4, 8, -36)
