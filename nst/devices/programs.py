"""Compiled programs in the user's cache folder, which a later process finds without tracing them again.

Programs are kept if `compilation_cache.keep` was called and found the user's own folder (entries.py).
Otherwise, and for arrays on several devices, nothing is read or written.

Programs are traced one after another and compiled side by side, since most of the passes of XLA run in one
thread each.
"""

import contextlib
import functools
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import serialize_executable
from jax.experimental.compilation_cache import compilation_cache

from nst.devices import entries
from nst.devices.entries import is_static, is_weak


def compiled(function: Callable, *args) -> jax.stages.Compiled:
    """Returns `function.lower(*args).compile()`, which takes the arguments that are not static.

    Args:
      function: a function of a module, from `jax.jit`.
      *args: arrays, their shapes, or trees of either; any other value is a static argument, which its `repr`
        must describe completely.
    """
    return begin(function, *args).result()


def begin(function: Callable, *args) -> Future[jax.stages.Compiled]:
    """Traces a function and begins to compile it; the result is what `compiled` returns.

    Args:
      function, *args: as for `compiled`.
    """
    dynamic = tuple(arg for arg in args if not is_static(arg))

    def load(stored: tuple[bytes, Any]) -> Future:
        data, result = stored
        if b"lapack_" in data:
            _find_lapack()
        trees = jax.tree.structure((dynamic, {})), jax.tree.structure(result)
        devices = jax.local_devices()[:1]
        ready = Future()
        ready.set_result(serialize_executable.deserialize_and_load(data, *trees, execution_devices=devices))
        return ready

    def make(keep: Callable) -> Future:
        lowered = function.lower(*args)  # in this thread, since settings of JAX may be those of a thread
        return in_thread(finish, lowered, keep)

    def finish(lowered: jax.stages.Lowered, keep: Callable) -> jax.stages.Compiled:
        program = _compiled_anew(lowered)
        keep(program)
        return program

    def save(program: jax.stages.Compiled) -> tuple[bytes, Any]:
        return serialize_executable.serialize(program)[0], jax.tree.map(lambda _: 0, program.out_info)

    return entries.found("program", function, args, make, (load, save))


def in_thread(function: Callable, *args) -> Future:
    """Calls a function in another thread, for example to compile a program that has been traced here.

    Args:
      function, *args: what is called.
    """
    return _threads().submit(function, *args)


@functools.cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(thread_name_prefix="nst")


@functools.cache
def _find_lapack() -> None:
    """Makes JAX look up LAPACK's functions, which it usually does when it lowers a program that calls one.

    Without this, a program that is read from the disk would call them at address 0.
    """
    jax.jit(jnp.linalg.cholesky).lower(jax.ShapeDtypeStruct((1, 1), jnp.float32))


def _compiled_anew(lowered: jax.stages.Lowered) -> jax.stages.Compiled:
    """Compiles a program without JAX's cache, since XLA:CPU cannot serialise a program that it has read."""
    if entries.folder() is None or jax.default_backend() != "cpu":
        return lowered.compile()
    with _without_cache():
        return lowered.compile()


_turned_off = [0]  # by so many threads
_turning = threading.Lock()


@contextlib.contextmanager
def _without_cache():
    """Turns JAX's cache off until the last of the threads that are in here leaves."""

    def turn(change: int, last: int) -> None:
        with _turning:
            _turned_off[0] += change
            if _turned_off[0] == last:
                jax.config.update("jax_enable_compilation_cache", change < 0)
                compilation_cache.reset_cache()  # JAX reads the setting once, and again after this

    turn(1, last=1)
    try:
        yield
    finally:
        turn(-1, last=0)


def shapes(function: Callable, *args) -> Any:
    """Returns `jax.eval_shape` of a function: the shapes of its results, without computing them.

    Args:
      function: a function of a module.
      *args: as for `compiled`.

    Raises:
      UserError: the function raises it for these shapes; nothing is kept then.
    """

    def evaluate(keep: Callable) -> Any:
        dynamic = [arg for arg in args if not is_static(arg)]

        def run(*dynamic):
            rest = iter(dynamic)
            return function(*(arg if is_static(arg) else next(rest) for arg in args))

        tree = jax.eval_shape(run, *dynamic)
        keep(tree)
        return tree

    return entries.found("shapes", function, args, evaluate, (lambda tree: tree, lambda tree: tree))


def call(function: Callable, *args) -> Any:
    """Returns `function(*args)`, computed with the kept program if there is one.

    Args:
      function: as for `compiled`.
      *args: as for `compiled`, but arrays.
    """
    dynamic = [arg for arg in args if not is_static(arg)]
    if entries.folder() is None or not all(map(_is_here, jax.tree.leaves(dynamic))):
        return function(*args)
    return _begun(function, args).result()(*dynamic)


def prepare(function: Callable, *args) -> Future[jax.stages.Compiled] | None:
    """Begins to compile the program with which `call` will compute `function(*args)`, if it will be kept.

    Args:
      function, *args: as for `compiled`.
    """
    return None if entries.folder() is None else _begun(function, args)


def _begun(function: Callable, args: tuple) -> Future[jax.stages.Compiled]:
    leaves, structure = jax.tree.flatten([arg for arg in args if not is_static(arg)])
    static = tuple((place, arg) for place, arg in enumerate(args) if is_static(arg))
    like = tuple(jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, weak_type=is_weak(leaf)) for leaf in leaves)
    return _begin_once(function, static, structure, like)


@functools.lru_cache(maxsize=64)
def _begin_once(function: Callable, static: tuple, structure: Any, leaves: tuple) -> Future:
    args = structure.unflatten(leaves)
    for place, value in static:
        args.insert(place, value)
    return begin(function, *args)


def drop() -> None:
    """Drops the programs of `call` from memory; those on disk stay."""
    _begin_once.cache_clear()


def _is_here(leaf: Any) -> bool:
    """Returns whether an array is on the device for which programs are kept."""
    if isinstance(leaf, jax.Array):
        return not isinstance(leaf, jax.core.Tracer) and leaf.devices() == set(jax.local_devices()[:1])
    return isinstance(leaf, np.ndarray | np.generic)
