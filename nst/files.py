"""Atomic writing of files, digests of files, and the cache folder."""

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
    """Opens a temporary file beside `path` and renames it to `path` once it is complete and on the disk.

    Whatever happens in between, `path` holds either its old bytes or all of the new ones. If writing fails,
    the temporary file is removed; the caller turns the OSError (disk full, read-only folder) into a message.

    Args:
      path: path of the file to write.
    """
    path = Path(path)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files that only their owner can read; a result should have the usual permissions,
        # which depend on the umask, and the umask can only be read by setting it
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def digest(path: str | os.PathLike, algorithm: str = "sha256") -> str:
    """Returns the hexadecimal digest of a file's bytes.

    Args:
      path: path of the file.
      algorithm: name of a hash algorithm in hashlib.
    """
    with open(path, "rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def cache_folder(name: str) -> Path:
    """Returns the path of a folder for files that can be downloaded or computed again.

    It lies in the folder that the environment variable `NST_CACHE_DIR` names, or in the user's cache folder.

    Args:
      name: name of the folder.
    """
    return Path(os.environ.get("NST_CACHE_DIR") or platformdirs.user_cache_dir("nst")) / name
