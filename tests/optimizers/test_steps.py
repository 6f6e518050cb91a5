"""The optimisers against plain loops, and the device loop against itself."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from nst.losses import problem as problems
from nst.losses.problem import Loss, measure
from nst.optimizers import steps
from nst.optimizers.table import Optimizer
from tests.helpers import shallow
from tests.helpers.shallow import LOSS, SPEC, start

loss = jax.jit(problems.loss, static_argnums=0)
slope = jax.jit(jax.grad(problems.loss, argnums=2), static_argnums=0)


@pytest.fixture
def problem():
    return shallow.problem()


def run(optimizer, problem, count, state=None):
    state = steps.init(optimizer, start()) if state is None else state
    return steps.run(LOSS, optimizer, problem, state, np.int32(count))


def same(a, b):
    return all(
        (np.asarray(x) == np.asarray(y)).all()
        for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    )


@pytest.mark.parametrize("optimizer", [
    Optimizer(), Optimizer(line_search="zoom"),
    pytest.param(Optimizer(line_search="backtracking"), marks=pytest.mark.slow),
    pytest.param(Optimizer(line_search="none", learning_rate=0.5), marks=pytest.mark.slow),
    Optimizer(memory=5, history_dtype="bfloat16"),
    Optimizer(name="lbfgs_torch", pixel_range=255.0), Optimizer(name="adam", learning_rate=0.02),
    Optimizer(name="gradient_descent", learning_rate=3e-3),
    Optimizer(name="adamw", learning_rate=0.02, options="b1=0.8,weight_decay=1e-6",
              schedule="cosine_decay_schedule", schedule_options="decay_steps=20"),
    Optimizer(clamp=True), Optimizer(name="adam", learning_rate=5.0, pixel_range=255.0, clamp=True, ema=0.9),
], ids=lambda o: f"{o.name}-{o.line_search}-{o.clamp}")  # fmt: skip
def test_every_optimizer_descends_and_resumes_to_the_same_bytes(problem, optimizer):
    before = float(loss(SPEC, problem, start()))
    whole, value = run(optimizer, problem, 12)
    assert float(loss(SPEC, problem, steps.image(optimizer, whole))) < 0.8 * before
    assert whole.step == 12 and whole.evaluations >= 12 and np.isfinite(value)
    pieces = None
    for count in (5, 1, 6):
        pieces, _ = run(optimizer, problem, count, pieces)
    assert same(whole, pieces)
    if optimizer.clamp:
        assert 0 <= whole.pixels.min() and whole.pixels.max() <= optimizer.pixel_range


def test_one_program_serves_chunks_of_every_length(problem):
    optimizer = Optimizer(memory=3)
    compiled = steps.run._cache_size()
    state = None
    for count in (1, 4, 2):
        state, _ = run(optimizer, problem, count, state)
    assert steps.run._cache_size() == compiled + 1


@dataclasses.dataclass(frozen=True)
class Counted:
    """The squared distance from the problem's target, which counts how often it is traced."""

    scale: float

    def __call__(self, problem, x, step):
        TRACED.append(self.scale)
        return self.scale * jnp.sum(problem["weights"] * (x - problem["target"]) ** 2)


TRACED = []


@pytest.mark.parametrize("objective, changed", [
    (lambda: Counted(2.0), Counted(3.0)),
    (lambda: Loss(dataclasses.replace(SPEC)), Loss(dataclasses.replace(SPEC, tv="l1"))),
])  # fmt: skip
def test_equal_objectives_share_a_program(problem, objective, changed, monkeypatch):
    """Objectives made anew, as by every run of a sweep, are traced once; another one is traced anew."""
    traced = []
    optimizer = Optimizer(name="adam", learning_rate=0.0123)
    if isinstance(changed, Loss):
        monkeypatch.setattr(
            Loss,
            "__call__",
            lambda self, *arguments: traced.append(1) or problems.loss(self.spec, *arguments),
        )
    else:
        problem, traced = {"weights": jnp.ones(()), "target": jnp.zeros(())}, TRACED
    for _ in range(3):
        assert objective() is not objective() and objective() == objective()
        steps.run(objective(), optimizer, problem, steps.init(optimizer, start()), np.int32(1))
    once = len(traced)
    steps.run(changed, optimizer, problem, steps.init(optimizer, start()), np.int32(1))
    assert len(traced) == 2 * once and once > 0


