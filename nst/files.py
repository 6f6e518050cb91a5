"""Atomic writing of files, JSON files that are checked when they are read, digests, and the cache folder.

A schema describes a JSON file of nst. It is plain data beside the code that writes the file:

    str, int, float, bool, None   a value of this type; `float` takes whole numbers, too
    dict, list                    any object, any list
    object                        any value
    [schema]                      a list whose items have this schema
    {"a": schema, "b?": schema}   an object with these keys, of which b may be missing, and any others
    {"a": schema, str: schema}    the same, but the values of the other keys have the second schema
    (schema, schema)              any of these
"""

import contextlib
import errno
import glob
import hashlib
import json
import math
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import platformdirs

from nst.errors import UserError

# largest files that are read, in bytes; the largest files that nst writes, such as the records of 100,000
# steps, have a tenth of that
_MOST_JSON, _MOST_LINES = 16 << 20, 256 << 20
_DEEPEST = 50  # most lists and objects nested in each other
_KINDS = {
    str: "text", int: "a whole number", float: "a number", bool: "true or false", None: "null",
    dict: "an object", list: "a list",
}  # fmt: skip
_LEFTOVER = ".part"  # suffix of the temporary files of `replacing`


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[BinaryIO]:
    """Opens a temporary file beside `path` and renames it to `path` once it is complete and on the disk.

    At any time `path` holds either its old bytes or all of the new ones; after the `with` block it holds the
    new ones, even if the machine then loses its power. If writing fails, the temporary file is removed, and
    the caller turns the OSError (disk full, read-only folder) into a message. If the process is killed, the
    temporary file stays; `remove_leftovers` removes it.

    Args:
      path: path of the file to write.
    """
    path = Path(path)
    temporary = path.with_name(f"{_prefix(path.name)}{secrets.token_hex(8)}{_LEFTOVER}")
    opened = open(temporary, "xb")  # with the usual permissions, and refused if there is such a file
    try:
        with opened as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        sync(path.parent)  # the new name
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _prefix(name: str) -> str:
    """Returns the prefix of the names of a file's temporary files; a whole name may have 255 bytes."""
    if len(os.fsencode(name)) > 200:
        name = hashlib.sha256(os.fsencode(name)).hexdigest()
    return f".{name}."


def sync(path: str | os.PathLike) -> None:
    """Waits until the content of a file, or the names in a folder, are on the disk.

    Args:
      path: path of the file or folder; if it does not exist, the function returns at once.
    """
    if os.name == "nt" and os.path.isdir(path):  # Windows cannot open a folder
        return
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        # some network file systems cannot sync folders
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def remove_leftovers(folder: str | os.PathLike, name: str = "") -> None:
    """Removes the temporary files that killed processes have left in a folder.

    Args:
      folder: path of a folder into which no other process is writing.
      name: name of a file in that folder, whose temporary files are removed; "": of all files.
    """
    pattern = f"{glob.escape(_prefix(name))}*{_LEFTOVER}" if name else f".*{_LEFTOVER}"
    for path in Path(folder).glob(pattern):
        path.unlink(missing_ok=True)


def write_json(path: str | os.PathLike, content) -> None:
    """Writes readable JSON atomically: the file is complete or unchanged.

    Args:
      path: path of the file.
      content: a value that `json.dumps` accepts; numbers must be finite.
    """
    text = json.dumps(content, indent=2, allow_nan=False) + "\n"
    with replacing(path) as file:
        file.write(text.encode())


def read_json(path: str | os.PathLike, schema) -> Any:
    """Returns the content of a JSON file, or None if there is no such file.

    Args:
      path: path of the file.
      schema: description of the content, in the form that the docstring of this module defines.

    Raises:
      UserError: the file cannot be read, is not JSON, or does not fit the schema.
    """
    data = _read(path, _MOST_JSON)
    return None if data is None else _parse(data, schema, f"{path}")


def read_json_lines(path: str | os.PathLike, schema) -> list:
    """Returns the values of a file that holds one JSON value in each line; empty if there is no such file.

    A last line without a line break is left out, since the program was stopped while it wrote that line.

    Args:
      path: path of the file.
      schema: schema of each value, as for `read_json`.

    Raises:
      UserError: as from `read_json`; the message names the line.
    """
    *lines, _ = (_read(path, _MOST_LINES) or b"").split(b"\n")
    return [_parse(line, schema, f"{path}, line {number}") for number, line in enumerate(lines, 1)]


