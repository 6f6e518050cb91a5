"""L-BFGS by the rules of Torch, against a plain loop and against Torch."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from nst.optimizers import lbfgs
from nst.optimizers.lbfgs import scale_by_lbfgs


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


@pytest.fixture(params=["cpu", "default"])
def form(request, monkeypatch):
    """Both forms of the sums over pairs: pair by pair, as on a CPU, and at once, as on a GPU."""

    def chosen(*operands, **forms):
        return forms[request.param](*operands)

    monkeypatch.setattr(lbfgs.lax, "platform_dependent", chosen)


# the last overshoots into negative curvature, so that pairs are skipped
@pytest.mark.parametrize("memory, rate, iterations", [(3, 0.5, 25), (100, 1.0, 20), (2, 1.9, 12)])
def test_torch_lbfgs_agrees_with_a_plain_loop(x64, form, memory, rate, iterations):
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
    update, x = scale_by_lbfgs(4), jnp.array([1.0, -2.0])
    state, step = update.init(x), jax.jit(update.update)
    _, state = step(jnp.array([1.0, 1.0]), state, x)
    _, state = step(jnp.array([0.0, 1.0]), state, x + jnp.array([1.0, 0.0]))  # y.s = -1
    assert state.stored == 0 and state.scale == 1
    direction, state = step(jnp.array([1.0, 1.0]), state, x + jnp.array([2.0, 0.0]))  # y.s = 1
    assert state.stored == 1 and np.isfinite(direction).all()


@pytest.mark.parametrize("memory", [4, 30])
def test_directions_in_float32_are_those_of_float64(form, memory):
    """Along a run whose curvatures lie between 1 and 1e4, and with slots that were written more than once."""
    curvature = np.geomspace(1, 1e4, 48, dtype=np.float32)
    update = scale_by_lbfgs(memory, min_curvature=0.0)
    x, pairs, last = jnp.ones(48), [], None
    state, step = update.init(x), jax.jit(update.update)
    for count in range(40):
        gradient = curvature * x + x**3
        direction, state = step(gradient, state, x)
        now = np.asarray(x, np.float64), np.asarray(gradient, np.float64)
        if last is not None:
            pairs = [*pairs, (np.asarray(x - last[2]), np.asarray(gradient - last[3]))][-memory:]
            expected = two_loop(now[1], [tuple(np.float64(part) for part in pair) for pair in pairs])
            assert np.asarray(direction) == pytest.approx(expected, abs=1e-4 * np.abs(expected).max()), count
        last = *now, x, gradient
        x = x - (0.3 if count else 1e-4) * direction


def two_loop(gradient, pairs):
    """H g by the recursion as it is printed: Nocedal & Wright 2006, algorithm 7.4."""
    q, alphas = gradient.copy(), []
    for s, y in reversed(pairs):
        alphas.append(s @ q / (s @ y))
        q -= alphas[-1] * y
    s, y = pairs[-1]
    r = q * (s @ y) / (y @ y)
    for (s, y), alpha in zip(pairs, reversed(alphas), strict=True):
        r += s * (alpha - y @ r / (s @ y))
    return r
