"""The optimisers against plain loops, and the device loop against itself."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from nst.errors import UserError
from nst.losses.problem import Loss, loss
from nst.optimizers import bands, steps
from nst.optimizers.lbfgs import scale_by_lbfgs
from nst.optimizers.table import Optimizer
from tests.helpers import shallow
from tests.helpers.shallow import LOSS, SPEC, start


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


def rosenbrock(x):
    return sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def naive_torch_lbfgs(gradient, x, memory, rate, iterations):
    """torch.optim.LBFGS without line search, in its own notation: lists, float64."""
    x = np.array(x, np.float64)
    old_dirs, old_stps, H_diag, iterates = [], [], 1.0, []
    d = t = prev_flat_grad = None
    for n_iter in range(1, iterations + 1):
        flat_grad = gradient(x)
        if n_iter == 1:
            d = -flat_grad
        else:
            y, s = flat_grad - prev_flat_grad, d * t
            ys = y @ s
            if ys > 1e-10:
                if len(old_dirs) == memory:
                    old_dirs.pop(0)
                    old_stps.pop(0)
                old_dirs.append(y)
                old_stps.append(s)
                H_diag = ys / (y @ y)
            q, al = -flat_grad, {}
            for i in reversed(range(len(old_dirs))):
                al[i] = old_stps[i] @ q / (old_dirs[i] @ old_stps[i])
                q = q - al[i] * old_dirs[i]
            d = q * H_diag
            for i in range(len(old_dirs)):
                be_i = old_dirs[i] @ d / (old_dirs[i] @ old_stps[i])
                d = d + old_stps[i] * (al[i] - be_i)
        t = min(1.0, 1.0 / np.abs(flat_grad).sum()) * rate if n_iter == 1 else rate
        prev_flat_grad = flat_grad
        x = x + t * d
        iterates.append(x)
    return np.array(iterates)


def our_iterates(f, x, memory, rate, iterations):
    update = optax.chain(scale_by_lbfgs(memory), optax.scale_by_learning_rate(rate))
    x, state, iterates = jnp.asarray(x), update.init(jnp.asarray(x)), []
    step = jax.jit(lambda x, state: update.update(jax.grad(f)(x), state, x))
    for _ in range(iterations):
        updates, state = step(x, state)
        x = x + updates
        iterates.append(np.asarray(x))
    return np.array(iterates)


@pytest.fixture
def x64():
    with jax.enable_x64(True):
        yield


# the last overshoots into negative curvature, so that pairs are skipped
@pytest.mark.parametrize("memory, rate, iterations", [(3, 0.5, 25), (100, 1.0, 20), (2, 1.9, 12)])
def test_torch_lbfgs_agrees_with_a_plain_loop(x64, memory, rate, iterations):
    x = np.array([-1.2, 1.0, 0.7, -0.4])
    gradient = jax.jit(jax.grad(rosenbrock))
    expected = naive_torch_lbfgs(lambda v: np.asarray(gradient(v)), x, memory, rate, iterations)
    found = our_iterates(rosenbrock, x, memory, rate, iterations)
    finite = np.abs(expected).max(1) < 1e6  # beyond that the overshoot is chaotic
    assert finite.sum() >= 8
    assert found[finite] == pytest.approx(expected[finite], rel=1e-6)


def test_torch_lbfgs_agrees_with_torch(x64):
    torch = pytest.importorskip("torch")
    x = torch.tensor([-1.2, 1.0, 0.7, -0.4], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([x], lr=0.5, max_iter=1, history_size=3)
    expected = []

    def closure():
        optimizer.zero_grad()
        value = sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)
        value.backward()
        return value

    for _ in range(25):
        optimizer.step(closure)
        expected.append(x.detach().numpy().copy())
    found = our_iterates(rosenbrock, np.array([-1.2, 1.0, 0.7, -0.4]), 3, 0.5, 25)
    assert found == pytest.approx(np.array(expected), rel=1e-6)


def test_torch_lbfgs_skips_pairs_without_curvature():
    update = scale_by_lbfgs(4)
    x = jnp.array([1.0, -2.0])
    state = update.init(x)
    _, state = update.update(jnp.array([1.0, 1.0]), state, x)
    _, state = update.update(jnp.array([0.0, 1.0]), state, x + jnp.array([1.0, 0.0]))  # y.s = -1
    assert state.stored == 0 and state.scale == 1
    direction, state = update.update(jnp.array([1.0, 1.0]), state, x + jnp.array([2.0, 0.0]))  # y.s = 1
    assert state.stored == 1 and np.isfinite(direction).all()


@pytest.mark.parametrize("optimizer", [
    Optimizer(), Optimizer(line_search="zoom"), Optimizer(line_search="backtracking"),
    Optimizer(line_search="none", learning_rate=0.5), Optimizer(memory=5, history_dtype="bfloat16"),
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
            Loss, "__call__", lambda self, *arguments: traced.append(1) or loss(self.spec, *arguments)
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


def test_gradient_descent_is_the_plain_rule(problem):
    """G := G - lr dJ/dG."""
    optimizer = Optimizer(name="gradient_descent", learning_rate=1e-3)
    state, _ = run(optimizer, problem, 3)
    x = jnp.asarray(start())
    for _ in range(3):
        x = x - 1e-3 * jax.grad(lambda image: loss(SPEC, problem, image))(x)
    assert np.asarray(state.pixels) == pytest.approx(np.asarray(x), rel=1e-5, abs=1e-6)


def test_pixel_range_is_a_change_of_units(problem):
    """Adam's step is in pixel units, so a range of 255 with a rate 255 times higher is the same run."""
    one, _ = run(Optimizer(name="adam", learning_rate=0.01), problem, 5)
    many, _ = run(Optimizer(name="adam", learning_rate=2.55, pixel_range=255.0), problem, 5)
    assert np.asarray(many.pixels) / 255 == pytest.approx(np.asarray(one.pixels), abs=2e-4)


