"""Reads parameters from HDF5, NumPy, safetensors and PyTorch files, and checks them."""

import contextlib
import json
import os
import reprlib
import stat
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import safetensors

from nst.errors import UserError
from nst.networks import torchfile
from nst.networks.stored import Stored, open_safetensors, opened_npz, opened_safetensors
from nst.networks.table import ARCHITECTURES, convolutions, layers_to

_WIDEST = 4096  # channels of a convolution of a slim network


def read(path: Path, architecture: str, layers: Sequence[str]) -> dict[str, dict[str, np.ndarray]]:
    """Reads the parameters that are needed to compute some layers; a file may lack deeper ones.

    Args:
      path: path of the file; its suffix decides how it is read.
      architecture: a key of table.ARCHITECTURES.
      layers: names of the layers that will be computed.

    Returns:
      {conv1_1: {kernel: kxkxIxO, bias: O}, ...}, float32, and for a slim network its maps
      (nst/networks/slim.py), {relu1_1_map: {kernel: KxC, bias: C}, ...}.

    Raises:
      UserError: the file is damaged, a layer is missing, or shapes or values are wrong; the message names the
        file and the layer.
    """
    widths, row = slim_widths(path), ARCHITECTURES[architecture]
    _check_depth(path, architecture, widths, layers)
    parameters = row.parameter_shapes(widths, layers)
    names = {name: key for name, key in row.file_names.items() if key[0] in parameters}
    readers = {layer.name: layer.operation.weights.read for layer in row.layers if layer.operation.weights}
    with opened(path, names) as arrays:
        stored = {names[name]: array for name, array in arrays.items()}
        return {
            name: readers.get(name, _read_map)(Reader(architecture, stored, name), shapes)
            for name, shapes in parameters.items()
        }


class Reader(NamedTuple):
    """The arrays of a file that belong to one layer."""

    architecture: str
    arrays: Mapping[tuple[str, str], Stored]  # (layer, part) -> array, for all layers
    layer: str

    def has(self, part: str) -> bool:
        """Returns whether the file has a part of the layer."""
        return (self.layer, part) in self.arrays

    def take(self, part: str, shape: tuple[int, ...]) -> np.ndarray:
        """Returns a part in float32; it is read only if its shape and type are right.

        Args:
          part: name of the part in `Weights.files`.
          shape: shape that it must have.

        Raises:
          UserError: the part is missing, has another shape, or is not finite.
        """
        stored = self.arrays.get((self.layer, part))
        if stored is None:
            raise UserError(f"has no {part} of {self.layer}; is it a {self.architecture} checkpoint?")
        if stored.shape != shape or stored.dtype.kind != "f":
            kind = f"shape {reprlib.repr(stored.shape)} and type {stored.dtype}"
            raise UserError(f"{part} of {self.layer} has {kind}, not {shape} and floats")
        with np.errstate(over="ignore"):  # reported in the next line
            array = stored.read().astype(np.float32)
        if not np.isfinite(array).all():
            raise UserError(f"{part} of {self.layer} holds values that are not finite")
        return array


def _read_map(reader: Reader, shapes: dict) -> dict[str, np.ndarray]:
    """Reads a map of a slim network, which is not a layer."""
    return {part: reader.take(part, shape) for part, shape in shapes.items()}


@contextlib.contextmanager
def opened(path: Path, names: Collection[str]) -> Iterator[dict[str, Stored]]:
    """Opens a file of weights, whose arrays can be read while it is open.

    Args:
      path: path of the file; its suffix decides how it is read.
      names: names, in the file, of the arrays that are wanted.

    Raises:
      UserError: the file cannot be read, or holds something that a file of weights does not need. This error
        may also be raised later, when an array is read.
    """
    check_readable(path)
    try:
        with _READERS[path.suffix](path, names) as arrays:
            yield arrays
    except UserError as error:
        raise UserError(f"{path}: {_short(error)}") from error
    except Exception as error:  # HDF5, zip, NumPy and pickles raise many kinds of errors for a damaged file
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> UserError:
    return UserError(f"{path}: cannot be read ({_short(error)}); if it is damaged, fetch it again")


def _short(error: Exception) -> str:
    """Returns an error's text, shortened, since it may quote the file, and without control characters."""
    text = "".join(letter if letter.isprintable() else " " for letter in str(error)[:1000])
    return " ".join(text.split())[:300] or type(error).__name__


def check_readable(path: Path) -> None:
    """Checks that a path leads to an ordinary file that can be read; opening a pipe would block the program.

    Args:
      path: the path.

    Raises:
      UserError: it does not.
    """
    try:
        is_file = stat.S_ISREG(path.stat().st_mode)
        if is_file:
            path.open("rb").close()
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:  # ValueError: a null character
        raise UserError(f"{path}: no such file") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    if not is_file:
        raise UserError(f"{path}: is not a file")


def _check_depth(path: Path, architecture: str, widths: Sequence[int], layers: Sequence[str]) -> None:
    """Raises UserError if a slim network ends before the deepest layer or its architecture is not a chain."""
    if widths and not ARCHITECTURES[architecture].is_chain:
        raise UserError(f"{path}: a slim network, which cannot stand in for {architecture}")
    known = convolutions(architecture)[: len(widths)]
    needed = [layer.name for layer in layers_to(architecture, layers) if layer.kind == "conv"]
    if known and needed and needed[-1] not in known:
        raise UserError(
            f"{path.name} ends at {known[-1]}: ask for shallower layers, or for all of {architecture}"
        )


def slim_widths(path: Path) -> tuple[int, ...]:
    """Returns the channels of a slim network's convolutions, which its file states; () for other networks.

    Args:
      path: path of a file of weights, which need not exist.

    Raises:
      UserError: the file is damaged, or its numbers cannot be numbers of channels.
    """
    widths = metadata(path).get("widths", [])
    most = max(len(convolutions(name)) for name, row in ARCHITECTURES.items() if row.is_chain)
    if (
        not isinstance(widths, list)
        or len(widths) > most
        or not all(type(width) is int and 0 < width <= _WIDEST for width in widths)
    ):
        found = reprlib.repr(widths)
        raise UserError(
            f"{path}: its widths are {found}; they must be 1 to {most} integers from 1 to {_WIDEST}"
        )
    return tuple(widths)


def metadata(path: Path) -> dict:
    """Returns the metadata that experiments/distill writes into .safetensors files; {} for other files.

    Args:
      path: path of a file of weights, which need not exist.

    Raises:
      UserError: the file is damaged.
    """
    if path.suffix != ".safetensors" or not os.path.exists(path):
        return {}
    check_readable(path)
    try:
        with open_safetensors(path) as file:
            stated = json.loads((file.metadata() or {}).get("nst", "{}"))
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    except (safetensors.SafetensorError, OSError, ValueError, RecursionError) as error:
        raise _damaged(path, error) from error
    return stated if isinstance(stated, dict) else {}


def _opened_h5(path: Path, names: Collection[str]) -> contextlib.AbstractContextManager[dict[str, Stored]]:
    from nst.networks import hdf5  # imported here, since importing h5py takes time

    return hdf5.opened(path, names)


_READERS = {
    ".h5": _opened_h5,
    ".npz": opened_npz,
    ".safetensors": opened_safetensors,
    ".pth": torchfile.opened,
    ".pt": torchfile.opened,
}
