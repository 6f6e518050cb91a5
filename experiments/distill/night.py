"""Night: stars over hills and a cypress, in short strokes of thick paint that lie along the lines of a flow.

The sky is a flow without sources: its stream function is constant along a stroke, and the bands of colour
follow that function too, so that strokes and bands agree. Each stroke is a bundle of bristles; the painting
is lit from above on the left.

Coordinates are relative to the width of the painting: x in [0, 1] to the right, y in [0, 0.8] downwards.
"""

from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from experiments.distill.canvas import mix, underpainting, varnish
from experiments.distill.pen import POINTS, trace

BRUSHES = ((0.026, 0.085, 2.0), (0.015, 0.055, 2.0), (0.0105, 0.04, 1.5))  # width, length, coats of paint
# colour ramps from dark to light, RGB
SKY = ((16, 22, 74), (24, 44, 128), (34, 84, 172), (58, 132, 190), (122, 182, 190), (208, 218, 170))
GOLD = ((64, 128, 176), (134, 186, 172), (226, 206, 96), (248, 190, 44), (255, 222, 96), (255, 248, 206))
MOON = ((110, 168, 168), (222, 176, 62), (240, 138, 30), (250, 186, 40), (255, 226, 110), (255, 246, 200))
HILLS = ((26, 26, 84), (40, 66, 138), (62, 100, 160), (110, 146, 178), (158, 142, 190))
MEADOW = ((18, 44, 58), (24, 92, 82), (80, 140, 76), (164, 178, 74), (226, 196, 92))
WHEAT = ((92, 44, 28), (170, 92, 30), (216, 148, 40), (240, 196, 84), (250, 230, 150))
CYPRESS = ((14, 16, 30), (20, 44, 40), (50, 80, 44), (110, 96, 42), (150, 74, 34))


class Whirl(NamedTuple):
    """A turning disc of the sky; a star if it has a ramp."""

    x: float  # of its center
    y: float
    radius: float
    speed: float  # its sign is the sense of rotation
    ramp: tuple | None = None


WHIRLS = (
    Whirl(x=0.47, y=0.24, radius=0.12, speed=1.0),
    Whirl(x=0.63, y=0.33, radius=0.075, speed=-1.0),
    Whirl(x=0.86, y=0.14, radius=0.105, speed=2.0, ramp=MOON),
    Whirl(x=0.31, y=0.09, radius=0.06, speed=-2.0, ramp=GOLD),
    Whirl(x=0.62, y=0.08, radius=0.05, speed=2.0, ramp=GOLD),
    Whirl(x=0.27, y=0.33, radius=0.052, speed=2.0, ramp=GOLD),
    Whirl(x=0.05, y=0.10, radius=0.05, speed=2.0, ramp=GOLD),
    Whirl(x=0.80, y=0.36, radius=0.045, speed=-2.0, ramp=GOLD),
    Whirl(x=0.045, y=0.36, radius=0.04, speed=2.0, ramp=GOLD),
    Whirl(x=0.95, y=0.40, radius=0.035, speed=2.0, ramp=GOLD),
    Whirl(x=0.40, y=0.41, radius=0.03, speed=-2.0, ramp=GOLD),
)


def stream(x, y):
    """Returns the stream function of the wind, whose lines the strokes of the sky follow."""
    psi = 0.45 * y + 0.025 * np.sin(8 * x + 2 * y)
    for each in WHIRLS:
        far = ((x - each.x) ** 2 + (y - each.y) ** 2) / each.radius**2
        psi = psi + 0.9 * each.speed * each.radius * np.exp(-far)
    return psi


def ridge(x, which):
    """Returns the height of the far hills (0), the meadow (1) or the wheat (2)."""
    return (
        0.50 - 0.045 * np.sin(5.2 * x + 3.9) - 0.018 * np.sin(13 * x),
        0.575 + 0.03 * np.sin(6.1 * x + 0.4) + 0.01 * np.sin(17 * x),
        0.675 - 0.03 * np.sin(4.1 * x + 1.1),
    )[which]


def across_cypress(x, y):
    """Returns the position across the cypress, -1 and 1 at its sides, and the height above its foot."""
    up = (0.80 - y) / 0.74
    middle = 0.155 + 0.018 * np.sin(8 * up) - 0.015 * up
    wide = np.interp(up, (0, 0.1, 0.35, 0.7, 1), (0.055, 0.075, 0.068, 0.038, 0.002))
    across = (x - middle) / (wide * (1 + 0.16 * np.sin(37 * up)))
    return np.where(up < 1, across, 9), up


