"""Measures nst on a GPU in ten minutes: the start, evaluations beside PyTorch's, Gram matrices, memory.

    python -m experiments.benchmarks.accelerator
    python -m experiments.benchmarks.accelerator --tiny              (tries every row in small, on a CPU, too)

Each row is measured in a process of its own (accelerator_rows.py) with a folder of its own for everything
that is cached, and has a limit of seconds; a row that reaches it shows what it had by then, and rows that
would begin after --minutes say so. Weights are random, which changes no time; pictures are noise.

Parts:
- `start`: a process from its start to the picture, under each choice of XLA's flags: with an empty cache,
  with the cache that this has filled, and, for some, with another empty cache, whose picture says whether
  another compilation gives the same bytes;
- `evaluation`: milliseconds of an update of L-BFGS by dtype, precision and pairs, in turn with PyTorch's,
  with the share of the device's peak;
- `gram`: microseconds of a Gram matrix, and of its gradient, for each layer and precision;
- `memory`: forecast and peak of large pictures, and the picture of `size = auto`.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from absl import flags

from experiments import cli
from experiments.benchmarks import tables
from nst.devices.memory import format_bytes
from nst.devices.platform import GPU_FLAGS
from nst.errors import choose

PARTS = ("start", "evaluation", "gram", "memory")
CHOSEN = flags.DEFINE_list("parts", list(PARTS), f"Of {', '.join(PARTS)}.")
MINUTES = flags.DEFINE_float("minutes", 9.5, "After these no row is begun.", lower_bound=0)
TINY = flags.DEFINE_bool("tiny", False, "Small pictures and few updates, to try the program.")
JSON = flags.DEFINE_string("json", None, "Also write the numbers to this file.")

# what is added to XLA_FLAGS, to which nst has added its own: of two that are equal the last one counts
XLA = {
    "nst's": "",
    "level 0, Triton's products": "--xla_gpu_enable_triton_gemm=true",
    "level 1, without": "--xla_gpu_autotune_level=1",
    "level 3": "--xla_gpu_autotune_level=3 --xla_gpu_enable_triton_gemm=true",
    "level 4, XLA's default": "--xla_gpu_autotune_level=4 --xla_gpu_enable_triton_gemm=true",
    "level 4, fusions not tuned": "--xla_gpu_autotune_level=4 --xla_gpu_enable_triton_gemm=true "
    "--xla_gpu_experimental_enable_fusion_autotuner=false",
    "deterministic": "--xla_gpu_autotune_level=4 --xla_gpu_exclude_nondeterministic_ops=true",
}
_TWICE = ("nst's", "level 4, XLA's default")  # compiled a second time, for the bytes
_ENTRY = "experiments.benchmarks.accelerator_rows"


class Row(NamedTuple):
    """What a process measures."""

    task: dict[str, Any]  # for accelerator_rows.py
    flags: str = ""  # of XLA
    cache: str = ""  # folder; "": an empty one
    limit: float = 60.0  # seconds


class Measured(NamedTuple):
    """What came back."""

    found: list[dict]  # what the process had printed
    seconds: float  # of the process
    failure: str  # why it is not all; "": it is


def measure(row: Row, deadline: float) -> Measured:
    """Runs a row in a process of its own, until its limit or the deadline.

    Args:
      row: the row.
      deadline: of time.monotonic(); a row that would begin after it is not begun.
    """
    began = time.monotonic()
    if began >= deadline:
        return Measured([], 0.0, "not begun: no time left")
    with tempfile.TemporaryDirectory() as empty:
        environment = os.environ | {
            "NST_CACHE_DIR": row.cache or empty,
            "XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} {row.flags}".strip(),
            "XLA_PYTHON_CLIENT_PREALLOCATE": "false",  # PyTorch shares the memory
        }
        environment.pop("JAX_COMPILATION_CACHE_DIR", None)
        command = [sys.executable, "-m", _ENTRY, json.dumps(row.task)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        with subprocess.Popen(command, env=environment, **pipes) as process:
            try:
                output, errors = process.communicate(timeout=min(row.limit, deadline + 30 - began))
                lines = errors.strip().splitlines() or [f"exit status {process.returncode}"]
                failure = lines[-1] if process.returncode else ""
            except subprocess.TimeoutExpired:
                process.kill()
                output, _ = process.communicate()
                failure = f"stopped after {time.monotonic() - began:.0f} s"
    found = [json.loads(line[4:]) for line in output.splitlines() if line.startswith("ROW ")]
    return Measured(found, time.monotonic() - began, failure)


def start(deadline: float) -> Iterator[list[str]]:
    """Yields the lines of the part `start`."""
    yield ["the start", "cache", "s to the picture", "of these compiling", "ms / evaluation", "picture"]
    small, large, steps = (32, 48, 3) if TINY.value else (512, 2048, 500)
    alone, names = {"pyramid.min_size": 0} | _weights(), _TWICE if TINY.value else XLA
    tasks = {(name, small): {"size": small, "steps": steps, "changes": alone} for name in names}
    tasks["nst's", large] = tasks["nst's", small] | {"size": large, "steps": steps // 5 + 1}
    sizes = {"pyramid.min_size": 16, "pyramid.steps": [2]} if TINY.value else {}
    tasks["nst's, from small to large", small] = {
        "size": small,
        "steps": steps // 5 + 1,
        "changes": sizes | _weights(),
    }
    for (name, size), task in tasks.items():
        again = ["another empty"] * (name in _TWICE and size == small)
        with tempfile.TemporaryDirectory() as folder:
            for state in ("empty", "filled", *again):
                cache = "" if state.startswith("another") else folder
                row = Row(task | {"kind": "picture"}, XLA.get(name, ""), cache, limit=90)
                measured = measure(row, deadline)
                cells = [f"{name}, {size} px", state]
                if measured.failure:
                    yield [*cells, measured.failure, "", "", ""]
                    continue
                (found,) = measured.found
                rate = 1e3 * found["seconds"] / found["evaluations"]
                times = [f"{measured.seconds:.1f}", f"{found['compile']:.1f}", f"{rate:.2f}"]
                yield [*cells, *times, found["sha256"][:8]]


def _weights() -> dict[str, str]:
    """Returns the change to the config that names the weights."""
    return {"weights.name": "vgg19_slim" if TINY.value else "random"}


def evaluation(deadline: float) -> Iterator[list[str]]:
    """Yields the lines of the part `evaluation`."""
    yield ["an update of L-BFGS", "ms", "PyTorch's best / this", "share of peak", "compiled in", "program"]
    for size in (32,) if TINY.value else (512, 1024, 2048):
        rounds, steps = (1, 1) if TINY.value else (5, 10)
        task = {"kind": "evaluation", "size": size, "rounds": rounds, "steps": steps, "tiny": TINY.value}
        measured = measure(Row(task | {"seconds": 75}, limit=110), deadline)
        rows = [found for found in measured.found if "ms" in found]
        rivals = [found["ms"] for found in rows if found["rival"]]
        for found in rows:
            ratio = f"{min(rivals) / found['ms']:.2f}" if rivals and not found["rival"] else ""
            share = f"{100 * found['share']:.0f} %" if found["share"] else ""
            compiled = f"{found['compile']:.1f} s" if found["compile"] else ""
            program = format_bytes(found["bytes"]) if found["bytes"] else ""
            yield [f"{found['name']}, {size} px", f"{found['ms']:.2f}", ratio, share, compiled, program]
        if measured.failure:
            yield [f"{size} px", measured.failure, "", "", "", ""]


def gram(deadline: float) -> Iterator[list[str]]:
    """Yields the lines of the part `gram`."""
    yield ["a Gram matrix", "precision", "us", "us with the gradient"]
    size, choices = (32, ["nst's"]) if TINY.value else (512, ["nst's", "level 4, XLA's default"])
    for name in choices:
        task = {"kind": "gram", "size": size, "tiny": TINY.value}
        measured = measure(Row(task, XLA[name], limit=60), deadline)
        for found in measured.found:
            times = f"{found['us']:.0f}", f"{found['us_gradient']:.0f}"
            yield [f"{found['layer']}, {size} px, {name}", found["precision"], *times]
        if measured.failure:
            yield [f"{size} px, {name}", measured.failure, "", ""]


def memory(deadline: float) -> Iterator[list[str]]:
    """Yields the lines of the part `memory`."""
    yield ["memory", "forecast", "peak of the device", "s to the picture", "ms / evaluation", "picture"]
    sizes = (48, 64) if TINY.value else (2048, 4096)
    tasks = {f"{size} px": {"size": size} for size in sizes}
    tasks[f"{sizes[-1]} px, bfloat16"] = {"size": sizes[-1], "changes": {"network.dtype": "bfloat16"}}
    own = 96 if TINY.value else 10000
    tasks[f"auto, of {own} px"] = {"size": "auto", "own": own}
    for name, task in tasks.items():
        changes = {"pyramid.min_size": 0} | task.get("changes", {}) | _weights()
        row = Row(task | {"kind": "picture", "steps": 5, "changes": changes}, limit=120)
        measured = measure(row, deadline)
        if measured.failure:
            yield [name, measured.failure, "", "", "", ""]
            continue
        (found,) = measured.found
        peak = format_bytes(found["peak"]) if found["peak"] else ""
        rate = 1e3 * found["seconds"] / found["evaluations"]
        picture = f"{found['width']}x{found['height']}"
        numbers = f"{measured.seconds:.1f}", f"{rate:.1f}"
        yield [name, format_bytes(found["forecast"]), peak, *numbers, picture]


def main(argv) -> None:
    """Measures the parts that --parts names, and prints each row as soon as it is there."""
    del argv
    functions = {"start": start, "evaluation": evaluation, "gram": gram, "memory": memory}
    chosen = [choose("parts", name, functions) for name in CHOSEN.value]
    deadline = time.monotonic() + 60 * MINUTES.value
    (about,) = measure(Row({"kind": "about"}), deadline).found or [{"line": "no device was found"}]
    added = " ".join(f"--{name}={value}" for name, value in GPU_FLAGS.items())
    print(f"{about['line']}; on a GPU nst adds {added}", flush=True)
    lines = {}
    for name in chosen:
        lines[name] = []
        for cells in functions[name](deadline):
            heading = not lines[name]
            print("\n" * heading + tables.row(cells), flush=True)
            if heading:
                print(tables.row(["---"] * len(cells)), flush=True)
            lines[name].append(cells)
    if JSON.value:
        with open(JSON.value, "w") as file:
            json.dump(about | lines, file, indent=2)


if __name__ == "__main__":
    cli.run(main, config=False)
