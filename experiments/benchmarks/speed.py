"""How fast and how frugal an evaluation is: nst beside PyTorch and SciPy, in one process, in turn.

    python -m experiments.benchmarks.speed --config=configs/benchmark.py --sizes=256,512 --rounds=5
    python -m experiments.benchmarks.speed --config=configs/benchmark.py --parts=batch

Parts:
- `speed`: seconds per evaluation of the config's loss on square noise of each of --sizes. In every round each
  contestant runs once, in turn, so that a machine whose speed drifts is unfair to none; printed are medians
  and their ratios. Memory is XLA's analysis of the compiled program; with --peaks also the peak of a process
  of its own, less what it held before its first array.
- `batch`: points of a sweep, stacked in one program and one after the other (for accelerators).

PyTorch takes part where it is importable. docs/benchmarks.md keeps tables and says on which machine.
"""

import importlib.util
import json
import os
import platform
import re
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import psutil
from absl import flags
from ml_collections import ConfigDict

from experiments import cli
from experiments.benchmarks import rivals
from nst.devices import memory
from nst.losses import problem
from nst.networks import vgg
from nst.optimizers import steps
from nst.runs.job import Job, make_problem, prepare
from nst.sweeps import batched

PARTS = flags.DEFINE_list("parts", ["speed"], "speed, batch, or both.")
SIZES = flags.DEFINE_list("sizes", ["256", "512"], "Edges of the square images of `speed`, in pixels.")
ROUNDS = flags.DEFINE_integer(
    "rounds", 5, "Timed rounds of each contestant, after one that is not.", lower_bound=1
)
STEPS = flags.DEFINE_integer("steps", 4, "Steps of a loop in one timing.", lower_bound=1)
MATCH = flags.DEFINE_string(
    "match", "", "Of `speed`, only contestants with this regular expression in the name, and `forward`."
)
PEAKS = flags.DEFINE_bool("peaks", False, "Also measure each contestant's peak in a process of its own.")
ONLY = flags.DEFINE_string("only", None, "Run this contestant of `speed` alone and print its peak in bytes.")
POINTS = flags.DEFINE_integer("points", 16, "Points of `batch`.")
BATCH_SIZE = flags.DEFINE_integer("batch_size", 256, "Edge of the pictures of `batch`, in pixels.")
JSON = flags.DEFINE_string("json", None, "Also write the numbers to this file.")

# name of a loop of ours -> what its config changes
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
    """Something that is timed."""

    seconds: Callable[[], float]  # runs once: seconds per evaluation
    compile_seconds: float | None = None
    bytes: int | None = None  # of the compiled program


def job_of(config: ConfigDict, size: int, changes: dict) -> Job:
    """A job on square noise, which changes no timing."""
    config = config.copy_and_resolve_references()
    config.size, config.pyramid.min_size = 0, 0
    config.update_from_flattened_dict(changes)
    content, style = np.random.default_rng(0).uniform(0, 1, (2, size, size, 3)).astype(np.float32)
    job = prepare(content, style, config)
    return job._replace(start=np.random.default_rng(1).uniform(0, 1, job.start.shape).astype(np.float32))


def timed(function: Callable) -> float:
    began = time.perf_counter()
    jax.block_until_ready(function())
    return time.perf_counter() - began


def compiled(lowered) -> tuple[jax.stages.Compiled, float]:
    began = time.perf_counter()
    return lowered.compile(), time.perf_counter() - began


def contestant(name: str, config: ConfigDict, size: int) -> Contestant:
    """One of NAMES."""
    if name in LOOPS:
        return loop(job_of(config, size, LOOPS[name]))
    if name in TORCH:
        return torch_contestant(name, job_of(config, size, {"network.convolution": "direct"}))
    job = job_of(config, size, GRADIENTS.get(name, {}))
    made, image = make_problem(job), jnp.asarray(job.start)
    function = partial(problem.loss, job.spec)
    function = function if name == "forward" else jax.value_and_grad(function, argnums=1)
    program, seconds = compiled(jax.jit(function).lower(made, image))
    if name.startswith("SciPy"):
        evaluate = partial(program, made)
        return Contestant(
            lambda: statistics.mean(rivals.scipy_lbfgs(evaluate, job.start, STEPS.value)), seconds
        )
    return Contestant(partial(timed, partial(program, made, image)), seconds, memory.program_bytes(program))


