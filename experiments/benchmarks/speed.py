"""Measures the time and memory of an evaluation: nst, PyTorch and SciPy in one process.

    python -m experiments.benchmarks.speed --config=configs/benchmark.py --sizes=256,512 --rounds=5
    python -m experiments.benchmarks.speed --config=configs/benchmark.py --parts=batch

Parts:
- `speed`: seconds per evaluation of the config's loss on square noise of each of --sizes. In every round each
  contestant runs once, in turn, so that a machine whose speed drifts favours none; the table has medians and
  their ratios. Memory is XLA's analysis of the compiled program; --peaks adds the peak memory
  of each contestant in a process of its own, less what that process held before its first array.
- `batch`: points of a sweep, stacked in one program and one after another (for accelerators).

PyTorch takes part where it can be imported. docs/benchmarks.md has tables, and the machine of each.
"""

import importlib.util
import re
import resource
import statistics
import subprocess
import sys
from functools import partial

import jax
import jax.numpy as jnp
import psutil
from absl import flags
from ml_collections import ConfigDict

from experiments import cli
from experiments.benchmarks import batch, contestants, model, tables
from experiments.benchmarks.contestants import NAMES, TORCH, Contestant, timed
from nst.cli.tables import markdown
from nst.devices import memory
from nst.errors import choose

PARTS = flags.DEFINE_list("parts", ["speed"], "Parts to run: speed, batch, or both.")
SIZES = flags.DEFINE_list("sizes", ["256", "512"], "Part speed: edges of the square images in pixels.")
ROUNDS = flags.DEFINE_integer(
    "rounds", 5, "Timed rounds of each contestant, after one that is not counted.", lower_bound=1
)
STEPS = flags.DEFINE_integer("steps", 4, "Steps of a loop in one timing.", lower_bound=1)
MATCH = flags.DEFINE_string(
    "match", "", "Part speed: regular expression; only contestants whose name matches, and `forward`."
)
PEAKS = flags.DEFINE_bool("peaks", False, "Also measure each contestant's peak in a process of its own.")
ONLY = flags.DEFINE_string("only", None, "Run this contestant alone and print its peak in bytes.")
POINTS = flags.DEFINE_integer("points", 16, "Part batch: points.")
BATCH_SIZE = flags.DEFINE_integer("batch_size", 256, "Part batch: edge of the pictures in pixels.")
JSON = flags.DEFINE_string("json", None, "Also write the numbers to this file.")


def matrix_rate(size: int = 2048) -> float:
    """Measures the operations per second of the device's own float32 product of square matrices."""
    square = jnp.ones((size, size))
    product = jax.jit(partial(jnp.dot, precision=jax.lax.Precision.HIGHEST))
    timed(lambda: product(square, square))
    return 2 * size**3 / min(timed(lambda: product(square, square)) for _ in range(5))


def peak(name: str, size: int) -> float:
    """Measures the bytes by which a contestant raises the memory of a process of its own."""
    config_flags = [flag for flag in sys.argv[1:] if flag.startswith("--config")]
    program = [sys.executable, "-m", "experiments.benchmarks.speed"]
    command = [*program, *config_flags, f"--only={name}", f"--sizes={size}"]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def alone(config: ConfigDict) -> None:
    """Runs the contestant of --only and prints its peak: the other side of `peak`."""
    if ONLY.value in TORCH:
        import torch  # noqa: F401, whose own memory must not count
    jax.block_until_ready(jax.jit(jnp.ones, static_argnums=0)(8))
    before = psutil.Process().memory_info().rss
    contestants.make(ONLY.value, config, int(SIZES.value[0]), STEPS.value).seconds()
    print(1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)


def speed(config: ConfigDict) -> dict[int, dict]:
    """Runs the part `speed` and prints a table for each size.

    Returns:
      {size: {"medians": {contestant: seconds}, "rounds": [...], ...}}, all numbers that were measured.
    """
    names = [name for name in NAMES if name not in TORCH or importlib.util.find_spec("torch")]
    names = [name for name in names if re.search(MATCH.value, name) or name == "forward"]
    results = {}
    for size in map(int, SIZES.value):
        entered = {name: contestants.make(name, config, size, STEPS.value) for name in names}
        rounds = [
            {name: contestant.seconds() for name, contestant in entered.items()}
            for _ in range(ROUNDS.value + 1)
        ]
        medians = {name: statistics.median(times[name] for times in rounds[1:]) for name in names}
        peaks = {name: peak(name, size) for name in names} if PEAKS.value else {}
        rate, work = matrix_rate(), model.operations(contestants.job_of(config, size, {}).spec, size, size)
        print("\n" + table(size, medians, entered, peaks))
        print(
            f"\nForward: {work / 1e9:.0f} GFLOP if directly convolved, {work / medians['forward'] / 1e9:.0f} "
            f"GFLOP/s, against {rate / 1e9:.0f} in a matrix product of 2048 x 2048.",
            flush=True,
        )
        results[size] = {
            "medians": medians, "rounds": rounds[1:], "peaks": peaks, "forward_flop": work,
            "matrix_flops": rate,
            "bytes": {name: contestant.bytes for name, contestant in entered.items()},
            "compile_seconds": {name: contestant.compile_seconds for name, contestant in entered.items()},
        }  # fmt: skip
    return results


def table(size: int, medians: dict, entered: dict[str, Contestant], peaks: dict) -> str:
    """Returns the medians of a size as Markdown, with ratios to our forward pass and PyTorch's L-BFGS."""
    rival = TORCH[-1]
    head = [f"{size} x {size} px", "s / evaluation", "/ forward", f"{rival} / this", "compiled in", "program"]
    rows = []
    for name, value in medians.items():
        contestant = entered[name]
        comparable = rival in medians and "forward" not in name
        rows.append([
            name, f"{value:.3f}", f"{value / medians['forward']:.2f}",
            f"{medians[rival] / value:.2f}" if comparable else "",
            f"{contestant.compile_seconds:.1f} s" if contestant.compile_seconds else "",
            memory.format_bytes(contestant.bytes) if contestant.bytes else "",
            *([memory.format_bytes(peaks[name])] if peaks else []),
        ])  # fmt: skip
    return markdown(head + ["process"] * bool(peaks), rows)


def stacked(config: ConfigDict) -> dict[str, float]:
    """Runs the part `batch`; returns its medians in seconds."""
    return batch.measure(config, BATCH_SIZE.value, POINTS.value, STEPS.value, ROUNDS.value)


def main(argv) -> None:
    """Runs the parts that the flags name."""
    del argv
    config = cli.CONFIG.value
    if ONLY.value:
        return alone(config)
    parts = {"speed": speed, "batch": stacked}
    chosen = [parts[choose("parts", part, parts)] for part in PARTS.value]
    print(tables.environment_line(f"{ROUNDS.value} rounds", "medians"), flush=True)
    results = {part: measure(config) for part, measure in zip(PARTS.value, chosen, strict=True)}
    tables.write_json(JSON.value, results)


if __name__ == "__main__":
    cli.run(main)
