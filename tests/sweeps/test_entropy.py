"""The entropies of a point's network: against NumPy, and in the table."""

import math

import jax.numpy as jnp
import numpy as np
import pytest

from nst import images
from nst.configs import trial
from nst.losses.smoothing import softmax
from nst.networks import checkpoints
from nst.networks.network import PREPROCESSING, Network
from nst.networks.table import freeze
from nst.sweeps import entropy
from tests.helpers import sweeping
from tests.helpers.frozen import features

LAYERS = ("relu1_1", "image", "relu2_1")


@pytest.fixture
def config(tmp_path):
    images.write(tmp_path / "photo.png", sweeping.picture(1, 24, 32))
    config = trial.get_config()
    config.content, config.weights.name, config.style_loss.layers = (
        str(tmp_path / "photo.png"),
        "random",
        LAYERS,
    )
    return config


def naive(config, temperature=None):
    network = Network(preprocessing=PREPROCESSING["torchvision"])
    variables = freeze(network, checkpoints.load("random", "vgg19", ("relu2_1",)).params)
    photo = jnp.asarray(images.read(config.content).rgb_HxWx3)[None]
    values = []
    for F in features(network, variables, photo, ("relu1_1", "relu2_1")).values():
        F = np.asarray(F if temperature is None else softmax(F, temperature), np.float64)
        p = np.abs(F[F != 0]) / np.abs(F).sum()
        values.append(-(p * np.log(p)).sum() / math.log(F.size))
    return values


def test_the_entropies_are_those_of_the_photograph(config):
    expected = naive(config)
    found = entropy.measure(config)
    assert found == pytest.approx(
        {"entropy": sum(expected) / 2, "entropy/1": expected[0], "entropy/2": expected[1]}, rel=1e-4
    )
    before = entropy._of_layers.cache_info().misses
    config.style_loss.weight, config.size = 3.0, 16
    assert entropy.measure(config) == found
    assert entropy._of_layers.cache_info().misses == before  # other weights and sizes share them


def test_smoothed_activations_have_their_own_entropies(config):
    plain = entropy.measure(config)
    config.smoothing.kind, config.smoothing.temperature = "softmax", 2.0
    found = entropy.measure(config)
    assert [found["entropy/1"], found["entropy/2"]] == pytest.approx(naive(config, 2.0), rel=1e-4)
    assert found["entropy"] > plain["entropy"]


def test_without_layers_of_the_network_there_is_none(config):
    config.style_loss.layers = ("image",)
    assert entropy.measure(config) == {}