def loop(job: Job) -> Contestant:
    """Continues one run by STEPS steps at a time."""
    made, state = make_problem(job), steps.init(job.optimizer, job.start)
    program, seconds = compiled(
        steps.run.lower(problem.Loss(job.spec), job.optimizer, made, state, np.int32(0))
    )
    state, _ = program(made, state, np.int32(2))

    def run() -> float:
        nonlocal state
        before, began = int(state.evaluations), time.perf_counter()
        state, value = program(made, state, np.int32(STEPS.value))
        assert np.isfinite(float(value))  # waits for the device
        return (time.perf_counter() - began) / (int(state.evaluations) - before)

    return Contestant(run, seconds, memory.program_bytes(program))


def torch_contestant(name: str, job: Job) -> Contestant:
    import torch

    loss = rivals.torch_loss(job, autocast="bfloat16" in name)
    if name == "PyTorch L-BFGS":
        running = rivals.torch_lbfgs(loss, job.start, 10**9)
        return Contestant(lambda: timed(lambda: [next(running) for _ in range(STEPS.value)]) / STEPS.value)
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


def operations(spec, size: int) -> float:
    """Of one forward pass, directly convolved: twice the products of convolutions and Gram matrices."""
    total, edge, before = 0, size, 3
    for name in vgg.layers_to(spec.network.architecture, spec.layers):
        edge = edge // 2 if name.startswith("pool") else edge
        if name.startswith("conv"):
            total += 2 * 9 * edge**2 * before * vgg.channels(name)
            before = vgg.channels(name)
        total += 2 * edge**2 * before**2 * (name in spec.style_layers)
    return total


def matrix_rate(size: int = 2048) -> float:
    """Operations a second of the device's own float32 matrix product."""
    square = jnp.ones((size, size))
    product = jax.jit(partial(jnp.dot, precision=jax.lax.Precision.HIGHEST))
    timed(lambda: product(square, square))
    return 2 * size**3 / min(timed(lambda: product(square, square)) for _ in range(5))


def peak(name: str, size: int) -> float:
    """Bytes by which a contestant raises a process of its own, measured there (`alone`)."""
    flags_given = [flag for flag in sys.argv[1:] if flag.startswith("--config")]
    command = [
        sys.executable,
        "-m",
        "experiments.benchmarks.speed",
        *flags_given,
        f"--only={name}",
        f"--sizes={size}",
    ]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def alone(config: ConfigDict) -> None:
    """Runs --only and prints its peak."""
    if ONLY.value in TORCH:
        import torch  # noqa: F401, which takes memory of its own
    jax.block_until_ready(jax.jit(jnp.ones, static_argnums=0)(8))
    before = psutil.Process().memory_info().rss
    found = contestant(ONLY.value, config, int(SIZES.value[0]))
    found.seconds()
    print(1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)


def speed(config: ConfigDict) -> dict:
    """The part `speed`, a table a size."""
    names = [name for name in NAMES if name not in TORCH or importlib.util.find_spec("torch")]
    names = [name for name in names if re.search(MATCH.value, name) or name == "forward"]
    results = {}
    for size in map(int, SIZES.value):
        entered = {name: contestant(name, config, size) for name in names}
        rounds = [{name: found.seconds() for name, found in entered.items()} for _ in range(ROUNDS.value + 1)]
        medians = {name: statistics.median(times[name] for times in rounds[1:]) for name in names}
        peaks = {name: peak(name, size) for name in names} if PEAKS.value else {}
        rate, work = matrix_rate(), operations(job_of(config, size, {}).spec, size)
        print("\n" + table(size, medians, entered, peaks))
        print(
            f"\nForward: {work / 1e9:.0f} GFLOP if directly convolved, {work / medians['forward'] / 1e9:.0f} "
            f"GFLOP/s beside {rate / 1e9:.0f} of a matrix product of 2048 x 2048.",
            flush=True,
        )
        results[size] = {
            "medians": medians, "rounds": rounds[1:], "peaks": peaks, "forward_flop": work,
            "matrix_flops": rate,
            "bytes": {name: found.bytes for name, found in entered.items()},
            "compile_seconds": {name: found.compile_seconds for name, found in entered.items()},
        }  # fmt: skip
    return results


