"""L-BFGS by the rules of Torch, against a plain loop and against Torch."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

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