@pytest.mark.parametrize("shape", [(300,), (2, 3, 4, 5, 2), ()], ids=["sound", "voxels", "number"])
@pytest.mark.parametrize("optimizer", [
    Optimizer(), Optimizer(line_search="zoom"), Optimizer(name="lbfgs_torch", clamp=True),
    Optimizer(name="adam", learning_rate=0.05, ema=0.5),
], ids=lambda o: f"{o.name}-{o.line_search}")  # fmt: skip
def test_whatever_has_a_loss_is_optimised(optimizer, shape):
    """`run` makes no picture of its array: a quadratic's minimum is found in any shape."""
    rng = np.random.default_rng(0)
    target, begin = (rng.uniform(0.2, 0.8, shape).astype(np.float32) for _ in range(2))
    problem = {"weights": rng.uniform(1, 3, shape).astype(np.float32), "target": target}
    state = steps.init(optimizer, begin)
    state, value = steps.run(Counted(1.0), optimizer, problem, state, np.int32(60))
    found = np.asarray(steps.image(optimizer, state))
    assert found.shape == shape and int(state.step) == 60
    assert found == pytest.approx(target, abs=0.02) and float(value) < 0.1


# --- the end by the progress of the loss


def given(problem, x, step):
    """A loss that is written down for each step, whatever x is."""
    return problem[step] + 0 * jnp.sum(x)


FALLING = [2.0**-k for k in range(40)]


@pytest.mark.parametrize("losses, end", [
    ([5.0] * 40, 10), ([0.0] * 40, 10), ([-5.0] * 40, 10), (FALLING, 40), (FALLING[::-1], 40),
    ([*FALLING[:15], *[2.0**-15] * 25], 30),  # the second ten began while it fell
    ([100.0 + k % 2 for k in range(40)], 10), ([100.0 + 1.02 * (k % 2) for k in range(40)], 40),
    ([100.0 - k / 9 for k in range(40)], 10), ([100.0 - k / 8.8 for k in range(40)], 40),
    # a step that was too long: no end while the loss rises, or falls back
    ([7.0, 7.0, *[1e9 / 4**k for k in range(14)], *[6.9] * 24], 30),
], ids=range(11))  # fmt: skip
def test_a_run_ends_after_ten_updates_without_progress(losses, end):
    optimizer = Optimizer(name="gradient_descent", tolerance=0.01)
    state = steps.init(optimizer, np.zeros(3, np.float32))
    state, value = steps.run(given, optimizer, jnp.asarray(losses), state, np.int32(40))
    assert int(state.step) == end and bool(steps.converged(optimizer, state)) == (end < 40)
    assert float(value) == np.float32(losses[end - 1])
    again, _ = steps.run(given, optimizer, jnp.asarray(losses), state, np.int32(0))
    assert int(again.step) == end


@pytest.mark.parametrize("optimizer", [
    Optimizer(memory=5, clamp=True), Optimizer(name="adam", learning_rate=0.02, ema=0.9),
], ids=lambda o: o.name)  # fmt: skip
def test_the_end_changes_no_step_before_it(problem, optimizer):
    ending, losses = dataclasses.replace(optimizer, tolerance=0.1), []
    plain = None
    for _ in range(60):
        plain, value = run(optimizer, problem, 1, plain)
        losses.append(float(value))
    tens = np.reshape(losses, (-1, 10))
    small = [(ten.max() - ten.min()) <= 0.1 * ten.max() for ten in tens]
    assert not small[0] and any(small)
    end = 10 * (small.index(True) + 1)
    state, _ = run(ending, problem, 60)
    assert int(state.step) == end
    assert same(run(optimizer, problem, end)[0], state.replace(window=None))
    pieces = None
    for count in (7, 13, 40):
        pieces, _ = run(ending, problem, count, pieces)
    assert same(state, pieces)


def test_gradient_descent_is_the_plain_rule(problem):
    """G := G - lr dJ/dG."""
    optimizer = Optimizer(name="gradient_descent", learning_rate=1e-3)
    state, _ = run(optimizer, problem, 3)
    x = start()
    for _ in range(3):
        x = x - 1e-3 * np.asarray(slope(SPEC, problem, x))
    assert np.asarray(state.pixels) == pytest.approx(np.asarray(x), rel=1e-5, abs=1e-6)


