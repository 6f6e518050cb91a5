"""The rivals' loops minimise our loss, so that seconds can be compared."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.benchmarks import rivals
from nst.configs import benchmark
from nst.losses import problem
from nst.runs.job import make_problem, prepare

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def jobs():
    """At two sizes."""
    found = []
    for size in (32, 48):
        config = benchmark.get_config()
        config.size, config.network.convolution = size, "direct"
        found.append(prepare(None, None, config))
    return found


def test_the_loss_and_its_gradient_are_the_same(jobs):
    job = jobs[1]
    image = np.random.default_rng(0).uniform(0, 1, job.start.shape).astype(np.float32)
    made = make_problem(job)
    value, gradient = jax.jit(jax.value_and_grad(lambda x: problem.loss(job.spec, made, x)))(
        jnp.asarray(image)
    )
    pixels = rivals.tensor(image).requires_grad_()
    found = rivals.torch_loss(job)(pixels)
    found.backward()
    assert float(found.detach()) == pytest.approx(float(value), rel=1e-4)
    theirs = pixels.grad.permute(0, 2, 3, 1).numpy()
    assert np.linalg.norm(theirs - gradient) < 1e-2 * np.linalg.norm(gradient)
    half = float(rivals.torch_loss(job, autocast=True)(pixels).detach())
    assert half == pytest.approx(float(value), rel=0.1) and half != float(found.detach())


def test_the_published_loop_descends(jobs):
    loss = rivals.torch_loss(jobs[0])  # of random weights, for which Torch's skipping of pairs is too coarse
    losses = list(rivals.torch_lbfgs(lambda x: 1e6 * loss(x), jobs[0].start, 20))
    assert len(losses) == 20 and losses[-1] < 0.9 * losses[0]


def test_crowsonkbs_recipe_descends_over_sizes(jobs):
    loss = rivals.torch_loss(jobs[1])
    with torch.no_grad():
        before = float(loss(rivals.tensor(jobs[1].start)))
    assert rivals.crowsonkb(jobs, [20, 10]) < 0.9 * before


def test_scipys_seconds_are_those_of_each_evaluation():
    calls = []

    def value_and_gradient(x):
        calls.append(x)
        return jnp.sum(x**4), 4 * x**3

    found = rivals.scipy_lbfgs(value_and_gradient, np.ones((1, 2, 2, 3), np.float32), 3)
    assert len(found) == len(calls) - 1 >= 3 and all(seconds > 0 for seconds in found)
