"""Swirls: a landscape in oil, painted stroke by stroke along a vector field.

The field turns around a sun and three clouds and runs along the hills below them. Curved strokes follow it,
first from a broad brush and then from finer ones. Each stroke is a bundle of bristles with their own shades
and heights; the painting is lit from above on the left, so that the heights give the paint its relief.

Coordinates are relative to the width of the painting: x in [0, 1] to the right, y in [0, 0.8] downwards.
"""

from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from experiments.distill.canvas import mix, underpainting, varnish

BRUSHES = ((44, 3.0), (27, 3.0), (17, 2.2), (10.5, 0.9), (6, 0.25))  # width at 640 pixels, coats of paint
POINTS = 24  # points on the path of a stroke

# colour ramps from dark to light, RGB
SKY = ((12, 20, 66), (20, 42, 112), (32, 78, 158), (28, 122, 150), (112, 180, 182), (226, 226, 192))
SUN = ((24, 84, 136), (178, 62, 40), (222, 122, 40), (234, 172, 48), (248, 212, 100), (255, 243, 205))
CLOUD = ((18, 50, 116), (24, 100, 140), (64, 156, 164), (150, 200, 186), (244, 226, 176), (255, 240, 204))
HILLS = (
    ((22, 24, 70), (30, 58, 104), (34, 106, 118), (120, 160, 140)),
    ((10, 20, 40), (16, 54, 66), (40, 96, 84), (170, 140, 60)),
    ((36, 22, 34), (104, 52, 34), (184, 118, 38), (236, 190, 96)),
)
ACCENTS = ((214, 64, 30), (240, 176, 52), (250, 236, 196))


class Vortex(NamedTuple):
    """A disc in the sky around which the strokes turn."""

    x: float  # of its center
    y: float
    radius: float
    speed: float  # of the turn; its sign is the sense of rotation
    ramp: tuple  # of colours


VORTICES = (
    Vortex(x=0.67, y=0.47, radius=0.21, speed=1.0, ramp=SUN),
    Vortex(x=0.20, y=0.17, radius=0.13, speed=-1.0, ramp=CLOUD),
    Vortex(x=0.46, y=0.11, radius=0.07, speed=0.9, ramp=CLOUD),
    Vortex(x=0.94, y=0.17, radius=0.085, speed=-0.9, ramp=CLOUD),
)
# height, amplitude, frequency and phase of the sine that is the ridge of each hill, from back to front
RIDGES = ((0.50, 0.035, 5.0, 0.7), (0.555, 0.030, 6.5, 3.6), (0.62, 0.035, 4.0, 5.9))


def ground(x, y):
    """Returns the index of the hill at each point, -1 for the sky, and the slope of that hill's ridge."""
    hill, slope = np.full(x.shape, -1), np.zeros(x.shape)
    for number, (height, amplitude, frequency, phase) in enumerate(RIDGES):
        below = y > height + amplitude * np.sin(frequency * x + phase)
        hill[below] = number
        slope[below] = (amplitude * frequency * np.cos(frequency * x + phase))[below]
    return hill, slope


def field(x, y):
    """Returns the direction of the brush at each point: unit vectors, `2xN`."""
    u, v = 0.5 + 0 * x, 0.35 * np.sin(7 * x + 3 * y) + 0.25 * np.cos(4 * x - 9 * y)
    for vortex in VORTICES:
        dx, dy = x - vortex.x, y - vortex.y
        turn = 4 * vortex.speed / vortex.radius * np.exp(-(dx**2 + dy**2) / (1.5 * vortex.radius) ** 2)
        u, v = u - turn * dy, v + turn * dx
    hill, slope = ground(x, y)
    u, v = np.where(hill >= 0, 1.0, u), np.where(hill >= 0, slope + 0.3 * np.sin(23 * x + 31 * y), v)
    furrows = hill == len(RIDGES) - 1  # the furrows of the front hill meet in a point behind the hills
    u = np.where(furrows, x - VORTICES[0].x, u)
    v = np.where(furrows, y - 0.53 + 0.04 * np.sin(30 * x), v)
    return np.stack([u, v]) / (np.hypot(u, v) + 1e-9)


def heading(x, y, step):
    """Returns the field half a step ahead (the midpoint rule), which keeps closed curves closed."""
    u, v = field(x, y)
    return field(x + step * u / 2, y + step * v / 2)