def test_lbfgs_matches_scipy(problem):
    scipy = pytest.importorskip("scipy.optimize")
    value_and_grad = jax.jit(jax.value_and_grad(lambda x: loss(SPEC, problem, x)))

    def objective(flat):
        value, gradient = value_and_grad(flat.reshape(1, 16, 12, 3).astype(np.float32))
        return float(value), np.asarray(gradient, np.float64).ravel()

    options = dict(maxfun=60, maxiter=60, maxcor=20)
    reference = scipy.minimize(objective, start().ravel(), jac=True, method="L-BFGS-B", options=options)
    state, _ = run(Optimizer(), problem, 50)
    assert float(loss(SPEC, problem, state.pixels)) < 1.15 * reference.fun


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


@pytest.mark.parametrize("settings, message", [
    (dict(name="adm"), "optimizer.name = 'adm': did you mean 'adam'"),
    (dict(name="apply_updates"), "optimizer.name"),
    (dict(line_search="armijo"), "optimizer.line_search"),
    (dict(learning_rate=0.0), "optimizer.learning_rate"),
    (dict(memory=0), "optimizer.memory"), (dict(ema=1.0), "optimizer.ema"),
    (dict(pixel_range=0.0), "optimizer.pixel_range"),
    (dict(name="adam", options="beta1=0.5"), "optimizer.options.*'beta1'.*did you mean|allowed"),
    (dict(name="adam", options="0.5"), "name=value"),
    (dict(name="adam", options="b1=open('x')"), "name=value"),
    (dict(name="adam", schedule="cosine"), "optimizer.schedule"),
    (dict(name="adam", schedule="cosine_decay_schedule"), "optimizer.schedule.*decay_steps"),
])  # fmt: skip
def test_wrong_settings_name_their_field(settings, message):
    with pytest.raises(UserError, match=message):
        Optimizer(**settings)


# --- the bands of a Laplacian pyramid


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


@pytest.mark.parametrize("settings, message", [
    ({"bands": -1}, "optimizer.bands = -1: must be at least 0"),
    ({"bands": 3, "name": "lbfgs"}, "optimizer.bands: lbfgs moves pixels"),
    ({"bands": 3, "name": "lbfgs_torch"}, "optimizer.bands: lbfgs_torch moves pixels"),
    ({"bands": 3, "name": "adamw"}, "optimizer.bands: adamw reads the numbers that it moves"),
])  # fmt: skip
def test_bands_that_cannot_be_moved(settings, message):
    with pytest.raises(UserError, match=message):
        Optimizer(**{"name": "adam", "learning_rate": 0.01, **settings})
