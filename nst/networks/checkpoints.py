"""Named checkpoints -> Flax params: find, or download, and convert.

Search order: an explicit path; the folder `NST_WEIGHTS_DIR`; the user cache; the official URL (or the
mirror `NST_WEIGHTS_URL`), into the user cache.
"""

import importlib.resources
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import safetensors
import safetensors.numpy

from nst.errors import UserError, choose
from nst.files import cache_folder, digest
from nst.networks import torchfile
from nst.networks.download import download
from nst.networks.vgg import BLOCKS, PREPROCESSING, channels, convolutions, layer_names, layers_to, map_name


class Checkpoint(NamedTuple):
    """A published file of weights."""

    architecture: str
    preprocessing: str  # key of vgg.PREPROCESSING
    url: str  # or the name of a file in nst/data
    hash: str  # "md5:..." or "sha256:..." (possibly only its first digits)
    widths: tuple[int, ...] = ()  # vgg.Network.widths


_KERAS = "https://storage.googleapis.com/tensorflow/keras-applications"
_TORCH = "https://download.pytorch.org/models"
CHECKPOINTS = {
    # Simonyan & Zisserman's own training (Oxford, Caffe convention), in Keras' no-top files
    "vgg19": Checkpoint(
        "vgg19",
        "caffe",
        f"{_KERAS}/vgg19/vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "md5:253f8cb515780f3b799900260a226db6",
    ),
    "vgg16": Checkpoint(
        "vgg16",
        "caffe",
        f"{_KERAS}/vgg16/vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "md5:6d6bbae143d832006294945121d1f1fc",
    ),
    # trained anew by torchvision; artists mostly prefer the Oxford weights
    "vgg19_torchvision": Checkpoint(
        "vgg19", "torchvision", f"{_TORCH}/vgg19-dcbb9e9d.pth", "sha256:dcbb9e9d"
    ),
    "vgg16_torchvision": Checkpoint(
        "vgg16", "torchvision", f"{_TORCH}/vgg16-397923af.pth", "sha256:397923af"
    ),
    # distilled from vgg19 by experiments/distill/train.py; comes with the code (nst/data/vgg19_slim.md)
    "vgg19_slim": Checkpoint(
        "vgg19",
        "torchvision",
        "vgg19_slim.safetensors",
        "sha256:a09a2e22d9459af6e1a52de498959fe96506d95df42877f9b574316da2f8cd57",
    ),
}
DATA = Path(str(importlib.resources.files("nst"))) / "data"
NAMES = (*CHECKPOINTS, "random")
# of a path -> how such a file was most probably trained; "": the kind does not tell
SUFFIXES = {".h5": "caffe", ".pth": "torchvision", ".safetensors": "", ".npz": ""}


class Convention(NamedTuple):
    """How a network must be built for its weights."""

    architecture: str
    preprocessing: str  # key of vgg.PREPROCESSING
    widths: tuple[int, ...] = ()  # vgg.Network.widths


class Loaded(NamedTuple):
    """Weights and where they came from."""

    # float32 {conv: {kernel: 3x3xIxO, bias: O}}, and of a slim network {layer_map: {kernel: KxC, bias: C}}
    params: dict[str, dict[str, np.ndarray]]
    path: Path | None  # None: random
    sha256: str  # of the file, or "" for random


def convention(name: str, architecture: str, preprocessing: str) -> Convention:
    """What goes with weights, known before they are looked for.

    Args:
      name: of CHECKPOINTS, "random", or a path with one of SUFFIXES.
      architecture: of a path or of random weights; a named checkpoint brings its own.
      preprocessing: key of vgg.PREPROCESSING; "" is the checkpoint's own, caffe for a path to .h5,
        torchvision for .pth and random (whose unit variance suits He's initialisation).

    Raises:
      UserError: neither a name nor a path, or a path whose kind does not tell its preprocessing.
    """
    choose("weights.architecture", architecture, BLOCKS)
    if preprocessing:
        choose("weights.preprocessing", preprocessing, PREPROCESSING)
    if name in CHECKPOINTS:
        known = CHECKPOINTS[name]
        widths = slim_widths(DATA / known.url) if _is_shipped(name) else ()
        return Convention(known.architecture, preprocessing or known.preprocessing, widths)
    suffix = Path(name).suffix
    if name != "random" and suffix not in SUFFIXES:
        choose("weights.name", name, (*NAMES, *(f"a path to {suffix}" for suffix in SUFFIXES)))
    path = Path(name).expanduser()
    preprocessing = preprocessing or _said(path).get("preprocessing", "")
    preprocessing = preprocessing or ("torchvision" if name == "random" else SUFFIXES[suffix])
    if not preprocessing:
        raise UserError(
            f"weights.name = {name!r}: say how it was trained: weights.preprocessing = caffe, torchvision"
        )
    return Convention(architecture, preprocessing, slim_widths(path))


