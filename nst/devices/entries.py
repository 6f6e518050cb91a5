"""The user's folder of programs: what the key of an entry is made from, and how entries are read and written.

In JAX's own cache, the key is the text of a program. So a program has to be traced and lowered before it can
be looked up, which takes ten times as long as reading it. Here the key is made from everything on which the
text depends: the function and its static arguments, the shapes of the other arguments, the code of nst, the
versions, JAX's configuration and the devices.

An entry begins with its checksum, and a damaged entry is replaced.
"""

import contextlib
import functools
import hashlib
import os
import pickle
import platform
import sys
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flax
import jax
import jaxlib
import numpy as np
import optax

from nst.files import cache_folder, replacing

_MAX_BYTES = 200_000_000  # in a larger folder, programs that were not used for the longest time are dropped
_CHECKSUM = 32  # bytes of a sha256


def is_static(arg: Any) -> bool:
    """Returns whether an argument is neither an array, nor the shape of an array, nor a tree.

    Args:
      arg: an argument of a compiled function.
    """
    leaves = jax.tree.leaves(arg)
    return len(leaves) == 1 and leaves[0] is arg and not hasattr(arg, "shape")


def is_weak(leaf: Any) -> bool:
    """Returns whether an array, or the shape of one, has a weak type (a type that others override).

    Args:
      leaf: of JAX or NumPy.
    """
    return getattr(leaf, "weak_type", False)


def folder() -> Path | None:
    """Returns the folder of the programs, or None if they are not kept."""
    used = jax.config.jax_compilation_cache_dir
    alone = jax.process_count() == 1 and jax.config.jax_default_device is None
    return cache_folder("programs") if alone and used and used == str(cache_folder("xla")) else None


def found(kind: str, function: Callable, args: tuple, make: Callable, forms: tuple) -> Any:
    """Returns the value that the folder has for a key, or else what `make` returns.

    Args:
      kind: kind of the entry.
      function: a function of a module.
      args: its arguments; a static one must be described completely by its `repr`.
      make: makes the value; its argument `keep` is a function that writes a value into the folder.
      forms: two functions: content of an entry -> value, and value that is kept -> content of an entry.
    """
    kept_in, (load, save) = folder(), forms
    if kept_in is None:
        return make(lambda value: None)
    path = kept_in / f"{kind}-{function.__name__}-{_key(function, args)}"
    with contextlib.suppress(OSError, ValueError, jax.errors.JaxRuntimeError):
        value = load(_unpacked(path.read_bytes()))
        os.utime(path)
        return value
    return make(lambda value: _keep(path, function.__name__, save(value)))


def _keep(path: Path, name: str, content: Any) -> None:
    """Writes an entry."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        data = zlib.compress(pickle.dumps(content), 1)
        with replacing(path) as file:
            file.write(hashlib.sha256(data).digest() + data)
        _drop_oldest(path.parent)
    except OSError as error:  # the warning has the form of JAX's own, which compilation_cache.py handles
        warnings.warn(
            f"Error writing persistent compilation cache entry for '{name}': {type(error).__name__}: {error}",
            stacklevel=2,
        )


def _unpacked(data: bytes) -> Any:
    """Returns the content of an entry; raises ValueError if it is damaged."""
    if hashlib.sha256(data[_CHECKSUM:]).digest() != data[:_CHECKSUM]:
        raise ValueError("damaged")
    return pickle.loads(zlib.decompress(data[_CHECKSUM:]))


def _drop_oldest(folder: Path) -> None:
    """Removes the files that were not used for the longest time, including those of killed processes."""
    found = []
    for path in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):
            status = path.stat()
            found.append((status.st_mtime, status.st_size, path))
    total = sum(size for _, size, _ in found)
    for _, size, path in sorted(found):
        if total <= _MAX_BYTES:
            break
        path.unlink(missing_ok=True)
        total -= size


# --- the key


def _key(function: Callable, args: tuple) -> str:
    """Returns a digest of everything on which a program depends."""
    static = [repr(arg) if is_static(arg) else None for arg in args]
    leaves, structure = jax.tree.flatten([arg for arg in args if not is_static(arg)])
    like = [(leaf.shape, str(leaf.dtype), is_weak(leaf)) for leaf in leaves]
    parts = function.__module__, function.__qualname__, static, str(structure), like
    # another thread may have turned JAX's cache off; no setting of it changes a program
    settings = sorted(item for item in jax.config.values.items() if "_cache" not in item[0])
    text = "\n".join(map(repr, (*parts, _code(), _platform(), settings)))
    return hashlib.sha256(text.encode()).hexdigest()


@functools.cache
def _code() -> str:
    """Returns a digest of the source of nst."""
    root = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


@functools.cache
def _platform() -> tuple:
    """Returns the versions, the devices, the flags of the compiler, and the processor's instructions."""
    versions = [module.__version__ for module in (jax, jaxlib, flax, optax, np)]
    devices = jax.local_devices()
    kinds = [(device.platform, device.device_kind) for device in devices]
    flags = [os.environ.get(name) for name in ("XLA_FLAGS", "LIBTPU_INIT_ARGS")]
    return sys.version, versions, kinds, devices[0].client.platform_version, flags, _processor()


def _processor() -> str:
    """Returns the names of the processor's instruction sets, since programs for CPUs use all of them."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith(("flags", "Features")):
                return line
    return f"{platform.machine()} {platform.processor()}"
