"""The bands of a Laplacian pyramid in place of pixels, and as the metric of L-BFGS."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from nst.optimizers import bands, lbfgs, steps
from nst.optimizers.table import Optimizer
from tests.helpers import shallow
from tests.helpers.shallow import LOSS, SPEC, loss, start


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
    assert np.asarray(jax.jit(bands.join)(made)) == pytest.approx(naive_join(made), abs=1e-5)
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
    value_and_grad = jax.jit(jax.value_and_grad(lambda z, problem: loss(SPEC, problem, bands.join(z))))
    inner = plain.init(found)
    for _ in range(4):
        value, gradient = value_and_grad(found, problem)
        moves, inner = plain.update(gradient, inner, found, value=value)
        found = optax.apply_updates(found, moves)
    assert np.asarray(state.pixels) == pytest.approx(np.asarray(bands.join(found)), abs=2e-5)
    pixels, _ = run(dataclasses.replace(moved, bands=0), problem, 4)
    assert np.abs(np.asarray(state.pixels - pixels.pixels)).max() > 1e-3


# --- L-BFGS


def joining(height, width, count):
    """J as a matrix, a column for each number of the bands, and the weights 2^-k of these numbers."""
    made = [shape.shape for shape in bands.shapes((1, height, width, 1), count)]
    columns, weights = [], []
    for k, shape in enumerate(made):
        for place in np.ndindex(shape):
            unit = [np.zeros(other) for other in made]
            unit[k][place] = 1
            columns.append(naive_join(unit).ravel())
            weights.append(0.5**k)
    return np.stack(columns, axis=1), np.array(weights)


@pytest.mark.parametrize("count", [0, 1, 2, 4])
def test_the_metric_is_that_of_the_weighted_bands(count):
    J, weights = joining(8, 8, max(count, 1))
    M = J * weights @ J.T
    units = np.eye(64, dtype=np.float32).reshape(64, 1, 8, 8, 1)
    found = np.asarray(jax.jit(jax.vmap(bands.metric(count)))(units)).reshape(64, 64)
    assert found == pytest.approx(M, abs=1e-5)
    assert np.linalg.eigvalsh(M).min() >= 1 - 1e-9
    assert count > 1 or (found == np.eye(64)).all()


def test_a_long_wave_is_multiplied_by_the_inverse_of_its_frequency():
    y, x = np.mgrid[:128, :128]
    gains, metric = [], jax.jit(bands.metric(6))
    for period in (8, 16, 32, 64):
        wave = np.cos(2 * np.pi * (x + 0.5) / period).astype(np.float32)[None, :, :, None]
        gains.append(float((np.asarray(metric(wave)) * wave).sum() / (wave * wave).sum()))
    ratios = np.divide(gains[1:], gains[:-1])
    assert (ratios > 1.6).all() and (ratios < 2.4).all()


def test_lbfgs_with_the_metric_moves_as_lbfgs_on_the_bands():
    """The iterates are those of x = J D^(1/2) z, where z are moved without a metric."""
    J, weights = joining(8, 4, 3)
    A = (J * np.sqrt(weights)).astype(np.float32)
    rng = np.random.default_rng(0)
    curves = rng.uniform(1, 9, 32).astype(np.float32)
    target = rng.normal(size=32).astype(np.float32)

    def gradient(x):
        return curves * (x - target) + 0.3 * np.sin(3 * x)

    shape = (1, 8, 4, 1)
    pixels = lbfgs.scale_by_lbfgs(4, lambda g: 0.01, count=3)
    numbers = lbfgs.scale_by_lbfgs(4, lambda g: 0.01)
    x, z = np.zeros(32, np.float32), np.zeros(A.shape[1], np.float32)
    states = pixels.init(jnp.zeros(shape)), numbers.init(jnp.zeros(A.shape[1]))
    move, move_numbers = jax.jit(pixels.update), jax.jit(numbers.update)
    start = np.linalg.norm(gradient(x))
    for _ in range(12):
        update, first = move(gradient(x).reshape(shape), states[0], x.reshape(shape))
        x = x - np.asarray(update).ravel()
        update, second = move_numbers(A.T @ gradient(A @ z), states[1], z)
        z, states = z - np.asarray(update), (first, second)
        assert x == pytest.approx(A @ z, abs=2e-3 * float(np.abs(x).max()))
    assert np.linalg.norm(gradient(x)) < 0.2 * start and int(states[0].stored) == 11


def test_lbfgs_in_bands_descends_and_resumes_to_the_same_bytes(problem):
    optimizer = Optimizer(memory=4, bands=3)
    before = float(loss(SPEC, problem, start()))
    whole, _ = run(optimizer, problem, 12)
    assert float(loss(SPEC, problem, steps.image(optimizer, whole))) < 0.8 * before
    state = steps.init(optimizer, start())
    for count in (5, 7):
        state, _ = steps.run(LOSS, optimizer, problem, state, np.int32(count))
    for a, b in zip(jax.tree.leaves(whole), jax.tree.leaves(state), strict=True):
        assert (np.asarray(a) == np.asarray(b)).all()
    pixels, _ = run(dataclasses.replace(optimizer, bands=0), problem, 12)
    assert (np.asarray(pixels.pixels) != np.asarray(whole.pixels)).any()
