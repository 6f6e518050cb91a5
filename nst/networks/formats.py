"""Reads parameters from HDF5, NumPy, safetensors and PyTorch files, and checks them."""

import json
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
import safetensors
import safetensors.numpy

from nst.errors import UserError
from nst.networks import torchfile
from nst.networks.table import ARCHITECTURES, convolutions, layers_to


def read(path: Path, architecture: str, layers: Sequence[str]) -> dict[str, dict[str, np.ndarray]]:
    """Reads the parameters that are needed to compute some layers; a file may lack deeper ones.

    Args:
      path: path of the file; its suffix decides how it is read.
      architecture: a key of table.ARCHITECTURES.
      layers: names of the layers that will be computed.

    Returns:
      {conv1_1: {kernel: 3x3xIxO, bias: O}, ...}, float32, and for a slim network its maps
      (nst/networks/slim.py), {relu1_1_map: {kernel: KxC, bias: C}, ...}.

    Raises:
      UserError: a damaged file, a missing layer, wrong shapes or values; the message names the file and the
        layer.
    """
    widths = slim_widths(path)
    _check_depth(path, architecture, widths, layers)
    arrays = _known_arrays(path, architecture)
    params = {}
    for name, shapes in ARCHITECTURES[architecture].parameter_shapes(widths, layers).items():
        params[name] = {
            part: _take(path, architecture, arrays, (name, part), shapes[part]) for part in shapes
        }
    return params


def _check_depth(path: Path, architecture: str, widths: Sequence[int], layers: Sequence[str]) -> None:
    """Raises UserError if a slim network ends before the deepest of the layers."""
    known = convolutions(architecture)[: len(widths)]
    needed = [layer.name for layer in layers_to(architecture, layers) if layer.kind == "conv"]
    if known and needed and needed[-1] not in known:
        raise UserError(
            f"{path.name} ends at {known[-1]}: ask for shallower layers, or for all of {architecture}"
        )


def _take(
    path: Path,
    architecture: str,
    arrays: dict[tuple[str, str], np.ndarray],
    key: tuple[str, str],
    shape: tuple[int, ...],
) -> np.ndarray:
    """Returns one parameter in float32, a kernel as HWIO, after checking it.

    Raises:
      UserError: the parameter is missing, has another shape, or is not finite.
    """
    layer, part = key
    array = arrays.get(key)
    is_torch = part == "kernel" and (layer, "weight") in arrays
    if is_torch:  # stored as OIHW; `shape` is HWIO
        array, part, shape = arrays[layer, "weight"], "weight", (*shape[:1:-1], *shape[:2])
    if array is None:
        raise UserError(f"{path}: has no {part} of {layer}; is it a {architecture} checkpoint?")
    if array.shape != shape or array.dtype.kind != "f":
        kind = f"shape {array.shape} and type {array.dtype}"
        raise UserError(f"{path}: {part} of {layer} has {kind}, not {shape} and floats")
    with np.errstate(over="ignore"):  # reported in the next line
        array = array.astype(np.float32)
    if not np.isfinite(array).all():
        raise UserError(f"{path}: {part} of {layer} holds values that are not finite")
    return np.ascontiguousarray(array.transpose(2, 3, 1, 0)) if is_torch else array


def slim_widths(path: Path) -> tuple[int, ...]:
    """Returns the channels of a slim network's convolutions, which its file states; () for all other files.

    Args:
      path: path of a file of weights, which need not exist.

    Raises:
      UserError: a damaged file, or numbers that cannot be channels.
    """
    widths = metadata(path).get("widths", [])
    most = max(len(convolutions(architecture)) for architecture in ARCHITECTURES)
    if (
        not isinstance(widths, list)
        or len(widths) > most
        or not all(type(width) is int and width > 0 for width in widths)
    ):
        raise UserError(f"{path}: its widths are {widths}; they must be 1 to {most} positive integers")
    return tuple(widths)


def metadata(path: Path) -> dict:
    """Returns the metadata that experiments/distill writes into .safetensors files; {} for other files.

    Args:
      path: path of a file of weights, which need not exist.

    Raises:
      UserError: a damaged file.
    """
    if path.suffix != ".safetensors" or not path.is_file():
        return {}
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            stated = json.loads((file.metadata() or {}).get("nst", "{}"))
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error}); if it is damaged, fetch it again") from error
    return stated if isinstance(stated, dict) else {}


def _known_arrays(path: Path, architecture: str) -> dict[tuple[str, str], np.ndarray]:
    """Returns the arrays of a file that belong to the architecture: {(parameter, part): array}."""
    try:
        arrays = _READERS[path.suffix](path)
    except UserError:
        raise
    except Exception as error:  # HDF5, zip and NumPy raise many kinds of errors for a damaged file
        reason = " ".join(str(error).split())
        raise UserError(f"{path}: cannot be read ({reason}); if it is damaged, fetch it again") from error
    names = ARCHITECTURES[architecture].file_names
    return {names[key]: array for key, array in arrays.items() if key in names}


def _read_h5(path: Path) -> dict[str, np.ndarray]:
    arrays = {}

    def visit(name, item):
        if isinstance(item, h5py.Dataset):
            # whole-model files keep the layers one group down
            arrays[name.removeprefix("model_weights/")] = item[()]

    with h5py.File(path, "r") as file:
        file.visititems(visit)
    return arrays


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    # opened here, since np.load does not close a damaged file
    with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
        return dict(arrays)


_READERS = {
    ".h5": _read_h5,
    ".npz": _read_npz,
    ".safetensors": safetensors.numpy.load_file,
    ".pth": torchfile.read,
}
