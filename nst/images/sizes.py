"""The sizes of images, and resampling to them."""

import math

import jax.image
import numpy as np
from PIL import Image

from nst.errors import UserError, choose
from nst.images.decode import Picture

_PILLOW_FILTERS = {
    "lanczos": Image.Resampling.LANCZOS,
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "box": Image.Resampling.BOX,
}
# Pillow's filters grow wider when an image shrinks (antialiasing); bilinear_aliased always reads two pixels
# in each direction, as torch's interpolate and the programs behind several published runs do
FILTERS = (*_PILLOW_FILTERS, "bilinear_aliased")
SIZE_MODES = ("long", "short", "area")


def target_size(height: int, width: int, size: int, mode: str) -> tuple[int, int]:
    """Computes the size of an image after scaling it with its aspect ratio kept.

    Args:
      height, width: size of the original in pixels.
      size: pixels; 0 keeps the original size.
      mode: "long" or "short": that edge becomes `size`; "area": height * width is about size^2.

    Returns:
      (height, width) in pixels, each at least 1.

    Raises:
      UserError: a negative size, or a mode that is not in SIZE_MODES.
    """
    choose("size_mode", mode, SIZE_MODES)
    if size < 0:
        raise UserError(f"size = {size}: give a number of pixels, or 0 for the picture's own size")
    if size == 0:
        return height, width
    reference = {"long": max, "short": min, "area": lambda h, w: (h * w) ** 0.5}[mode](height, width)
    return max(1, round(height * size / reference)), max(1, round(width * size / reference))


def measure(height: int, width: int, mode: str) -> int:
    """Returns the `size` of an image as `target_size` takes it; that of an area is rounded down.

    Args:
      height, width: pixels.
      mode: name in SIZE_MODES.
    """
    return {"long": max(height, width), "short": min(height, width), "area": math.isqrt(height * width)}[
        choose("size_mode", mode, SIZE_MODES)
    ]


def resize(array: np.ndarray, height: int, width: int, filter: str) -> np.ndarray:
    """Resamples an image to (height, width) pixels.

    The computation is in float32, on the encoded sRGB values, as in other programs. Overshoot is clipped to
    [0, 1].

    Args:
      array: `HxWxC` or `HxW`, float32.
      height, width: size of the result in pixels.
      filter: name in FILTERS.

    Returns:
      `height x width (x C)`, float32; the array itself if it has that size.
    """
    choose("resize_filter", filter, FILTERS)
    if array.shape[:2] == (height, width):
        return array
    if filter == "bilinear_aliased":
        shape = (height, width, *array.shape[2:])
        resized = np.asarray(jax.image.resize(array, shape, "linear", antialias=False))
    else:
        channels = array[..., None] if array.ndim == 2 else array
        resized = np.stack(
            [
                np.asarray(Image.fromarray(plane).resize((width, height), _PILLOW_FILTERS[filter]))
                for plane in np.ascontiguousarray(np.moveaxis(channels, -1, 0))
            ],
            axis=-1,
        ).reshape(height, width, *array.shape[2:])
    return np.clip(resized, 0, 1)


def resize_picture(picture: Picture, height: int, width: int, filter: str) -> Picture:
    """Resamples the colours and the alpha channel of a picture; arguments as for `resize`.

    Args:
      picture: from `read`.
      height, width: size of the result in pixels.
      filter: name in FILTERS.
    """
    alpha = picture.alpha_HxW
    alpha = None if alpha is None else resize(alpha, height, width, filter)
    return picture._replace(rgb_HxWx3=resize(picture.rgb_HxWx3, height, width, filter), alpha_HxW=alpha)
