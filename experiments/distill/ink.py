"""Ink: a village among fields, drawn with a reed pen in brown ink.

Each part of the landscape has its own mark: rings of dashes in the sky, hatching on the hills, curls in the
trees, flames in the cypresses, and in each field furrows, stalks, dots or tufts that grow towards the front.

Coordinates are relative to the width of the painting: x in [0, 1] to the right, y in [0, 0.8] downwards.
"""

from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter

from experiments.distill.canvas import around, noise, reduce
from experiments.distill.pen import POINTS, Pen, grid, leaning, trace

PAPER, WASH = (240, 226, 196), (176, 128, 82)
SKY, FAR, NEAR, FIELDS, TREES = range(5)  # the parts of the picture
SUN = (0.70, 0.17)
HORIZON, VANISHING = 0.43, (0.58, 0.40)  # the fields run to this point
EDGES = (-2.6, -1.2, -0.35, 0.08, 0.75, 1.9)  # of the fields: steps to the right for one step down
# of the whirls of the sky: x, y, radius, sense of rotation
WHIRLS = ((*SUN, 0.17, 1.0), (0.40, 0.12, 0.10, -1.0), (0.97, 0.30, 0.09, -1.0), (0.31, 0.31, 0.06, 1.0))
# of the houses: left, foot, width, height of the wall
HOUSES = (
    (0.40, 0.455, 0.050, 0.022),
    (0.465, 0.448, 0.034, 0.018),
    (0.545, 0.452, 0.046, 0.024),
    (0.665, 0.462, 0.060, 0.026),
    (0.745, 0.452, 0.036, 0.018),
    (0.81, 0.468, 0.052, 0.026),
)
TOWER = (0.615, 0.456, 0.026, 0.045)


class Cypress(NamedTuple):
    """A cypress: x of its foot, y of its foot and of its top, half its width."""

    x: float
    foot: float
    top: float
    half: float


CYPRESSES = (
    Cypress(x=0.14, foot=0.74, top=0.02, half=0.062),
    Cypress(x=0.235, foot=0.66, top=0.20, half=0.04),
    Cypress(x=0.93, foot=0.52, top=0.33, half=0.016),
    Cypress(x=0.955, foot=0.53, top=0.37, half=0.014),
)


def ridges(x):
    """Returns the heights of the far and of the near hills."""
    far = 0.33 - 0.05 * np.sin(5.5 * x + 1.2) - 0.022 * np.sin(14 * x)
    return far, 0.395 - 0.032 * np.sin(4.2 * x + 3.6) - 0.008 * np.sin(21 * x)


def in_cypress(x, y):
    """Returns the position across the nearest cypress: -1 and 1 at its sides, 9 where there is none."""
    across = np.full(np.shape(x), 9.0)
    for tree in CYPRESSES:
        up = (tree.foot - y) / (tree.foot - tree.top)
        sway = tree.half * (0.22 * np.sin(7 * up) + 0.1 * np.sin(23 * up))
        shape = np.interp(up, (0, 0.05, 0.3, 0.7, 1), (0.3, 0.75, 1, 0.7, 0.05)) * (
            1 + 0.12 * np.sin(31 * up)
        )
        here = np.where((up > 0) & (up < 1), (x - tree.x - sway) / (tree.half * shape), 9.0)
        across = np.where(np.abs(here) < np.abs(across), here, across)
    return across


def part_at(x, y):
    """Returns which part of the picture lies at each point."""
    far, near = ridges(x)
    ground = np.select([y > HORIZON, y > near, y > far], [FIELDS, NEAR, FAR], SKY)
    return np.where(np.abs(in_cypress(x, y)) < 1, TREES, ground)


def wind(x, y):
    """Returns the direction of the dashes of the sky, in radians."""
    u, v = 1 + 0 * x, 0.3 * np.sin(9 * x + 4 * y)
    for a, b, radius, sense in WHIRLS:
        dx, dy = x - a, y - b
        turn = 7 * sense / radius * np.exp(-(dx**2 + dy**2) / radius**2)
        u, v = u - turn * dy, v + turn * dx
    return np.arctan2(v, u)


