"""The platform that JAX computes on: XLA's flags for a GPU, and whether JAX can start."""

import importlib.util
import os
import pkgutil

import jax

# While it compiles, XLA times every algorithm of every convolution, for a minute or more, and takes the one
# that was fastest. So another compilation of the same program may give other bytes. Level 0 takes the first
# choice of cuDNN and cuBLAS instead, as PyTorch does, which is the same each time. Triton's kernels for
# products have no such first choice (one block of threads adds up a whole Gram matrix), so they are off.
GPU_FLAGS = {"xla_gpu_autotune_level": "0", "xla_gpu_enable_triton_gemm": "false"}


def set_flags() -> None:
    """Adds GPU_FLAGS to XLA_FLAGS if JAX has support for a GPU; flags that are already set stay.

    XLA reads the flags when JAX starts, so later calls have no effect.
    """
    present = os.environ.get("XLA_FLAGS", "")
    missing = [f"--{name}={value}" for name, value in GPU_FLAGS.items() if name not in present]
    if missing and _has_gpu_support():
        os.environ["XLA_FLAGS"] = " ".join([*present.split(), *missing])


def _has_gpu_support() -> bool:
    """Returns whether a package that lets JAX use a GPU is installed; JAX is not started."""
    plugins = importlib.util.find_spec("jax_plugins")
    folders = list(plugins.submodule_search_locations or ()) if plugins else []
    return any("cuda" in module.name or "rocm" in module.name for module in pkgutil.iter_modules(folders))


def failure() -> str:
    """Returns a line that says why JAX cannot start and what to do; "" if it can."""
    try:
        jax.devices()
    except (RuntimeError, AssertionError) as error:
        wanted = jax.config.jax_platforms
        why = str(error).split("\n")[0] or "this installation of JAX lacks it"
        if not wanted:
            return f"JAX cannot start: {why}"
        return (
            f"JAX_PLATFORMS={wanted}: {why}; install JAX for this platform "
            "(https://docs.jax.dev/en/latest/installation.html), or unset JAX_PLATFORMS"
        )
    return ""
