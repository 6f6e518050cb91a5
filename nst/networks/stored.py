"""Arrays in NumPy and safetensors files: shapes and types are read first, data on request.

So an array is read only if it is wanted and has the shape and type that the architecture expects. A file
that states a wrong size cannot make the program use more memory than a VGG of the file's size does.
"""

import contextlib
import io
import math
import os
import zipfile
from collections.abc import Callable, Container, Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import safetensors

from nst.errors import UserError

# most bytes that are read at once; the largest kernel of VGG has 19 MB in float64
MOST_BYTES = 1 << 25
_SAFETENSORS_TYPES = {"F64": np.float64, "F32": np.float32, "F16": np.float16}


class Stored(NamedTuple):
    """An array in an open file."""

    shape: tuple[int, ...]
    dtype: np.dtype
    read: Callable[[], np.ndarray]


def exactly(file: BinaryIO, size: int) -> bytes:
    """Reads a number of bytes.

    Args:
      file: the file, at the position of the bytes.
      size: the number of bytes.

    Raises:
      ValueError: the file ends earlier.
    """
    data = file.read(size)
    if len(data) != size:
        raise ValueError("it ends within an array")
    return data


# --- zip


class _Bounded(io.BufferedReader):
    """A file that returns at most MOST_BYTES at once, which bounds the list of members of a zip file."""

    def read(self, size=-1):
        rest = os.fstat(self.fileno()).st_size - self.tell()
        if (rest if size is None or size < 0 else min(size, rest)) > MOST_BYTES:
            raise UserError("refused: a zip file with too many members")
        return super().read(size)


@contextlib.contextmanager
def opened_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    """Opens a zip file, with a bound on its list of members.

    Args:
      path: path of the file.
    """
    with _Bounded(io.FileIO(path)) as file, zipfile.ZipFile(file) as archive:
        yield archive


@contextlib.contextmanager
def opened_npz(path: Path, names: Container[str]) -> Iterator[dict[str, Stored]]:
    """Opens a file that numpy.savez or numpy.savez_compressed wrote.

    Args:
      path: path of the file.
      names: names of the arrays that are wanted.
    """
    with opened_zip(path) as archive:
        members = {member.filename.removesuffix(".npy"): member for member in archive.infolist()}
        yield {
            name: _npy(archive, member)
            for name, member in members.items()
            if name in names and member.filename.endswith(".npy")
        }


def _npy(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Stored:
    """Reads the header of an array."""
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise UserError(f"refused: {member.filename!r} is compressed in a way that NumPy does not use")
    with archive.open(member) as file:
        if np.lib.format.read_magic(file) != (1, 0):  # later versions are for longer headers
            raise UserError(f"{member.filename!r} has a header that no array of floats needs")
        shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(file)
        start = file.tell()

    def read():
        with archive.open(member) as file:
            exactly(file, start)
            data = exactly(file, math.prod(shape) * dtype.itemsize)
            if file.read(1):  # at the end of the member, zipfile compares the checksum
                raise ValueError("an array is followed by other data")
        return np.frombuffer(data, dtype).reshape(shape, order="F" if is_fortran else "C")

    return Stored(shape, dtype, read)


# --- safetensors


@contextlib.contextmanager
def opened_safetensors(path: Path, names: Container[str]) -> Iterator[dict[str, Stored]]:
    """Opens a safetensors file.

    Args:
      path: path of the file.
      names: names of the arrays that are wanted.
    """
    with open_safetensors(path) as file:
        yield {name: _slice(file, name) for name in file.keys() if name in names}


def open_safetensors(path: Path) -> safetensors.safe_open:
    """Opens a safetensors file; safetensors checks that offsets, shapes and the size of the file agree.

    Args:
      path: path of the file.

    Raises:
      UserError: the header is longer than that of any known network.
    """
    with open(path, "rb") as file:
        if int.from_bytes(exactly(file, 8), "little") > 1 << 20:  # the header of a VGG has about 5 kB
            raise UserError("refused: its header has more than 1 MB")
    return safetensors.safe_open(path, framework="numpy")


def _slice(file: safetensors.safe_open, name: str) -> Stored:
    header = file.get_slice(name)
    dtype = _SAFETENSORS_TYPES.get(header.get_dtype())
    if dtype is None:
        raise UserError(f"{name} has type {header.get_dtype()}, not one of {', '.join(_SAFETENSORS_TYPES)}")
    return Stored(tuple(header.get_shape()), np.dtype(dtype), partial(file.get_tensor, name))
