"""The frozen network of a run, which is loaded once and shared by the runs of a process that need it."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from ml_collections import ConfigDict

from nst import images
from nst.errors import UserError
from nst.files import digest
from nst.images import folders
from nst.losses.spec import Spec
from nst.networks import checkpoints
from nst.networks.checkpoints import Convention
from nst.networks.normalization import normalize
from nst.networks.table import freeze
from nst.runs.log import Detail


class FrozenNetwork(NamedTuple):
    """A network whose weights do not change, and the files that they were read from."""

    variables: dict  # from networks.table.freeze
    inputs: dict[str, str]  # role -> sha256 of the file
    notes: tuple[str, ...]  # lines for the log


LoadNetwork = Callable[[ConfigDict, Spec, Convention], FrozenNetwork]


def load_network(config: ConfigDict, spec: Spec, convention: Convention) -> FrozenNetwork:
    """Loads the network that a config names, up to the deepest layer that the loss reads.

    Args:
      config: from `settings.resolve`; the fields of `weights` and `seed` are used.
      spec: the static choices of the loss.
      convention: the static choices that the weights require.

    Raises:
      UserError: the weights cannot be read, or cannot be normalized.
    """
    weights = config.weights
    loaded = checkpoints.load(weights.name, convention.architecture, spec.layers, config.seed)
    source = loaded.path or f"seed {config.seed}, untrained: colours, not strokes; the full network is vgg19"
    inputs = {"weights": loaded.sha256}
    notes = [Detail(f"weights: {weights.name} ({source}), {convention.preprocessing} input")]
    notes += [loaded.note] if loaded.note else []
    if convention.widths:
        notes.append(
            Detail("weights: a small network, made from VGG-19; weights.name=vgg19 comes nearer to the style")
        )
    params = loaded.params
    if weights.normalize:
        if convention.widths:
            raise UserError(
                f"weights.normalize: {weights.name} is read through maps to VGG-19's scale; leave it empty"
            )
        files = folders.files(weights.normalize, "weights.normalize")
        params = normalize(spec.network, params, _small_images(files, config.max_megapixels))
        inputs["weights.normalize"] = hashlib.sha256("".join(map(digest, files)).encode()).hexdigest()
        notes.append(Detail(f"weights: each filter scaled to mean activation 1 over {len(files)} images"))
    return FrozenNetwork(freeze(spec.network, params), inputs, tuple(notes))


def _small_images(files: list[Path], max_megapixels: float) -> Iterator[np.ndarray]:
    """Yields the images of files, 1xHxWx3, with edges of at most 512 pixels, which is enough for means."""
    for path in files:
        rgb_HxWx3 = images.read(path, max_megapixels).rgb_HxWx3
        height, width = images.target_size(*rgb_HxWx3.shape[:2], min(512, max(rgb_HxWx3.shape)), "long")
        yield images.resize(rgb_HxWx3, height, width, "lanczos")[None]


def cached_loader() -> LoadNetwork:
    """Returns a function like `load_network` that keeps the last network for the next run that needs it."""
    cache = {}

    def load(config: ConfigDict, spec: Spec, convention: Convention) -> FrozenNetwork:
        key = network_key(config), spec.network, spec.layers
        if key not in cache:
            cache.clear()  # before another network is read, since two may not fit into memory
            cache[key] = load_network(config, spec, convention)
        return cache[key]

    return load


def network_key(config: ConfigDict) -> tuple:
    """Returns a key by which runs recognise that they share the weights of a network.

    Args:
      config: from `settings.resolve`.

    Returns:
      A hashable key. If the keys and the Specs of two configs are equal, they share the weights.
    """
    weights = config.weights
    return weights.to_json(), config.seed if weights.name == "random" else None
