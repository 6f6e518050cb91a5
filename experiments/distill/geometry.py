"""Geometry: inks on paper. Translucent discs, triangles and checks overlap under black bars, fans and arcs.

Coordinates are relative to the width of the painting: x in [0, 1] to the right, y in [0, 0.8] downwards.
"""

import numpy as np
from PIL import Image
from scipy import ndimage

from experiments.distill.canvas import OVERSAMPLING, around, noise, reduce, stencil

PAPER, BLACK = (240, 226, 196), (30, 26, 30)
WARM = ((196, 44, 34), (226, 98, 36), (238, 178, 48), (220, 130, 140))
INKS = (*WARM, (38, 84, 150), (24, 52, 96), (70, 150, 168), (60, 124, 98), (136, 76, 128))


def arc(x, y, radius, thick, start=0.0, span=2 * np.pi, sides=90):
    """Returns the outline of an arc or a ring, `Nx2`; of a disc or a polygon where `thick` is the radius.

    Args:
      x, y: the center.
      radius: of the outer edge.
      thick: from the outer to the inner edge.
      start: angle at which the arc begins.
      span: angle that it covers.
      sides: number of straight pieces.
    """
    angle = start + np.linspace(0, span, sides + 1)
    edges = around(x, y)(np.repeat([radius, radius - thick], sides + 1), np.append(angle, angle[::-1]))
    return np.stack(edges, -1)


def bar(x, y, angle, start, stop, thick):
    """Returns the outline of a straight bar, `4x2`, between two distances from the point (x, y)."""
    u, v = np.cos(angle), np.sin(angle)
    along, across = np.array([start, start, stop, stop]), thick / 2 * np.array([-1, 1, 1, -1])
    return np.stack([x + along * u - across * v, y + along * v + across * u], -1)


def scatter(number, rng):
    """Draws `number` points of the painting that keep apart: each is the farthest of four tries."""
    points = [rng.uniform((0.05, 0.05), (0.95, 0.75))]
    while len(points) < number:
        tries = rng.uniform((0.03, 0.03), (0.97, 0.77), (4, 2))
        points.append(max(tries, key=lambda one: min(np.hypot(*(one - other)) for other in points)))
    return points


class Sheet:
    """Paper that takes one ink after another; `colour` is the sheet as it is now, RGB in [0, 255]."""

    def __init__(self, size, rng):
        self.rng, self.width, self.unit = rng, size * OVERSAMPLING, size * OVERSAMPLING / 1280
        shape = round(size * 0.8) * OVERSAMPLING, self.width
        self.y, self.x = np.mgrid[: shape[0], : shape[1]] / self.width
        self.tooth, stain, clouds = (
            noise(shape, grain * self.unit, rng) + 0.6 * noise(shape, grain * self.unit / 2.5, rng)
            for grain in (6, 170, 30)
        )
        self.absorbency = 0.05 * (self.tooth + clouds)  # more ink settles where it is high
        self.colour = PAPER + stain[..., None] * (3.5, 7, 11)

    def wash(self, outlines, ink, strength=0.92, fade=0.5):
        """Fills shapes with one translucent ink, which pools at their rims and fades towards one side.

        Args:
          outlines: polygons, `Nx2` each.
          ink: RGB in [0, 255].
          strength: share of the ink where it is densest, in [0, 1].
          fade: how much of that is lost at the far side, in [0, 1].
        """
        mask, at = stencil(outlines, self.colour.shape[:2])  # a window, since most shapes are small
        rim = mask - ndimage.gaussian_filter(mask, 4 * self.unit, mode="constant")
        angle = self.rng.uniform(0, 2 * np.pi)
        side = np.cos(angle) * self.x[at] + np.sin(angle) * self.y[at]
        side = (side - side.min()) / (np.ptp(side) + 1e-9)
        amount = mask * (strength * (1 - fade * side) + 0.35 * rim + self.absorbency[at]).clip(0, 1)
        below, ink = self.colour[at], np.array(ink)
        self.colour[at] += amount[..., None] * (0.68 * below * ink / 255 + 0.38 * ink - below)


