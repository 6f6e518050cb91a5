"""What the generators of paintings share: ramps, smooth noise, masks, polar coordinates, the final size."""

from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

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


def stencil(outlines, shape: tuple[int, int], margin: int = 0):
    """Returns the mask of the union of polygons in a window, `hxw` in [0, 1], and the slices of the window.

    Args:
      outlines: polygons, `Nx2` each, relative to the width of the painting.
      shape: height and width of the painting in pixels.
      margin: pixels that the window leaves around the polygons.
    """
    mask = Image.new("L", shape[::-1])
    for outline in outlines:
        ImageDraw.Draw(mask).polygon((outline * shape[1]).ravel().tolist(), 255)
    left, top, right, bottom = mask.getbbox() or (0, 0, 1, 1)
    at = np.s_[max(top - margin, 0) : bottom + margin, max(left - margin, 0) : right + margin]
    return np.asarray(mask, np.float32)[at] / 255, at


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


def underpainting(size: int, colours_at: Callable) -> tuple[Image.Image, Image.Image]:
    """Returns a canvas in the colours of a composition, and a flat relief, for strokes of thick paint.

    Args:
      size: width of the finished painting in pixels; the height is four fifths of it.
      colours_at: (x, y), each of N positions with the width as the unit -> RGB in [0, 255], Nx3.

    Returns:
      The canvas in RGB and the height of the paint in mode L, both larger by OVERSAMPLING.
    """
    y, x = np.mgrid[0:0.8:64j, 0:1:80j]
    colours = colours_at(x.ravel(), y.ravel()).reshape(64, 80, 3).astype(np.uint8)
    larger = size * OVERSAMPLING, round(size * 0.8) * OVERSAMPLING
    return Image.fromarray(colours).resize(larger), Image.new("L", larger, 90)


def varnish(canvas: Image.Image, relief: Image.Image, blur: float, depth: float) -> Image.Image:
    """Returns a painting in thick paint that is lit from above on the left, at its final size.

    Args:
      canvas, relief: from `underpainting`, with strokes on both.
      blur: pixels over which neighbouring strokes run into each other.
      depth: strength of the light and shade at the edges of the strokes.
    """
    wet = ImageFilter.GaussianBlur(blur)
    down, right = np.gradient(np.asarray(relief.filter(wet), np.float32))
    light = 1 - depth * (down + right) * canvas.width / 1280
    shaded = (np.asarray(canvas.filter(wet), np.float32) * light.clip(0.6, 1.4)[..., None]).clip(0, 255)
    size = canvas.width // OVERSAMPLING, canvas.height // OVERSAMPLING
    return Image.fromarray(shaded.astype(np.uint8)).resize(size, Image.Resampling.BOX)