def table(size: int, medians: dict, entered: dict[str, Contestant], peaks: dict) -> str:
    """The medians, and ratios to our forward pass and to PyTorch's L-BFGS."""
    rival = TORCH[-1]
    head = [f"{size} x {size} px", "s / evaluation", "/ forward", f"{rival} / this", "compiled in", "program"]
    rows = []
    for name, value in medians.items():
        found = entered[name]
        comparable = rival in medians and "forward" not in name
        rows.append([
            name, f"{value:.3f}", f"{value / medians['forward']:.2f}",
            f"{medians[rival] / value:.2f}" if comparable else "",
            f"{found.compile_seconds:.1f} s" if found.compile_seconds else "",
            memory.format_bytes(found.bytes) if found.bytes else "",
            *([memory.format_bytes(peaks[name])] if peaks else []),
        ])  # fmt: skip
    return cli.markdown(head + ["process"] * bool(peaks), rows)


def batches(config: ConfigDict) -> dict:
    """The part `batch`: STEPS steps of POINTS points, stacked and in sequence."""
    job = job_of(config, BATCH_SIZE.value, LOOPS["Adam"])
    made, begun = make_problem(job), steps.init(job.optimizer, job.start)
    alone = steps.run.lower(problem.Loss(job.spec), job.optimizer, made, begun, np.int32(0)).compile()
    count, copy = POINTS.value, partial(jax.tree.map, jnp.copy)
    stacked = partial(jax.tree.map, lambda leaf: jnp.stack([leaf] * count))
    arguments = stacked(made.replace(variables={})), stacked(begun), np.full(count, STEPS.value, np.int32)
    each = batched.run.lower(
        batched.side_by_side, job.spec, job.optimizer, made.variables, *arguments
    ).compile()
    times = {"stacked": [], "in sequence": []}
    for _ in range(ROUNDS.value + 1):
        problems, states, counts = arguments
        states = copy(states)
        times["stacked"].append(timed(lambda: each(made.variables, problems, states, counts)))  # noqa: B023
        starts = [copy(begun) for _ in range(count)]
        times["in sequence"].append(
            timed(lambda: [alone(made, start, np.int32(STEPS.value)) for start in starts])  # noqa: B023
        )
    medians = {name: statistics.median(found[1:]) for name, found in times.items()}
    rows = [[name, f"{value:.3f}", f"{count * STEPS.value / value:.1f}"] for name, value in medians.items()]
    print("\n" + cli.markdown([f"{count} points, {STEPS.value} steps", "s", "steps / s"], rows))
    return medians


def environment() -> dict:
    """The machine and the versions."""
    versions = {"python": platform.python_version(), "jax": jax.__version__}
    if importlib.util.find_spec("torch"):
        import torch

        versions["torch"] = torch.__version__
    device = jax.devices()[0]
    machine = {"device": device.device_kind, "platform": device.platform, "cpus": os.cpu_count()}
    return {"machine": machine, "versions": versions}


def main(argv) -> None:
    del argv
    config = cli.CONFIG.value
    if ONLY.value:
        return alone(config)
    about = environment()
    print(f"{about}, {ROUNDS.value} rounds, medians", flush=True)
    parts = {"speed": speed, "batch": batches}
    results = {part: parts[part](config) for part in PARTS.value}
    if JSON.value:
        with open(JSON.value, "w") as file:
            json.dump(about | results, file, indent=2)


if __name__ == "__main__":
    cli.run(main)
