"""Smoothed activations: the softmax and the entropy against NumPy, and their place in both losses."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nst.configs import swag
from nst.errors import UserError
from nst.losses import problem, smoothing
from nst.losses.content import content_distance
from nst.losses.spec import Spec
from nst.losses.weights import WeightSettings, make_weights
from nst.networks import checkpoints
from nst.networks.network import PREPROCESSING, Network
from nst.networks.table import freeze
from nst.runs import settings, specs
from nst.styles import grams
from tests.helpers.frozen import features

# compiled as wholes, which takes a fraction of the time of their operations one by one
terms, make_problem = (jax.jit(of, static_argnums=0) for of in (problem.terms, problem.make_problem))
softmax, entropy = jax.jit(smoothing.softmax), jax.jit(smoothing.entropy)

NETWORK = Network(preprocessing=PREPROCESSING["torchvision"])
LAYERS = {"content_layers": ("relu2_1",), "style_layers": ("relu1_1", "relu2_1")}
SPEC = Spec(network=NETWORK, smoothing="softmax", **LAYERS)


@pytest.fixture(scope="module")
def variables():
    return freeze(NETWORK, checkpoints.load("random", "vgg19", SPEC.layers).params)


def picture(seed, height=12, width=10):
    return jnp.asarray(np.random.default_rng(seed).uniform(0, 1, (1, height, width, 3)), jnp.float32)


def activation(seed=0, scale=1.0, shape=(2, 3, 4, 5)):
    return scale * np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def naive_softmax(F, temperature):
    """Of one image, in float64, times the number of its values."""
    e = np.exp((F.astype(np.float64) - F.max()) / temperature)
    return e.size * e / e.sum()


@pytest.mark.parametrize("temperature", [0.5, 1.0, 30.0])
def test_softmax_is_over_positions_and_channels_of_each_image(temperature):
    F = activation()
    found = np.asarray(softmax(jnp.asarray(F), temperature))
    assert found == pytest.approx(np.stack([naive_softmax(image, temperature) for image in F]), rel=1e-5)
    assert found.mean((1, 2, 3)) == pytest.approx([1, 1], rel=1e-6)
    assert softmax(jnp.asarray(F, jnp.bfloat16), temperature).dtype == jnp.bfloat16


def test_softmax_of_peaks_has_finite_values_and_gradients():
    F = jnp.asarray(activation(scale=3e4))
    value, gradient = jax.jit(jax.value_and_grad(lambda F: jnp.sum(softmax(F, 1.0) ** 2)))(F)
    assert np.isfinite(value) and np.isfinite(gradient).all()
    assert float(softmax(F, 1.0).max()) == pytest.approx(60)  # one of 3 * 4 * 5 has all


def test_the_gradient_of_softmax():
    F, signal = activation(2), activation(3)
    found = jax.jit(jax.grad(lambda F: jnp.sum(signal * softmax(F, 2.0))))(F)
    S = np.stack([naive_softmax(image, 2.0) for image in F])
    expected = S * (signal - (signal * S).mean((1, 2, 3), keepdims=True)) / 2.0
    assert np.asarray(found) == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_entropy_of_known_distributions():
    one = np.zeros((1, 4, 4, 8), np.float32)
    one[0, 1, 2, 3] = -7.0
    two = one.copy()
    two[0, 0, 0, 0] = 7.0
    assert float(entropy(jnp.asarray(one))[0]) == 0
    assert float(entropy(jnp.asarray(two))[0]) == pytest.approx(math.log(2) / math.log(128), rel=1e-6)
    assert float(entropy(jnp.full((1, 4, 4, 8), 1e-30))[0]) == pytest.approx(1, rel=1e-6)
    assert float(entropy(jnp.zeros((1, 4, 4, 8)))[0]) == 0


def test_entropy_is_that_of_the_shares_whatever_the_scale():
    F = activation()
    p = np.abs(F).astype(np.float64) / np.abs(F).sum((1, 2, 3), keepdims=True)
    expected = -(p * np.log(p)).sum((1, 2, 3)) / math.log(60)
    assert np.asarray(entropy(jnp.asarray(F))) == pytest.approx(expected, rel=1e-5)
    assert np.asarray(entropy(jnp.asarray(1e6 * F))) == pytest.approx(expected, rel=1e-5)
    smooth = entropy(softmax(jnp.asarray(F), 2.0))
    assert (np.asarray(smooth) > expected).all()


def problem_of(spec, variables, content=0, style=1):
    weights = make_weights(spec, WeightSettings(style=3.0), 1)
    return make_problem(spec, variables, picture(content), [picture(style, 14, 16)], weights)


@pytest.mark.parametrize("temperature", [0.2, 1.0])
def test_both_losses_compare_smoothed_activations(variables, temperature):
    """Wang et al. 2021, section 4, with the losses of Gatys et al.; without the factor N of the house."""
    spec = Spec(network=NETWORK, smoothing="softmax", temperature=temperature,
                content_normalization="gatys", style_normalization="gatys", **LAYERS)  # fmt: skip
    found = terms(spec, problem_of(spec, variables), picture(2))
    smooth = {
        name: {
            layer: naive_softmax(np.asarray(F[0]), temperature)
            for layer, F in features(NETWORK, variables, image, spec.layers).items()
        }
        for name, image in dict(x=picture(2), content=picture(0), style=picture(1, 14, 16)).items()
    }
    content = 0.5 * ((smooth["x"]["relu2_1"] - smooth["content"]["relu2_1"]) ** 2).sum()
    assert float(found["content/relu2_1"]) == pytest.approx(content, rel=1e-3)
    for layer in spec.style_layers:
        flat = [smooth[name][layer].reshape(-1, smooth[name][layer].shape[-1]) for name in ("x", "style")]
        grams = [F.T @ F / len(F) for F in flat]
        expected = 3 * ((grams[0] - grams[1]) ** 2).sum() / (4 * len(grams[0]) ** 2)
        assert float(found[f"style/{layer}"]) == pytest.approx(expected, rel=1e-3)


def test_the_image_as_a_layer_stays_as_it_is(variables):
    plain, smooth = (
        Spec(network=NETWORK, content_layers=("image",), style_layers=(), smoothing=kind)
        for kind in ("none", "softmax")
    )
    found = [terms(spec, problem_of(spec, variables), picture(2)) for spec in (plain, smooth)]
    assert found[0] == found[1]


def test_what_needs_the_whole_image_or_single_channels_is_refused():
    with pytest.raises(UserError, match=r"strip = 64: smoothing.kind = softmax divides by a sum over"):
        Spec(smoothing="softmax", strip=64)
    with pytest.raises(UserError, match="smoothing.temperature = 0.0: must be positive"):
        Spec(temperature=0.0)
    with pytest.raises(UserError, match="smoothing.kind = 'sofmax': did you mean 'softmax'"):
        Spec(smoothing="sofmax")
    slim = Network(widths=(8,) * 9)
    with pytest.raises(UserError, match="smoothing.kind = softmax needs single channels.*not at conv1_2"):
        Spec(network=slim, smoothing="softmax", content_layers=("conv1_2",))
    assert Spec(network=slim, smoothing="softmax").network.frame == "vgg"


@pytest.mark.parametrize("variant, kind", [("softmax", "softmax"), ("plain", "none"), ("code", "none")])
def test_the_config_of_the_paper(variant, kind):
    config = settings.resolve(swag.get_config(variant))
    _, spec = specs.read_network(config)
    assert (spec.smoothing, spec.network.architecture) == (kind, "resnet50")
    weights = specs.make_problem_weights(config, spec, 1)
    assert (np.asarray(weights.style_terms[3:]) < 1e-9).all() == (variant == "code")


def test_a_factor_on_activations_is_one_on_weights():
    """Which is what configs/swag.py makes of the authors' program."""
    F, P = (jnp.asarray(activation(seed, shape=(1, 4, 5, 6))) for seed in (0, 1))

    def distances(F, P):
        style = grams.distance(grams.gram(F), grams.gram(P), 6, normalization="chw_mse")
        return float(style), float(content_distance(F, P, 6, "mse"))

    style, content = distances(F, P)
    assert distances(0.1 * F, 0.1 * P) == pytest.approx((1e-4 * style, 1e-2 * content), rel=1e-4)
