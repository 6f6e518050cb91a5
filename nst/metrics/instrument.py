"""The fixed instrument, which measures every picture with one network and the same rules.

Version nst2:
- The network has max pooling and zero padding, in float32, as when it was trained. It is VGG-19 of Oxford
  unless another one is named.
- The picture keeps its size. Its values are clipped to [0, 1] and rounded to 8 bits, as when it is saved, so
  that an array and its file, and files of 8 and of 16 bits, have the same numbers.
- The photograph is resized (lanczos) to the picture's size, even if it has other proportions.
- A painting keeps its proportions, and is resized (lanczos) to the long edge of the picture. If its short
  edge would then be less than the 16 px that relu5_1 needs, it is resized to a short edge of 16 px instead.
- Self-similarities (cfsd) are computed from relu3_1, averaged over squares so that no edge has more than 128
  positions.
- Alpha is ignored. For several paintings a measure is the mean of the distances, with equal weights.

The measures are defined in nst/metrics: measures.py, structure.py (cfsd) and artefacts.py (checkerboard). Any
change of the measures or the rules is a new version; nst1 did not have cfsd and checkerboard.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nst import images
from nst.errors import UserError
from nst.images import Source
from nst.metrics import artefacts, measures, perceptual, reader, structure
from nst.metrics.measures import ColorMoments, Statistics
from nst.networks import checkpoints

VERSION = "nst2"


class Instrument(NamedTuple):
    """The function that measures pictures, and its name; numbers with different names cannot be compared."""

    # version, network, and the first digits of the sha256 of its weights, such as nst2-vgg19-3a1f09b2; then
    # the name and the digits of each perceptual measure
    name: str
    # (image_HxWx3, content_HxWx3, styles_HxWx3) -> {measure: number}, with the keys `columns`
    judge: Callable[[np.ndarray, np.ndarray, Sequence[np.ndarray]], dict[str, float]]


class _Photo(NamedTuple):
    """The statistics of a photograph that the measures use."""

    content: jax.Array
    structure: jax.Array  # hxwxC
    luma: jax.Array


class _Painting(NamedTuple):
    """The statistics of a painting that the measures use."""

    statistics: Statistics
    colors: ColorMoments
    seen: dict[str, jax.Array]  # perceptual measure -> statistics of the painting that it compares


def load(network: str = "vgg19") -> Instrument:
    """Loads the instrument.

    The instrument's `judge` takes images as floating arrays, `HxWx3` RGB, and clips values outside [0, 1]. It
    compiles a program for each size, and keeps the statistics of the last photographs and paintings, so that
    in a sweep only the statistics of the image itself are computed. The same arrays on the same machine give
    the same numbers.

    Args:
      network: name of a network in nst.networks.checkpoints, or path of its weights; perceptual measures
        (nst/metrics/perceptual.py) may follow, as in vgg19+lpips_alex+dists. A perceptual measure may have
        the path of other weights of its network's architecture, as in vgg19+dists=vgg16.safetensors.

    Raises:
      UserError: the weights cannot be found or read. From `judge`: an array is not an image, an image is
        smaller than 16 px, or more memory is needed than is available.
    """
    own, chosen = _parts(network)
    perceptual.names(tuple(chosen))  # raises UserError for an unknown name before any file is read
    reads = reader.load(own, "vgg19", measures.LAYERS)
    statistics = reader.compiled(partial(measures.statistics, reads.network), reads.variables)
    others = {name: perceptual.load(name, weights) for name, weights in chosen.items()}
    see = {name: other.describe_painting for name, other in others.items() if other.describe_painting}
    photo = _cached(lambda rgb_HxWx3: (_photo(statistics, rgb_HxWx3), rgb_HxWx3), 2)
    painting = _cached(partial(_painting, statistics, see), 16)
    least = max([reads.least, *(other.least for other in others.values())])

    def judge(image_HxWx3, content_HxWx3, styles_HxWx3):
        if not len(styles_HxWx3):
            raise UserError("judge: give at least one painting")
        image = _eight_bits(_checked(image_HxWx3, "the picture"))
        height, width, _ = image.shape
        if min(height, width) < least:
            raise UserError(f"the picture: {width}x{height} px is too small to judge; it needs {least} px")
        original, photo_HxWx3 = photo(_checked(content_HxWx3, "the photograph"), (height, width))
        targets = []
        for style in styles_HxWx3:
            rgb = _checked(style, "the painting")
            targets.append(painting(rgb, _painting_size(rgb, max(height, width), reads.least)))
        plain = [target._replace(seen={}) for target in targets]
        numbers = jax.device_get(_compare(jnp.asarray(image), statistics(image), original, plain))
        numbers |= artefacts.checkerboard(np.asarray(measures.luma(image)))
        for name, other in others.items():
            numbers |= other.judge(image, photo_HxWx3, [target.seen.get(name) for target in targets])
        return {name: float(numbers[name]) for name in columns(network)}

    stem = own if own in checkpoints.NAMES else Path(own).stem
    tags = [f"{stem}-{reads.sha256[:8] or 'seed0'}", *(other.tag for other in others.values())]
    return Instrument(f"{VERSION}-{'+'.join(tags)}", judge)


def columns(network: str) -> tuple[str, ...]:
    """Lists the measures of an instrument.

    Args:
      network: as for `load`.

    Returns:
      The names of the measures, in the order of the columns of tables.

    Raises:
      UserError: a perceptual measure is unknown or named twice.
    """
    return measures.NAMES + perceptual.names(tuple(_parts(network)[1]))


def _parts(network: str) -> tuple[str, dict[str, str]]:
    """Returns the network, and {perceptual measure: path of its weights, or "" for the published ones}.

    A path may contain a "+", so a part that is not a measure belongs to the path before it.

    Raises:
      UserError: a perceptual measure is named twice.
    """
    parts, chosen = network.split("+"), {}
    is_named = parts[0] in checkpoints.NAMES
    while len(parts) > 1 and (is_named or parts[-1].partition("=")[0] in perceptual.PERCEPTUAL):
        name, _, weights = parts.pop().partition("=")
        if name in chosen:
            raise UserError(f"instrument = {network}: name each measure once")
        chosen[name] = weights
    return "+".join(parts), dict(reversed(chosen.items()))


def judge_files(
    instrument: Instrument, image: Source, content: Source, styles: Source | Sequence[Source]
) -> dict[str, float]:
    """Measures a picture.

    Args:
      instrument: from `load`.
      image, content: the picture and the photograph: paths, or anything else that nst.images.read accepts.
      styles: the painting, or several in a list or tuple.

    Returns:
      {measure: number}, with the keys `columns`.

    Raises:
      UserError: as from `images.read` and `judge`; the message names the picture.
    """
    sources = list(styles) if isinstance(styles, list | tuple) else [styles]
    picture, photo, *paintings = (images.read(source).rgb_HxWx3 for source in (image, content, *sources))
    try:
        return instrument.judge(picture, photo, paintings)
    except UserError as error:
        where = f"{image}: " if isinstance(image, str | Path) else ""
        raise UserError(f"{where}{error}") from error


def _checked(array: np.ndarray, what: str) -> np.ndarray:
    """Returns an image, clipped to [0, 1]; raises UserError if the array is not an image."""
    array = np.asarray(array)
    if array.ndim != 3 or array.shape[-1] != 3 or 0 in array.shape:
        raise UserError(f"{what}: shape {array.shape} is not HxWx3")
    if not (np.issubdtype(array.dtype, np.floating) and np.isfinite(array).all()):
        raise UserError(f"{what}: give finite floating values in [0, 1], not {array.dtype}")
    return np.clip(array.astype(np.float32), 0, 1)


def _eight_bits(rgb_HxWx3: np.ndarray) -> np.ndarray:
    """Returns exactly the values that a file written by images.write would have."""
    return np.rint(rgb_HxWx3 * 255).astype(np.float32) / 255


def _painting_size(rgb_HxWx3: np.ndarray, long: int, least: int) -> tuple[int, int]:
    shape = rgb_HxWx3.shape[:2]
    height, width = images.target_size(*shape, long, "long")
    return (height, width) if min(height, width) >= least else images.target_size(*shape, least, "short")


def _photo(statistics: Callable[[np.ndarray], Statistics], rgb_HxWx3: np.ndarray) -> _Photo:
    found = statistics(rgb_HxWx3)
    return _Photo(found.content, structure.coarse(found.structure[0]), jax.jit(measures.luma)(rgb_HxWx3))


def _painting(
    statistics: Callable[[np.ndarray], Statistics],
    see: dict[str, Callable[[np.ndarray], jax.Array]],
    rgb_HxWx3: np.ndarray,
) -> _Painting:
    # activations are left out, since they are the largest statistics and no measure of a painting uses them
    small = statistics(rgb_HxWx3)._replace(content=None, structure=None)
    seen = {name: each(rgb_HxWx3) for name, each in see.items()}
    return _Painting(small, jax.jit(measures.colors)(rgb_HxWx3), seen)


def _cached(function: Callable, count: int) -> Callable:
    """Returns a function of (image, size) that applies `function` at that size and keeps `count` results."""
    results = OrderedDict()

    def cached(rgb_HxWx3: np.ndarray, size: tuple[int, int]):
        # the key is made from the pixels, since a caller may read the same file several times
        key = hashlib.blake2b(np.ascontiguousarray(rgb_HxWx3)).digest(), rgb_HxWx3.shape, size
        if key not in results:
            results[key] = function(images.resize(rgb_HxWx3, *size, "lanczos"))
        results.move_to_end(key)
        while len(results) > count:
            results.popitem(last=False)
        return results[key]

    return cached


@jax.jit
def _compare(
    image_HxWx3: jax.Array, statistics: Statistics, photo: _Photo, paintings: list[_Painting]
) -> dict[str, jax.Array]:
    """Computes all measures of an image."""
    luma = measures.luma(image_HxWx3)
    return (
        measures.style_distances(statistics, [painting.statistics for painting in paintings])
        | measures.color_distances(measures.colors(image_HxWx3), [painting.colors for painting in paintings])
        | {
            "content": measures.content_distance(statistics.content, photo.content),
            "cfsd": structure.self_similarity_distance(
                structure.coarse(statistics.structure[0]), photo.structure
            ),
            "ssim": measures.ssim(luma, photo.luma),
            "psnr": measures.psnr(luma, photo.luma),
            "tv": measures.total_variation(image_HxWx3),
        }
    )
