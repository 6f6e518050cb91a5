"""Memory: what a compiled program needs, what a run needs with it, and what the device has."""

import ctypes
import os
from functools import lru_cache
from pathlib import Path

import jax
import psutil

# What a process holds on the CPU beside the arrays of its run, measured with experiments.benchmarks.memory
# (jax 0.10.1, VGG-19): traces, small programs, XLA's and Python's own; and at most while the loop compiles
_BESIDE = 210_000_000
_COMPILING = 360_000_000


@lru_cache(maxsize=4)  # the analysis takes 20 ms, and the points of a sweep share a program
def needed(compiled: jax.stages.Compiled) -> int:
    """Bytes that a compiled program occupies: arguments, results and temporaries, by XLA's own analysis.

    Of a program over several devices, those of one of them.
    """
    usage = compiled.memory_analysis()
    return (
        usage.argument_size_in_bytes
        + usage.output_size_in_bytes
        + usage.temp_size_in_bytes
        - usage.alias_size_in_bytes
    )


def forecast(compiled: jax.stages.Compiled, fixed: int) -> int:
    """Bytes that a run takes at most, beyond those of a process that has just begun.

    On an accelerator those of its memory: the compiled loop's, where weights, targets and optimiser count as
    its arguments; the targets' own programs need less, and are over. On a CPU the compiler and the process
    share that memory.

    Args:
      compiled: the loop.
      fixed: bytes of the network's weights, which are there while it compiles.
    """
    if jax.default_backend() != "cpu":
        return needed(compiled)
    return max(needed(compiled) + _BESIDE, fixed + _COMPILING)


def release() -> None:
    """Gives back to the system what the compiler has freed, 0.2 GB that glibc's allocator would keep."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if trim:
        trim(0)


def available(device: jax.Device) -> int:
    """Bytes that a program may use: the accelerator's limit, or the memory that the machine has free.

    The latter all CPU devices of a machine have together, and each is said to have it.
    """
    stats = device.memory_stats() or {}
    if "bytes_limit" in stats:
        return stats["bytes_limit"]
    free = psutil.virtual_memory().available
    limit = Path("/sys/fs/cgroup/memory.max")  # of a container, which psutil does not see
    if limit.is_file() and (text := limit.read_text().strip()).isdigit():
        free = min(free, int(text))
    return free


def limit(gigabytes: float) -> int:
    """Bytes that a run may use: `memory_limit_gb` of its config, or for 0 what the device has."""
    return int(gigabytes * 1e9) or available(jax.local_devices()[0])


def text(size: float) -> str:
    """Bytes for people: 1.23 GB."""
    return f"{size / 1e9:.2f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"
