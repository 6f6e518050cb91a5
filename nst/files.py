"""Files: written whole or not at all, and known by their hash."""

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import platformdirs


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[BinaryIO]:
    """Opens a temporary file beside `path` and renames it over `path` once it is whole and on the disk.

    Whatever happens in between, `path` holds either its old bytes or all of the new ones. OSError (disk
    full, read-only folder) is the caller's to explain; the temporary file is removed.
    """
    path = Path(path)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes private files; a result should be as readable as any other
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def digest(path: str | os.PathLike, algorithm: str = "sha256") -> str:
    """The hexadecimal digest of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def cache_folder(name: str) -> Path:
    """A folder of what can be fetched or made again: in the user's cache folder, or in `NST_CACHE_DIR`."""
    return Path(os.environ.get("NST_CACHE_DIR") or platformdirs.user_cache_dir("nst")) / name