def draw_sky(pen):
    """Draws dashes along the wind, and the sun with its rays."""
    rng = pen.rng
    x, y = grid((-0.02, -0.02, 1.02, 0.42), 0.0125, rng, 1.7)
    calm = np.min([np.hypot(x - a, y - b) / radius for a, b, radius, _ in WHIRLS], 0)
    keep = rng.random(x.shape) < 0.95 - 0.4 * np.abs(np.sin(19 * y + 5 * x))
    keep &= np.hypot(x - SUN[0], y - SUN[1]) > 0.1
    paths = trace(x, y, rng.uniform(0.018, 0.04, x.shape), wind)
    pen.strokes(paths[keep], (0.0015 + 0.0016 * np.exp(-calm))[keep], SKY, 0.6)
    turn = np.linspace(0, 2 * np.pi, 60)
    rims = [np.stack(around(*SUN)(radius * rng.normal(1, 0.008, 60), turn), -1) for radius in (0.052, 0.044)]
    pen.strokes(np.stack(rims), 0.0026, SKY, 0.9)
    angles = np.linspace(0, 2 * np.pi, 34)[:-1, None] + rng.normal(0, 0.03, (33, 1))
    reach = np.linspace(0.062, 0.088, POINTS) * rng.uniform(0.97, 1.12, angles.shape)
    pen.strokes(np.stack(around(*SUN)(reach, angles), -1), 0.0028, SKY, 0.85)


def draw_hills(pen):
    """Hatches the hills down their slopes, crosses the hatching in their folds and draws the ridges."""
    rng, t = pen.rng, np.linspace(0, 1, 200)
    for part, lean, pitch in ((FAR, 1.15, 0.0085), (NEAR, 2.1, 0.007)):
        x, y = grid((-0.02, 0.22, 1.02, 0.45), pitch, rng, 1.2)
        fold = np.sin(26 * x + 14 * y + part) + 0.6 * np.sin(61 * x - 9 * y)
        for cross, deep in ((0.0, -0.7), (-0.9, 0.35), (0.75, 1.0)):
            lengths = rng.uniform(0.016, 0.032, x.shape)
            paths = trace(x, y, lengths, leaning(lean + cross, 0.35, across=13))
            pen.strokes(paths[fold > deep], 0.0017, part, 0.45 + 0.2 * part)
        ridge = np.stack([t, ridges(t)[part - FAR]], -1) + rng.normal(0, 0.0004, (t.size, 2))
        for piece in np.array_split(ridge, 9):
            pen.strokes(piece[None], 0.003, dark=0.8)


def draw_fields(pen):
    """Fills each field between the furrows that meet at the vanishing point with a mark of its own."""
    rng, (vx, vy) = pen.rng, VANISHING
    fan, deep = (axis.ravel() for axis in np.meshgrid(np.arange(-18, 14, 0.06), np.geomspace(0.03, 0.42, 46)))
    fan, deep = fan + rng.uniform(-0.02, 0.02, fan.size), deep * rng.uniform(0.97, 1.03, fan.size)
    x, y = vx + fan * deep, vy + deep
    field, row = np.digitize(fan, EDGES), (deep / 0.42) ** 0.8  # row: the size of the marks
    patch = np.sin(7 * fan + 30 * deep) + rng.normal(0, 0.5, x.shape)
    seen = (x > -0.05) & (x < 1.05)

    def mark(which, least, length, heading, thick):
        at = seen & np.isin(field, which) & (patch > least)
        lengths = length * row[at] * rng.uniform(0.6, 1.15, at.sum())
        pen.strokes(trace(x[at], y[at], lengths, heading), 0.0012 + thick * row[at], FIELDS, 0.78)

    mark((0, 5), -0.9, 0.075, leaning(-1.45, 0.35, across=30, down=9), 0.0042)  # stalks
    mark((1, 4), -0.9, 0.11, lambda a, b: np.arctan2(b - vy, a - vx), 0.0032)  # furrows
    mark((3,), 0.2, 0.05, leaning(0, 0.06, across=40), 0.003)  # the path
    for lean in (-0.5, 0.0, 0.5):  # tufts
        mark((6,), -0.8, 0.05, leaning(lean - np.pi / 2), 0.003)
    at = seen & (field == 2) & (patch > -1.2)
    pen.dots(x[at], y[at], 0.0008 + 0.0042 * row[at] * rng.uniform(0.5, 1.1, at.sum()))
    t = np.geomspace(0.03, 0.42, 40)
    for edge in EDGES:
        path = np.stack([vx + edge * t + rng.normal(0, 0.0008, t.size), vy + t], -1)
        pen.strokes(path[None, :22], 0.0024, FIELDS, 0.85)
        pen.strokes(path[None, 20:], 0.0044, FIELDS, 0.85)


