"""How the tests compile: each program once per session, with flags that favour compile time over speed."""

import os
import subprocess
import sys
from importlib.metadata import version

import jax

# XLA's newer code generator and LLVM's optimisations took more than half of the time of the suite, and
# compiling a program on several threads gains nothing where each core runs a test of its own. Except for
# rounding, none of the flags changes what a program computes. A flag that XLA_FLAGS sets already is left
# alone.
QUICK = {
    "--xla_cpu_use_fusion_emitters": "false",
    "--xla_backend_optimization_level": "0",
    "--xla_cpu_parallel_codegen_split_count": "1",
}


def set_flags(cache):
    """Adds the flags for quick compilation to XLA_FLAGS; must be called before JAX starts.

    XLA ends the process at flags that its version does not know, and names them. So a subprocess tries all of
    them, and pytest's `cache` keeps which are known.
    """
    given = os.environ.get("XLA_FLAGS", "")
    flags = [f"{name}={value}" for name, value in QUICK.items() if name not in given]
    key = f"nst/jaxlib {version('jaxlib')} knows of {' '.join(flags)}"
    known = cache.get(key, None)
    if known is None:
        tried = subprocess.run(
            [sys.executable, "-c", "import jax; jax.devices()"],
            env=os.environ | {"XLA_FLAGS": " ".join(flags)}, capture_output=True, text=True,
        )  # fmt: skip
        known = [flag for flag in flags if flag not in tried.stderr]
        cache.set(key, known)
    if known:
        os.environ["XLA_FLAGS"] = " ".join([given, *known]).strip()


def share_cache(folder, patch):
    """Keeps the compiled programs of this process and of its subprocesses in the folder.

    A folder that the environment names already is used instead, so that a developer's next session finds the
    programs of the last. The size has no limit: with one, JAX reads every entry whenever it adds one.
    """
    patch.setenv("NST_COMPILATION_CACHE", "0")  # never the user's own
    settings = {
        "jax_compilation_cache_dir": os.environ.get("JAX_COMPILATION_CACHE_DIR", str(folder)),
        "jax_persistent_cache_min_compile_time_secs": 0.1,  # writing a small one takes as long as it saves
        "jax_persistent_cache_min_entry_size_bytes": -1,
    }
    for name, value in settings.items():
        patch.setenv(name.upper(), str(value))
        jax.config.update(name, value)
