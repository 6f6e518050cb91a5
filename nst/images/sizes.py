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
# Pillow's filters become wider when an image shrinks (antialiasing). Its box counts each pixel wholly or not
# at all, while area weights each pixel by the part of it that lies in the box. bilinear_aliased always reads
# two pixels in each direction, as torch's interpolate and the programs of several published runs do.
FILTERS = (*_PILLOW_FILTERS, "area", "bilinear_aliased")
SIZE_MODES = ("long", "short", "area")
_LEAST_ALPHA = np.float32(0.5 / 255)


def target_size(height: int, width: int, size: int, mode: str) -> tuple[int, int]:
    """Computes the size of an image after scaling it with its aspect ratio kept.

    Args:
      height, width: size of the original in pixels.
      size: pixels; 0 keeps the original size.
      mode: "long" or "short": that edge becomes `size`; "area": height * width is about size^2.

    Returns:
      (height, width) in pixels, each at least 1.

    Raises:
      UserError: the size is negative, or the mode is not in SIZE_MODES.
    """
    choose("size_mode", mode, SIZE_MODES)
    if size < 0:
        raise UserError(f"size = {size}: give a number of pixels, or 0 for the picture's own size")
    if size == 0:
        return height, width
    reference = {"long": max, "short": min, "area": lambda h, w: (h * w) ** 0.5}[mode](height, width)
    return max(1, round(height * size / reference)), max(1, round(width * size / reference))


def measure(height: int, width: int, mode: str) -> int:
    """Returns the `size` of an image, as an argument of `target_size`; with "area" it is rounded down.

    Args:
      height, width: pixels.
      mode: name in SIZE_MODES.
    """
    return {"long": max(height, width), "short": min(height, width), "area": math.isqrt(height * width)}[
        choose("size_mode", mode, SIZE_MODES)
    ]


def resize(array: np.ndarray, height: int, width: int, filter: str) -> np.ndarray:
    """Resamples an image to (height, width) pixels.

    The computation is in float32, on the encoded sRGB values, as in other programs. The result is clipped to
    [0, 1], since some filters overshoot.

    Args:
      array: `HxWxC` or `HxW`, float32.
      height, width: size of the result in pixels.
      filter: name in FILTERS.

    Returns:
      `height x width (x C)`, float32; the array itself if it already has that size.
    """
    if array.shape[:2] == (height, width):
        choose("resize_filter", filter, FILTERS)
        return array
    return np.clip(_resample(array, height, width, filter), 0, 1)


def _resample(array: np.ndarray, height: int, width: int, filter: str) -> np.ndarray:
    """Resamples an image without clipping; the arguments are as for `resize`."""
    choose("resize_filter", filter, FILTERS)
    if filter == "bilinear_aliased":
        shape = (height, width, *array.shape[2:])
        return np.asarray(jax.image.resize(array, shape, "linear", antialias=False))
    if filter == "area":
        return _averaged(_averaged(array, 0, height), 1, width)
    channels = array[..., None] if array.ndim == 2 else array
    return np.stack(
        [
            np.asarray(Image.fromarray(plane).resize((width, height), _PILLOW_FILTERS[filter]))
            for plane in np.ascontiguousarray(np.moveaxis(channels, -1, 0))
        ],
        axis=-1,
    ).reshape(height, width, *array.shape[2:])


def _averaged(array: np.ndarray, axis: int, after: int) -> np.ndarray:
    """Resamples one axis of an image by the means of areas, as `image.scale` of Torch7 does.

    If the axis shrinks by the factor s, pixel i of the result is the mean of the original over [i s, (i + 1)
    s], as with OpenCV's INTER_AREA. If the axis grows, means of areas would be blocks, so pixels are
    interpolated linearly instead; the first and the last pixel stay at the ends.

    Args:
      array: float32.
      axis: number of the axis.
      after: length of that axis in the result.

    Source: torch/image, generic/image.c.
    """
    before = array.shape[axis]
    if before == after:
        return array
    place = np.arange(after, dtype=np.float64)[:, None]
    if after < before:
        low, high = place * before / after, (place + 1) * before / after
        pixels = np.floor(low) + np.arange(-(-before // after) + 1)
        weights = np.maximum(np.minimum(pixels + 1, high) - np.maximum(pixels, low), 0)
        weights /= weights.sum(1, keepdims=True)
    else:
        position = place * (before - 1) / (after - 1)
        pixels = np.floor(position) + np.arange(2)
        weights = 1 - np.abs(pixels - position)
    # pixels beyond the border have weight 0
    pixels = np.minimum(pixels, before - 1).astype(np.int64)
    column = (-1,) + (1,) * (array.ndim - 1 - axis)
    return sum(
        np.take(array, index, axis) * weight.astype(np.float32).reshape(column)
        for index, weight in zip(pixels.T, weights.T, strict=True)
    )


def resize_picture(picture: Picture, height: int, width: int, filter: str) -> Picture:
    """Resamples the colours and the alpha channel of a picture; the arguments are as for `resize`.

    In the colours c, a pixel has the weight w_i of the filter times its alpha:

        alpha' = sum_i w_i alpha_i,   c' = sum_i w_i alpha_i c_i / alpha'

    If alpha' is less than half of an 8-bit level, so that nothing is visible, c' = sum_i w_i c_i.

    Args:
      picture: from `read`.
      height, width: size of the result in pixels.
      filter: name in FILTERS.
    """
    rgb_HxWx3, alpha_HxW, _ = picture
    resized_HxWx3 = resize(rgb_HxWx3, height, width, filter)
    if alpha_HxW is None or resized_HxWx3 is rgb_HxWx3:
        return picture._replace(rgb_HxWx3=resized_HxWx3)
    # the colours are clipped after the division; otherwise overshoot would change them beside edges of alpha
    visible_HxWx3, alpha_HxW = (
        _resample(array, height, width, filter) for array in (rgb_HxWx3 * alpha_HxW[..., None], alpha_HxW)
    )
    divisor_HxWx1 = np.maximum(alpha_HxW, _LEAST_ALPHA)[..., None]
    resized_HxWx3 = np.where(
        alpha_HxW[..., None] < _LEAST_ALPHA, resized_HxWx3, np.clip(visible_HxWx3 / divisor_HxWx1, 0, 1)
    )
    return picture._replace(rgb_HxWx3=resized_HxWx3, alpha_HxW=np.clip(alpha_HxW, 0, 1))
