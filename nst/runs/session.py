"""A session of a run: command, versions and device of one process, for the manifest of the run folder."""

import functools
import importlib.metadata
import platform
import subprocess
import sys
import time
from pathlib import Path

import jax


def describe() -> dict:
    """Returns the command, the versions and the device of this process.

    Returns:
      JSON values by name: started, command, git_commit, versions, platform, device.
    """
    packages = ("nst", "jax", "jaxlib", "flax", "optax", "numpy", "pillow", "ml_collections")
    devices = jax.devices()
    return {
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "command": sys.argv,
        "git_commit": git_commit(),
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in packages},
        "platform": platform.platform(),
        "device": {"kind": devices[0].device_kind, "backend": devices[0].platform, "count": len(devices)},
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


@functools.cache
def git_commit() -> str | None:
    """Returns the commit of this source tree, with `-dirty` if files were changed; None if not known."""
    try:
        output = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
        return output.stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
