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

    XLA ends the process at a flag that its version does not know, so a subprocess tries each of them, and
    pytest's `cache` keeps the answers.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    for name, value in QUICK.items():
        if name in flags:
            continue
        flag = f"{name}={value}"
        key = f"nst/jaxlib {version('jaxlib')} knows {flag}"
        known = cache.get(key, None)
        if known is None:
            known = subprocess.run(
                [sys.executable, "-c", "import jax; jax.devices()"],
                env=os.environ | {"XLA_FLAGS": flag}, capture_output=True,
            ).returncode == 0  # fmt: skip
            cache.set(key, known)
        if known:
            flags = f"{flags} {flag}".strip()
    if flags:
        os.environ["XLA_FLAGS"] = flags


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
