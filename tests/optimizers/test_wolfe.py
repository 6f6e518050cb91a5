"""The line search that evaluates once a turn: its conditions, its failures, and one network a program."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nst.optimizers import steps, table, wolfe
from nst.optimizers.lbfgs import scale_by_lbfgs
from nst.optimizers.table import Optimizer, method
from tests.helpers import shallow
from tests.helpers.shallow import LOSS, SPEC, loss, start

SETTINGS = wolfe.Settings(memory=6, dtype="float32", value_range=1.0, max_evaluations=20)


@jax.jit
def rosenbrock(x):
    return jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


slope = jax.jit(jax.grad(rosenbrock))


def walk(objective, x, count, settings=SETTINGS):
    """The states of `count` steps, the first of which only evaluates."""
    rule = wolfe.method(settings)
    step = jax.jit(lambda x, state: rule.step(objective, x, state))
    x = jnp.asarray(x, jnp.float32)
    states = [(x, rule.init(x), 0)]
    for _ in range(count):
        update = step(*states[-1][:2])
        states.append((update.x, update.state, int(update.evaluations)))
    return states


START = (-1.2, 1.0, 0.7, -0.4)


def test_the_first_turn_evaluates_and_stays():
    (x, _, _), (same, state, evaluations) = walk(rosenbrock, START, 1)
    assert (np.asarray(x) == np.asarray(same)).all() and evaluations == 1
    assert float(state.value) == pytest.approx(float(rosenbrock(x)))
    gradient = np.asarray(slope(x))
    assert np.asarray(state.direction) == pytest.approx(-10 / 255 * gradient / np.abs(gradient).max())


@jax.jit
def valley(x):
    """So wide that the first step, of 10/255, hardly changes the slope."""
    return jnp.sum((x - 5) ** 2)


@pytest.mark.parametrize("objective, start, least", [(rosenbrock, START, 15), (valley, (0.0,), 2)])
def test_every_step_takes_the_wolfe_conditions(objective, start, least):
    states, slope = walk(objective, start, 30), jax.jit(jax.grad(objective))
    checked = 0
    for (x, before, _), (new, _, _) in zip(states[1:], states[2:], strict=False):
        move, value = np.asarray(new - x, np.float64), float(before.value)
        first, after = (np.asarray(slope(point), np.float64) @ move for point in (x, new))
        if abs(first) < 1e-6:  # at the minimum
            break
        assert float(objective(new)) <= value + wolfe.C1 * first + 1e-6 * value
        assert after >= wolfe.C2 * first - 1e-6
        checked += 1
    assert checked >= least


@pytest.mark.parametrize("start", [START, (0.0, 0.0, 0.0, 0.0), (3.0, -2.0, 5.0, 1.0)])
def test_it_finds_a_minimum(start):
    """There are two: (1, 1, 1, 1), and one near (-0.776, 0.613, 0.382, 0.146), to which the first leads."""
    x, state, _ = walk(rosenbrock, start, 80)[-1]
    expected = (-0.77566, 0.61309, 0.38206, 0.14597) if start == START else (1, 1, 1, 1)
    assert np.asarray(x) == pytest.approx(np.array(expected), abs=2e-3)


def test_directions_are_those_of_the_two_loop_recursion():
    """Along the search's own points, scale_by_lbfgs gives its directions."""
    states = walk(rosenbrock, START, 8)
    update = scale_by_lbfgs(6, lambda g: 10 / 255 / jnp.max(jnp.abs(g)), min_curvature=0.0)
    memory, advance = update.init(states[1][0]), jax.jit(update.update)
    for x, state, _ in states[1:]:
        scaled, memory = advance(slope(x), memory, x)
        scale = float(jnp.abs(scaled).max())
        assert np.asarray(-state.direction) == pytest.approx(np.asarray(scaled), abs=1e-3 * scale)


def test_a_step_into_nan_is_shortened():
    def objective(x):
        return jnp.where(x[0] > 0.02, jnp.nan, (x[0] - 0.019) ** 2)

    states = walk(objective, (0.0,), 6)
    assert all(np.isfinite(state.value) for _, state, _ in states[1:])
    assert states[2][2] > 1  # the first step, of 10/255, was too long
    assert float(states[-1][0][0]) == pytest.approx(0.019, abs=1e-3)


