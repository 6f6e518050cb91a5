"""The patches of many pictures that excite a layer's channels most.

Zeiler & Fergus 2013 (*Visualizing and Understanding Convolutional Networks*), figure 2.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from nst import images
from nst.errors import UserError
from nst.networks.receptive import receptive
from nst.networks.table import features, minimum_size
from nst.visualize import figures
from nst.visualize.deconvnet import Unit, project_unit, to_image
from nst.visualize.network import Model, check_channels, layer_shape
from nst.visualize.receptive import box, cut

SHARES = 8  # short edges are multiples of the long edge divided by this number
TILE, GAP = 96, 3  # pixels of a patch in a figure, and between two patches


class Top(NamedTuple):
    """The K strongest activations of each of C channels, in descending order, at most one per picture."""

    values_CxK: np.ndarray
    pictures_CxK: np.ndarray  # indices into the list of paths
    y_CxK: np.ndarray  # rows of the units in the layer
    x_CxK: np.ndarray  # columns of the units in the layer


class Patches(NamedTuple):
    """The receptive fields of the units of Top, s pixels wide."""

    pictures_CxKxsxsx3: np.ndarray  # grey outside the picture
    projections_CxKxsxsx3: np.ndarray  # zero outside the picture


def fit(rgb_HxWx3: np.ndarray, size: int, smallest: int = 1) -> np.ndarray:
    """Resizes and crops a picture to one of at most 15 shapes, so that few programs are compiled.

    The long edge gets `size` pixels. The short edge is cropped, equally on both sides, to a multiple of an
    eighth of `size`. A smaller picture is enlarged, and the long edge of a panorama is cropped.

    Args:
      rgb_HxWx3: the picture, in [0, 1].
      size: long edge in pixels, at least `smallest`.
      smallest: smallest edge in pixels that is allowed.
    """
    step = max(-(-size // SHARES), smallest)
    scaled = images.target_size(*rgb_HxWx3.shape[:2], size, "long")
    shape = [size if edge == size else max(edge // step, 1) * step for edge in scaled]
    scale = max(new / old for new, old in zip(shape, rgb_HxWx3.shape, strict=False))
    target = (max(new, round(scale * old)) for new, old in zip(shape, rgb_HxWx3.shape, strict=False))
    whole = images.resize(rgb_HxWx3, *target, "lanczos")
    top, left = ((old - new) // 2 for old, new in zip(whole.shape, shape, strict=False))
    return whole[top : top + shape[0], left : left + shape[1]]


def top(
    model: Model,
    paths: Sequence[Path],
    layer: str,
    channels: Sequence[int],
    count: int,
    size: int,
    log: Callable[[str], None] = print,
) -> Top:
    """Finds the pictures and positions that excite each channel most, in one pass over all pictures.

    A picture counts once for a channel, with its largest activation (at ties the first in row-major order).
    Memory does not grow with the number of pictures. A picture that cannot be read is logged and left out.

    Args:
      model: the network.
      paths: paths of the pictures.
      layer: name of the layer.
      channels: indices of channels of the layer.
      count: pictures per channel.
      size: long edge in pixels (see `fit`).
      log: receives a line for each picture that is left out.

    Raises:
      UserError: there is no such layer or channel, the size is too small for the layer, or fewer than `count`
        pictures can be read.
    """
    check_channels(layer, channels, layer_shape(model, layer, size)[2])
    values = np.full((len(channels), count), -np.inf, np.float32)
    places = np.full((3, len(channels), count), -1)  # picture, y, x
    readable = 0
    for index, image in _pictures(model, paths, layer, size, log):
        readable += 1
        peaks = _peaks(model.network, model.variables, image[None], layer, np.asarray(channels))
        value_C, y_C, x_C = map(np.asarray, peaks)
        place = np.stack([np.full(len(channels), index), y_C, x_C])
        values = np.concatenate([values, value_C[:, None]], 1)
        places = np.concatenate([places, place[:, :, None]], 2)
        order = np.argsort(-values, axis=1, kind="stable")[:, :count]
        values, places = np.take_along_axis(values, order, 1), np.take_along_axis(places, order[None], 2)
    if readable < count:
        raise UserError(
            f"only {readable} pictures can be read: give {count} or more, or ask for fewer patches"
        )
    return Top(values, *places)


def _pictures(model, paths, layer, size, log) -> Iterator[tuple[int, np.ndarray]]:
    """Yields the index and the pixels of every picture that can be read."""
    smallest = minimum_size(model.network, (layer,))
    for index, path in enumerate(tqdm(paths, unit="picture", desc=layer, disable=None)):
        try:
            rgb = images.read(path).rgb_HxWx3
        except UserError as error:
            log(f"left out: {error}")
            continue
        yield index, fit(rgb, size, smallest)


@partial(jax.jit, static_argnames=("network", "layer"))
def _peaks(network, variables, image_1xHxWx3, layer, channels_C):
    """Returns the largest activation of each channel, and y and x of its first position; each is a `C`."""
    activation_hxwxC = features(network, variables, image_1xHxWx3, (layer,))[layer][0][..., channels_C]
    width = activation_hxwxC.shape[1]
    rows_MxC = activation_hxwxC.reshape(-1, channels_C.shape[0]).astype(jnp.float32)
    where_C = rows_MxC.argmax(0)
    return rows_MxC.max(0), where_C // width, where_C % width


def cut_out(
    model: Model,
    paths: Sequence[Path],
    layer: str,
    channels: Sequence[int],
    strongest: Top,
    size: int,
    rule: str = "deconvnet",
) -> Patches:
    """Cuts out the receptive fields of the units that `top` found, and projects the units to pixels.

    Each unit is projected alone, with the whole picture as the input (nst/visualize/deconvnet.py).

    Args:
      model: as given to `top`.
      paths: as given to `top`.
      layer: as given to `top`.
      channels: as given to `top`.
      strongest: result of `top`.
      size: as given to `top`.
      rule: one of deconvnet.RULES.
    """
    field = receptive(model.network, layer)
    shape = (*strongest.values_CxK.shape, field.size, field.size, 3)
    result = Patches(np.zeros(shape, np.float32), np.zeros(shape, np.float32))
    for picture in tqdm(np.unique(strongest.pictures_CxK), unit="picture", desc="projections", disable=None):
        rgb = images.read(paths[picture]).rgb_HxWx3
        image = fit(rgb, size, minimum_size(model.network, (layer,)))
        for place in zip(*np.nonzero(strongest.pictures_CxK == picture), strict=True):
            unit = Unit(int(strongest.y_CxK[place]), int(strongest.x_CxK[place]), int(channels[place[0]]))
            back = project_unit(model.network, model.variables, image[None], layer, unit, rule)
            square = box(field, unit.y, unit.x)
            result.pictures_CxKxsxsx3[place] = cut(image, square).patch_hxwx3
            result.projections_CxKxsxsx3[place] = cut(np.asarray(back[0]), square, 0.0).patch_hxwx3
    return result


def block(pictures_Kxsxsx3: np.ndarray) -> np.ndarray:
    """Arranges K squares, each about TILE pixels wide, row by row on a white block."""
    count, size = pictures_Kxsxsx3.shape[:2]
    columns = int(np.ceil(count**0.5))
    rows = -(-count // columns)
    times = max(TILE // size, 1)
    tile = min(size * times, TILE)
    sheet = np.ones((rows * (tile + GAP) - GAP, columns * (tile + GAP) - GAP, 3), np.float32)
    for k, picture in enumerate(pictures_Kxsxsx3):
        large = picture.repeat(times, 0).repeat(times, 1)  # small patches are enlarged without blur
        top, left = (place * (tile + GAP) for place in divmod(k, columns))
        sheet[top : top + tile, left : left + tile] = images.resize(large, tile, tile, "lanczos")
    return sheet


def figure(
    layer: str, channels: Sequence[int], strongest: Top, patches: Patches, subtitle: str, columns: int = 3
):
    """Draws for each channel a block of patches and, to its right, a block of their projections.

    Args:
      layer: as given to `top`.
      channels: as given to `top`.
      strongest: from `top`.
      patches: from `cut_out`.
      subtitle: second line of the title: the pictures, the network and the size.
      columns: channels in a row.
    """
    blocks, labels = [], []
    for c, channel in enumerate(channels):
        shown = np.stack([to_image(projection) for projection in patches.projections_CxKxsxsx3[c]])
        blocks += [block(patches.pictures_CxKxsxsx3[c]), block(shown)]
        high, low = strongest.values_CxK[c, [0, -1]]
        labels += [f"channel {channel}", f"{low:.3g} to {high:.3g}"]
    size = patches.pictures_CxKxsxsx3.shape[2]
    return figures.sheet(
        figures.rows(blocks, 2 * columns),
        title=f"{layer}: strongest patches and their projections, {size} px\n{subtitle}",
        labels=figures.rows(labels, 2 * columns),
        edge=1.7,
    )
