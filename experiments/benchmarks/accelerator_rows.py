"""What one process of experiments/benchmarks/accelerator.py measures: its argument says what, in JSON.

Each result is a line "ROW " and JSON, printed as soon as it is known.
"""

import hashlib
import importlib.util
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from experiments.benchmarks import contestants, model, rivals, tables
from experiments.benchmarks.contestants import Contestant, timed
from nst.configs import classic, default
from nst.devices import compilation_cache, platform
from nst.files import read_json
from nst.networks.convolution import PRECISION
from nst.networks.table import layer
from nst.runs import folder as run_folder
from nst.runs.stylize import stylize
from nst.styles import grams

# products and sums per second, without sparsity: NVIDIA's datasheets of the SXM cards
PEAKS = {
    "H100": {"float32": 67e12, "tf32": 495e12, "bfloat16": 989e12},
    "H200": {"float32": 67e12, "tf32": 495e12, "bfloat16": 989e12},
    "A100": {"float32": 19.5e12, "tf32": 156e12, "bfloat16": 312e12},
}
# name -> (what it changes in configs/classic.py, the kind of product)
OURS = {
    "tf32, 20 pairs": ({"network.precision": "tf32"}, "tf32"),
    "bfloat16, 20 pairs": ({"network.dtype": "bfloat16", "network.precision": "tf32"}, "bfloat16"),
    "tf32, 100 pairs": ({"network.precision": "tf32", "optimizer.memory": 100}, "tf32"),
    "tf32, 100 pairs in bfloat16": (
        {"network.precision": "tf32", "optimizer.memory": 100, "optimizer.history_dtype": "bfloat16"}, "tf32",
    ),
    "float32, 20 pairs": ({"network.precision": "float32"}, "float32"),
    "tf32, Adam": (
        {"network.precision": "tf32", "optimizer.name": "adam", "optimizer.learning_rate": 0.02}, "tf32",
    ),
}  # fmt: skip
# name -> (tf32 in convolutions, in other products, autocast to bfloat16, kind of product)
TORCH = {
    "PyTorch, tf32 in convolutions": (True, False, False, "tf32"),
    "PyTorch, tf32": (True, True, False, "tf32"),
    "PyTorch, bfloat16": (True, True, True, "bfloat16"),
    "PyTorch, float32": (False, False, False, "float32"),
}


def about(task: dict) -> Iterator[dict]:
    """Yields the device and the versions."""
    del task
    yield {"line": tables.environment_line()} | tables.environment()


