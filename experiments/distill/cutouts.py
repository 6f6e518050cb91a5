"""Cutouts: paper painted with gouache, cut with scissors and pasted: fronds, flowers and suns on panels.

Coordinates are relative to the width of the painting: x in [0, 1] to the right, y in [0, 0.8] downwards.
"""

import numpy as np
from PIL import Image
from scipy import ndimage

from experiments.distill.canvas import OVERSAMPLING, around, noise, reduce, stencil

IVORY, BLACK = (247, 238, 216), (32, 28, 36)
BLUES = ((22, 52, 142), (28, 92, 178), (92, 164, 206))
GREENS = ((12, 92, 74), (34, 140, 84), (152, 186, 52))
WARM = ((208, 40, 44), (234, 96, 36), (250, 184, 44), (214, 58, 116), (240, 158, 172))
VIOLETS = ((86, 48, 128), (164, 136, 196))
PAPERS = (IVORY, *BLUES, *GREENS, *WARM, *VIOLETS, BLACK)
PANEL = 0.33  # a panel that is longer than this is cut in two


def split(box, rng):
    """Yields the panels of the ground: (left, top, right, bottom), cut in two until none is long."""
    left, top, right, bottom = box
    wide, high = right - left, bottom - top
    if max(wide, high) < PANEL * rng.uniform(0.85, 1.5):
        yield box
        return
    share = rng.uniform(0.36, 0.64)
    if wide > high:
        middle = left + share * wide
        halves = (left, top, middle, bottom), (middle, top, right, bottom)
    else:
        middle = top + share * high
        halves = (left, top, right, middle), (left, middle, right, bottom)
    for half in halves:
        yield from split(half, rng)


def finger(start, angle, length, thick, bend):
    """Returns the outline of a lobe, `Nx2`: it grows from a point, bends, swells and ends round.

    Args:
      start: (x, y) of its root.
      angle: its direction at the root, in radians.
      length: of its middle line.
      thick: its width where it is widest, near the end.
      bend: how far the direction turns along the way, in radians.
    """
    t = np.linspace(0, 1, 24)
    headings = angle + bend * t
    steps = np.stack([np.cos(headings), np.sin(headings)], -1) * length / t.size
    middle = np.asarray(start) + np.cumsum(steps, 0)
    width = thick / 2 * (0.45 + 0.55 * np.sin(np.pi * (0.12 + 0.62 * t))) * np.sqrt(1 - (t**6) * 0.98)
    across = np.stack([-np.sin(headings), np.cos(headings)], -1) * width[:, None]
    return np.concatenate([middle + across, (middle - across)[::-1]])


def frond(x, y, size, rng, angle=None):
    """Returns the lobes of a seaweed: a bent spine with fingers on both sides, shorter towards its tip."""
    angle = rng.uniform(0, 2 * np.pi) if angle is None else angle
    bend, number = rng.uniform(-0.8, 0.8), rng.integers(4, 7)
    root = np.array([x, y]) - 0.9 * size * np.array([np.cos(angle + bend / 2), np.sin(angle + bend / 2)])
    shapes = [finger(root, angle, 1.9 * size, 0.2 * size, bend)]
    for each in range(number):
        t = (each + rng.uniform(0.3, 0.5)) / number
        heading = angle + bend * t / 2
        joint = root + 1.7 * size * t * np.array([np.cos(heading), np.sin(heading)])
        for side in (-1, 1):
            lean = side * (1.05 - 0.4 * t) * rng.uniform(0.9, 1.1)
            length = size * (0.42 + 0.5 * np.sin(np.pi * (0.15 + 0.7 * t))) * rng.uniform(0.8, 1.15)
            thick = 1.15 * size / number * rng.uniform(0.8, 1.1)
            shapes.append(finger(joint, angle + bend * t + lean, length, thick, -0.45 * lean))
    return shapes


def coral(x, y, size, rng):
    """Returns the lobes of a star of bent fingers of unequal length."""
    number, start, bend = rng.integers(6, 11), rng.uniform(0, 2 * np.pi), rng.uniform(-0.9, 0.9)
    angles = start + 2 * np.pi * (np.arange(number) + rng.uniform(-0.2, 0.2, number)) / number
    lengths, bends = size * rng.uniform(0.75, 1.15, number), bend + rng.uniform(-0.3, 0.3, number)
    each = zip(angles, lengths, bends, strict=True)
    return [finger((x, y), angle, length, 0.36 * size, turn) for angle, length, turn in each]


def leaf(x, y, size, rng):
    """Returns the outline of a leaf with a bitten edge."""
    angle, t = rng.uniform(0, 2 * np.pi), np.linspace(0, 2 * np.pi, 120)
    bites, depth = rng.integers(3, 7), rng.uniform(0.15, 0.35)
    across = 0.5 * np.sin(t) * (1 - depth * (0.5 + 0.5 * np.cos(2 * bites * t))) * (1 + 0.35 * np.cos(t))
    along = np.cos(t)
    u, v = np.cos(angle), np.sin(angle)
    return [np.stack([x + size * (along * u - across * v), y + size * (along * v + across * u)], -1)]