def slim_widths(path: Path) -> tuple[int, ...]:
    """The channels of a slim network's convolutions, which its file says of itself; () of all other files.

    Raises:
      UserError: a damaged file, or numbers that cannot be channels.
    """
    widths = _said(path).get("widths", [])
    most = max(map(len, map(convolutions, BLOCKS)))
    if (
        not isinstance(widths, list)
        or len(widths) > most
        or not all(type(w) is int and w > 0 for w in widths)
    ):
        raise UserError(f"{path}: its widths are {widths}; they must be 1 to {most} positive integers")
    return tuple(widths)


def _said(path: Path) -> dict:
    """What a .safetensors file of ours says of itself in its metadata."""
    if path.suffix != ".safetensors" or not path.is_file():
        return {}
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            said = json.loads((file.metadata() or {}).get("nst", "{}"))
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error}); if it is damaged, fetch it again") from error
    return said if isinstance(said, dict) else {}


def load(name: str, architecture: str, layers: Sequence[str], seed: int = 0) -> Loaded:
    """The weights that `layers` need; a checkpoint may lack what is deeper.

    Args:
      name: as for `convention`; "random" is He et al. 2015's initialisation.
      architecture: from `convention`.
      layers: activations that will be asked for.
      seed: of the random weights.

    Raises:
      UserError: not found, wrong hash, wrong shapes, a missing layer, a damaged file, no network.
    """
    if name == "random":
        return Loaded(_random(architecture, layers, seed), None, "")
    path = find(name, layers)
    return Loaded(read(path, architecture, layers), path, digest(path))


def _random(architecture: str, layers: Sequence[str], seed: int) -> dict[str, dict[str, np.ndarray]]:
    """Normal kernels of variance 2 / (9 inputs), zero biases: a baseline the literature uses.

    He et al. 2016 (*A Powerful Generative Model Using Random Weights for the Deep Image Representation*).
    """
    params, inputs = {}, 3
    for index, conv in enumerate(_convolutions(architecture, layers)):
        width = channels(conv)
        draw = np.random.default_rng((seed, index)).standard_normal((3, 3, inputs, width), np.float32)
        kernel = draw * np.float32((2 / (9 * inputs)) ** 0.5)
        params[conv] = {"kernel": kernel, "bias": np.zeros(width, np.float32)}
        inputs = width
    return params


def _is_shipped(name: str) -> bool:
    return "/" not in CHECKPOINTS[name].url


def _convolutions(architecture: str, layers: Sequence[str]) -> list[str]:
    return [name for name in layers_to(architecture, layers) if name.startswith("conv")]


# --- find and download


def find(name: str, layers: Sequence[str] = ()) -> Path:
    """The file of a checkpoint: a path as given, or by the search order of the module.

    In `NST_WEIGHTS_DIR` any file of the checkpoint's architecture and layout will do (its hash goes into
    the manifest); the official file name is preferred.
    """
    if name not in CHECKPOINTS:
        path = Path(os.path.expanduser(name))
        if not path.is_file():
            raise UserError(f"weights.name: no such file: {path}")
        return path
    checkpoint = CHECKPOINTS[name]
    if _is_shipped(name):
        return DATA / checkpoint.url
    folder = os.environ.get("NST_WEIGHTS_DIR")
    if folder:
        found = _find_in(Path(folder), name, layers)
        if found:
            return found
    cached = cache_folder("weights") / Path(checkpoint.url).name
    return cached if cached.is_file() else download(name, checkpoint.url, checkpoint.hash, cached.parent)


def _find_in(folder: Path, name: str, layers: Sequence[str]) -> Path | None:
    """The best file for a checkpoint in a folder: the official name, else a fitting file of its kind."""
    if not folder.is_dir():
        raise UserError(f"NST_WEIGHTS_DIR = {folder}: no such folder")
    checkpoint = CHECKPOINTS[name]
    official = folder / Path(checkpoint.url).name
    if official.is_file():
        return official
    reasons = []
    for path in sorted(folder.glob(f"{checkpoint.architecture}*{official.suffix}")):
        try:
            read(path, checkpoint.architecture, layers)
            return path
        except UserError as error:
            reasons.append(str(error))
    if reasons:
        raise UserError(f"NST_WEIGHTS_DIR holds no usable {name}: {'; '.join(reasons)}")
    return None