def picture(task: dict) -> Iterator[dict]:
    """Yields the numbers of a run of the default config on noise.

    Args:
      task: size and steps; changes to the config; own: long edge of the photograph, `size` if it is missing.
    """
    config = default.get_config()
    config.steps, config.log.preview_every = task["steps"], 0
    config.log.every = max(1, task["steps"] // 5)
    changes = {
        name: tuple(each) if isinstance(each, list) else each for name, each in task["changes"].items()
    }
    config.update_from_flattened_dict(changes)
    config.size = task["size"]
    size = task.get("own", task["size"])
    rng = np.random.default_rng(0)
    photo = rng.random((size * 3 // 4, size, 3), np.float32)
    painting = rng.random((min(size, 4096) * 3 // 4, min(size, 4096), 3), np.float32)
    if task["size"] == "auto":
        config.style_size = min(size, 2048)  # else it would be as large as the photograph
    with tempfile.TemporaryDirectory() as workdir:
        result = stylize(photo, painting, config, workdir, log=lambda line: None, progress=False)
        session = read_json(Path(workdir) / "manifest.json", run_folder.MANIFEST)["sessions"][-1]
    stats = jax.devices()[0].memory_stats() or {}
    height, width = result.image.shape[:2]
    yield {
        "compile": session["compile_seconds"],
        "forecast": session["memory_bytes"],
        "seconds": result.metrics[-1]["seconds"],
        "evaluations": int(result.state.evaluations),
        "peak": stats.get("peak_bytes_in_use"),
        "sha256": hashlib.sha256(result.image.tobytes()).hexdigest(),
        "height": height,
        "width": width,
    }


def evaluation(task: dict) -> Iterator[dict]:
    """Yields milliseconds of an update, each a median over rounds in which all contestants take turns.

    Args:
      task: size, rounds, steps of one timing, tiny, and seconds after which no contestant is added.
    """
    began = time.monotonic()
    config = classic.get_config()
    config.weights.name = "vgg19_slim" if task["tiny"] else "random"
    kinds = {name: kind for name, (_, kind) in OURS.items()}
    makers: dict[str, Callable[[], Contestant]] = {
        name: partial(_ours, config, task, changes) for name, (changes, _) in OURS.items()
    }
    if importlib.util.find_spec("torch") and not task["tiny"]:
        kinds |= {name: choice[-1] for name, choice in TORCH.items()}
        rivals_first = {name: partial(_torch, config, task, *choice[:3]) for name, choice in TORCH.items()}
        makers = dict(list(makers.items())[:2]) | rivals_first | makers
    entered = {}
    for name, make in makers.items():
        if time.monotonic() - began < task["seconds"]:
            entered[name] = make()
            entered[name].seconds()  # what is chosen or allocated in the first call does not count
    rounds = [{name: each.seconds() for name, each in entered.items()} for _ in range(task["rounds"])]
    spec = contestants.job_of(config, task["size"], {}).spec
    work = 2 * model.operations(spec, task["size"], task["size"])
    for name, contestant in entered.items():
        seconds = statistics.median(times[name] for times in rounds)
        peak = _peak(kinds[name])
        yield {
            "name": name, "rival": name in TORCH, "ms": 1e3 * seconds,
            "share": peak and work / seconds / peak,
            "compile": contestant.compile_seconds, "bytes": contestant.bytes,
        }  # fmt: skip


def _peak(kind: str) -> float | None:
    device = jax.devices()[0].device_kind
    return next((peaks[kind] for name, peaks in PEAKS.items() if name in device), None)


def _ours(config, task: dict, changes: dict) -> Contestant:
    return contestants.loop(contestants.job_of(config, task["size"], changes), task["steps"])


def _torch(config, task: dict, convolutions: bool, products: bool, autocast: bool) -> Contestant:
    """Returns PyTorch's L-BFGS as a contestant that sets PyTorch's switches before each of its turns."""
    import torch

    job = contestants.job_of(config, task["size"], {"network.convolution": "direct"})
    loss = rivals.torch_loss(job, autocast=autocast)
    running = rivals.torch_lbfgs(loss, job.start, 10**9)

    def seconds() -> float:
        torch.backends.cudnn.allow_tf32 = convolutions
        torch.backends.cuda.matmul.allow_tf32 = products
        return timed(lambda: [next(running) for _ in range(task["steps"])]) / task["steps"]

    return Contestant(seconds)


def gram(task: dict) -> Iterator[dict]:
    """Yields the microseconds of a Gram matrix by layer and precision.

    Args:
      task: size, and tiny.
    """
    calls = 2 if task["tiny"] else 50
    for name in ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"):
        of = layer("vgg19", name)
        edge = task["size"] // of.stride
        features = jax.random.uniform(jax.random.key(0), (1, edge, edge, of.channels))
        for precision in ("float32", "tf32"):
            made = partial(grams.gram, precision=PRECISION[precision])
            functions = jax.jit(made), jax.jit(jax.grad(lambda x, made=made: jnp.sum(made(x) ** 2)))
            times = [_microseconds(partial(function, features), calls) for function in functions]
            yield {"layer": name, "precision": precision, "us": times[0], "us_gradient": times[1]}


def _microseconds(function: Callable, calls: int) -> float:
    jax.block_until_ready(function())
    return 1e6 * min(timed(lambda: [function() for _ in range(calls)]) for _ in range(3)) / calls


KINDS = {"about": about, "picture": picture, "evaluation": evaluation, "gram": gram}


def main(words: list[str]) -> None:
    """Measures what the first word says.

    Args:
      words: the arguments of the program.
    """
    platform.set_flags()
    compilation_cache.keep()
    task = json.loads(words[0])
    for found in KINDS[task["kind"]](task):
        print("ROW " + json.dumps(found), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
