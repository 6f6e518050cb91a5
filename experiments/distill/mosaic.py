"""Mosaic: stones in grout, laid in rows around rosettes in a night sky and along the waves below it.

Coordinates are relative to the width of the painting: x in [0, 1] to the right, y in [0, 0.8] downwards.
"""

from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from experiments.distill.canvas import OVERSAMPLING, around, mix, noise, reduce

# colour ramps from dark to light, RGB
GROUT = (70, 60, 56)
NIGHT = ((14, 22, 72), (22, 44, 122), (26, 76, 160), (44, 122, 176), (120, 176, 186))
GOLD = ((120, 62, 22), (196, 122, 34), (232, 172, 60), (250, 218, 130))
RED = ((104, 18, 32), (176, 38, 34), (218, 84, 40), (240, 150, 70))
GREEN = ((12, 58, 62), (20, 98, 92), (62, 146, 104), (150, 186, 112))
SEA = ((16, 40, 92), (18, 92, 120), (40, 150, 150), (150, 206, 184))
MARBLE = ((196, 178, 150), (228, 216, 190), (250, 244, 226))


class Rosette(NamedTuple):
    """A flower with a ring of gold beads around it."""

    x: float  # of its center
    y: float
    radius: float
    petals: int  # their number
    heart: tuple  # ramp of the middle
    petal: tuple  # ramp of the petals
    between: tuple  # ramp of the ground between the petals


ROSETTES = (
    Rosette(x=0.33, y=0.33, radius=0.235, petals=8, heart=GOLD, petal=RED, between=GREEN),
    Rosette(x=0.80, y=0.17, radius=0.125, petals=6, heart=RED, petal=MARBLE, between=SEA),
    Rosette(x=0.83, y=0.47, radius=0.085, petals=5, heart=GOLD, petal=GREEN, between=RED),
    Rosette(x=0.585, y=0.055, radius=0.07, petals=5, heart=MARBLE, petal=RED, between=GOLD),
    Rosette(x=0.03, y=0.03, radius=0.10, petals=7, heart=GOLD, petal=SEA, between=RED),
    Rosette(x=0.61, y=0.475, radius=0.06, petals=4, heart=RED, petal=GOLD, between=GREEN),
)
# of each wave: y of its crest, the ramp of the water, the ramp of the crest
WAVES = ((0.59, SEA, MARBLE), (0.655, GREEN, GOLD), (0.715, RED, MARBLE))


def courses(place, rows, stone, rng, start=0.0, span=2 * np.pi, ring=True):
    """Lays rows of stones.

    Args:
      place: maps (row, position along it) to (x, y).
      rows: (first, end) of the coordinate across the rows.
      stone: edge of a stone.
      rng: of the uneven joints.
      start: position along a row of its first stone.
      span: extent of a row.
      ring: whether rows are circles, whose length grows with the row's coordinate, the radius.

    Returns:
      The corners of N stones (`Nx4x2`), the row of each stone's middle (`N`) and its position along it (`N`).
    """
    corners, middles, gap = [], [], 0.075 * stone
    for row in np.arange(*rows, stone):
        scale = row + stone / 2 if ring else 1
        number = max(6, round(span * scale / (1.12 * stone)))
        uneven = np.resize(rng.uniform(-0.22, 0.22, number), number + 1)  # a ring ends where it begins
        cuts = start + span * (np.arange(number + 1) + rng.random() + uneven) / number
        left, right = cuts[:-1] + gap / scale, cuts[1:] - gap / scale
        across = row + np.array([gap, gap, stone - gap, stone - gap])
        corners.append(np.stack(place(across, np.stack([left, right, right, left], 1)), -1))
        middles.append(np.stack([np.full(number, row + stone / 2), (left + right) / 2]))
    corners = np.concatenate(corners)
    return corners + rng.normal(0, 0.035 * stone, corners.shape), *np.concatenate(middles, 1)


def sky(rng):
    """Returns outline, corners and colours of the ground: rings around the first rosette, with gold stars."""
    first = ROSETTES[0]
    corners, r, t = courses(around(first.x, first.y), (first.radius, 0.95), 0.0175, rng)
    light = 0.42 + 0.25 * np.sin(12 * t + 3 * np.sin(14 * r)) + 0.2 * np.sin(34 * r)
    colours = mix(NIGHT, light + rng.normal(0, 0.12, r.shape))
    stars = rng.random(r.shape) < 0.035
    colours[stars] = mix(GOLD, rng.random(stars.sum()))
    return np.array([[0, 0], [1, 0], [1, 0.8], [0, 0.8]]), corners, colours