# --- read and convert


def read(path: Path, architecture: str, layers: Sequence[str]) -> dict[str, dict[str, np.ndarray]]:
    """Params that `layers` need, checked: as Loaded.params.

    Raises:
      UserError: naming the file and the layer.
    """
    widths = dict(zip(convolutions(architecture), slim_widths(path), strict=False))
    needed = _convolutions(architecture, layers)
    if widths and needed and needed[-1] not in widths:
        raise UserError(
            f"{path.name} ends at {list(widths)[-1]}: ask for shallower layers, or for all of {architecture}"
        )
    found = _known_arrays(path, architecture)

    def take(layer, part, shape):
        array = found.get((layer, part))
        if array is None:
            raise UserError(f"{path}: has no {part} of {layer}; is it a {architecture} checkpoint?")
        if array.shape != shape or array.dtype.kind != "f":
            kind = f"shape {array.shape} and type {array.dtype}"
            raise UserError(f"{path}: {part} of {layer} has {kind}, not {shape} and floats")
        with np.errstate(over="ignore"):  # reported in the next line
            array = array.astype(np.float32)
        if not np.isfinite(array).all():
            raise UserError(f"{path}: {part} of {layer} holds values that are not finite")
        return array

    params, inputs = {}, 3
    for conv in needed:
        width = widths.get(conv) or channels(conv)
        if (conv, "weight") in found:  # PyTorch's OIHW
            kernel = np.ascontiguousarray(take(conv, "weight", (width, inputs, 3, 3)).transpose(2, 3, 1, 0))
        else:
            kernel = take(conv, "kernel", (3, 3, inputs, width))
        params[conv] = {"kernel": kernel, "bias": take(conv, "bias", (width,))}
        inputs = width
    for name in {map_name(architecture, layer): None for layer in layers} if widths else ():
        width, full = widths[f"conv{name[4:7]}"], channels(name)
        shape = width, min(width + 1, full) if name.startswith("conv") else full
        params[name] = {"kernel": take(name, "kernel", shape), "bias": take(name, "bias", shape[1:])}
    return params


def _known_arrays(path: Path, architecture: str) -> dict[tuple[str, str], np.ndarray]:
    """The arrays of a file that `_known_names` knows: {(conv, "kernel", "weight" or "bias"): array}."""
    try:
        arrays = _READERS[path.suffix](path)
    except UserError:
        raise
    except Exception as error:  # HDF5, zip and numpy raise what they like at a damaged file
        reason = " ".join(str(error).split())
        raise UserError(f"{path}: cannot be read ({reason}); if it is damaged, fetch it again") from error
    names = _known_names(architecture)
    return {names[key]: array for key, array in arrays.items() if key in names}


def _known_names(architecture: str) -> dict[str, tuple[str, str]]:
    """Every name under which checkpoints hold a tensor -> (conv, "kernel", "weight" or "bias")."""
    names = {}
    positions = layer_names(architecture)
    for conv in (name for name in positions if name.startswith("conv")):
        block, index = conv[4], conv[6]
        keras = f"block{block}_conv{index}"
        torch = f"features.{positions.index(conv)}"
        names |= {
            f"{conv}/kernel": (conv, "kernel"),  # ours
            f"{conv}/bias": (conv, "bias"),
            f"{keras}/{keras}_W_1:0": (conv, "kernel"),  # Keras 1 and 2
            f"{keras}/{keras}_b_1:0": (conv, "bias"),
            f"{keras}/{keras}/kernel:0": (conv, "kernel"),
            f"{keras}/{keras}/bias:0": (conv, "bias"),
            f"{torch}.weight": (conv, "weight"),  # torchvision; also jcjohnson's Caffe conversion
            f"{torch}.bias": (conv, "bias"),
            f"{conv}.weight": (conv, "weight"),  # Gatys' vgg_conv.pth
            f"{conv}.bias": (conv, "bias"),
        }
        for name in (f"{conv}_map", f"relu{block}_{index}_map"):  # of a slim network
            names |= {f"{name}/{part}": (name, part) for part in ("kernel", "bias")}
    return names


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
    # opened here, since np.load forgets to close a damaged file
    with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
        return dict(arrays)


_READERS = {
    ".h5": _read_h5,
    ".npz": _read_npz,
    ".safetensors": safetensors.numpy.load_file,
    ".pth": torchfile.read,
}
