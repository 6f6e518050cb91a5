"""How the tests compile: each program once a session, and quickly rather than to run quickly."""

import os
import subprocess
import sys
from importlib.metadata import version

import jax

# XLA's newer code generator and LLVM's optimisations took more than half of the time of the suite, and dividing
# a program among threads gains nothing where each core has a test of its own. None of them changes what a program
# computes, except for rounding. A flag that XLA_FLAGS sets already is left alone.
QUICK = {
    "--xla_cpu_use_fusion_emitters": "false",
    "--xla_backend_optimization_level": "0",
    "--xla_cpu_parallel_codegen_split_count": "1",
}


def set_flags(cache):
    """Adds to XLA_FLAGS what compiles quickly; to be called before JAX starts.

    XLA ends the process at a flag that its version does not know, so a subprocess tries them, and pytest's
    `cache` keeps the answer.
    """
    given = os.environ.get("XLA_FLAGS", "")
    added = [f"{name}={value}" for name, value in QUICK.items() if name not in given]
    flags = " ".join([given, *added]).strip()
    key = f"nst/jaxlib {version('jaxlib')} knows {flags}"
    if cache.get(key, None) is None:
        known = subprocess.run(
            [sys.executable, "-c", "import jax; jax.devices()"],
            env=os.environ | {"XLA_FLAGS": flags}, capture_output=True,
        ).returncode == 0  # fmt: skip
        cache.set(key, known)
    if cache.get(key, None):
        os.environ["XLA_FLAGS"] = flags


def share_cache(folder, patch):
    """Keeps the compiled programs of this process and of its subprocesses in the folder.

    A folder that the environment names already is kept, so that a developer's next session finds the programs
    of the last. There is no largest size: with one, JAX reads every entry whenever it adds one.
    """
    patch.setenv("NST_COMPILATION_CACHE", "0")  # never the user's own
    settings = {
        "jax_compilation_cache_dir": os.environ.get("JAX_COMPILATION_CACHE_DIR", str(folder)),
        "jax_persistent_cache_min_compile_time_secs": 0.0,
        "jax_persistent_cache_min_entry_size_bytes": -1,
    }
    for name, value in settings.items():
        patch.setenv(name.upper(), str(value))
        jax.config.update(name, value)