def test_a_search_that_fails_along_the_gradient_stays_and_ends():
    """A loss that rises wherever one goes, whatever its gradient says: a second search would fail again."""

    @jax.custom_vjp
    def objective(x):
        return jnp.sum(jnp.abs(x - 0.5))

    objective.defvjp(lambda x: (objective(x), x), lambda x, g: (jnp.ones_like(x),))  # wrong on purpose
    states = walk(objective, (0.5, 0.5), 4, SETTINGS._replace(max_evaluations=5))
    assert [evaluations for _, _, evaluations in states] == [0, 1, 5, 0, 0]
    assert all((np.asarray(x) == 0.5).all() for x, _, _ in states)
    assert int(states[2][1].memory.stored) == 0 and all(state.value == 0 for _, state, _ in states[1:])


def test_a_loss_that_is_not_finite_at_the_start_is_given_back():
    rule = wolfe.method(SETTINGS._replace(max_evaluations=3))
    step = jax.jit(lambda x: rule.step(lambda x: jnp.sum(x) * jnp.nan, x, rule.init(x)))
    update = step(np.ones(2, np.float32))
    assert np.isnan(update.value) and update.evaluations == 1 and update.updated


@pytest.fixture
def problem():
    return shallow.problem()


def begin(optimizer):
    return steps.init(optimizer, start())


def convolutions(lowered):
    return lowered.as_text().count("stablehlo.convolution")


def test_the_compiled_loop_holds_the_network_once(problem):
    """Optax's zoom search holds it three times."""
    once = convolutions(
        jax.jit(jax.value_and_grad(lambda x: loss(SPEC, problem, x))).lower(begin(Optimizer()).pixels)
    )
    found = {
        name: convolutions(
            steps.run.lower(LOSS, Optimizer(line_search=name), problem, begin(Optimizer(line_search=name)), 1)
        )
        for name in ("wolfe", "zoom")
    }
    assert once == 6  # three layers, there and back
    assert found == {"wolfe": once, "zoom": 3 * once}


def test_no_point_is_evaluated_twice(problem):
    """The count of the state is that of the calls, and the loss it keeps is that of its pixels."""
    calls = []

    def objective(x):
        jax.debug.callback(lambda value: calls.append(float(value)), value := loss(SPEC, problem, x))
        return value

    optimizer = Optimizer(memory=5)
    pixels, inner = begin(optimizer).pixels, begin(optimizer).optimizer
    step = jax.jit(lambda x, state: method(optimizer).step(objective, x, state))
    for _ in range(8):
        pixels, inner, *_ = step(pixels, inner)
    jax.effects_barrier()
    state, _ = steps.run(LOSS, optimizer, problem, begin(optimizer), 7)
    assert int(state.evaluations) == len(calls) and int(state.step) == 7
    assert len(set(calls)) == len(calls)
    assert float(state.optimizer.value) == pytest.approx(float(loss(SPEC, problem, state.pixels)), rel=1e-6)


def test_pairs_in_bfloat16_take_half_the_bytes_and_descend_alike(problem):
    losses, sizes = [], []
    for dtype in table.HISTORY_DTYPES:
        optimizer = Optimizer(memory=5, history_dtype=dtype)
        state, _ = steps.run(LOSS, optimizer, problem, begin(optimizer), 40)
        memory = state.optimizer.memory
        sizes.append(memory.steps.nbytes + memory.changes.nbytes)
        losses.append(float(loss(SPEC, problem, state.pixels)))
    assert sizes[1] * 2 == sizes[0]
    assert losses[1] == pytest.approx(losses[0], rel=0.1)


def test_a_start_with_no_gradient_ends_the_search():
    states = walk(lambda x: jnp.sum(x**2), (0.0, 0.0), 5)
    assert [evaluations for _, _, evaluations in states] == [0, 1, 0, 0, 0, 0]
    assert (np.asarray(states[-1][0]) == 0).all() and states[-1][1].value == 0


def test_a_search_that_fails_along_pairs_is_tried_along_the_gradient():
    step, short = (
        jax.jit(partial(wolfe.method(settings).step, rosenbrock))
        for settings in (SETTINGS, SETTINGS._replace(max_evaluations=3))
    )
    states = walk(rosenbrock, START, 12)
    x, state, _ = states[-1]
    uphill = state._replace(direction=-state.direction)
    failed = short(x, uphill)
    assert int(failed.evaluations) == 3 and (np.asarray(failed.x) == np.asarray(x)).all()
    again = step(failed.x, failed.state)  # evaluates x
    assert int(again.evaluations) == 1 and not again.updated
    moved = step(again.x, again.state)
    assert float(rosenbrock(moved.x)) < float(rosenbrock(x))