def sun(x, y, size, rng):
    """Returns a disc and the pointed rays around it."""
    number, start = rng.integers(9, 15), rng.uniform(0, 1)
    t = np.linspace(0, 2 * np.pi, 60)
    shapes = [np.stack(around(x, y)(0.5 * size, t), -1)]
    for each in range(number):
        angle = start + 2 * np.pi * each / number
        radii = size * np.array([0.62, rng.uniform(0.9, 1.15), 0.62])
        turns = np.array([-1.44, 0.45, 1.44]) / number
        shapes.append(np.stack(around(x, y)(radii, angle + turns), -1))
    return shapes


class Board:
    """A board that takes one piece of painted paper after another; `colour` is the board, RGB in [0, 255]."""

    def __init__(self, size, rng):
        self.rng, self.width, self.unit = rng, size * OVERSAMPLING, size * OVERSAMPLING / 1600
        self.shape = round(size * 0.8) * OVERSAMPLING, self.width
        self.colour = np.zeros((*self.shape, 3), np.float32) + IVORY
        self.strokes = []  # the marks of a broad brush, lengthwise and across
        for high, wide in (self.shape, self.shape[::-1]):
            fine, broad = (noise((high, wide // 20 + 2), grain * self.unit, rng) for grain in (3, 14))
            streaks = Image.fromarray(0.6 * fine + 0.6 * broad).resize((wide, high), Image.Resampling.BICUBIC)
            self.strokes.append(np.asarray(streaks) if wide == self.width else np.asarray(streaks).T)
        self.patches, self.fibre = (noise(self.shape, grain * self.unit, rng) for grain in (60, 2))

    def paste(self, outlines, paper, rounding=0.0, shadow=1.0):
        """Pastes one piece of paper.

        Args:
          outlines: polygons, `Nx2` each; the piece is their union.
          paper: RGB in [0, 255].
          rounding: radius of its corners, outward and inward, relative to the width of the painting.
          shadow: strength of the shadow that its edge throws.
        """
        cover, at = stencil(outlines, self.shape, round(12 * self.unit + 2 * rounding * self.width))
        if rounding:
            soft = ndimage.gaussian_filter(cover, rounding * self.width, mode="constant")
            cover = (22 * soft - 10.5).clip(0, 1)
        aside = max(1, round(3 * self.unit))
        cast = ndimage.gaussian_filter(cover, 3.5 * self.unit, mode="constant")
        cast = np.pad(cast, ((aside, 0), (aside, 0)))[: cover.shape[0], : cover.shape[1]]
        paint = 0.04 * self.strokes[self.rng.integers(2)] + 0.015 * self.patches + 0.015 * self.fibre
        tint = np.array(paper) * (1 + paint[at][..., None]) + 5 * self.patches[at][..., None]
        below = self.colour[at] * (1 - 0.42 * shadow * cast[..., None])
        self.colour[at] = below + cover[..., None] * (tint - below)


def clashing(taken, rng):
    """Returns a paper whose colour is far from every one that is taken."""
    far = [one for one in PAPERS if all(np.abs(np.subtract(one, other)).sum() > 150 for other in taken)]
    return far[rng.integers(len(far))]


def furnish(board, box, panel):
    """Pastes the motif of a panel, a heart into a flower or a sun, and small leaves in the corners."""
    rng, (left, top, right, bottom) = board.rng, box
    wide, high = right - left, bottom - top
    x, y, room = (left + right) / 2, (top + bottom) / 2, min(wide, high)
    paper = clashing([panel], rng)
    kind = (frond, frond, frond, coral, coral, sun)[rng.integers(6)]
    if kind is frond:
        angle = (0 if wide > high else np.pi / 2) + np.pi * rng.integers(2) + rng.normal(0, 0.25)
        long = min(max(wide, high), 1.7 * room)
        board.paste(frond(x, y, 0.47 * long, rng, angle), paper, 0.012 * room)
    else:
        inner, heart = clashing([panel, paper], rng), (coral, sun)[rng.integers(2)]
        board.paste(kind(x, y, 0.47 * room, rng), paper, 0.015 * room if kind is coral else 0.001)
        board.paste(heart(x, y, 0.2 * room, rng), inner, 0.001)
    for _ in range(rng.integers(1, 4)):
        corner = np.array([x, y]) + rng.choice([-0.36, 0.36], 2) * (wide, high) + rng.normal(0, 0.008, 2)
        small = (frond, coral, leaf)[rng.integers(3)](*corner, rng.uniform(0.016, 0.036), rng)
        board.paste(small, clashing([panel, paper], rng), 0.001)


def cutouts(size: int = 640, seed: int = 0) -> Image.Image:
    """Returns pieces of painted paper, cut and pasted.

    Args:
      size: width in pixels; the height is four fifths of it.
      seed: of everything random.
    """
    rng = np.random.default_rng(seed)
    board, papers, boxes = Board(size, rng), [IVORY], list(split((0, 0, 1, 0.8), rng))
    for left, top, right, bottom in boxes:
        papers.append(clashing(papers[-2:], rng))
        corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
        board.paste([corners + rng.normal(0, 0.003, (4, 2))], papers[-1], shadow=0.5)
    for box, panel in zip(boxes, papers[1:], strict=True):
        furnish(board, box, panel)
    return reduce(board.colour, size)
