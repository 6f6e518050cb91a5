"""The memory that a compiled program needs, that a whole run needs, and that a device has."""

import ctypes
import math
import os
from functools import lru_cache
from pathlib import Path

import jax
import psutil

# Bytes that a process holds on the CPU in addition to the arrays of its run, measured with
# experiments.benchmarks.memory (jax 0.10.1, VGG-19): traces, small programs, XLA's and Python's own memory
_OVERHEAD = 210_000_000
# the largest number of these bytes while the loop is being compiled
_COMPILER_OVERHEAD = 360_000_000


@lru_cache(maxsize=4)  # the analysis takes 20 ms, and the points of a sweep share a program
def program_bytes(compiled: jax.stages.Compiled) -> int:
    """Returns the bytes that a compiled program needs for its arguments, results and temporaries.

    The number comes from XLA's analysis; for a program over several devices, it is the number for each.

    Args:
      compiled: the program.
    """
    usage = compiled.memory_analysis()
    return (
        usage.argument_size_in_bytes
        + usage.output_size_in_bytes
        + usage.temp_size_in_bytes
        - usage.alias_size_in_bytes
    )


_UNITS = ((1e9, "GB"), (1e12, "TB"), (1e15, "PB"))


def forecast(compiled: jax.stages.Compiled, weights_bytes: int) -> int:
    """Returns the most bytes that a run will need, in addition to the bytes of a process that just started.

    On an accelerator, this is the memory of the compiled loop, whose arguments are the network, the targets
    and the optimiser's state; the programs that compute the targets need less, and run before the loop. On a
    CPU, the compiler and the process itself share the memory with the arrays.

    Args:
      compiled: the loop.
      weights_bytes: the size of the network's weights, which are in memory while the loop compiles.
    """
    return of_run(program_bytes(compiled), weights_bytes)


def of_run(program: int, weights_bytes: int) -> int:
    """Returns the same number as `forecast`, from the bytes of the loop.

    Args:
      program: bytes that the compiled loop needs.
      weights_bytes: as for `forecast`.
    """
    if jax.default_backend() != "cpu":
        return program
    return max(program + _OVERHEAD, weights_bytes + _COMPILER_OVERHEAD)


def most_for_program(limit: int) -> int:
    """Returns the most bytes that the loop of a run may need so that `of_run` does not exceed a limit.

    Args:
      limit: bytes that the run may use.
    """
    if jax.default_backend() != "cpu":
        return limit
    return limit - _OVERHEAD if limit >= _COMPILER_OVERHEAD else 0


def release() -> None:
    """Returns the memory that the compiler has freed to the system; glibc would keep about 0.2 GB of it."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if trim:
        trim(0)


def available(device: jax.Device) -> int:
    """Returns the bytes that a program may use: an accelerator's limit, or the machine's free memory.

    All CPU devices of a machine share its memory; the number is the same, undivided, for each of them.

    Args:
      device: a device of this process.
    """
    stats = device.memory_stats() or {}
    if "bytes_limit" in stats:
        return stats["bytes_limit"]
    return int(min(psutil.virtual_memory().available, _room_in_cgroups()))


def _room_in_cgroups(
    processes: Path = Path("/proc/self/cgroup"), root: Path = Path("/sys/fs/cgroup")
) -> float:
    """Returns the bytes that the limits of containers and batch systems allow, which psutil does not know."""
    room = math.inf
    lines = processes.read_text().splitlines() if processes.is_file() else []
    for controllers, path in (line.split(":", 2)[1:] for line in lines):
        if controllers and "memory" not in controllers.split(","):
            continue
        # version 1 of cgroups has a folder for each controller, version 2 one folder for all
        base, most, used = (
            (root / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes")
            if controllers
            else (root, "memory.max", "memory.current")
        )
        group = base / path.strip("/")
        for folder in (group, *group.parents):  # the limit of each group holds for those within it
            if folder.is_relative_to(base):
                room = min(room, _room(folder, most, used))
    return room


def _room(folder: Path, most: str, used: str) -> float:
    """Returns the bytes that a group may still use; its cache of files can be dropped and counts as free."""
    try:
        limit, usage = ((folder / name).read_text().strip() for name in (most, used))
        stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    except OSError:
        return math.inf
    cache = sum(int(stat.get(name, 0)) for name in ("inactive_file", "active_file"))
    return int(limit) - int(usage) + cache if limit.isdigit() else math.inf


def limit(gigabytes: float) -> int:
    """Returns the bytes that a run may use.

    Args:
      gigabytes: `config.memory_limit_gb`; 0 stands for the memory that is available on the device.
    """
    # at least 1, since a small limit that rounds to 0 bytes does not mean 0 of the field
    return max(1, int(gigabytes * 1e9)) if gigabytes else available(jax.local_devices()[0])


def format_bytes(size: float) -> str:
    """Formats a number of bytes for people, as "1.23 GB", "45.6 MB" or "7.89 TB".

    Args:
      size: bytes.
    """
    if size < 1e8:
        return f"{size / 1e6:.1f} MB"
    unit, name = next((each for each in _UNITS if size < 1000 * each[0]), _UNITS[-1])
    return f"{size / unit:.2f} {name}" if size < 1e4 * unit else f"{size / unit:.0e} {name}"