def disc(sheet, x, y, radius):
    """Draws a disc: plain, or with an eye, a halo or rings."""
    halo, iris, pupil = (1.3, 0.18, INKS), (0.62, 0.62, WARM), (0.25, 0.25, [BLACK])
    rings = [(outer, 0.1, [BLACK]) for outer in (0.95, 0.71, 0.47, 0.23)]
    more = ((), (iris, pupil), (halo, iris, pupil), rings)[sheet.rng.integers(4)]
    for outer, thick, inks in ((1, 1, INKS), *more):
        aside = 0.15 * (1 - outer) * radius
        ring = arc(x + aside, y - aside, outer * radius, thick * radius)
        sheet.wash([ring], sheet.rng.choice(inks), fade=0.4)


def checks(sheet, x, y):
    """Draws a slanting chessboard, some of whose fields are coloured."""
    rng = sheet.rng
    angles = rng.uniform(-0.6, 0.6) + np.array([0, rng.uniform(1.1, 1.9)])
    right, down = rng.uniform(0.016, 0.03) * np.stack([np.cos(angles), np.sin(angles)], -1)
    fields = [[], [], []]
    for column, row in np.ndindex(*rng.integers(3, 7, 2)):
        corner = (x, y) + column * right + row * down
        kind = 0 if (column + row) % 2 else rng.integers(6)  # the last three stay paper
        if kind < 3:
            fields[kind].append(np.stack([corner, corner + right, corner + right + down, corner + down]))
    for outlines, ink in zip(fields, (BLACK, *rng.choice(INKS, 2)), strict=True):
        sheet.wash(outlines, ink, fade=0.2)


def lines(rng):
    """Yields the outlines of what a pen adds: fans, long lines, parallel arcs, rows of ticks."""
    for x, y in scatter(5, rng):
        angle, length = rng.uniform(0, 2 * np.pi), rng.uniform(0.15, 0.4)
        yield from (bar(x, y, angle + 0.07 * each, 0, length, 0.0022) for each in range(rng.integers(5, 10)))
    for x, y in scatter(6, rng):
        angle, length = rng.choice([-0.6, 0.45, 1.2]) + rng.normal(0, 0.12), rng.uniform(0.3, 0.6)
        yield bar(x, y, angle, -length, length, rng.choice([0.002, 0.0035, 0.006]))
    for x, y in scatter(6, rng):
        start, radius = rng.uniform(0, 2 * np.pi), rng.uniform(0.03, 0.15)
        for each in range(rng.integers(1, 5)):
            yield arc(x, y, radius + 0.013 * each, 0.0028, start, rng.uniform(1.6, 3.5))
    for x, y in scatter(4, rng):
        angle = rng.uniform(-0.8, 0.8)
        for each in 0.014 * np.arange(rng.integers(6, 14)):
            yield bar(*around(x, y)(each, angle), angle + np.pi / 2, -0.02, 0.02, 0.0025)


def geometry(size: int = 640, seed: int = 0) -> Image.Image:
    """Returns shapes in inks on paper.

    Args:
      size: width in pixels; the height is four fifths of it.
      seed: of everything random.
    """
    rng = np.random.default_rng(seed)
    sheet = Sheet(size, rng)
    for sides, (x, y) in zip((3, 3, 4, 4), scatter(4, rng), strict=True):
        radius = rng.uniform(0.28, 0.42)
        plane = arc(x, y, radius, radius, rng.uniform(0, 2 * np.pi), sides=sides)
        sheet.wash([plane], rng.choice(INKS), 0.55, 0.75)
    for number, point in enumerate(scatter(17, rng)):
        disc(sheet, *point, 0.13 if number < 3 else 0.025 + 0.1 * rng.random() ** 2)
    for x, y in scatter(9, rng):
        radius = rng.uniform(0.08, 0.2)
        start, span = rng.uniform((0, 0.4), (6, 1.1))
        triangle = arc(x, y, radius, radius, start, span, sides=1)
        sheet.wash([triangle], rng.choice(INKS))
    for point in scatter(4, rng):
        checks(sheet, *point)
    for point in scatter(7, rng):
        angle, length = rng.choice([-1.1, -0.6, 0.5, 0.9]) + rng.normal(0, 0.1), rng.uniform(0.08, 0.3)
        outline = bar(*point, angle, -length, length, rng.choice([0.006, 0.012, 0.02, 0.028]))
        sheet.wash([outline], rng.choice((*INKS, *[BLACK] * 6)), fade=0.3)
    sheet.wash(lines(rng), BLACK, fade=0.1)
    down, right = np.gradient(ndimage.gaussian_filter(sheet.tooth, sheet.unit))
    return reduce(sheet.colour * (1 - 0.1 * sheet.unit * (down + right)).clip(0.8, 1.2)[..., None], size)