def colours_at(x, y, rng):
    """Returns a colour for a stroke at each point, `Nx3`: from its region's ramp, varied at random."""
    whim = rng.normal(0, 1, x.shape)
    waves = np.sin(9 * x + 14 * y + 2 * np.sin(5 * x)) + 0.6 * np.sin(23 * y - 8 * x)
    colour = mix(SKY, (0.36 + 0.2 * waves + 0.15 * whim).clip(0, 1))
    for vortex in VORTICES:
        distance = np.hypot(x - vortex.x, y - vortex.y) / vortex.radius
        rings = 1.08 - 0.72 * distance + 0.13 * np.cos(13 * distance) + 0.09 * whim
        glow = rng.random(x.shape) < 1.5 - distance  # the edge of the disc frays into the sky
        colour = np.where(glow[:, None], mix(vortex.ramp, rings.clip(0, 1)), colour)
    hill, _ = ground(x, y)
    for number, ramp in enumerate(HILLS):
        fan = (x - VORTICES[0].x) / np.maximum(y - 0.5, 0.02)  # constant along a furrow
        waves = np.sin(40 * y + 9 * x) if number < len(HILLS) - 1 else np.sin(9 * fan)
        light = 0.45 + 0.24 * waves + 0.18 * whim
        colour = np.where((hill == number)[:, None], mix(ramp, light.clip(0, 1)), colour)
    accent = np.array(ACCENTS)[rng.integers(len(ACCENTS), size=x.shape)]
    return np.where((rng.random(x.shape) < 0.02)[:, None], accent, colour)


def paths(length, number, rng):
    """Draws N strokes: points and unit normals along each, `NxPOINTSx2`, and a colour for each, `Nx3`."""
    x, y = rng.uniform(-0.03, 1.03, number), rng.uniform(-0.03, 0.83, number)
    colour = colours_at(x, y, rng)
    step = length * rng.uniform(0.6, 1.2, number) / POINTS
    for _ in range(POINTS // 2):  # back along the field to where the stroke begins
        x, y = np.stack([x, y]) - step * heading(x, y, -step)
    path, normals = [], []
    for _ in range(POINTS):
        u, v = heading(x, y, step)
        path.append(np.stack([x, y], -1))
        normals.append(np.stack([-v, u], -1))
        x, y = x + step * u, y + step * v
    return np.stack(path, 1), np.stack(normals, 1), colour


def apply_brush(canvas, relief, brush, coats, rng):
    """Covers the canvas with strokes of one brush.

    Args:
      canvas: PIL image in RGB, which is painted on.
      relief: PIL image in mode L of the same size: the height of the paint.
      brush: width of the brush for a painting that is 640 pixels wide.
      coats: area of all strokes relative to the canvas.
      rng: of everything random.
    """
    draw, emboss = ImageDraw.Draw(canvas), ImageDraw.Draw(relief)
    width = canvas.width
    thick = max(1, round(2.6 * width / 640))  # of a bristle
    breadth, length = brush / 640, (5.5 * brush + 12) / 640
    number = round(coats * 0.8 / (breadth * length))
    path, normals, colour = paths(length, number, rng)
    across = np.linspace(-0.5, 0.5, max(3, round(brush / 2)))
    taper = np.sin(np.linspace(0.35, np.pi - 0.15, POINTS))[:, None] ** 0.4
    for stroke in range(number):
        bristles = (across + rng.normal(0, 0.02, across.size))[:, None, None]
        lines = (path[stroke] + breadth * bristles * taper * normals[stroke]) * width
        load = np.convolve(rng.normal(0, 1, across.size + 2), (0.3, 0.6, 0.3), "valid")[:, None]
        shades = colour[stroke] * (1 + 0.16 * load) + rng.normal(0, 5, 3)
        heights = 110 + 45 * load + 60 * (np.abs(across) > 0.38)[:, None]  # paint piles up at the rim
        tops = np.concatenate([shades, heights], 1).clip(0, 255).astype(int).tolist()
        ends = rng.integers((0, POINTS - 6), (5, POINTS + 1), (across.size, 2))  # ragged ends
        for line, (*shade, top), (start, end) in zip(lines, tops, ends, strict=True):
            points = line[start:end].ravel().tolist()
            draw.line(points, tuple(shade), thick)
            emboss.line(points, top, thick)


def swirls(size: int = 640, seed: int = 0) -> Image.Image:
    """Returns a landscape in strokes of oil paint.

    Args:
      size: width in pixels; the height is four fifths of it.
      seed: of everything random.
    """
    rng = np.random.default_rng(seed)
    canvas, relief = underpainting(size, lambda x, y: colours_at(x, y, rng))
    for brush, coats in BRUSHES:
        apply_brush(canvas, relief, brush, coats, rng)
    # neighbouring bristles run into each other a little
    return varnish(canvas, relief, blur=canvas.width / 1150, depth=0.011)