def draw_bushes(pen):
    """Draws a row of bushes in curls along the horizon."""
    rng = pen.rng
    for x in np.append(np.arange(-0.01, 1.02, 0.022), rng.uniform(0.3, 0.9, 14)):
        size, y = rng.uniform(0.009, 0.022), HORIZON + rng.uniform(-0.006, 0.014)
        turn = np.linspace(0, 4.2, POINTS) + rng.uniform(0, 2 * np.pi, (26, 1))
        middle = rng.normal((x, y - 0.5 * size), (0.5 * size, 0.35 * size), (26, 2)).T[..., None]
        pen.strokes(
            np.stack(around(*middle)(size * rng.uniform(0.16, 0.4, (26, 1)), turn), -1), 0.0019, dark=0.85
        )


def hatch(pen, start, end, number):
    """Draws parallel strokes from one side of a quadrangle, `2x2`, to the other."""
    t = np.linspace(0.06, 0.94, number)[:, None]
    from_, to = (side[0] + t * (side[1] - side[0]) for side in (np.array(start), np.array(end)))
    pen.strokes(np.linspace(from_, to, POINTS, axis=1), 0.0017, dark=0.78)


def draw_village(pen):
    """Draws houses with tiled roofs and shaded gables, and the tower of a church."""
    for left, foot, wide, high in HOUSES:
        right, top, side = left + wide, foot - high, left + 0.34 * wide
        peak = (left + side) / 2, top - 0.55 * wide
        ridge = peak[0] + 0.62 * wide, peak[1]
        pen.outline([(side, foot), (side, top), (right, top), (right, foot)], 0.0018)
        pen.outline([peak, ridge, (right, top), (side, top)], 0.002)
        hatch(pen, (peak, ridge), ((side, top), (right, top)), round(wide / 0.0036))
        pen.outline([(left, foot), (left, top), peak, (side, top), (side, foot)], 0.002)
        hatch(pen, ((left, top), (left, foot)), ((side, top), (side, foot)), round(high / 0.0034))
        windows = np.arange(side + 0.25 * (right - side), right - 0.004, 0.013)
        pen.dots(windows, 0 * windows + top + 0.45 * high, 0 * windows + 0.0022)
    left, foot, wide, high = TOWER
    right, top = left + wide, foot - high
    pen.outline(
        [(left, foot), (left, top), (left + wide / 2, top - 0.085), (right, top), (right, foot)], 0.002
    )
    hatch(pen, ((left, top), (left, foot)), ((right, top), (right, foot)), 14)


def draw_cypresses(pen):
    """Fills the cypresses with flames that lick upwards and outwards, thicker and closer in the shade."""
    rng = pen.rng
    x, y = grid((0.04, 0.0, 1.0, 0.76), 0.0082, rng, 0.8)
    across = in_cypress(x, y)
    keep = (np.abs(across) < 1.05) & (rng.random(x.shape) < 0.85 - 0.35 * across)  # the sun is on the right
    x, y, across = x[keep], y[keep], across[keep]

    def flame(a, b):
        return -np.pi / 2 + 0.55 * in_cypress(a, b).clip(-1, 1) + 0.7 * np.sin(48 * b + 30 * a)

    paths = trace(x, y, rng.uniform(0.02, 0.045, x.shape), flame)
    pen.strokes(paths, 0.0026 + 0.0012 * (across < 0), dark=0.95)


def ink(size: int = 640, seed: int = 0) -> Image.Image:
    """Returns a landscape in pen and ink.

    Args:
      size: width in pixels; the height is four fifths of it.
      seed: of everything random.
    """
    rng = np.random.default_rng(seed)
    pen = Pen(size, rng, part_at)
    for draw in (draw_sky, draw_hills, draw_fields, draw_bushes, draw_village, draw_cypresses):
        draw(pen)
    unit, shape = pen.width / 1600, pen.sheet.size[::-1]
    stain, tooth = noise(shape, 180 * unit, rng), noise(shape, 5 * unit, rng)
    lines = np.asarray(pen.sheet, np.float32)
    close = pen.sheet.getchannel("A").filter(ImageFilter.GaussianBlur(16 * unit))
    shade = (1.6 * (np.asarray(close, np.float32) / 255 - 0.32)).clip(
        0, 0.6
    )  # washed where strokes are close
    paper = PAPER + stain[..., None] * (3, 5, 8) + 2.5 * tooth[..., None]
    paper = paper + shade[..., None] * (WASH - paper)
    cover = lines[..., 3] / 255 * (1 - 0.1 * (tooth > 0.9))  # the pen skips over the grain
    return reduce(paper + cover[..., None] * (lines[..., :3] - paper), size)