def lay_rosette(flower: Rosette, rng):
    """Returns outline, corners and colours of a rosette."""
    radius, place = flower.radius, around(flower.x, flower.y)
    stone = radius / round(radius / (0.009 + 0.02 * radius))
    corners, r, t = courses(place, (0, radius - stone / 2), stone, rng)
    r, t, whim = r / radius, t + rng.uniform(0, 2 * np.pi), rng.normal(0, 0.12, r.shape)
    edge = 0.36 + 0.44 * np.abs(np.cos(flower.petals * t / 2)) ** 0.8
    colours = mix(flower.between, 0.3 + 0.6 * (r - edge) / (1 - edge) + whim)
    for where, ramp, light in (
        (r < edge, flower.petal, 1.35 - r / edge),
        (np.abs(r - edge) < 0.045, MARBLE, 0.6),
        (r < 0.24, flower.heart, 1 - 2.6 * r),
        (r > 0.86, GOLD, np.where(np.sin(3 * flower.petals * t) > 0, 0.85, 0.1)),
    ):
        colours = np.where(where[:, None], mix(ramp, light + whim), colours)
    return np.stack(place(radius + 0.003, np.linspace(0, 2 * np.pi, 120)), -1), corners, colours


def swell(phase):
    """Returns the map (row, position) -> (x, y) of rows along a wave."""
    return lambda row, t: (t, row + 0.032 * np.sin(9.5 * t + phase) + 0.012 * np.sin(21 * t + 2.2 * phase))


def waves(rng):
    """Yields outline, corners and colours of each wave, from back to front, each with a light crest."""
    phase = rng.uniform(0, 2 * np.pi)
    for number, (top, ramp, foam) in enumerate(WAVES):
        place = swell(phase + 1.24 * number)
        corners, r, t = courses(place, (top, top + 0.15), 0.0135, rng, -0.05, 1.1, ring=False)
        depth, whim = (r - top) / 0.085, rng.normal(0, 0.12, r.shape)
        colours = mix(ramp, 1 - 0.8 * depth + 0.25 * np.sin(30 * t + 40 * r + 2 * number) + whim)
        colours = np.where((depth < 0.16)[:, None], mix(foam, 0.6 + whim), colours)
        crest = np.stack(place(top - 0.003, np.linspace(0, 1, 200)), -1)
        yield np.concatenate([crest, [[1, 1], [0, 1]]]), corners, colours


def mosaic(size: int = 640, seed: int = 0) -> Image.Image:
    """Returns a mosaic of stones in grout.

    Args:
      size: width in pixels; the height is four fifths of it.
      seed: of everything random.
    """
    rng = np.random.default_rng(seed)
    width, height = size * OVERSAMPLING, round(size * 0.8) * OVERSAMPLING
    pieces = [sky(rng), *(lay_rosette(each, rng) for each in ROSETTES), *waves(rng)]
    stones, number = Image.new("I", (width, height)), 0  # the number of the stone at each pixel, 0 for grout
    draw = ImageDraw.Draw(stones)
    for outline, corners, _ in pieces:
        draw.polygon((outline * width).ravel().tolist(), 0)  # cuts away the stones that lie there
        for stone in (corners * width).reshape(-1, 8).tolist():
            number += 1
            draw.polygon(stone, number)
    colours = np.concatenate([[GROUT], *(colours for *_, colours in pieces)])
    colours = colours * rng.normal(1, 0.06, (number + 1, 1)) + rng.normal(0, 5, (number + 1, 3))
    stones, unit = np.asarray(stones), width / 1280
    rough = noise(stones.shape, 4 * unit, rng)
    bevel = np.minimum(ndimage.distance_transform_edt(stones), 4 * unit) + 0.25 * unit * rough
    down, right = np.gradient(ndimage.gaussian_filter(bevel, 0.8 * unit))
    light = 1 + 0.22 * (down + right)  # from above on the left
    light = np.where(stones > 0, light, 0.85 * light + 0.15 * rough)
    return reduce(colours[stones] * light.clip(0.45, 1.5)[..., None], size)