def test_pixel_range_is_a_change_of_units(problem):
    """Adam's step is in pixel units, so a range of 255 with a rate 255 times higher is the same run."""
    one, _ = run(Optimizer(name="adam", learning_rate=0.01), problem, 5)
    many, _ = run(Optimizer(name="adam", learning_rate=2.55, pixel_range=255.0), problem, 5)
    assert np.asarray(many.pixels) / 255 == pytest.approx(np.asarray(one.pixels), abs=2e-4)


def test_terms_are_measured_in_the_units_of_the_optimiser(problem):
    one = measure(SPEC, problem, start(), 0)
    many = measure(SPEC, problem, 255 * start(), 0, 255.0)
    assert set(one) == {"content/relu2_1", "style/relu1_1", "style/relu2_1", "tv"}
    assert sum(one.values()) == pytest.approx(float(loss(SPEC, problem, start())), rel=1e-6)
    assert {name: float(value) for name, value in many.items()} == pytest.approx(
        {name: float(value) for name, value in one.items()}, rel=1e-5
    )


def test_lbfgs_matches_scipy(problem):
    scipy = pytest.importorskip("scipy.optimize")
    value_and_grad = jax.jit(jax.value_and_grad(lambda x, problem: problems.loss(SPEC, problem, x)))

    def objective(flat):
        value, gradient = value_and_grad(flat.reshape(1, 16, 12, 3).astype(np.float32), problem)
        return float(value), np.asarray(gradient, np.float64).ravel()

    options = dict(maxfun=60, maxiter=60, maxcor=20)
    reference = scipy.minimize(objective, start().ravel(), jac=True, method="L-BFGS-B", options=options)
    state, _ = run(Optimizer(), problem, 50)
    assert float(loss(SPEC, problem, state.pixels)) < 1.15 * reference.fun


@pytest.mark.slow
@pytest.mark.parametrize("line_search", ["zoom", "backtracking"])
def test_evaluations_are_counted(problem, line_search):
    """The count is that of the search plus the first, checked against calls of the objective."""
    optimizer = Optimizer(line_search=line_search, memory=5)
    state, calls = steps.init(optimizer, start()), 0
    searches = {
        "zoom": optax.scale_by_zoom_linesearch(20, initial_guess_strategy="one"),
        "backtracking": optax.scale_by_backtracking_linesearch(20, store_grad=True),
    }
    update = optax.lbfgs(memory_size=5, linesearch=searches[line_search])
    objective = lambda x: loss(SPEC, problem, x)  # noqa: E731
    inner, pixels = update.init(jnp.asarray(start())), jnp.asarray(start())
    step = jax.jit(
        lambda inner, pixels: update.update(
            jax.grad(objective)(pixels), inner, pixels, value=objective(pixels),
            grad=jax.grad(objective)(pixels), value_fn=objective,
        )
    )  # fmt: skip
    for _ in range(4):
        updates, inner = step(inner, pixels)
        pixels = pixels + updates
        calls += int(optax.tree.get(inner, "num_linesearch_steps"))
    state, _ = run(optimizer, problem, 4, state)
    assert int(state.evaluations) == calls + 1
    assert np.asarray(state.pixels) == pytest.approx(np.asarray(pixels), abs=2e-3)


def test_ema_is_the_weighted_mean_of_the_iterates(problem):
    optimizer = Optimizer(name="adam", learning_rate=0.02, ema=0.8)
    plain = dataclasses.replace(optimizer, ema=0.0)
    iterates = [np.asarray(run(plain, problem, count)[0].pixels) for count in range(1, 6)]
    state, _ = run(optimizer, problem, 5)
    share = 0.8 ** np.arange(4, -1, -1)
    expected = sum(w * x for w, x in zip(share, iterates, strict=True)) / share.sum()
    assert np.asarray(steps.image(optimizer, state)) == pytest.approx(expected, abs=1e-5)
    fresh = steps.init(optimizer, start())
    assert (np.asarray(steps.image(optimizer, fresh)) == start()).all()


