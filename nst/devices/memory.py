"""Memory: what a compiled program needs, what a whole run needs, and what the device has."""

import ctypes
import os
from functools import lru_cache
from pathlib import Path

import jax
import psutil

# Bytes that a process holds on the CPU in addition to the arrays of its run, measured with
# experiments.benchmarks.memory (jax 0.10.1, VGG-19): traces, small programs, XLA's and Python's own memory
_OVERHEAD = 210_000_000
# the same number at its peak, while the loop is being compiled
_COMPILER_OVERHEAD = 360_000_000


@lru_cache(maxsize=4)  # the analysis takes 20 ms, and the points of a sweep share a program
def program_bytes(compiled: jax.stages.Compiled) -> int:
    """Returns the bytes that a compiled program needs for its arguments, results and temporaries.

    The number is XLA's own analysis; of a program over several devices it is what each of them needs.

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


def forecast(compiled: jax.stages.Compiled, weights_bytes: int) -> int:
    """Returns the most bytes that a run will need, beyond those of a process that has just started.

    On an accelerator that is the memory of the compiled loop, which has the network, the targets and the
    optimiser's state as its arguments; the programs that compute the targets need less, and run before it.
    On a CPU, the compiler and the process itself share the memory with the arrays.

    Args:
      compiled: the loop.
      weights_bytes: the size of the network's weights, which are in memory while the loop compiles.
    """
    if jax.default_backend() != "cpu":
        return program_bytes(compiled)
    return max(program_bytes(compiled) + _OVERHEAD, weights_bytes + _COMPILER_OVERHEAD)


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
    free = psutil.virtual_memory().available
    limit = Path("/sys/fs/cgroup/memory.max")  # the limit of a container, which psutil does not know
    if limit.is_file() and (text := limit.read_text().strip()).isdigit():
        free = min(free, int(text))
    return free


def limit(gigabytes: float) -> int:
    """Returns the bytes that a run may use.

    Args:
      gigabytes: `config.memory_limit_gb`; 0 stands for what the device has.
    """
    return int(gigabytes * 1e9) or available(jax.local_devices()[0])


def format_bytes(size: float) -> str:
    """Formats a number of bytes for people, as "1.23 GB" or "45.6 MB".

    Args:
      size: bytes.
    """
    return f"{size / 1e9:.2f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"
