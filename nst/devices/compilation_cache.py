"""Compiled programs kept on the disk, so that a second run of the same shapes starts in seconds."""

import os

import jax

from nst.files import cache_folder

_MOST = 1_000_000_000  # bytes; what was used longest ago goes first
_LEAST = 0.1  # seconds of compilation that are worth a file


def keep() -> None:
    """Turns on JAX's compilation cache, in the folder `xla` of the user's cache.

    `JAX_COMPILATION_CACHE_DIR` names another folder, and `NST_COMPILATION_CACHE=0` turns it off. A folder
    that cannot be written is none: the run compiles.
    """
    if os.environ.get("NST_COMPILATION_CACHE") == "0" or jax.config.jax_compilation_cache_dir:
        return
    folder = cache_folder("xla")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    if os.access(folder, os.W_OK):
        jax.config.update("jax_compilation_cache_max_size", _MOST)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", _LEAST)
        jax.config.update("jax_compilation_cache_dir", str(folder))