def test_ema_may_count_the_start(problem):
    optimizer = Optimizer(name="adam", learning_rate=0.02, ema=0.8, ema_start=True)
    plain = dataclasses.replace(optimizer, ema=0.0)
    iterates = [start(), *(np.asarray(run(plain, problem, count)[0].pixels) for count in (1, 2, 3))]
    share = 0.8 ** np.arange(3, -1, -1)
    expected = sum(w * x for w, x in zip(share, iterates, strict=True)) / share.sum()
    assert np.asarray(steps.image(optimizer, run(optimizer, problem, 3)[0])) == pytest.approx(
        expected, abs=1e-5
    )
    assert np.asarray(steps.image(optimizer, steps.init(optimizer, start()))) == pytest.approx(
        start(), abs=1e-6
    )


def test_a_non_finite_loss_stops_the_loop(problem):
    optimizer = Optimizer(name="gradient_descent", learning_rate=1e12)
    state, value = run(optimizer, problem, 50)
    assert not np.isfinite(value) and state.step < 50
    bad = int(state.step) - 1  # the loss at this step was not finite, and one step earlier it was
    pixels = run(optimizer, problem, bad)[0].pixels
    assert not np.isfinite(loss(SPEC, problem, pixels))
    assert np.isfinite(loss(SPEC, problem, run(optimizer, problem, bad - 1)[0].pixels))


# --- losses of any size


def weighted(problem, factor):
    """The problem with its whole loss times a factor."""
    changed = {
        name: getattr(problem.weights, name) * np.float32(factor) for name in ("content", "style", "tv")
    }
    return problem.replace(weights=problem.weights.replace(**changed))


def made(optimizer, problem, factor, count=8):
    """The image after steps that begin as those of a run, and the last loss in units of the factor."""
    problem, state = weighted(problem, factor), steps.init(optimizer, start())
    scale = np.float32(steps.scale(optimizer, float(loss(SPEC, problem, start()))))
    state, value = run(optimizer, problem, count, state.replace(scale=scale * state.scale))
    return np.asarray(steps.image(optimizer, state)), float(value) / factor


def test_the_scale_is_a_power_of_two_and_1_for_common_losses():
    lbfgs, descent = Optimizer(), Optimizer(name="gradient_descent")
    for value in (1e-6, 1.0, 1e12, -3.0, 0.0, np.inf, np.nan):
        assert steps.scale(lbfgs, value) == 1
    for value in (1e-37, 3e-20, 7e15, 3e38):
        scale = steps.scale(lbfgs, value)
        assert np.log2(scale) % 1 == 0 and 2.0**-20 <= value * scale < 2.0**41
        assert steps.scale(descent, value) == 1


def test_lbfgs_makes_the_same_bytes_for_weights_of_any_power_of_two(problem):
    image, value = made(Optimizer(), problem, 1.0)
    for exponent in (-118, -60, -18, 30, 60, 118):
        same_image, same_value = made(Optimizer(), problem, 2.0**exponent)
        assert (same_image == image).all() and same_value == value
    for factor in (1e-30, 1e20, 1e30):  # the weights are rounded
        near_image, near_value = made(Optimizer(), problem, factor)
        assert near_image == pytest.approx(image, abs=2e-2) and near_value == pytest.approx(value, rel=2e-2)


@pytest.mark.parametrize("optimizer", [
    Optimizer(name="adam", learning_rate=0.02), Optimizer(name="lbfgs_torch"), Optimizer(line_search="zoom"),
], ids=lambda o: f"{o.name}-{o.line_search}")  # fmt: skip
def test_large_weights_do_not_stop_other_optimisers(problem, optimizer):
    image, value = made(optimizer, problem, 2.0**30)
    for exponent in (60, 100):
        near_image, near_value = made(optimizer, problem, 2.0**exponent)
        assert near_image == pytest.approx(image, abs=1e-3) and near_value == pytest.approx(value, rel=1e-3)


def test_a_run_in_chunks_keeps_its_scale(problem):
    problem, state = weighted(problem, 1e25), steps.init(Optimizer(), start())
    begin = state.replace(scale=np.float32(2.0**-60))
    whole, value = run(Optimizer(), problem, 6, jax.tree.map(jnp.copy, begin))
    pieces = begin
    for count in (1, 3, 2):
        pieces, again = run(Optimizer(), problem, count, pieces)
    assert same(whole, pieces) and value == again and whole.scale == np.float32(2.0**-60)
    assert value == pytest.approx(
        float(loss(SPEC, problem, whole.pixels)), rel=0.5
    )  # in the units of the loss
