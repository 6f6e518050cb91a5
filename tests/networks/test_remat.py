"""Gradients that keep less: the same numbers, in fewer bytes by XLA's own count."""

import dataclasses
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nst.errors import UserError
from nst.losses import problem, weights
from nst.losses.spec import Spec
from nst.networks import checkpoints, remat, table
from nst.networks.network import PREPROCESSING, Network
from nst.networks.pooling import POOLING
from tests.helpers import sweeping
from tests.helpers.frozen import freeze
from tests.helpers.running import small, stylize
from tests.runs.test_pyramid import ADAM

SPEC = Spec(content_layers=("relu3_1",), style_layers=("relu1_1", "conv2_1", "pool2"))


def gradient(spec, params, height=37, width=50):
    """(value, gradient) of a loss whose bits depend on every layer, and the compiled program."""
    variables = freeze(params, spec.network.dtype)
    shape = (1, height, width, 3)
    image, photo, painting = (jnp.asarray(sweeping.picture(seed, *shape[1:3]))[None] for seed in range(3))
    loss_weights = weights.make_weights(spec, weights.WeightSettings(), 1)
    make_problem = jax.jit(problem.make_problem, static_argnums=0)
    made = make_problem(spec, variables, photo, [painting], loss_weights)
    function = jax.jit(jax.value_and_grad(lambda made, x: problem.loss(spec, made, x), argnums=1))
    compiled = function.lower(made, image).compile()
    return jax.tree.map(np.asarray, compiled(made, image)), compiled


def with_network(spec, **changes):
    return dataclasses.replace(spec, network=dataclasses.replace(spec.network, **changes))


@pytest.mark.slow
@pytest.mark.parametrize("pooling", POOLING)
@pytest.mark.parametrize("choice", ["layer", "block"])
def test_the_gradient_is_that_of_none(choice, pooling):
    params = checkpoints.load("random", "vgg19", SPEC.layers).params
    (value, image), _ = gradient(with_network(SPEC, pooling=pooling), params)
    (same, found), _ = gradient(with_network(SPEC, pooling=pooling, remat=choice), params)
    assert np.abs(image).max() > 0
    assert value == same
    # bits, but for what XLA fuses otherwise when it is computed again: sums of squares with another rounding
    tolerance = 1e-6 if choice == "block" and pooling in ("l2", "lp", "hann") else 0
    assert np.abs(image - found).max() <= tolerance * np.abs(image).max()


@pytest.mark.slow
@pytest.mark.parametrize("choice", ["layer", "block"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_slim_network_of_odd_widths_too(choice, dtype):
    widths = (5, 7, 3, 9, 12)
    network = Network(widths=widths, preprocessing=PREPROCESSING["torchvision"], dtype=dtype)
    spec = Spec(network, content_layers=("relu3_1",), style_layers=("relu1_1", "pool2"))
    rng, params, inputs = np.random.default_rng(0), {}, 3
    for conv, width in zip(table.convolutions("vgg19"), widths, strict=False):
        params[conv] = {"kernel": rng.normal(0, 0.3, (3, 3, inputs, width)).astype(np.float32),
                        "bias": rng.normal(0, 0.1, width).astype(np.float32)}  # fmt: skip
        inputs = width
    for name in ("relu1_1_map", "relu2_2_map", "relu3_1_map"):
        width, full = (
            widths[table.convolutions("vgg19").index(f"conv{name[4:7]}")],
            table.layer("vgg19", name.removesuffix("_map")).channels,
        )
        params[name] = {"kernel": rng.normal(0, 0.3, (width, full)).astype(np.float32),
                        "bias": rng.normal(0, 0.1, full).astype(np.float32)}  # fmt: skip
    (value, image), _ = gradient(spec, params)
    (same, found), _ = gradient(with_network(spec, remat=choice), params)
    # what is recomputed in bfloat16 may be rounded elsewhere, where XLA fuses it otherwise
    tolerance = 0 if dtype == "float32" else 0.02
    assert abs(value - same) <= tolerance * value
    assert np.abs(image - found).max() <= tolerance * np.abs(image).max()


def test_the_kept_bits_are_those_of_the_signs():
    x = np.random.default_rng(0).normal(size=(2, 3, 5, 11)).astype(np.float32)
    x[0, 0, 0, :4] = 0.0, -0.0, np.nan, np.inf
    output, pull = jax.vjp(remat.rectify, x)
    cotangent = np.random.default_rng(1).normal(size=x.shape).astype(np.float32)
    np.testing.assert_array_equal(output, jax.nn.relu(x))
    np.testing.assert_array_equal(pull(cotangent)[0], np.where(x > 0, cotangent, 0))
    bits = np.packbits(np.pad(x > 0, [(0, 0)] * 3 + [(0, 5)]), axis=-1, bitorder="little")
    np.testing.assert_array_equal(remat._pack(x > 0), bits)


def test_each_choice_saves_bytes_where_it_is_meant_to():
    def used(choice, pooling, layers):
        spec = Spec(Network(remat=choice, pooling=pooling), content_layers=layers, style_layers=())
        params = checkpoints.load("random", "vgg19", spec.layers).params
        _, compiled = gradient(spec, params, 64, 64)
        convolutions = len(re.findall(r" convolution\(", compiled.as_text()))
        return compiled.memory_analysis().temp_size_in_bytes, convolutions

    none, layer, block = (used(choice, "max", ("relu3_1",)) for choice in remat.REMAT)
    assert layer[0] < 0.6 * none[0] and block[0] < 0.8 * none[0]
    assert none[1] == layer[1] == 10 and block[1] == 14  # of two blocks again, two convolutions each
    layer, block = (used(choice, "lp", ("relu3_1",)) for choice in remat.REMAT[1:])
    assert block[0] < 0.85 * layer[0]


def test_of_a_config():
    pair = sweeping.picture(0, 40, 56), sweeping.picture(1, 40, 56)
    first, second = (
        stylize(*pair, small(**ADAM, **{"network.remat": choice})) for choice in ("none", "block")
    )
    assert np.abs(first[0].image - second[0].image).max() < 1e-3
    with pytest.raises(UserError, match="network.remat = 'blocks': did you mean 'block'"):
        stylize(*pair, small(**{"network.remat": "blocks"}))
