"""A cache of compiled programs on the disk, so that a second run of the same shapes starts in seconds."""

import builtins
import contextlib
import glob
import logging
import os
import re
import warnings
from pathlib import Path

import jax

from nst.errors import UserError
from nst.files import cache_folder

_MAX_BYTES = 1_000_000_000  # in a larger cache, JAX drops programs that were not used for the longest time
_MIN_COMPILE_SECONDS = 0.1  # programs that compile faster are not kept
# JAX's warnings, with the groups: reading or writing, the program's name, the type of the error, its text
_FAILURE = r"Error (reading|writing) persistent compilation cache entry for '(.+?)': (\w+): (.*)"


def keep() -> None:
    """Turns on JAX's compilation cache, in the folder `xla` of the user's cache folder.

    `JAX_COMPILATION_CACHE_DIR` names another folder, and `NST_COMPILATION_CACHE=0` turns the cache off. If
    the folder cannot be written, a line says so and programs are compiled again in every process. A damaged
    entry is replaced.
    """
    if os.environ.get("NST_COMPILATION_CACHE") == "0":
        return
    try:
        folder = Path(jax.config.jax_compilation_cache_dir or _own_folder())
    except UserError as error:
        _say_not_kept(str(error))
    else:
        _mend(folder)


def _own_folder() -> Path:
    """Makes the user's folder and turns the cache on.

    Raises:
      UserError: there is no such folder, or it cannot be written.
    """
    folder = cache_folder("xla")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make {folder} ({error.strerror}); set NST_CACHE_DIR") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UserError(f"cannot write {folder}; set NST_CACHE_DIR")
    _drop_unfinished(folder)
    jax.config.update("jax_compilation_cache_max_size", _MAX_BYTES)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", _MIN_COMPILE_SECONDS)
    jax.config.update("jax_compilation_cache_dir", str(folder))
    return folder


def _say_not_kept(reason: str) -> None:
    logging.getLogger(__name__).warning("compiled programs are not kept: %s", reason)


def _drop_unfinished(folder: Path) -> None:
    """Removes entries that a killed process may have left incomplete.

    JAX first writes the file of a program, and then a file with the time of its last use. If the second file
    is missing, the first may be truncated, and JAX would warn whenever it adds a program. If another process
    has just written the first file but not yet the second, only this one entry is lost.
    """
    for program in folder.glob("*-cache"):
        if not _last_use(program).exists():
            with contextlib.suppress(OSError):  # the file may belong to another user
                program.unlink()


def _last_use(program: Path) -> Path:
    return program.with_name(program.name.removesuffix("-cache") + "-atime")


def _mend(folder: Path) -> None:
    """Makes JAX's warnings remove an entry that it cannot read, so that JAX writes a new one.

    Otherwise JAX would keep the entry, and would warn and compile at each start. Of the warnings that a file
    may not be read or written, only the first is shown, in one line.
    """
    show, said = warnings.showwarning, []

    def shown(message, *rest, **more):
        failure = re.match(_FAILURE, str(message), re.DOTALL)
        if not failure:
            show(message, *rest, **more)
            return
        action, program, kind, text = failure.groups()
        if action == "reading" and not _is_of_access(kind):
            _drop_last_used(folder, program)
        elif not said:
            said.append(True)
            _say_not_kept(f"{folder}: {kind}: {' '.join(text.split())}")

    warnings.filterwarnings("always", _FAILURE)
    warnings.showwarning = shown


def _is_of_access(kind: str) -> bool:
    """Returns whether an error of that type is about access to a file, and not about its content."""
    error = getattr(builtins, kind, None)
    is_of_files = isinstance(error, type) and issubclass(error, OSError)
    return is_of_files or kind == "Timeout"  # the timeout of the folder's lock


def _drop_last_used(folder: Path, program: str) -> None:
    """Removes the entry of a program that was used last, or all entries if JAX does not record the use."""
    times = {}
    for entry in folder.glob(f"{glob.escape(program)}-*-cache"):
        last_use = _last_use(entry)
        times[entry] = int.from_bytes(last_use.read_bytes(), "little") if last_use.exists() else 0
    for entry, time in times.items():
        if time == max(times.values()):
            with contextlib.suppress(OSError):
                entry.unlink()
                _last_use(entry).unlink(missing_ok=True)
