"""Reads the tensors of a PyTorch checkpoint (`.pth`) without PyTorch and without trusting the file.

A `.pth` is a pickle, and unpickling runs what the pickle names. This unpickler admits seven harmless
names (ordered dictionaries, tensor and storage records) and nothing else, so no code of the file can run.
It was chosen over an optional dependency on torch: that is hundreds of megabytes to read one file, and
`torch.load` of older versions runs what it is given.

Both layouts are read: the zip of PyTorch >= 1.6, and the older run of pickles that the official VGG files
of torchvision still use.
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


class _Tensor(NamedTuple):
    """A view of a storage, in elements."""

    storage: tuple  # (key, dtype)
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def _rebuild_tensor(storage, offset, shape, strides, *_):
    return _Tensor(storage, offset, tuple(shape), tuple(strides))


_ADMITTED = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch._utils", "_rebuild_tensor"): _rebuild_tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): lambda data, *_: data,
    ("torch.nn.parameter", "Parameter"): lambda data, *_: data,
}


class _Unpickler(pickle.Unpickler):
    """Resolves tensors and storages; refuses every other name."""

    def find_class(self, module, name):
        if (module, name) in _ADMITTED:
            return _ADMITTED[module, name]
        if module in ("torch", "torch.storage") and name in _STORAGES:
            return name
        raise UserError(f"refused: the pickle names {module}.{name}, which a file of tensors does not need")

    def persistent_load(self, record):
        kind, storage, key, *_ = record
        if kind != "storage" or storage not in _STORAGES:
            raise UserError(f"refused: unknown record {kind!r} in the pickle")
        return str(key), _STORAGES[storage]


def read(path: str | PathLike) -> dict[str, np.ndarray]:
    """The tensors of a state dict by name, float32 or as stored, in PyTorch's layout (OIHW).

    Raises:
      UserError: truncated, not a PyTorch file, or naming anything but tensors.
    """
    path = Path(path)
    try:
        tensors, storages = _read_zip(path) if zipfile.is_zipfile(path) else _read_legacy(path)
        return {name: _view(tensor, storages) for name, tensor in _named(tensors)}
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    except (pickle.UnpicklingError, zipfile.BadZipFile, EOFError, OSError, struct.error, ValueError) as error:
        raise UserError(f"{path}: truncated or not a PyTorch checkpoint ({error}); fetch it again") from error
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise UserError(f"{path}: not a state dict of tensors ({error!r})") from error


def _named(tensors):
    """(name, tensor) of a state dict, also one wrapped as {"state_dict": ...}."""
    tensors = tensors.get("state_dict", tensors)
    return [(name, tensor) for name, tensor in tensors.items() if isinstance(tensor, _Tensor)]


def _read_zip(path: Path):
    with zipfile.ZipFile(path) as archive:
        (index,) = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        folder = index.removesuffix("data.pkl") + "data/"
        tensors = _Unpickler(io.BytesIO(archive.read(index))).load()
        names = [name for name in archive.namelist() if name.startswith(folder)]
        return tensors, {name.removeprefix(folder): archive.read(name) for name in names}


def _read_legacy(path: Path):
    with open(path, "rb") as file:
        magic = _Unpickler(file).load()
        if magic != _LEGACY_MAGIC:
            raise ValueError("wrong magic number")
        _Unpickler(file).load()  # protocol version
        _Unpickler(file).load()  # byte order and sizes of the writer
        tensors = _Unpickler(file).load()
        keys = _Unpickler(file).load()
        dtypes = {tensor.storage[0]: tensor.storage[1] for _, tensor in _named(tensors)}
        storages = {}
        for key in map(str, keys):
            (count,) = struct.unpack("<q", file.read(8))
            storages[key] = file.read(count * np.dtype(dtypes[key]).itemsize)
        return tensors, storages


def _view(tensor: _Tensor, storages: dict[str, bytes]) -> np.ndarray:
    key, dtype = tensor.storage
    flat = np.frombuffer(storages[key], dtype)
    last = tensor.offset + sum(
        (size - 1) * stride for size, stride in zip(tensor.shape, tensor.strides, strict=True)
    )
    if min((0, tensor.offset, *tensor.strides)) < 0 or (0 not in tensor.shape and last >= flat.size):
        raise ValueError("a tensor reaches beyond its storage")
    strides = tuple(stride * flat.itemsize for stride in tensor.strides)
    return np.lib.stride_tricks.as_strided(flat[tensor.offset :], tensor.shape, strides).copy()
