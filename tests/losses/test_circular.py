"""Borders that meet: a loss that does not know where the image begins."""

import dataclasses
from functools import cache, partial

import jax
import numpy as np
import pytest

from nst.errors import UserError
from nst.losses.problem import loss, make_problem
from nst.losses.regularizers import REGULARIZERS, TOTAL_VARIATION, photo_targets
from nst.losses.spec import Spec
from nst.losses.weights import WeightSettings, make_weights
from nst.networks import checkpoints
from nst.networks.network import Network
from nst.networks.table import multiples
from tests.helpers import shallow
from tests.helpers.frozen import freeze

NETWORK = dataclasses.replace(shallow.NETWORK, padding="circular")
SPEC = Spec(
    network=NETWORK, content_layers=("relu2_1",), style_layers=("relu1_1", "relu2_1"),
    regularizers=tuple(REGULARIZERS), laplacian_pool=2, tv="diagonal",
)  # fmt: skip
STRIDE = 2  # of relu2_1


def random(shape, seed=0):
    return np.random.default_rng(seed).uniform(0, 1, shape).astype(np.float32)


@cache
def network(layers):
    return freeze(checkpoints.load("random", "vgg19", layers).params)


@partial(jax.jit, static_argnums=0)
def computed(spec, variables, photo, painting, weights, x):
    return loss(spec, make_problem(spec, variables, photo, [painting], weights), x)


def value(spec, down=0, right=0, seed=1):
    """The loss of an image, where image and photograph are rolled."""
    photo, x, painting = (random((1, 16, 12, 3), number) for number in (0, seed, 2))
    photo, x = (np.roll(image, (down, right), (1, 2)) for image in (photo, x))
    regularized = {"tv": 0.1, "regularizers": dict.fromkeys(REGULARIZERS, 1.0)}
    weights = make_weights(spec, WeightSettings(content=1.0, style=10.0, **regularized), 1)
    return float(computed(spec, network(spec.layers), photo, painting, weights, x))


POOLINGS = "max", pytest.param("blur", marks=pytest.mark.slow)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_the_loss_does_not_depend_on_where_the_image_begins(pooling):
    spec = dataclasses.replace(SPEC, network=dataclasses.replace(NETWORK, pooling=pooling))
    for down, right in ((STRIDE, 0), (0, -STRIDE), (6, 4)):
        assert value(spec, down, right) == pytest.approx(value(spec), rel=2e-6)
    # with borders that do not meet, it does
    opened = dataclasses.replace(spec, network=dataclasses.replace(spec.network, padding="zero"))
    assert abs(value(opened, STRIDE, 0) / value(opened) - 1) > 1e-4


@pytest.mark.parametrize("pooling", POOLINGS)
def test_circular_x_joins_left_and_right_alone(pooling):
    spec = dataclasses.replace(
        SPEC, network=dataclasses.replace(NETWORK, pooling=pooling, padding="circular_x")
    )
    assert value(spec, 0, STRIDE) == pytest.approx(value(spec), rel=2e-6)
    assert abs(value(spec, STRIDE, 0) / value(spec) - 1) > 1e-4


@pytest.mark.parametrize("wraps", [(True, True), (True, False), (False, True)])
@pytest.mark.parametrize("name", [*TOTAL_VARIATION, *REGULARIZERS])
def test_regularisers_of_a_tile_move_with_it(name, wraps):
    x, photo = random((1, 6, 8, 3)), random((1, 6, 8, 3), 1)

    @jax.jit
    def regularized(moved, target):
        if name in TOTAL_VARIATION:
            return TOTAL_VARIATION[name](moved, 1.5, wraps)
        known = {"laplacian_pool": 2, "wraps": wraps, "alpha_norm_power": 4.0}
        options = [known[option] for option in REGULARIZERS[name].options]
        target = photo_targets([name], target, 2, wraps)[name]
        return REGULARIZERS[name].loss(2 * moved, target, *options)

    def regularizer(shift):
        return float(regularized(*(np.roll(image, shift, (1, 2)) for image in (x, photo))))

    still = regularizer((0, 0))
    assert regularizer((2 * wraps[0], 4 * wraps[1])) == pytest.approx(still, rel=1e-5)
    if name not in ("range", "alpha_norm"):  # which look at single pixels
        assert all(
            wrap or abs(regularizer(shift) / still - 1) > 1e-4
            for wrap, shift in zip(wraps, ((2, 0), (0, 2)), strict=True)
        )


@pytest.mark.parametrize("name, expected", [
    ("l1", lambda down, right: np.abs(down).sum() + np.abs(right).sum()),
    ("l2", lambda down, right: (down**2 + right**2).sum() / 2),
    ("mean", lambda down, right: (down**2 + right**2).mean()),
    ("beta", lambda down, right: ((down**2 + right**2) ** 0.75).sum()),
])  # fmt: skip
def test_total_variation_counts_the_pairs_across_the_border(name, expected):
    x = random((1, 5, 7, 3)).astype(np.float64)
    differences = (np.roll(x, -1, axis) - x for axis in (1, 2))
    found = jax.jit(lambda x: TOTAL_VARIATION[name](x, 1.5, (True, True)))(x.astype(np.float32))
    assert float(found) == pytest.approx(expected(*differences), rel=1e-5)


def test_edges_that_wrap_have_whole_strides():
    assert multiples(NETWORK, ("relu1_1", "relu4_1")) == (8, 8)
    assert multiples(Network(padding="circular_x"), ("pool1",)) == (1, 2)
    assert multiples(Network(), ("relu5_1",)) == (1, 1)


def test_strips_end_at_the_top_and_the_bottom():
    with pytest.raises(UserError, match="strip = 8: network.padding = circular joins .* set strip = 0"):
        dataclasses.replace(SPEC, strip=8)
    assert Spec(network=Network(padding="circular_x"), strip=8).strip == 8