def _read(path: str | os.PathLike, most: int) -> bytes | None:
    """Returns the bytes of a file, or None if there is none; raises UserError if it cannot be read."""
    try:
        # checked before the file is opened, because opening a pipe would wait for a writer
        found = os.stat(path)
        if stat.S_ISDIR(found.st_mode):
            raise UserError(f"{path}: a folder, where a file is expected; rename it, or use another folder")
        if not stat.S_ISREG(found.st_mode):
            raise UserError(f"{path}: not an ordinary file; rename it, or use another folder")
        if found.st_size > most:
            raise UserError(
                f"{path}: damaged ({found.st_size} bytes are too many); move it away or use another folder"
            )
        return Path(path).read_bytes()
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise UserError(f"{path}: no permission to read it; give yourself the permission") from error
    except OSError as error:
        raise UserError(
            f"{path}: cannot read it ({error.strerror or error}); repair the disk or folder"
        ) from error


def _parse(data: bytes, schema, where: str):
    """Returns the value of JSON text; raises UserError if it is not JSON or does not fit the schema."""
    try:
        value = json.loads(
            data.decode(),
            object_pairs_hook=_object,
            parse_constant=_refuse,
            parse_float=_finite,
            parse_int=_int,
        )
        # values are walked through by recursion, so they must not be nested too deeply; counting brackets is
        # quicker than measuring the depth, and the depth is at most their number
        deep = data.count(b"{") + data.count(b"[") > _DEEPEST and _depth(value) > _DEEPEST
        wrong = "nested too deeply" if deep else _mismatch(value, schema)
    except RecursionError:
        wrong = "nested too deeply"
    except ValueError as error:  # from the parser, the decoder, or one of the functions passed to the parser
        wrong = str(error)
    if wrong:
        raise UserError(f"{where}: damaged ({wrong}); move it away or use another folder")
    return value


def _depth(value) -> int:
    """Returns the greatest number of lists and objects that are nested in each other."""
    depth, level = 0, [value]
    while level := [part for part in level if isinstance(part, dict | list)]:
        depth += 1
        level = [item for part in level for item in (part.values() if isinstance(part, dict) else part)]
    return depth


def _object(pairs: list[tuple[str, Any]]) -> dict:
    found = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"the key {name!r:.60} stands twice")
        found[name] = value
    return found


def _refuse(text: str):
    raise ValueError(f"{text:.60} is not a finite number")


def _finite(text: str) -> float:
    return value if math.isfinite(value := float(text)) else _refuse(text)


def _int(text: str) -> int:
    # a larger number would overflow when it is converted to a float or put into an array
    return value if len(text) < 20 and abs(value := int(text)) < 2**63 else _refuse(text)


def _mismatch(value, schema, where: str = "") -> str:
    """Returns how a JSON value differs from a schema, in words; "" if it does not."""
    if isinstance(schema, tuple):
        found = [_mismatch(value, part, where) for part in schema]
        return "" if "" in found else found[0]
    kind = type(schema) if isinstance(schema, dict | list) else schema
    # type() and not isinstance, because True is an instance of int
    fits = value is None if kind is None else type(value) in ((int, float) if kind is float else (kind,))
    if not fits and kind is not object:
        return f"{where.removeprefix('.') or 'the value'} is not {_KINDS[kind]}"
    return next(filter(None, _parts(value, schema, where)), "")


def _parts(value, schema, where: str) -> Iterator[str]:
    """Yields how each part of a list or an object differs from the part of the schema that describes it."""
    if isinstance(schema, list):
        for index, item in enumerate(value):
            yield _mismatch(item, schema[0], f"{where}[{index}]")
    elif isinstance(schema, dict):
        named = {name.removesuffix("?"): name for name in schema if name is not str}
        for key, name in named.items():
            if key in value:
                yield _mismatch(value[key], schema[name], f"{where}.{key}")
            elif key == name:
                yield f"{where}.{key} is missing".removeprefix(".")
        for key in value.keys() - named if str in schema else ():
            yield _mismatch(value[key], schema[str], f"{where}[{key!r:.60}]")


def digest(path: str | os.PathLike, algorithm: str = "sha256") -> str:
    """Returns the hexadecimal digest of a file's bytes.

    Args:
      path: path of the file.
      algorithm: name of a hash algorithm in hashlib.

    Raises:
      OSError: the file does not exist or cannot be read, or it is a pipe or a device, which may have no end.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(errno.EINVAL, "is not a file", os.fspath(path))
    with open(path, "rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def cache_folder(name: str) -> Path:
    """Returns the path of a folder for files that can be downloaded or computed again.

    The folder lies in the folder `NST_CACHE_DIR` (an environment variable), or else in the user's cache
    folder.

    Args:
      name: name of the folder.

    Raises:
      UserError: NST_CACHE_DIR is not set and the user has no home folder, as in some containers.
    """
    folder = os.environ.get("NST_CACHE_DIR")
    if not folder:
        try:
            folder = platformdirs.user_cache_dir("nst")
        except RuntimeError:
            folder = ""
        if not os.path.isabs(folder):  # it still begins with "~", since there is no home folder
            raise UserError("no home folder: set NST_CACHE_DIR to a folder for files that can be made again")
    return Path(folder) / name
