"""The bands of a Laplacian pyramid in place of pixels."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from nst.losses.problem import loss
from nst.optimizers import bands, steps
from nst.optimizers.table import Optimizer
from tests.helpers import shallow
from tests.helpers.shallow import LOSS, SPEC, start


@pytest.fixture
def problem():
    return shallow.problem()


def run(optimizer, problem, count):
    return steps.run(LOSS, optimizer, problem, steps.init(optimizer, start()), np.int32(count))


def naive_join(bands):
    """Linear enlargement by two with pixel centres at the halves, edges repeated; even edges only."""
    image = bands[-1]
    for band in bands[-2::-1]:
        for axis in (1, 2):
            count = image.shape[axis]
            before = np.take(image, np.maximum(np.arange(count) - 1, 0), axis)
            after = np.take(image, np.minimum(np.arange(count) + 1, count - 1), axis)
            pair = np.stack([0.75 * image + 0.25 * before, 0.75 * image + 0.25 * after], axis + 1)
            image = pair.reshape(*image.shape[:axis], 2 * count, *image.shape[axis + 1 :])
        image = band + image
    return image


def test_bands_are_joined_as_written_out():
    rng = np.random.default_rng(0)
    made = [rng.normal(size=shape.shape).astype(np.float32) for shape in bands.shapes((1, 16, 24, 3), 4)]
    assert [band.shape[1:3] for band in made] == [(16, 24), (8, 12), (4, 6), (2, 3)]
    assert np.asarray(bands.join(made)) == pytest.approx(naive_join(made), abs=1e-5)
    assert [shape.shape[1:3] for shape in bands.shapes((1, 5, 3, 3), 4)] == [(5, 3), (2, 1), (1, 1), (1, 1)]


@pytest.mark.slow
@pytest.mark.parametrize("name, options", [
    ("rmsprop", {"decay": 0.99}), ("adam", {}), ("sgd", {"momentum": 0.9}),
])  # fmt: skip
def test_bands_move_as_if_they_were_the_parameters(problem, name, options):
    text = ",".join(f"{key}={value}" for key, value in options.items())
    moved = Optimizer(name=name, learning_rate=2e-3, options=text, bands=3)
    state, _ = run(moved, problem, 4)
    plain = optax.with_extra_args_support(getattr(optax, name)(2e-3, **options))
    found = [jnp.asarray(start())] + [jnp.zeros(shape.shape) for shape in bands.shapes((1, 16, 12, 3), 3)][1:]
    inner = plain.init(found)
    for _ in range(4):
        value, gradient = jax.value_and_grad(lambda z: loss(SPEC, problem, bands.join(z)))(found)
        moves, inner = plain.update(gradient, inner, found, value=value)
        found = optax.apply_updates(found, moves)
    assert np.asarray(state.pixels) == pytest.approx(np.asarray(bands.join(found)), abs=2e-5)
    pixels, _ = run(dataclasses.replace(moved, bands=0), problem, 4)
    assert np.abs(np.asarray(state.pixels - pixels.pixels)).max() > 1e-3
