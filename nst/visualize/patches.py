"""The patches of a collection of pictures that a layer's channels answer to most.

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
from nst.networks.vgg import features, minimum_size
from nst.visualize import figures
from nst.visualize.deconvnet import Unit, project_unit, show
from nst.visualize.network import Seen, check_channels, layer_shape
from nst.visualize.receptive import box, cut

SHARES = 8  # of the long edge, the lengths that a short edge may have
TILE, GAP = 96, 3  # pixels of a patch in a figure, and between two


class Top(NamedTuple):
    """The strongest answers of C channels to pictures, K each in falling order, one a picture at most."""

    values_CxK: np.ndarray
    pictures_CxK: np.ndarray  # indices of the paths
    y_CxK: np.ndarray  # positions in the layer
    x_CxK: np.ndarray


class Patches(NamedTuple):
    """What the units of Top see, s pixels wide."""

    pictures_CxKxsxsx3: np.ndarray  # grey outside
    projections_CxKxsxsx3: np.ndarray  # zero outside


def fit(rgb_HxWx3: np.ndarray, size: int, smallest: int = 1) -> np.ndarray:
    """A picture with a long edge of `size` pixels and one of few shapes, so that few programs are compiled.

    The short edge is cut, half on either side, to a multiple of an eighth of `size`, so that there are 15
    shapes at most; a smaller picture is enlarged, and of a panorama the long edge is cut.

    Args:
      rgb_HxWx3: in [0, 1].
      size: pixels, at least `smallest`.
      smallest: pixels that either edge must have.
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
    seen: Seen,
    paths: Sequence[Path],
    layer: str,
    channels: Sequence[int],
    count: int,
    size: int,
    say: Callable[[str], None] = print,
) -> Top:
    """The `count` pictures that each channel answers to most, and where, in one pass over all of them.

    A picture counts once for a channel, by its largest activation (of equal ones the first, row by row).
    Memory does not grow with the number of pictures. One that cannot be read is told to `say` and left out.

    Args:
      seen: the network.
      paths: of the pictures; indices of Top count them.
      layer: any of vgg.layer_names.
      channels: of the layer.
      count: pictures a channel.
      size: long edge in pixels, see `fit`.
      say: receives lines for people.

    Raises:
      UserError: no such layer or channel, a size too small for it, or fewer than `count` pictures to read.
    """
    check_channels(layer, channels, layer_shape(seen, layer, size)[2])
    values = np.full((len(channels), count), -np.inf, np.float32)
    places = np.full((3, len(channels), count), -1)  # picture, y, x
    readable = 0
    for index, image in _pictures(seen, paths, layer, size, say):
        readable += 1
        found = _peaks(seen.network, seen.variables, image[None], layer, np.asarray(channels))
        value_C, y_C, x_C = map(np.asarray, found)
        place = np.stack([np.full(len(channels), index), y_C, x_C])
        values = np.concatenate([values, value_C[:, None]], 1)
        places = np.concatenate([places, place[:, :, None]], 2)
        order = np.argsort(-values, axis=1, kind="stable")[:, :count]
        values, places = np.take_along_axis(values, order, 1), np.take_along_axis(places, order[None], 2)
    if readable < count:
        raise UserError(
            f"{readable} pictures that can be read: give {count} or more, or ask for fewer patches"
        )
    return Top(values, *places)


def _pictures(seen, paths, layer, size, say) -> Iterator[tuple[int, np.ndarray]]:
    """Index and pixels of every picture that can be read."""
    smallest = minimum_size(seen.network, (layer,))
    for index, path in enumerate(tqdm(paths, unit="picture", desc=layer, disable=None)):
        try:
            rgb = images.read(path).rgb_HxWx3
        except UserError as error:
            say(f"left out: {error}")
            continue
        yield index, fit(rgb, size, smallest)


