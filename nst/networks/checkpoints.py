"""Weights: how a network must be built for them, and where their files are found.

Search order: an explicit path; the folder `NST_WEIGHTS_DIR`; the user cache; the official URL (or the mirror
`NST_WEIGHTS_URL`), from which the file is downloaded into the user cache.
"""

import os
import reprlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nst.data import DATA
from nst.errors import UserError, choose
from nst.files import cache_folder, digest
from nst.networks import formats
from nst.networks.download import download
from nst.networks.network import PREPROCESSING
from nst.networks.published import CHECKPOINTS
from nst.networks.table import ARCHITECTURES

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
    note: str = ""  # what a user of the name should know about the file


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
    path = _path(name)
    stated = formats.metadata(path).get("preprocessing", "")
    if stated not in ("", *PREPROCESSING):
        raise UserError(f"{path}: states the preprocessing {reprlib.repr(stated)}, which does not exist")
    preprocessing = preprocessing or stated or ("torchvision" if name == "random" else SUFFIXES[suffix])
    if not preprocessing:
        raise UserError(
            f"weights.name = {name!r}: say how it was trained: weights.preprocessing = caffe or torchvision"
        )
    return Convention(architecture, preprocessing, formats.slim_widths(path))


def architecture(name: str, otherwise: str) -> str:
    """Returns the architecture of weights: a named checkpoint's own, else `otherwise`.

    Args:
      name: as for `convention`.
      otherwise: `weights.architecture`.
    """
    return CHECKPOINTS[name].architecture if name in CHECKPOINTS else otherwise


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
    formats.check_readable(path)
    sha256 = digest(path)
    note = _verify(name, path, sha256) if name in CHECKPOINTS else ""
    return Loaded(formats.read(path, architecture, layers), path, sha256, note)


def _verify(name: str, path: Path, sha256: str) -> str:
    """Returns a note if the file of a named checkpoint is not the published one, and "" if it is.

    A user's folder may hold another file, say one of lower precision. The cache holds none, since a download
    is verified: there it is damaged.

    Raises:
      UserError: a file of the cache or of the code that is not the published one.
    """
    algorithm, expected = CHECKPOINTS[name].hash.split(":")
    actual = sha256 if algorithm == "sha256" else digest(path, algorithm)
    if actual.startswith(expected):
        return ""
    finding = f"{path} is not the published {name} ({algorithm} {actual}, not {expected})"
    if path.parent == _users_folder():
        return f"weights: {finding}; used as it is"
    if _is_shipped(name):
        raise UserError(f"{finding}: install nst again")
    raise UserError(f"{finding}: delete it to fetch it again, or use it from the folder NST_WEIGHTS_DIR")


def _random(architecture: str, layers: Sequence[str], seed: int) -> dict[str, dict[str, np.ndarray]]:
    """Returns the weights of an untrained network: a baseline of the literature.

    He et al. 2016 (*A Powerful Generative Model Using Random Weights for the Deep Image Representation*).
    """
    row = ARCHITECTURES[architecture]
    operations = {layer.name: layer.operation for layer in row.layers}
    return {
        name: operations[name].weights.initial(shapes, np.random.default_rng((seed, index)))
        for index, (name, shapes) in enumerate(row.parameter_shapes((), layers).items())
    }


def _is_shipped(name: str) -> bool:
    return "/" not in CHECKPOINTS[name].url


# --- find and download


def find(name: str, layers: Sequence[str] = ()) -> Path:
    """Finds the file of a checkpoint, in the module's search order, or downloads it.

    In `NST_WEIGHTS_DIR` any file of the checkpoint's architecture and format is accepted, since the record of
    a run holds its hash and says whether it is the published file; the official file name is preferred.

    Args:
      name: a name in CHECKPOINTS, or a path, which is returned as it is.
      layers: names of the layers that will be computed; a file in `NST_WEIGHTS_DIR` must have their weights.

    Raises:
      UserError: no such file or folder, no usable file in `NST_WEIGHTS_DIR`, or a download that failed.
    """
    if name not in CHECKPOINTS:
        try:
            formats.check_readable(_path(name))
        except UserError as error:
            raise UserError(f"weights.name: {error}") from error
        return _path(name)
    path = on_disk(name, layers)
    if path:
        return path
    checkpoint = CHECKPOINTS[name]
    sizes = checkpoint.size, checkpoint.slack
    return download(name, checkpoint.url, checkpoint.hash, sizes, cache_folder("weights"))


def on_disk(name: str, layers: Sequence[str] = ()) -> Path | None:
    """Finds the file of a named checkpoint without a network, as `find` does.

    Args:
      name: a name in CHECKPOINTS.
      layers: as for `find`.

    Returns:
      The file; None: it would have to be downloaded.

    Raises:
      UserError: `NST_WEIGHTS_DIR` cannot be read, or none of its files of this checkpoint can be used.
    """
    checkpoint = CHECKPOINTS[name]
    if _is_shipped(name):
        return DATA / checkpoint.url
    folder = _users_folder()
    if folder:
        path = _find_in(folder, name, layers)
        if path:
            return path
    cached = cache_folder("weights") / Path(checkpoint.url).name
    return cached if os.path.isfile(cached) else None


def _path(name: str) -> Path:
    return Path(os.path.expanduser(name))  # unlike Path.expanduser, this leaves an unknown ~user as it is


def _users_folder() -> Path | None:
    folder = os.environ.get("NST_WEIGHTS_DIR")
    return Path(folder) if folder else None


def _find_in(folder: Path, name: str, layers: Sequence[str]) -> Path | None:
    """Returns the file of a checkpoint in a folder: with the official name, else the first that can be used.

    Raises:
      UserError: no such folder, or files of its architecture and format of which none can be used.
    """
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        is_absent = isinstance(error, FileNotFoundError | NotADirectoryError)
        reason = "no such folder" if is_absent else f"cannot be read ({error.strerror})"
        raise UserError(f"NST_WEIGHTS_DIR = {folder}: {reason}") from error
    checkpoint = CHECKPOINTS[name]
    official = Path(checkpoint.url).name
    if official in names:
        return folder / official
    reasons = []
    for other in names:
        # vgg19_bn-mine.pth is one of vgg19_bn, not of vgg19
        named = max((each for each in ARCHITECTURES if other.startswith(each)), key=len, default="")
        if named != checkpoint.architecture or not other.endswith(Path(official).suffix):
            continue
        try:
            formats.read(folder / other, checkpoint.architecture, layers)
            return folder / other
        except UserError as error:
            reasons.append(str(error))
    if reasons:
        raise UserError(f"NST_WEIGHTS_DIR holds no usable {name}: {'; '.join(reasons)}")
    return None
