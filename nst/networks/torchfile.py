"""Reading of the tensors of a PyTorch checkpoint (`.pth`) without PyTorch and without trusting the file.

A `.pth` file is a pickle, and unpickling calls any function that the pickle names. Here the pickle is read
without executing it (nst/networks/pickles.py), and it may contain only a few harmless names: ordered
dictionaries, and records of parameters, tensors and storages. This code replaces an optional dependency on
torch, which has hundreds of megabytes and whose older versions run any code that a file names.

Two layouts are read, both little-endian: the zip of PyTorch >= 1.6, and the older sequence of pickles, in
which torchvision still publishes its VGG files. The tar of 2016 is not read.
"""

import contextlib
import os
import struct
import zipfile
from collections.abc import Callable, Container, Iterator
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from nst.errors import UserError
from nst.networks import pickles
from nst.networks.stored import MOST_BYTES, Stored, exactly, opened_zip

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_STORAGES = {"FloatStorage": "<f4", "HalfStorage": "<f2", "DoubleStorage": "<f8", "LongStorage": "<i8"}


class _Storage(NamedTuple):
    """A flat array of which tensors are views; made only from the persistent id in a pickle."""

    key: str
    dtype: np.dtype


class _Tensor(NamedTuple):
    """A view of a storage, in elements."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Parameter:
    """torch.nn.Parameter as it was pickled before `_rebuild_parameter` existed: a tensor and flags."""

    def __init__(self, tensor=None, *_):
        if tensor is not None and type(tensor) is not _Tensor:
            raise ValueError("a parameter is not a tensor")
        self.tensor = tensor


def _tensor(storage, offset, shape, strides, *_):
    numbers = (offset, *shape, *strides)
    if type(storage) is not _Storage or any(type(number) is not int or number < 0 for number in numbers):
        raise ValueError("a tensor is not a view of a storage")
    if len(shape) != len(strides):
        raise ValueError("a tensor has more sizes than strides, or fewer")
    return _Tensor(storage, offset, tuple(shape), tuple(strides))


def _first(value, *_):
    return value


_NAMES = {
    ("collections", "OrderedDict"): lambda pairs=(): pickles.items(pairs),
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _first,
    ("torch.nn.parameter", "Parameter"): _Parameter,
} | {(module, name): name for module in ("torch", "torch.storage") for name in _STORAGES}


def _set_state(target, state) -> None:
    # in the oldest files the state of a parameter has its tensor; other states are flags and metadata
    if type(target) is _Parameter and len(state) == 5:
        target.__init__(state[0])


def _unpickle(data: bytes) -> tuple[pickles.Pickle, dict[str, np.dtype]]:
    """Returns the first pickle in `data`, and {key: dtype} of all storages that it refers to."""
    dtypes = {}

    def refer(record):
        kind, storage, key, _, _, *view = record
        # the types are checked first, since hashing a deeply nested tuple would overflow the stack
        is_plain = type(storage) is str and storage in _STORAGES and type(key) in (str, int)
        if kind != "storage" or not is_plain or view not in ([], [None]):
            raise UserError("refused: it holds a reference that is not a plain storage")
        dtypes[str(key)] = np.dtype(_STORAGES[storage])
        return _Storage(str(key), dtypes[str(key)])

    return pickles.read(data, _NAMES, refer, _set_state), dtypes


@contextlib.contextmanager
def opened(path: Path, names: Container[str]) -> Iterator[dict[str, Stored]]:
    """Opens a state dict, whose tensors can be read, in PyTorch's layout (OIHW), while the file is open.

    A state dict in the form {"state_dict": ...} is unwrapped; values that are not tensors are left out.

    Args:
      path: path of the `.pth` file.
      names: names of the tensors that are wanted.

    Raises:
      UserError: the file is not a state dict, or its pickle needs more than tensors.
      Exception: any kind of exception, if the file is damaged.
    """
    with open(path, "rb") as file:
        zipped = file.peek(2)[:2] == b"PK"
        with _opened_zip(path) if zipped else contextlib.nullcontext(_read_legacy(file)) as (content, read):
            yield {
                name: Stored(tensor.shape, tensor.storage.dtype, partial(_view, tensor, read))
                for name, tensor in _tensors(content).items()
                if name in names
            }


# (storage, first byte, number of bytes) -> the bytes
_Read = Callable[[_Storage, int, int], bytes]


@contextlib.contextmanager
def _opened_zip(path: Path) -> Iterator[tuple[Any, _Read]]:
    with opened_zip(path) as archive:
        (index,) = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        folder = index.removesuffix("data.pkl") + "data/"

        def read(storage, start, size):
            with archive.open(_plain(archive, folder + storage.key)) as member:
                member.seek(start)
                data = exactly(member, size)
                while member.read(1 << 20):  # at the end of the member, zipfile compares the checksum
                    pass
            return data

        with archive.open(_plain(archive, index)) as member:
            yield _unpickle(member.read(pickles.MOST_BYTES))[0].value, read


def _plain(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    """Returns a member of a zip file; it must not be compressed, so that the file's size bounds its size."""
    member = archive.getinfo(name)
    if member.compress_type != zipfile.ZIP_STORED:
        raise UserError(f"refused: {name!r} is compressed, which PyTorch does not do")
    return member


def _read_legacy(file: BinaryIO) -> tuple[Any, _Read]:
    if _next(file)[0] != _LEGACY_MAGIC:
        raise ValueError("wrong magic number")
    _next(file)  # protocol version
    _next(file)  # byte order and sizes of the writer
    content, dtypes = _next(file)
    keys = _next(file)[0]
    starts, end = {}, os.fstat(file.fileno()).st_size
    for key in map(str, keys):
        (count,) = struct.unpack("<q", file.read(8))
        starts[key] = file.tell()
        following = starts[key] + count * dtypes[key].itemsize
        if not starts[key] <= following <= end:
            raise ValueError("a storage is longer than the file")
        file.seek(following)

    def read(storage, start, size):
        file.seek(starts[storage.key] + start)
        return exactly(file, size)

    return content, read


def _next(file: BinaryIO) -> tuple[Any, dict[str, np.dtype]]:
    """Returns the value of the pickle at the file's position, and the dtypes of its storages."""
    start = file.tell()
    pickle, dtypes = _unpickle(file.read(pickles.MOST_BYTES))
    file.seek(start + pickle.size)
    return pickle.value, dtypes


def _tensors(content) -> dict[str, _Tensor]:
    if not isinstance(content, dict):
        raise UserError(f"holds a {type(content).__name__}, not a state dict of tensors")
    content = content.get("state_dict", content)
    values = {key: value.tensor if isinstance(value, _Parameter) else value for key, value in content.items()}
    return {key: value for key, value in values.items() if isinstance(value, _Tensor)}


def _view(tensor: _Tensor, read: _Read) -> np.ndarray:
    storage, offset, shape, strides = tensor
    if 0 in shape:
        return np.empty(shape, storage.dtype)
    # computed with Python's integers, since NumPy's own check can overflow
    count = 1 + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    itemsize = storage.dtype.itemsize
    if count * itemsize > MOST_BYTES:
        raise UserError(f"a tensor lies over {count * itemsize / 1e6:.0f} MB, which no VGG needs")
    flat = np.frombuffer(read(storage, offset * itemsize, count * itemsize), storage.dtype)
    return np.lib.stride_tricks.as_strided(flat, shape, [stride * itemsize for stride in strides])
