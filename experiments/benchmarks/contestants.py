"""The programs that experiments/benchmarks/speed.py times: nst's passes and loops, PyTorch's and SciPy's."""

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from experiments.benchmarks import rivals
from nst.devices import memory
from nst.losses import problem
from nst.optimizers import steps
from nst.runs.job import Job, make_problem, prepare

# name of one of nst's loops -> what it changes in the config
LOOPS = {
    "L-BFGS": {},
    "L-BFGS, zoom search of Optax": {"optimizer.line_search": "zoom"},
    "L-BFGS, Torch's rules": {
        "optimizer.name": "lbfgs_torch", "optimizer.memory": 100, "optimizer.pixel_range": 255.0,
    },
    "Adam": {"optimizer.name": "adam", "optimizer.learning_rate": 0.02},
    "small network, L-BFGS": {"weights.name": "vgg19_slim"},
}  # fmt: skip
GRADIENTS = {
    "value + gradient": {},
    "value + gradient, direct convolutions": {"network.convolution": "direct"},
    "value + gradient, bfloat16": {"network.dtype": "bfloat16"},
    "value + gradient, remat = layer": {"network.remat": "layer"},
    "value + gradient, remat = block": {"network.remat": "block"},
    "value + gradient, strip = 128": {"strip": 128},
}
TORCH = (
    "PyTorch forward",
    "PyTorch value + gradient",
    "PyTorch value + gradient, bfloat16",
    "PyTorch L-BFGS",
)
NAMES = ("forward", *GRADIENTS, *LOOPS, "SciPy L-BFGS-B on our gradient", *TORCH)


class Contestant(NamedTuple):
    """A program that is timed."""

    seconds: Callable[[], float]  # runs it once and returns the seconds per evaluation
    compile_seconds: float | None = None
    bytes: int | None = None  # memory of the compiled program


def make(name: str, config: ConfigDict, size: int, count: int) -> Contestant:
    """Compiles a contestant.

    Args:
      name: one of NAMES.
      config: of the loss.
      size: edge of the square image in pixels.
      count: steps of a loop in one timing.
    """
    if name in LOOPS:
        return loop(job_of(config, size, LOOPS[name]), count)
    if name in TORCH:
        return _torch(name, job_of(config, size, {"network.convolution": "direct"}), count)
    job = job_of(config, size, GRADIENTS.get(name, {}))
    targets, image = make_problem(job), jnp.asarray(job.start)
    function = partial(problem.loss, job.spec)
    function = function if name == "forward" else jax.value_and_grad(function, argnums=1)
    program, seconds = compiled(jax.jit(function).lower(targets, image))
    if name.startswith("SciPy"):
        evaluate = partial(program, targets)
        return Contestant(lambda: statistics.mean(rivals.scipy_lbfgs(evaluate, job.start, count)), seconds)
    return Contestant(
        partial(timed, partial(program, targets, image)), seconds, memory.program_bytes(program)
    )


def job_of(config: ConfigDict, size: int, changes: dict) -> Job:
    """Prepares a job on square noise, which takes the same time as any other image.

    Args:
      config: of the loss.
      size: edge in pixels.
      changes: {field: value} that differ from the config.
    """
    config = config.copy_and_resolve_references()
    config.size, config.pyramid.min_size = 0, 0
    config.update_from_flattened_dict(changes)
    content, style = np.random.default_rng(0).uniform(0, 1, (2, size, size, 3)).astype(np.float32)
    job = prepare(content, style, config)
    return job._replace(start=np.random.default_rng(1).uniform(0, 1, job.start.shape).astype(np.float32))


def timed(function: Callable) -> float:
    """Runs a function until its arrays are ready and returns the seconds."""
    began = time.perf_counter()
    jax.block_until_ready(function())
    return time.perf_counter() - began


def compiled(lowered) -> tuple[jax.stages.Compiled, float]:
    """Compiles a lowered function.

    Returns:
      The program, and the seconds that compiling took.
    """
    began = time.perf_counter()
    return lowered.compile(), time.perf_counter() - began


def loop(job: Job, count: int) -> Contestant:
    """Returns a contestant that continues one run.

    Args:
      job: from `job_of`.
      count: steps in one timing.
    """
    targets, state = make_problem(job), steps.init(job.optimizer, job.start)
    program, seconds = compiled(
        steps.run.lower(problem.Loss(job.spec), job.optimizer, targets, state, np.int32(0))
    )
    state, _ = program(targets, state, np.int32(2))

    def run() -> float:
        nonlocal state
        before, began = int(state.evaluations), time.perf_counter()
        state, value = program(targets, state, np.int32(count))
        assert np.isfinite(float(value))  # waits for the device
        return (time.perf_counter() - began) / (int(state.evaluations) - before)

    return Contestant(run, seconds, memory.program_bytes(program))


def _torch(name: str, job: Job, count: int) -> Contestant:
    """Returns one of the contestants in TORCH."""
    import torch

    loss = rivals.torch_loss(job, autocast="bfloat16" in name)
    if name == "PyTorch L-BFGS":
        running = rivals.torch_lbfgs(loss, job.start, 10**9)
        return Contestant(lambda: timed(lambda: [next(running) for _ in range(count)]) / count)
    pixels = rivals.tensor(job.start).requires_grad_()

    def value_and_gradient():
        pixels.grad = None
        value = loss(pixels)
        value.backward()
        return float(value.detach())

    def forward():
        with torch.no_grad():
            return float(loss(pixels))

    return Contestant(partial(timed, forward if "forward" in name else value_and_gradient))
