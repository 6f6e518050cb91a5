"""Loading of weights: how a network must be built for them, and where their files are found.

A file is searched for in this order: an explicit path; the folder `NST_WEIGHTS_DIR`; the user cache; the
official URL (or the mirror `NST_WEIGHTS_URL`), from which it is downloaded into the user cache.
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
# suffix of a path -> the preprocessing of most networks in files of that kind; "": it is not known
SUFFIXES = {".h5": "caffe", ".pth": "torchvision", ".safetensors": "", ".npz": ""}


class Convention(NamedTuple):
    """The static choices of a network that its weights require."""

    architecture: str  # a key of table.ARCHITECTURES
    preprocessing: str  # a key of network.PREPROCESSING
    widths: tuple[int, ...] = ()  # Network.widths


class Loaded(NamedTuple):
    """Weights, and the file that they were read from."""

    # float32 {conv: {kernel: kxkxIxO, bias: O}}, and of a slim network {layer_map: {kernel: KxC, bias: C}}
    params: dict[str, dict[str, np.ndarray]]
    path: Path | None  # path of the file; None: random weights
    sha256: str  # digest of the file; "": random weights
    note: str = ""  # a note for the user if the file is not the published one


def convention(name: str, architecture: str, preprocessing: str) -> Convention:
    """Returns the static choices that weights require, without searching for the file of a named checkpoint.

    Args:
      name: a name in CHECKPOINTS, "random", or a path with one of SUFFIXES.
      architecture: architecture of a path or of random weights; a named checkpoint has its own.
      preprocessing: a key of network.PREPROCESSING; "" stands for the checkpoint's own, for caffe if `name`
        is a path to .h5, and for torchvision if it is a path to .pth or "random" (torchvision's inputs have
        unit variance, which suits He's initialisation).

    Raises:
      UserError: `name` is neither a name nor a path, or it is a path that requires `preprocessing`.
    """
    choose("weights.architecture", architecture, ARCHITECTURES)
    if preprocessing:
        choose("weights.preprocessing", preprocessing, PREPROCESSING)
    if name in CHECKPOINTS:
        known = CHECKPOINTS[name]
        # among the named checkpoints, only those that come with the code can be slim
        widths = formats.slim_widths(DATA / known.url) if _is_shipped(name) else ()
        return Convention(known.architecture, preprocessing or known.preprocessing, widths)
    suffix = Path(name).suffix
    if name != "random" and suffix not in SUFFIXES:
        files = f"the path of a file ends in {', '.join(SUFFIXES)}"
        more = "docs/networks.md shows how to add a network"
        choose("weights.name", name, NAMES, f"nst networks lists the names; {files}; {more}")
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
    """Returns the architecture of a named checkpoint, or for other weights `otherwise`.

    Args:
      name: as for `convention`.
      otherwise: `weights.architecture`.
    """
    return CHECKPOINTS[name].architecture if name in CHECKPOINTS else otherwise


def load(name: str, architecture: str, layers: Sequence[str], seed: int = 0) -> Loaded:
    """Loads the weights that are needed to compute some layers; a file may lack deeper ones.

    Args:
      name: as for `convention`; "random" is the initialisation of He et al. 2015.
      architecture: the architecture that `convention` returned.
      layers: names of the layers that will be computed.
      seed: seed of the random weights.

    Raises:
      UserError: the file is not found, cannot be downloaded, or is damaged; or it has another hash, other
        shapes or other layers than expected.
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

    A user's folder may hold another file, for example one of lower precision. The cache cannot, since every
    download is verified; if its file is not the published one, it is damaged.

    Raises:
      UserError: the file lies in the cache or came with the code, and is not the published one.
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
    """Returns the weights of an untrained network, which are a baseline in the literature.

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
    a run holds the file's hash and says whether it is the published one. The official file name is preferred.

    Args:
      name: a name in CHECKPOINTS, or a path, which is returned as it is.
      layers: names of the layers that will be computed; a file in `NST_WEIGHTS_DIR` must have their weights.

    Raises:
      UserError: there is no such file or folder, `NST_WEIGHTS_DIR` has no usable file, or a download failed.
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
    """Finds the file of a named checkpoint as `find` does, but does not download it.

    Args:
      name: a name in CHECKPOINTS.
      layers: as for `find`.

    Returns:
      The file, or None if it would have to be downloaded.

    Raises:
      UserError: `NST_WEIGHTS_DIR` cannot be read, or it has files of this checkpoint of which none is usable.
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
    """Returns a checkpoint's file in a folder: the one with the official name, else the first usable one.

    Raises:
      UserError: there is no such folder, or its files of this architecture and format are all unusable.
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
        # vgg19_bn-mine.pth is a file of vgg19_bn, not of vgg19
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
