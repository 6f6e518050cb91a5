"""What the generators of paintings share: colour ramps, smooth noise, polar coordinates, the final size."""

from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageFilter

OVERSAMPLING = 2  # paintings are drawn larger by this factor and then averaged, for smooth edges


def mix(colours: Sequence[tuple[int, int, int]], t) -> np.ndarray:
    """Returns the colour at position t of a ramp.

    Args:
      colours: RGB in [0, 255], evenly spaced from t = 0 to t = 1.
      t: array of positions; values outside [0, 1] give the colour at the nearer end.
    """
    steps = np.linspace(0, 1, len(colours))
    return np.stack([np.interp(t, steps, channel) for channel in zip(*colours, strict=True)], -1)


def noise(shape: tuple[int, int], grain: float, rng: np.random.Generator) -> np.ndarray:
    """Returns smooth noise of standard deviation about 1.

    Args:
      shape: height and width in pixels.
      grain: width of a bump in pixels.
      rng: a child of this generator is used, so that its own stream does not depend on `shape`.
    """
    rng = rng.spawn(1)[0]
    coarse = rng.normal(0, 1, [int(edge / max(grain, 1)) + 2 for edge in shape]).astype(np.float32)
    return np.asarray(Image.fromarray(coarse).resize(shape[::-1], Image.Resampling.BICUBIC))


def reduce(colour_HxWx3: np.ndarray, size: int) -> Image.Image:
    """Returns an oversampled image at its final size, slightly blurred so that the JPEG file is small.

    Args:
      colour_HxWx3: RGB in [0, 255] as floats.
      size: width in pixels of the result; its height is four fifths of that.
    """
    pixels = colour_HxWx3.clip(0, 255).astype(np.uint8)
    whole = Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(size / 640))
    return whole.resize((size, round(size * 0.8)), Image.Resampling.BOX)


def around(x: float, y: float) -> Callable:
    """Returns the map (radius, angle) -> (x, y) of polar coordinates about the point (x, y)."""
    return lambda radius, angle: (x + radius * np.cos(angle), y + radius * np.sin(angle))
