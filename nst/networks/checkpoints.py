"""Named checkpoints: the table of published weights, and where their files are found.

Search order: an explicit path; the folder `NST_WEIGHTS_DIR`; the user cache; the official URL (or the mirror
`NST_WEIGHTS_URL`), from which the file is downloaded into the user cache.
"""

import importlib.resources
import os
import reprlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nst.errors import UserError, choose
from nst.files import cache_folder, digest
from nst.networks import formats
from nst.networks.download import download
from nst.networks.network import PREPROCESSING
from nst.networks.table import ARCHITECTURES


class Checkpoint(NamedTuple):
    """A published file of weights."""

    architecture: str  # a key of table.ARCHITECTURES
    preprocessing: str  # a key of network.PREPROCESSING
    url: str  # or the name of a file in nst/data
    hash: str  # "md5:..." or "sha256:..." (possibly only its first digits)


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
# suffix of a path -> the preprocessing of most networks in such files; "": not known
SUFFIXES = {".h5": "caffe", ".pth": "torchvision", ".safetensors": "", ".npz": ""}


class Convention(NamedTuple):
    """How a network must be built for its weights."""

    architecture: str  # a key of table.ARCHITECTURES
    preprocessing: str  # a key of network.PREPROCESSING
    widths: tuple[int, ...] = ()  # Network.widths


class Loaded(NamedTuple):
    """Weights and where they came from."""

    # float32 {conv: {kernel: 3x3xIxO, bias: O}}, and of a slim network {layer_map: {kernel: KxC, bias: C}}
    params: dict[str, dict[str, np.ndarray]]
    path: Path | None  # None: random
    sha256: str  # of the file, or "" for random


def convention(name: str, architecture: str, preprocessing: str) -> Convention:
    """Returns how a network must be built for weights, without looking for their file.

    Args:
      name: a name in CHECKPOINTS, "random", or a path with one of SUFFIXES.
      architecture: that of a path or of random weights; a named checkpoint has its own.
      preprocessing: a key of network.PREPROCESSING; "" is the checkpoint's own, caffe for a path to .h5, and
        torchvision for .pth and random (its inputs of unit variance suit He's initialisation).

    Raises:
      UserError: neither a name nor a path, or a path for which `preprocessing` has to be given.
    """
    choose("weights.architecture", architecture, ARCHITECTURES)
    if preprocessing:
        choose("weights.preprocessing", preprocessing, PREPROCESSING)
    if name in CHECKPOINTS:
        known = CHECKPOINTS[name]
        # of the named checkpoints only those that come with the code may be slim
        widths = formats.slim_widths(DATA / known.url) if _is_shipped(name) else ()
        return Convention(known.architecture, preprocessing or known.preprocessing, widths)
    suffix = Path(name).suffix
    if name != "random" and suffix not in SUFFIXES:
        choose("weights.name", name, (*NAMES, *(f"a path to {suffix}" for suffix in SUFFIXES)))
    path = Path(name).expanduser()
    stated = formats.metadata(path).get("preprocessing", "")
    if stated not in ("", *PREPROCESSING):
        raise UserError(f"{path}: states the preprocessing {reprlib.repr(stated)}, which does not exist")
    preprocessing = preprocessing or stated or ("torchvision" if name == "random" else SUFFIXES[suffix])
    if not preprocessing:
        raise UserError(
            f"weights.name = {name!r}: say how it was trained: weights.preprocessing = caffe or torchvision"
        )
    return Convention(architecture, preprocessing, formats.slim_widths(path))


def load(name: str, architecture: str, layers: Sequence[str], seed: int = 0) -> Loaded:
    """Loads the weights that are needed to compute some layers; a file may lack deeper ones.

    Args:
      name: as for `convention`; "random" is He et al. 2015's initialisation.
      architecture: from `convention`.
      layers: names of the layers that will be computed.
      seed: seed of the random weights.

    Raises:
      UserError: the file is not found, cannot be downloaded, or is damaged; or its hash, its shapes or its
        layers are not the expected ones.
    """
    if name == "random":
        return Loaded(_random(architecture, layers, seed), None, "")
    path = find(name, layers)
    return Loaded(formats.read(path, architecture, layers), path, digest(path))


def _random(architecture: str, layers: Sequence[str], seed: int) -> dict[str, dict[str, np.ndarray]]:
    """Returns normal kernels of variance 2 / (9 inputs) and zero biases: a baseline of the literature.

    He et al. 2016 (*A Powerful Generative Model Using Random Weights for the Deep Image Representation*).
    """
    params = {}
    for index, (name, shapes) in enumerate(ARCHITECTURES[architecture].parameter_shapes((), layers).items()):
        *window, inputs, _ = shapes["kernel"]
        noise = np.random.default_rng((seed, index)).standard_normal(shapes["kernel"], np.float32)
        kernel = noise * np.float32((2 / (np.prod(window) * inputs)) ** 0.5)
        params[name] = {"kernel": kernel, "bias": np.zeros(shapes["bias"], np.float32)}
    return params


def _is_shipped(name: str) -> bool:
    return "/" not in CHECKPOINTS[name].url


# --- find and download


def find(name: str, layers: Sequence[str] = ()) -> Path:
    """Finds the file of a checkpoint, in the module's search order, or downloads it.

    In `NST_WEIGHTS_DIR` any file of the checkpoint's architecture and format is accepted, since the record of
    a run holds its hash; the official file name is preferred.

    Args:
      name: a name in CHECKPOINTS, or a path, which is returned as it is.
      layers: names of the layers that will be computed; a file in `NST_WEIGHTS_DIR` must have their weights.

    Raises:
      UserError: no such file or folder, no usable file in `NST_WEIGHTS_DIR`, or a download that failed.
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
        path = _find_in(Path(folder), name, layers)
        if path:
            return path
    cached = cache_folder("weights") / Path(checkpoint.url).name
    return cached if cached.is_file() else download(name, checkpoint.url, checkpoint.hash, cached.parent)


def _find_in(folder: Path, name: str, layers: Sequence[str]) -> Path | None:
    """Returns the file of a checkpoint in a folder: with the official name, else the first that can be used.

    Raises:
      UserError: no such folder, or files of its architecture and format of which none can be used.
    """
    if not folder.is_dir():
        raise UserError(f"NST_WEIGHTS_DIR = {folder}: no such folder")
    checkpoint = CHECKPOINTS[name]
    official = folder / Path(checkpoint.url).name
    if official.is_file():
        return official
    reasons = []
    for path in sorted(folder.glob(f"{checkpoint.architecture}*{official.suffix}")):
        try:
            formats.read(path, checkpoint.architecture, layers)
            return path
        except UserError as error:
            reasons.append(str(error))
    if reasons:
        raise UserError(f"NST_WEIGHTS_DIR holds no usable {name}: {'; '.join(reasons)}")
    return None
