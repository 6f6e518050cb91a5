"""Winograd's convolution against loops, the direct one, and float64; the network with it and without."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from nst.configs import default
from nst.errors import UserError
from nst.losses.problem import loss, make_problem
from nst.losses.spec import Spec
from nst.losses.weights import WeightSettings, make_weights
from nst.networks import checkpoints, winograd
from nst.networks.convolution import (
    CONVOLUTIONS,
    Geometry,
    adjoint_kernel,
    frozen_convolve,
    parameter_count,
)
from nst.networks.layers import Sliding
from nst.networks.network import PREPROCESSING, Network
from nst.networks.table import features
from nst.runs import settings, specs
from tests.helpers.frozen import freeze

EXACT = lax.Precision.HIGHEST


def naive(x_HxWxI, kernel_3x3xIxO, pad):
    """The sum that a convolution is, in float64."""
    x = np.pad(np.asarray(x_HxWxI, np.float64), ((pad, pad), (pad, pad), (0, 0)))
    height, width = x.shape[0] - 2, x.shape[1] - 2
    result = np.zeros((height, width, kernel_3x3xIxO.shape[-1]))
    for row in range(height):
        for column in range(width):
            window = x[row : row + 3, column : column + 3]
            result[row, column] = np.einsum("yxi,yxio->o", window, kernel_3x3xIxO)
    return result


@pytest.mark.parametrize("pad", [0, 1, 2])
@pytest.mark.parametrize("height, width", [(4, 4), (5, 3), (7, 6), (11, 4), (3, 8)])
def test_it_is_the_convolution(pad, height, width):
    rng = np.random.default_rng(height)
    x = rng.normal(size=(1, height, width, 5)).astype(np.float32)
    kernel = rng.normal(size=(3, 3, 5, 4)).astype(np.float32)
    found = jax.jit(winograd.convolve, static_argnums=(2, 3))(x, winograd.transform(kernel), pad, EXACT)
    expected = naive(x[0], kernel, pad)
    assert found.shape[1:] == expected.shape
    assert np.abs(np.asarray(found[0]) - expected).max() < 5e-6 * np.abs(expected).max()


def test_the_transforms_are_exact_in_float64():
    """So what the float32 convolution departs by is rounding alone."""
    rng = np.random.default_rng(0)
    x, kernel = rng.normal(size=(1, 9, 7, 3)), rng.normal(size=(3, 3, 3, 2))
    with jax.enable_x64(True):
        found = winograd.convolve(jnp.asarray(x), winograd.transform(jnp.asarray(kernel)), 1, EXACT)
    assert np.asarray(found[0]) == pytest.approx(naive(x[0], kernel, 1), abs=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("padding", ["zero", "reflect"])  # its own, and one that comes before it
def test_the_network_and_its_gradient_are_the_same(padding):
    """The loss to 1e-5; the gradient to 1e-2, as rectifiers that fall on the other side by rounding jump."""
    layers = ("relu3_2", "relu4_1")
    params = checkpoints.load("random", "vgg19", layers).params
    rng = np.random.default_rng(1)
    content, style, image = rng.uniform(0, 1, (3, 1, 45, 38, 3)).astype(np.float32)
    found = []
    for convolution in CONVOLUTIONS:
        network = Network(
            preprocessing=PREPROCESSING["torchvision"], padding=padding, convolution=convolution
        )
        spec = Spec(network=network, content_layers=layers[:1], style_layers=layers)
        weighted = make_weights(spec, WeightSettings(content=1.0, style=10.0), 1)
        variables = freeze(params, convolution=convolution)
        problem = jax.jit(make_problem, static_argnums=0)(spec, variables, content, [style], weighted)
        gradient = jax.jit(jax.value_and_grad(lambda x, problem, spec=spec: loss(spec, problem, x)))
        found.append(gradient(image, problem))
    (direct, direct_gradient), (fast, fast_gradient) = found
    assert float(fast) == pytest.approx(float(direct), rel=1e-5)
    assert not (np.asarray(fast_gradient) == np.asarray(direct_gradient)).all()  # another program it is
    difference = np.linalg.norm(fast_gradient - direct_gradient)
    assert difference < 1e-2 * np.linalg.norm(direct_gradient)


@pytest.mark.parametrize("pad", [0, 1])
def test_its_gradient_is_that_of_the_direct_one(pad):
    rng = np.random.default_rng(2)
    x = rng.normal(size=(1, 13, 10, 4)).astype(np.float32)
    kernel = rng.normal(size=(3, 3, 4, 6)).astype(np.float32)
    signal = rng.normal(size=(1, 11 + 2 * pad, 8 + 2 * pad, 6)).astype(np.float32)
    geometry = Geometry(Sliding(3, 1, pad, pad))

    @jax.jit
    def gradients(pairs, x, signal):
        return [
            jax.vjp(lambda x, pair=pair: frozen_convolve(x, *pair, geometry, x.shape[1:3]), x)[1](signal)[0]
            for pair in pairs
        ]

    back = adjoint_kernel(kernel)
    pairs = (winograd.transform(kernel), winograd.transform(back)), (kernel, back)
    found, expected = gradients(pairs, x, signal)
    assert found.shape == x.shape
    assert np.abs(found - expected).max() < 5e-6 * np.abs(expected).max()


def test_wide_layers_alone_are_transformed():
    variables = freeze(checkpoints.load("random", "vgg19", ("relu4_1",)).params, convolution="winograd")
    kernels = {name: conv["kernel"] for name, conv in variables["params"].items()}
    transformed = {name for name, kernel in kernels.items() if isinstance(kernel, tuple)}
    assert transformed == {"conv2_2", "conv3_1", "conv3_2", "conv3_3", "conv3_4", "conv4_1"}
    assert [row.shape for row in kernels["conv3_1"]] == 6 * [(1, 3, 128, 256)]
    plain = freeze(checkpoints.load("random", "vgg19", ("relu4_1",)).params)
    count = sum(leaf.size for leaf in jax.tree.leaves(plain["params"]))
    assert parameter_count(variables) == parameter_count(plain) == count
    assert [row.shape for row in variables["adjoint"]["conv3_1"]["kernel"]] == 6 * [(1, 3, 256, 128)]
    assert variables["adjoint"]["conv2_1"]["kernel"].shape == (3, 3, 128, 64)


def test_variables_that_are_not_frozen_for_it_are_refused():
    network = Network(convolution="winograd")
    plain = freeze(checkpoints.load("random", "vgg19", ("relu2_2",)).params)
    with pytest.raises(TypeError, match="not in the network's form"):
        features(network, plain, jnp.zeros((1, 16, 16, 3)), ("relu2_2",))


def test_the_config_chooses():
    config = settings.resolve(default.get_config())
    config.weights.name = "random"
    expected = "winograd" if jax.default_backend() == "cpu" else "direct"
    assert specs.read_network(config)[1].network.convolution == expected
    config.network.dtype = "bfloat16"
    assert specs.read_network(config)[1].network.convolution == "direct"
    config.network.convolution = "winograd"
    with pytest.raises(UserError, match="network.convolution = winograd.*bfloat16"):
        specs.read_network(config)
    config.network.convolution = "fft"
    with pytest.raises(UserError, match="network.convolution = 'fft'"):
        specs.read_network(config)
