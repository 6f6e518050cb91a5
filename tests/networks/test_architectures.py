"""Every architecture of the table: parity with torchvision, its gradient, the properties of its layers."""

import jax
import numpy as np
import pytest

from nst.networks import table
from nst.networks.formats import Reader
from nst.networks.network import PREPROCESSING, Network
from tests.helpers import golden

# of each family one, at least, is in the quick tests
QUICK = ("alexnet", "squeezenet1_1", "resnet18", "vgg11_bn")
EVERY = [
    name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in table.ARCHITECTURES
]
PARTS = {"gamma", "beta", "mean", "variance", "bias"}


class _Drawn:
    """What `stored.Stored` is, for an array that the rule of the golden files makes."""

    def __init__(self, name, shape):
        self.name, self.shape, self.dtype = name, shape, np.dtype(np.float32)

    def read(self):
        return golden.tensor(self.name, self.shape)


def network(architecture, **choices):
    return Network(architecture, preprocessing=PREPROCESSING["torchvision"], **choices)


def golden_params(architecture, layers):
    """The weights of the golden files, by the names, the layouts and the folding of a file of torchvision."""
    row, result = table.ARCHITECTURES[architecture], {}
    shapes = row.parameter_shapes((), layers)
    bare = {"resnet", "google"} & {architecture[:6]}  # torchvision's convolutions have no bias here
    for layer in row.layers:
        if layer.name not in shapes:
            continue
        own, arrays = shapes[layer.name], {}
        for name, part in layer.operation.weights.files.items():
            if part == "weight":
                arrays.setdefault(
                    (layer.name, part), _Drawn(name, (*own["kernel"][:1:-1], *own["kernel"][:2]))
                )
            elif part in PARTS and not (part == "bias" and (bare or "/" in name)):
                arrays.setdefault((layer.name, part), _Drawn(name, own["bias"]))
        result[layer.name] = layer.operation.weights.read(Reader(architecture, arrays, layer.name), own)
    return result


def drawn(architecture, layers):
    """Golden weights and the activations of nst with them, {layer: HxWxC}."""
    net = network(architecture)
    variables = table.freeze(net, golden_params(architecture, layers))
    found = jax.jit(lambda v, x: table.features(net, v, x, layers))(variables, golden.image())
    return {name: np.asarray(array[0]) for name, array in found.items()}


@pytest.mark.parametrize("architecture", EVERY)
def test_activations_are_those_of_torchvision(architecture):
    """Within 1e-5 of the layer's largest, with weights of the same rule; every layer of the golden file."""
    expected = golden.read(architecture)
    found = drawn(architecture, tuple(expected))
    for name, (shape, largest, values) in ((name, each.values()) for name, each in expected.items()):
        assert list(found[name].shape) == shape, name
        assert np.abs(found[name]).max() == pytest.approx(largest, rel=1e-4), name
        picked = found[name].ravel()[golden.places(name, shape)]
        assert np.abs(picked - values).max() < 1e-5 * largest, name


@pytest.mark.slow
@pytest.mark.parametrize("architecture", table.ARCHITECTURES)
def test_all_activations_are_those_of_torchvision_where_it_is_installed(architecture):
    pytest.importorskip("torchvision")
    expected = golden.activations(architecture)
    found = drawn(architecture, tuple(expected))
    for name, array in expected.items():
        assert np.abs(found[name] - array).max() < 1e-4 * np.abs(array).max(), name