@partial(jax.jit, static_argnames=("network", "layer"))
def _peaks(network, variables, image_1xHxWx3, layer, channels_C):
    """Of each channel its largest activation and where it is first, row by row: values, y and x, each C."""
    found_hxwxC = features(network, variables, image_1xHxWx3, (layer,))[layer][0][..., channels_C]
    width = found_hxwxC.shape[1]
    found_MxC = found_hxwxC.reshape(-1, channels_C.shape[0]).astype(jnp.float32)
    where_C = found_MxC.argmax(0)
    return found_MxC.max(0), where_C // width, where_C % width


def cut_out(
    seen: Seen,
    paths: Sequence[Path],
    layer: str,
    channels: Sequence[int],
    found: Top,
    size: int,
    rule: str = "deconvnet",
) -> Patches:
    """The receptive fields of the units that `top` has found, and the units projected to pixels.

    A unit is projected alone, from the whole picture (nst/visualize/deconvnet.py).

    Args:
      seen, paths, layer, channels, size: those of `top`.
      found: its result.
      rule: of deconvnet.RULES.
    """
    field = receptive(seen.network, layer)
    shape = (*found.values_CxK.shape, field.size, field.size, 3)
    result = Patches(np.zeros(shape, np.float32), np.zeros(shape, np.float32))
    for picture in tqdm(np.unique(found.pictures_CxK), unit="picture", desc="projections", disable=None):
        rgb = images.read(paths[picture]).rgb_HxWx3
        image = fit(rgb, size, minimum_size(seen.network, (layer,)))
        for place in zip(*np.nonzero(found.pictures_CxK == picture), strict=True):
            unit = Unit(int(found.y_CxK[place]), int(found.x_CxK[place]), int(channels[place[0]]))
            back = project_unit(seen.network, seen.variables, image[None], layer, unit, rule)
            square = box(field, unit.y, unit.x)
            result.pictures_CxKxsxsx3[place] = cut(image, square).patch_hxwx3
            result.projections_CxKxsxsx3[place] = cut(np.asarray(back[0]), square, 0.0).patch_hxwx3
    return result


def block(pictures_Kxsxsx3: np.ndarray) -> np.ndarray:
    """K squares side by side in a square on white, row by row, each shown with about TILE pixels."""
    count, size = pictures_Kxsxsx3.shape[:2]
    columns = int(np.ceil(count**0.5))
    rows = -(-count // columns)
    times = max(TILE // size, 1)
    tile = min(size * times, TILE)
    sheet = np.ones((rows * (tile + GAP) - GAP, columns * (tile + GAP) - GAP, 3), np.float32)
    for k, picture in enumerate(pictures_Kxsxsx3):
        large = picture.repeat(times, 0).repeat(times, 1)  # pixels stay squares
        top, left = (place * (tile + GAP) for place in divmod(k, columns))
        sheet[top : top + tile, left : left + tile] = images.resize(large, tile, tile, "lanczos")
    return sheet


def figure(layer: str, channels: Sequence[int], found: Top, patches: Patches, of: str, columns: int = 3):
    """Of each channel a block of patches and, right of it, the block of their projections.

    Args:
      layer, channels: those of `top`.
      found: from `top`.
      patches: from `cut_out`.
      of: the pictures, the network and the size, for the title.
      columns: channels in a row.
    """
    blocks, labels = [], []
    for c, channel in enumerate(channels):
        shown = np.stack([show(projection) for projection in patches.projections_CxKxsxsx3[c]])
        blocks += [block(patches.pictures_CxKxsxsx3[c]), block(shown)]
        labels += [f"channel {channel}", f"{found.values_CxK[c, -1]:.3g} to {found.values_CxK[c, 0]:.3g}"]
    size = patches.pictures_CxKxsxsx3.shape[2]
    return figures.sheet(
        figures.rows(blocks, 2 * columns),
        title=f"{layer}: strongest patches and their projections, {size} px\n{of}",
        labels=figures.rows(labels, 2 * columns),
        edge=1.7,
    )
