"""Prints what nst finds on this machine: versions, devices, memory, cache folders and weights.

nst doctor

If a library is missing, the line names the command that installs it. The exit status is 1 if nst cannot run.
"""

import argparse
import importlib.metadata
import os
import platform
import sys
from collections.abc import Iterator

from nst.cli.process import say
from nst.errors import UserError

LIBRARIES = ("nst", "jax", "jaxlib", "flax", "optax", "numpy", "pillow", "ml_collections")
BROKEN = {"jax": {"0.10.2": "it computes wrong results on a CPU: pip install 'jax!=0.10.2'"}}
# extra -> (the library that it installs, its purpose)
EXTRAS = {
    "images": ("imagecodecs", "JPEG XL, and TIFF of 9 to 15 bits"),
    "heic": ("pillow-heif", "photographs in HEIC"),
    "film": ("av", "nst animate to MP4"),
    "figures": ("matplotlib", "nst visualize"),
    "parquet": ("pyarrow", "tables of sweeps as Parquet"),
    "ray": ("ray", "nst sweep --launcher=ray"),
    "tensorboard": ("tensorboardX", "log.tensorboard"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this command to a parser; there are none."""


def run(args: argparse.Namespace) -> int:
    """Prints the findings; returns the exit status."""
    faults: list[str] = []
    for title, lines in (
        ("versions", _versions(faults)),
        ("devices", _devices(faults)),
        ("caches", _caches()),
        ("weights", _weights()),
        ("extras", _extras()),
    ):
        say(title)
        for line in lines:
            say(f"    {line}")
    for fault in faults:
        say(f"nst cannot run as it is: {fault}")
    return int(bool(faults))


def _version(library: str) -> str:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _versions(faults: list[str]) -> Iterator[str]:
    yield f"python {platform.python_version()} ({sys.executable}), {platform.system()} {platform.machine()}"
    for library in LIBRARIES:
        version = _version(library)
        yield f"{library} {version or 'is missing'}"
        if not version:
            faults.append(f"{library} is missing: pip install {library}")
        elif reason := BROKEN.get(library, {}).get(version):
            faults.append(f"{library} {version}: {reason}")


def _devices(faults: list[str]) -> Iterator[str]:
    import jax

    from nst.devices import memory
    from nst.devices import platform as jax_platform

    if reason := jax_platform.failure():
        faults.append(reason)
        yield "none"
        return
    for device in jax.local_devices():
        yield f"{device}: {device.device_kind}, {memory.format_bytes(memory.available(device))} free"
    if jax.default_backend() == "cpu":
        yield f"{os.cpu_count()} processors; for a GPU or TPU: pip install -U 'jax[cuda13]' or 'jax[tpu]'"


def _caches() -> Iterator[str]:
    from nst.devices import memory
    from nst.files import cache_folder
    from nst.outputs import obstacle

    for name, purpose in (
        ("programs", "compiled programs"), ("xla", "JAX's own cache"), ("weights", "downloaded weights"),
    ):  # fmt: skip
        try:
            folder = cache_folder(name)
        except UserError as error:
            yield f"{purpose}: {error}"
            return
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        reason = obstacle(folder)
        unusable = f": cannot be written ({reason}); set NST_CACHE_DIR" if reason else ""
        yield f"{purpose}: {folder}, {memory.format_bytes(size)}{unusable}"
    yield "they may be deleted at any time; NST_CACHE_DIR names another place"


def _weights() -> Iterator[str]:
    from nst.networks import checkpoints
    from nst.networks.fallback import SMALL

    missing = False
    yield f"NST_WEIGHTS_DIR = {os.environ.get('NST_WEIGHTS_DIR', '')}"
    for name, known in checkpoints.CHECKPOINTS.items():
        try:
            path = checkpoints.on_disk(name)
        except UserError as error:
            yield f"{name}: {error}"
            continue
        if path:
            yield f"{name}: {path}"
            continue
        yield f"{name}: not here ({known.size / 1e6:.0f} MB); downloaded when it is first used, from"
        yield f"    {known.url}"
        missing = True
    if missing:
        yield "without a connection, put such a file into a folder, and set NST_WEIGHTS_DIR to that folder;"
        yield f"or use the small network: --network={SMALL}, or --config.weights.name={SMALL}"


def _extras() -> Iterator[str]:
    for extra, (library, purpose) in EXTRAS.items():
        version = _version(library)
        state = f"{library} {version}" if version else f"not installed: pip install 'nst[{extra}]'"
        yield f"{extra} ({purpose}): {state}"
