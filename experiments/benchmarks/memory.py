"""Compares forecast and measured memory of runs, each in a process of its own.

    python -m experiments.benchmarks.memory
    python -m experiments.benchmarks.memory --settings=strips --steps=1          (ten minutes)

The measured number is the highest resident memory of a process that makes a picture in a few steps, less
what the process held once Python, JAX and the libraries were loaded and a trivial program was compiled. The
weights are random and have VGG-19's full width. Only Linux records this number (VmHWM in /proc/self/status).
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags

from experiments import cli
from experiments.benchmarks import tables
from nst.cli.tables import markdown
from nst.configs import classic
from nst.devices import memory
from nst.errors import UserError, choose
from nst.files import read_json
from nst.runs import folder as run_folder
from nst.runs.stylize import stylize

SETTINGS = {
    "lbfgs": {"size": 512},
    "adam": {"size": 512, "optimizer.name": "adam", "optimizer.learning_rate": 0.02},
    "memory 100": {"size": 256, "optimizer.memory": 100},
    "remat": {"size": 768, "network.remat": "block"},
    "average": {"size": 384, "network.pooling": "average"},
    "bfloat16": {"size": 512, "network.dtype": "bfloat16"},
    "slim": {"size": 768, "weights.name": "vgg19_slim"},
    "strips": {"size": 4096, "strip": 256, "optimizer.name": "adam", "optimizer.learning_rate": 0.02},
}
_SLOW = ("strips",)  # measured only where --settings names them

CHOSEN = flags.DEFINE_list("settings", [n for n in SETTINGS if n not in _SLOW], f"Of {', '.join(SETTINGS)}.")
SIZE = flags.DEFINE_integer("size", 0, "Long edge in pixels, instead of each setting's own.", lower_bound=0)
STEPS = flags.DEFINE_integer("steps", 3, "Updates in each run.", lower_bound=1)
ALONE = flags.DEFINE_string("alone", None, "Measure this setting in this process and print JSON.")


def resident() -> dict[str, int]:
    """Reads the resident memory of this process.

    Returns:
      {"VmRSS": bytes now, "VmHWM": the most so far}.

    Raises:
      UserError: this system does not record it.
    """
    try:
        status = Path("/proc/self/status").read_text()
    except FileNotFoundError as error:
        raise UserError("the highest memory of a process can be measured on Linux only") from error
    return {name: 1024 * int(size) for name, size in re.findall(r"^(VmRSS|VmHWM):\s*(\d+) kB", status, re.M)}


def measure(setting: str) -> dict[str, float]:
    """Makes a picture in this process and measures it.

    Args:
      setting: one of SETTINGS.

    Returns:
      {"size": pixels, "forecast": bytes, "measured": bytes, "seconds": per step}.
    """
    config = classic.get_config()
    config.weights.name, config.steps, config.init.kind = "random", STEPS.value, "noise"
    config.update_from_flattened_dict(SETTINGS[setting])
    config.size = SIZE.value or config.size
    rng = np.random.default_rng(0)
    pictures = rng.uniform(0, 1, (2, config.size * 3 // 4, config.size, 3)).astype(np.float32)
    jax.block_until_ready(jax.jit(jnp.sum)(jnp.ones((8, 8))))
    before = resident()["VmRSS"]
    with tempfile.TemporaryDirectory() as folder:
        result = stylize(*pictures, config, folder, log=lambda line: None)
        manifest = read_json(Path(folder) / "manifest.json", run_folder.MANIFEST)
    return {
        "size": config.size,
        "forecast": manifest["sessions"][-1]["memory_bytes"],
        "measured": resident()["VmHWM"] - before,
        "seconds": result.metrics[-1]["seconds"] / config.steps,
    }


def main(argv):
    """Measures the settings, each in a process of its own, and prints a table row by row."""
    del argv
    if ALONE.value:
        print(json.dumps(measure(choose("alone", ALONE.value, SETTINGS))))
        return
    chosen = [choose("settings", setting, SETTINGS) for setting in CHOSEN.value]
    print(tables.environment_line() + "\n")
    head = ("setting", "forecast", "measured", "forecast / measured", "s / step")
    print(markdown(head, []), flush=True)
    for setting in chosen:
        command = [sys.executable, "-m", "experiments.benchmarks.memory", f"--alone={setting}"]
        command += [f"--size={SIZE.value}", f"--steps={STEPS.value}"]
        fresh = os.environ | {"NST_COMPILATION_CACHE": "0"}  # compiling also takes memory
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=fresh).stdout
        numbers = json.loads(output.splitlines()[-1])
        forecast, measured = numbers["forecast"], numbers["measured"]
        cells = [f"{setting}, {numbers['size']} px", *map(memory.format_bytes, (forecast, measured))]
        cells += [f"{forecast / measured:.2f}", f"{numbers['seconds']:.3g}"]
        print(tables.row(cells), flush=True)


if __name__ == "__main__":
    cli.run(main, config=False)
