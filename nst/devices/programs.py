"""Compiled programs in the user's cache folder, which a later process finds without tracing them again.

In JAX's own cache, the key is the text of a program. So a program has to be traced and lowered before it can
be looked up, which takes ten times as long as reading it. Here the key is made from everything on which the
text depends: the function and its static arguments, the shapes of the other arguments, the code of nst, the
versions, JAX's configuration and the devices.

An entry begins with its checksum, and a damaged entry is replaced. Programs are kept if
`compilation_cache.keep` was called and found the user's own folder. Otherwise, and for arrays on several
devices, nothing is read or written.
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
import jax.numpy as jnp
import jaxlib
import numpy as np
import optax
from jax.experimental import serialize_executable
from jax.experimental.compilation_cache import compilation_cache

from nst.files import cache_folder, replacing

_MAX_BYTES = 200_000_000  # in a larger folder, programs that were not used for the longest time are dropped
_CHECKSUM = 32  # bytes of a sha256


def compiled(function: Callable, *args) -> jax.stages.Compiled:
    """Returns `function.lower(*args).compile()`, which takes the arguments that are not static.

    Args:
      function: a function of a module, from `jax.jit`.
      *args: arrays, their shapes, or trees of either; any other value is a static argument, which its `repr`
        must describe completely.
    """
    dynamic = tuple(arg for arg in args if not _is_static(arg))

    def load(stored: tuple[bytes, Any]) -> jax.stages.Compiled:
        data, result = stored
        if b"lapack_" in data:
            _find_lapack()
        trees = jax.tree.structure((dynamic, {})), jax.tree.structure(result)
        devices = jax.local_devices()[:1]
        return serialize_executable.deserialize_and_load(data, *trees, execution_devices=devices)

    def save(program: jax.stages.Compiled) -> tuple[bytes, Any]:
        return serialize_executable.serialize(program)[0], jax.tree.map(lambda _: 0, program.out_info)

    make = lambda: _compiled_anew(function.lower(*args))  # noqa: E731
    return _found("program", function, args, make, (load, save))


@functools.cache
def _find_lapack() -> None:
    """Makes JAX look up LAPACK's functions, which it usually does when it lowers a program that calls one.

    Without this, a program that is read from the disk would call them at address 0.
    """
    jax.jit(jnp.linalg.cholesky).lower(jax.ShapeDtypeStruct((1, 1), jnp.float32))


def _compiled_anew(lowered: jax.stages.Lowered) -> jax.stages.Compiled:
    """Compiles a program without JAX's cache, since XLA:CPU cannot serialise a program that it has read."""
    if _folder() is None or jax.default_backend() != "cpu":
        return lowered.compile()
    jax.config.update("jax_enable_compilation_cache", False)
    compilation_cache.reset_cache()  # JAX reads the setting once, and again after this
    try:
        return lowered.compile()
    finally:
        jax.config.update("jax_enable_compilation_cache", True)
        compilation_cache.reset_cache()


def shapes(function: Callable, *args) -> Any:
    """Returns `jax.eval_shape` of a function: the shapes of its results, without computing them.

    Args:
      function: a function of a module.
      *args: as for `compiled`.

    Raises:
      UserError: the function raises it for these shapes; nothing is kept then.
    """

    def evaluate():
        dynamic = [arg for arg in args if not _is_static(arg)]

        def run(*dynamic):
            rest = iter(dynamic)
            return function(*(arg if _is_static(arg) else next(rest) for arg in args))

        return jax.eval_shape(run, *dynamic)

    return _found("shapes", function, args, evaluate, (lambda tree: tree, lambda tree: tree))


def call(function: Callable, *args) -> Any:
    """Returns `function(*args)`, computed with the kept program if there is one.

    Args:
      function: as for `compiled`.
      *args: as for `compiled`, but arrays.
    """
    dynamic = [arg for arg in args if not _is_static(arg)]
    leaves, structure = jax.tree.flatten(dynamic)
    if _folder() is None or not all(map(_is_here, leaves)):
        return function(*args)
    static = tuple((place, arg) for place, arg in enumerate(args) if _is_static(arg))
    like = tuple(jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, weak_type=_weak(leaf)) for leaf in leaves)
    return _loaded(function, static, structure, like)(*dynamic)


@functools.lru_cache(maxsize=64)
def _loaded(function: Callable, static: tuple, structure: Any, leaves: tuple) -> jax.stages.Compiled:
    args = structure.unflatten(leaves)
    for place, value in static:
        args.insert(place, value)
    return compiled(function, *args)


def drop() -> None:
    """Drops the programs of `call` from memory; those on disk stay."""
    _loaded.cache_clear()


def _is_static(arg: Any) -> bool:
    """Returns whether an argument is neither an array, nor the shape of an array, nor a tree."""
    leaves = jax.tree.leaves(arg)
    return len(leaves) == 1 and leaves[0] is arg and not hasattr(arg, "shape")


def _is_here(leaf: Any) -> bool:
    """Returns whether an array is on the device for which programs are kept."""
    if isinstance(leaf, jax.Array):
        return not isinstance(leaf, jax.core.Tracer) and leaf.devices() == set(jax.local_devices()[:1])
    return isinstance(leaf, np.ndarray | np.generic)


def _weak(leaf: Any) -> bool:
    return getattr(leaf, "weak_type", False)


# --- the folder


def _folder() -> Path | None:
    """Returns the folder of the programs, or None if they are not kept."""
    folder = jax.config.jax_compilation_cache_dir
    alone = jax.process_count() == 1 and jax.config.jax_default_device is None
    return cache_folder("programs") if alone and folder and folder == str(cache_folder("xla")) else None


def _found(kind: str, function: Callable, args: tuple, make: Callable, forms: tuple) -> Any:
    """Returns the value that the folder has for a key, or else makes the value and keeps it.

    Args:
      kind: kind of the entry.
      function, args: as for `compiled`.
      make: makes the value.
      forms: two functions: content of an entry -> value, and value -> content of an entry.
    """
    folder, (load, save) = _folder(), forms
    if folder is None:
        return make()
    path = folder / f"{kind}-{function.__name__}-{_key(function, args)}"
    with contextlib.suppress(OSError, ValueError, jax.errors.JaxRuntimeError):
        value = load(_unpacked(path.read_bytes()))
        os.utime(path)
        return value
    value = make()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        data = zlib.compress(pickle.dumps(save(value)), 1)
        with replacing(path) as file:
            file.write(hashlib.sha256(data).digest() + data)
        _drop_oldest(folder)
    except OSError as error:  # the warning has the form of JAX's own, which compilation_cache.py handles
        warnings.warn(
            f"Error writing persistent compilation cache entry for '{function.__name__}': "
            f"{type(error).__name__}: {error}",
            stacklevel=2,
        )
    return value


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
    static = [repr(arg) if _is_static(arg) else None for arg in args]
    leaves, structure = jax.tree.flatten([arg for arg in args if not _is_static(arg)])
    like = [(leaf.shape, str(leaf.dtype), _weak(leaf)) for leaf in leaves]
    parts = function.__module__, function.__qualname__, static, str(structure), like
    text = "\n".join(map(repr, (*parts, _code(), _platform(), sorted(jax.config.values.items()))))
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
