"""Measures the seconds of `nst photo.jpg painting.jpg`, from the shell's prompt to the picture.

NST_WEIGHTS_DIR=weights python -m experiments.benchmarks.picture --size=512

For each network the command is given three times: with an empty cache of compiled programs, and twice with
the programs of the first time, of which the quicker counts. The pictures are the cat in swirls.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from absl import flags

from experiments import cli
from nst.cli.tables import markdown
from nst.data import IMAGES
from nst.errors import UserError

SIZE = flags.DEFINE_integer("size", 512, "Pixels of the long edge.", lower_bound=16)
STEPS = flags.DEFINE_integer("steps", 0, "Updates at the full size; 0: the default's.", lower_bound=0)
NETWORKS = flags.DEFINE_list("networks", ["vgg19", "vgg19_slim"], "Values of --network.")


def seconds(network: str, folder: Path) -> float:
    """Returns the seconds of one command.

    Args:
      network: a value of --network.
      folder: of the picture and of the cache of compiled programs.

    Raises:
      UserError: the command failed.
    """
    result = folder / "picture.png"
    result.unlink(missing_ok=True)
    words = ["--size", str(SIZE.value), "--network", network, "-o", str(result)]
    words += ["--steps", str(STEPS.value)] if STEPS.value else []
    pictures = [str(IMAGES / name) for name in ("cat.jpg", "swirls.jpg")]
    cache = {"JAX_COMPILATION_CACHE_DIR": str(folder / "programs"), "NST_COMPILATION_CACHE": "1"}
    command = [sys.executable, "-m", "nst", *pictures, *words]
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | cache)
    if done.returncode:
        raise UserError(f"{network}: {done.stderr.strip()}")
    return time.perf_counter() - began


def main(argv) -> None:
    """Prints the table."""
    del argv
    rows = []
    for network in NETWORKS.value:
        with tempfile.TemporaryDirectory() as folder:
            first, *others = (seconds(network, Path(folder)) for _ in range(3))
            rows.append([network, f"{first:.0f} s", f"{min(others):.0f} s"])
    print(markdown([f"{SIZE.value} px", "the first time", "then"], rows))


if __name__ == "__main__":
    cli.run(main, config=False)
