"""Masks through the layers against receptive fields found by differentiation; weights and overlaps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nst.errors import UserError
from nst.losses import guidance
from nst.networks import checkpoints
from nst.networks.network import Network
from nst.networks.table import features
from tests.helpers.frozen import freeze

LAYERS = ("relu1_1", "conv1_2", "relu2_1", "relu3_1")


@pytest.fixture(scope="module")
def fields():
    """{layer: HxWxhxw, whether a pixel is in the receptive field of a position}, of a picture of 13x18."""
    params = checkpoints.load("random", "vgg19", LAYERS).params
    ones = {name: {"kernel": jnp.ones_like(p["kernel"]), "bias": 0 * p["bias"]} for name, p in params.items()}
    variables, network = freeze(ones), Network(pooling="average")

    def found(image_HxW):
        image_1xHxWx3 = jnp.broadcast_to(image_HxW[None, ..., None], (1, 13, 18, 3)) + 1.0
        activations = features(network, variables, image_1xHxWx3, LAYERS)
        return {layer: x[0, ..., 0] for layer, x in activations.items()}  # linear: no rectifier is at 0

    jacobian = jax.jacrev(found)(jnp.zeros((13, 18)))
    return {layer: np.moveaxis(np.asarray(j) != 0, (2, 3), (0, 1)) for layer, j in jacobian.items()}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["inside", "all"])
def test_inside_and_all_are_what_the_receptive_field_says(fields, kind):
    mask = np.random.default_rng(0).uniform(0, 1, (13, 18)) > (0.1 if kind == "inside" else 0.97)
    found = guidance.propagate("vgg19", mask.astype(np.float32), LAYERS, kind)
    assert set(found) == set(LAYERS)
    for layer, field in fields.items():
        inside = field & mask[..., None, None]
        expected = (inside.sum((0, 1)) == field.sum((0, 1))) if kind == "inside" else inside.any((0, 1))
        np.testing.assert_array_equal(found[layer] > 0.5, expected, err_msg=layer)


def test_simple_is_the_mean_over_the_pooled_windows():
    mask = np.random.default_rng(1).uniform(0, 1, (13, 18)).astype(np.float32)
    found = guidance.propagate("vgg19", mask, (*LAYERS, "image"), "simple")
    np.testing.assert_array_equal(found["image"], mask)
    np.testing.assert_array_equal(found["relu1_1"], mask)
    assert found["relu3_1"].shape == (3, 4)
    for y, x in np.ndindex(3, 4):
        assert found["relu3_1"][y, x] == pytest.approx(
            mask[4 * y : 4 * y + 4, 4 * x : 4 * x + 4].mean(), rel=1e-5
        )


@pytest.mark.parametrize("kind", guidance.PROPAGATION)
def test_everywhere_stays_everywhere_and_soft_edges_stay_ordered(kind):
    for layer, mask in guidance.propagate("vgg19", np.ones((17, 9)), LAYERS, kind).items():
        np.testing.assert_array_equal(mask, 1, err_msg=layer)
    ramp = np.linspace(0, 1, 32)[None].repeat(16, 0)
    passed = {each: guidance.propagate("vgg19", ramp, LAYERS, each) for each in guidance.PROPAGATION}
    for layer in LAYERS:
        assert (np.diff(passed[kind][layer][0]) >= -1e-6).all()
        assert (passed["inside"][layer] <= passed["simple"][layer] + 1e-6).all()
        assert (passed["simple"][layer] <= passed["all"][layer] + 1e-6).all()


def test_weights_are_the_squares_with_sum_one():
    found = guidance.weights({"relu1_1": np.array([[0.0, 0.5], [1.0, 0.0]], np.float32)}, "sky.png")
    assert found["relu1_1"] == pytest.approx(np.array([[0, 0.2], [0.8, 0]]))


def test_a_region_that_a_layer_does_not_resolve_is_said():
    mask = np.zeros((32, 32), np.float32)
    mask[4:8, 4:8] = 1
    passed = guidance.propagate("vgg19", mask, ("relu1_1", "relu4_1"), "inside")
    with pytest.raises(UserError, match="sky.png: nothing is left of it at relu4_1"):
        guidance.weights(passed, "sky.png")
    guidance.weights(guidance.propagate("vgg19", mask, ("relu1_1", "relu4_1"), "all"), "sky.png")


def test_overlaps_are_said_with_their_share():
    left = np.zeros((10, 10))
    left[:, :6] = 1
    guidance.check_overlap([left, 1 - left])
    with pytest.raises(UserError, match="on 10 % of the picture"):
        guidance.check_overlap([left, np.flip(left, 1) * (np.arange(10) != 4)])


def test_another_propagation_is_refused():
    with pytest.raises(UserError, match="guidance.propagation = 'insid': did you mean 'inside'"):
        guidance.propagate("vgg19", np.ones((8, 8)), LAYERS, "insid")
