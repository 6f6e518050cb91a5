"""A cache of compiled programs on the disk, so that a second run of the same shapes starts in seconds."""

import os
from pathlib import Path

import jax

from nst.files import cache_folder

_MAX_BYTES = 1_000_000_000  # beyond this, JAX drops the programs that were not used for the longest time
_MIN_COMPILE_SECONDS = 0.1  # a program that compiles faster is not worth a file


def keep() -> None:
    """Turns on JAX's compilation cache, in the folder `xla` of the user's cache folder.

    `JAX_COMPILATION_CACHE_DIR` names another folder, and `NST_COMPILATION_CACHE=0` turns the cache off. If
    the folder cannot be written, programs are compiled anew in every process.
    """
    if os.environ.get("NST_COMPILATION_CACHE") == "0" or jax.config.jax_compilation_cache_dir:
        return
    folder = cache_folder("xla")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    if os.access(folder, os.W_OK):
        _drop_unfinished(folder)
        jax.config.update("jax_compilation_cache_max_size", _MAX_BYTES)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", _MIN_COMPILE_SECONDS)
        jax.config.update("jax_compilation_cache_dir", str(folder))


def _drop_unfinished(folder: Path) -> None:
    """Removes entries that a killed process may have left incomplete.

    JAX writes the file of a program first and the file with the time of its last use afterwards. Where the
    second is missing, the first may be truncated, and JAX would warn whenever it adds a program. If another
    process has just written the first and not yet the second, it loses this one entry only.
    """
    for program in folder.glob("*-cache"):
        if not program.with_name(program.name.removesuffix("-cache") + "-atime").exists():
            program.unlink(missing_ok=True)
