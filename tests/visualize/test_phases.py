"""The gradient of each term by phase: against jax.grad, and what is known of strided layers."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nst.errors import UserError
from nst.losses import problem as loss_problem
from nst.losses.spec import Spec
from nst.losses.weights import WeightSettings, make_weights
from nst.metrics.artefacts import phase_energy, phase_level
from nst.networks import checkpoints
from nst.networks.network import PREPROCESSING, Network
from nst.networks.table import freeze
from nst.visualize import phases

NETWORK = Network(preprocessing=PREPROCESSING["torchvision"])


def made(pooling="max", layers=("relu1_1", "relu2_1")):
    network = dataclasses.replace(NETWORK, pooling=pooling)
    spec = Spec(network=network, content_layers=("relu2_1",), style_layers=layers)
    variables = freeze(network, checkpoints.load("random", "vgg19", spec.layers).params)
    photo, painting = (jnp.asarray(noise(seed))[None] for seed in (1, 2))
    weights = make_weights(spec, WeightSettings(), 1)
    make_problem = jax.jit(loss_problem.make_problem, static_argnums=0)
    return spec, make_problem(spec, variables, photo, [painting], weights)


def noise(seed, size=48):
    return np.random.default_rng(seed).uniform(0, 1, (size, size, 3)).astype(np.float32)


def test_each_term_has_the_phases_of_its_own_gradient():
    spec, problem = made()
    found = phases.examine(spec, problem, noise(3))
    assert list(found) == ["content/relu2_1", "style/relu1_1", "style/relu2_1"]
    x = jnp.asarray(noise(3))[None]
    gradient = jax.jit(jax.grad(lambda x, problem: loss_problem.terms(spec, problem, x)["style/relu2_1"]))(
        x, problem
    )
    for period, energy in found["style/relu2_1"].items():
        assert energy == pytest.approx(phase_energy(np.asarray(gradient[0]), period), rel=1e-3)
    assert "content/relu2_1" not in phases.examine(spec, problem, noise(1))  # at the photograph
    table = phases.table(found)
    assert table[1] == ("content/relu2_1", 2, phase_level(found["content/relu2_1"][2])) and len(table) == 13


def test_plain_subsampling_prefers_pixels_and_a_layer_before_it_does_not():
    levels = {}
    for pooling in ("strided", "average"):
        found = phases.examine(*made(pooling), noise(3))
        levels[pooling] = {term: phase_level(of[2]) for term, of in found.items()}
    assert levels["strided"]["style/relu2_1"] > 0.5 > 0.2 > levels["average"]["style/relu2_1"]
    assert levels["strided"]["style/relu1_1"] < 0.2


def test_nothing_to_see_is_said():
    spec, problem = made(layers=())
    with pytest.raises(UserError, match="phases: no term has a gradient.*init.kind=noise"):
        phases.examine(spec, problem, noise(1))