def heading(x, y):
    """Returns the direction of the brush at each point, in radians."""
    tiny = 1e-4
    u = stream(x, y + tiny) - stream(x, y - tiny)
    v = stream(x - tiny, y) - stream(x + tiny, y)
    angle = np.arctan2(v, u)
    for which, (sway, lean) in enumerate(((0.5, 0.0), (0.6, -0.1), (0.35, -0.9))):
        slope = (ridge(x + 0.01, which) - ridge(x - 0.01, which)) / 0.02
        along = np.arctan(slope) + lean + sway * np.sin(29 * x + 41 * y)
        angle = np.where(y > ridge(x, which), along, angle)
    across, _ = across_cypress(x, y)
    flame = -np.pi / 2 + 0.35 * across.clip(-1, 1) + 0.5 * np.sin(34 * y + 14 * x)
    return np.where(np.abs(across) < 1, flame, angle)


def colours_at(x, y, rng):
    """Returns a colour for a stroke at each point, `Nx3`, from the ramp of what lies there."""
    whim, psi = rng.normal(0, 1, x.shape), stream(x, y)
    bands = np.sin(105 * psi) + 0.5 * np.sin(41 * psi + 2)
    colour = mix(SKY, 0.38 + 0.2 * bands + 0.12 * whim)
    for each in WHIRLS:
        if each.ramp:
            far = np.hypot(x - each.x, y - each.y) / each.radius
            light = 1.1 - 0.74 * far + 0.1 * np.cos(14 * far) + 0.07 * whim
            near = rng.random(x.shape) < 2.5 * (1.45 - far)
            colour = np.where(near[:, None], mix(each.ramp, light), colour)
    folds = np.sin(30 * x + 60 * y) + 0.6 * np.sin(67 * x - 25 * y)
    for which, ramp in enumerate((HILLS, MEADOW, WHEAT)):
        depth = (y - ridge(x, which)) / 0.1
        light = 0.42 + 0.16 * folds + 0.2 * np.exp(-((depth / 0.25) ** 2)) + 0.16 * whim
        light = np.where(depth < 0.09, 0.02 + 0.05 * whim, light)  # a dark outline
        colour = np.where((depth > 0)[:, None], mix(ramp, light), colour)
    across, up = across_cypress(x, y)
    light = 0.34 + 0.25 * across + 0.2 * np.sin(40 * up + 5 * across) + 0.15 * whim
    return np.where((np.abs(across) < 1)[:, None], mix(CYPRESS, light), colour)


def apply_brush(canvas, relief, brush, rng):
    """Covers the canvas with strokes of one brush.

    Args:
      canvas: PIL image in RGB, which is painted on.
      relief: PIL image in mode L of the same size: the height of the paint.
      brush: width and length of its strokes, and their area relative to the canvas.
      rng: of everything random.
    """
    draw, emboss, size = ImageDraw.Draw(canvas), ImageDraw.Draw(relief), canvas.width
    breadth, length, coats = brush
    number = round(coats * 0.8 / (breadth * length))
    x, y = rng.uniform((-0.02, -0.02), (1.02, 0.82), (number, 2)).T
    colour = colours_at(x, y, rng)
    paths = trace(x, y, length * rng.uniform(0.6, 1.2, number), heading)
    along = np.gradient(paths, axis=1)
    normals = np.stack([-along[..., 1], along[..., 0]], -1)
    normals = normals / (np.linalg.norm(normals, axis=-1, keepdims=True) + 1e-9)
    taper = np.sin(np.linspace(0.5, np.pi - 0.2, POINTS))[:, None] ** 0.4
    across = np.linspace(-0.5, 0.5, max(4, round(breadth / 0.0022)))
    thick = max(1, round(1.25 * breadth / across.size * size))
    for path, normal, paint in zip(paths, normals, colour, strict=True):
        load = np.convolve(rng.normal(0, 1, across.size + 2), (0.3, 0.6, 0.3), "valid")[:, None]
        shades = paint * (1 + 0.13 * load) + rng.normal(0, 6, 3)
        heights = 105 + 40 * load + 75 * (np.abs(across) > 0.34)[:, None]  # paint piles up at the rim
        tops = np.concatenate([shades, heights], 1).clip(0, 255).astype(int).tolist()
        lines = (path + breadth * across[:, None, None] * taper * normal) * size
        starts = rng.integers(0, 3, across.size)  # ragged ends
        for line, (*shade, top), start in zip(lines, tops, starts, strict=True):
            points = line[start : POINTS - rng.integers(3)].ravel().tolist()
            draw.line(points, tuple(shade), thick)
            emboss.line(points, top, thick)


def night(size: int = 640, seed: int = 0) -> Image.Image:
    """Returns a night sky in thick paint.

    Args:
      size: width in pixels; the height is four fifths of it.
      seed: of everything random.
    """
    rng = np.random.default_rng(seed)
    canvas, relief = underpainting(size, lambda x, y: colours_at(x, y, rng))
    for brush in BRUSHES:
        apply_brush(canvas, relief, brush, rng)
    # neighbouring bristles run into each other a little
    return varnish(canvas, relief, blur=canvas.width / 1300, depth=0.012)
