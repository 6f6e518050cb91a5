"""Reads the tensors of a PyTorch checkpoint (`.pth`) without PyTorch and without trusting the file.

A `.pth` file is a pickle, and unpickling calls any function that the pickle names. This unpickler admits a
handful of harmless names (ordered dictionaries, parameter, tensor and storage records) and nothing else, so
no code of the file can run. It was chosen over an optional dependency on torch, which is hundreds of
megabytes for reading one file, and whose older versions run any code that a file names.

Both layouts are read, little-endian: the zip of PyTorch >= 1.6, and the older sequence of pickles that the
official VGG files of torchvision still use. The tar of 2016 is not read.
"""

import collections
import io
import pickle
import struct
import zipfile
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nst.errors import UserError

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_STORAGES = {"FloatStorage": "<f4", "HalfStorage": "<f2", "DoubleStorage": "<f8", "LongStorage": "<i8"}


class _Storage(NamedTuple):
    """A flat array that tensors are views of; made from a pickle's persistent id and nowhere else."""

    key: str
    dtype: str


class _Tensor(NamedTuple):
    """A view of a storage, in elements."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Parameter:
    """torch.nn.Parameter as it was pickled before `_rebuild_parameter` existed: a tensor and its flags."""

    def __new__(cls, tensor=None, *_):  # not __init__, which a pickle of protocol 2 does not call
        self = super().__new__(cls)
        self.tensor = tensor
        return self

    def __setstate__(self, state):
        if len(state) == 5:  # the oldest files hold the tensor here; later ones have three flags
            self.tensor = state[0]


def _rebuild_tensor(storage, offset, shape, strides, *_):
    return _Tensor(storage, offset, tuple(shape), tuple(strides))


def _rebuild_parameter(tensor, *_):
    return tensor


_ADMITTED = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch._utils", "_rebuild_tensor"): _rebuild_tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
    ("torch.nn.parameter", "Parameter"): _Parameter,
}


class _Unpickler(pickle.Unpickler):
    """Resolves tensors and storages; refuses every other name."""

    def __init__(self, file):
        super().__init__(file)
        self.dtypes = {}  # of every storage met, by key

    def find_class(self, module, name):
        if (module, name) in _ADMITTED:
            return _ADMITTED[module, name]
        if module in ("torch", "torch.storage") and name in _STORAGES:
            return name
        raise UserError(f"refused: it names {module + '.' + name!r}, which a file of weights does not need")

    def persistent_load(self, record):
        kind, storage, key, _, _, *view = record
        if kind != "storage" or storage not in _STORAGES or view not in ([], [None]):
            raise UserError("refused: it holds a reference that is not a plain storage")
        self.dtypes[str(key)] = _STORAGES[storage]
        return _Storage(str(key), _STORAGES[storage])


def read(path: str | PathLike) -> dict[str, np.ndarray]:
    """Reads the tensors of a state dict, in their stored dtype and PyTorch's layout (OIHW).

    A state dict wrapped as {"state_dict": ...} is unwrapped; what is not a tensor is left out.

    Args:
      path: path of the `.pth` file.

    Returns:
      {name: read-only array}.

    Raises:
      UserError: the file is truncated, is not a state dict, or names anything but tensors.
    """
    path = Path(path)
    try:
        with open(path, "rb") as file:
            tensors, storages = _read_zip(file) if file.peek(2)[:2] == b"PK" else _read_legacy(file)
        return {name: _view(tensor, storages) for name, tensor in tensors.items()}
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    except Exception as error:  # unpickling raises many kinds of errors for bytes that are no pickle
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{path}: truncated or not a PyTorch checkpoint ({reason})") from error


def _tensors(content) -> dict[str, _Tensor]:
    if not isinstance(content, dict):
        raise UserError(f"holds a {type(content).__name__}, not a state dict of tensors")
    content = content.get("state_dict", content)
    values = {key: value.tensor if isinstance(value, _Parameter) else value for key, value in content.items()}
    return {key: value for key, value in values.items() if isinstance(value, _Tensor)}


def _read_zip(file):
    with zipfile.ZipFile(file) as archive:
        (index,) = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        tensors = _tensors(_Unpickler(io.BytesIO(archive.read(index))).load())
        folder = index.removesuffix("data.pkl") + "data/"
        return tensors, {key: archive.read(folder + key) for key in {t.storage.key for t in tensors.values()}}


def _read_legacy(file):
    if _Unpickler(file).load() != _LEGACY_MAGIC:
        raise ValueError("wrong magic number")
    _Unpickler(file).load()  # protocol version
    _Unpickler(file).load()  # byte order and sizes of the writer
    unpickler = _Unpickler(file)
    tensors = _tensors(unpickler.load())
    keys = _Unpickler(file).load()
    storages = {}
    for key in map(str, keys):
        (count,) = struct.unpack("<q", file.read(8))
        storages[key] = file.read(count * np.dtype(unpickler.dtypes[key]).itemsize)
    return tensors, storages


def _view(tensor: _Tensor, storages: dict[str, bytes]) -> np.ndarray:
    storage, offset, shape, strides = tensor
    if not isinstance(storage, _Storage) or any(
        type(number) is not int or number < 0 for number in (offset, *shape, *strides)
    ):
        raise ValueError("a tensor is not a view of a storage")
    flat = np.frombuffer(storages[storage.key], storage.dtype)
    # in Python's integers: numpy's own check can overflow
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    if 0 not in shape and last >= flat.size:
        raise ValueError("a tensor reaches beyond its storage")
    strides = tuple(stride * flat.itemsize for stride in strides)
    return np.ndarray(shape, flat.dtype, flat, offset * flat.itemsize, strides)
