"""The arrays of HDF5, NumPy and safetensors files: their shapes and types first, their data on request.

So an array is read only if it is wanted and has the shape and the type that the architecture expects, and a
file cannot make the program use more memory than a VGG of that size does, whatever it claims.
"""

import contextlib
import io
import math
import os
import zipfile
import zlib
from collections.abc import Callable, Container, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO, NamedTuple

import h5py
import numpy as np
import safetensors
from h5py import h5d, h5z

from nst.errors import UserError

# of anything that is read at once; the largest kernel of VGG has 19 MB in float64
MOST_BYTES = 1 << 25
_MOST_CHUNKS = 4096  # of an HDF5 dataset
_H5_FILTERS = ([], [h5z.FILTER_DEFLATE], [h5z.FILTER_SHUFFLE], [h5z.FILTER_SHUFFLE, h5z.FILTER_DEFLATE])
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
      ValueError: the file ends before.
    """
    data = file.read(size)
    if len(data) != size:
        raise ValueError("it ends within an array")
    return data


# --- zip


class _Bounded(io.BufferedReader):
    """A file that gives at most MOST_BYTES at once: a bound on the list of members of a zip file."""

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
        if np.lib.format.read_magic(file) != (1, 0):  # later ones are for longer headers
            raise UserError(f"{member.filename!r} has a header that no array of floats needs")
        shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(file)
        start = file.tell()

    def read():
        with archive.open(member) as file:
            exactly(file, start)
            data = exactly(file, math.prod(shape) * dtype.itemsize)
            if file.read(1):  # at its end zipfile compares the checksum
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
    """Opens a safetensors file, whose header safetensors checks: the offsets against the shapes and the file.

    Args:
      path: path of the file.

    Raises:
      UserError: the header is longer than any network's here.
    """
    with open(path, "rb") as file:
        if int.from_bytes(exactly(file, 8), "little") > 1 << 20:  # a VGG's has about 5 kB
            raise UserError("refused: its header has more than 1 MB")
    return safetensors.safe_open(path, framework="numpy")


def _slice(file: safetensors.safe_open, name: str) -> Stored:
    header = file.get_slice(name)
    dtype = _SAFETENSORS_TYPES.get(header.get_dtype())
    if dtype is None:
        raise UserError(f"{name} has type {header.get_dtype()}, not one of {', '.join(_SAFETENSORS_TYPES)}")
    return Stored(tuple(header.get_shape()), np.dtype(dtype), partial(file.get_tensor, name))


# --- HDF5


@contextlib.contextmanager
def opened_h5(path: Path, names: Iterable[str]) -> Iterator[dict[str, Stored]]:
    """Opens an HDF5 file. Its links to other places, and its data outside the file, are refused.

    Args:
      path: path of the file.
      names: names of the arrays that are wanted; in whole-model files they lie in the group model_weights.
    """
    with h5py.File(path, "r") as file:
        root = file["model_weights"] if _is_linked(file, "model_weights") else file
        yield {
            name: Stored(dataset.shape or (), dataset.dtype, partial(_read_dataset, dataset))
            for name in names
            if _is_linked(root, name) and isinstance(dataset := root[name], h5py.Dataset)
        }


def _is_linked(group: h5py.Group, name: str) -> bool:
    """Whether there is an object of that name.

    Raises:
      UserError: it is, or lies below, a link to elsewhere.
    """
    parts = name.split("/")
    for depth in range(len(parts)):
        link = group.get("/".join(parts[: depth + 1]), getlink=True)
        if link is None:
            return False
        if not isinstance(link, h5py.HardLink):
            raise UserError(f"refused: {name} is a link to another place")
    return True


def _read_dataset(dataset: h5py.Dataset) -> np.ndarray:
    created = dataset.id.get_create_plist()
    if created.get_external_count() or created.get_layout() == h5d.VIRTUAL:
        raise UserError(f"refused: {dataset.name} has its data in another file")
    filters = [created.get_filter(index)[0] for index in range(created.get_nfilters())]
    if filters not in _H5_FILTERS:
        raise UserError(f"refused: {dataset.name} is compressed otherwise than by gzip and shuffle")
    if created.get_layout() == h5d.CHUNKED:
        _check_chunks(dataset, filters)
    return dataset[()]


def _check_chunks(dataset: h5py.Dataset, filters: list[int]) -> None:
    """Raises UserError if a chunk has another size than its shape says: HDF5 inflates without a bound."""
    size = math.prod(dataset.chunks) * dataset.dtype.itemsize
    count = dataset.id.get_num_chunks()
    if size > MOST_BYTES or count > _MOST_CHUNKS:
        raise UserError(f"refused: {dataset.name} has {count:,} chunks of {size:,} bytes")
    for index in range(count):
        chunk = dataset.id.get_chunk_info(index)
        stored = chunk.size
        deflated = (
            h5z.FILTER_DEFLATE in filters and not chunk.filter_mask >> filters.index(h5z.FILTER_DEFLATE) & 1
        )
        if deflated and stored <= size + size // 1000 + 64:  # deflate adds five bytes to 16 kB at most
            _, data = dataset.id.read_direct_chunk(chunk.chunk_offset)
            stored = len(zlib.decompressobj().decompress(data, size + 1))
        if stored != size:
            raise UserError(f"refused: a chunk of {dataset.name} has {stored:,} bytes, not {size:,}")
