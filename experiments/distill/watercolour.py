"""Watercolour: poppies, cornflowers and leaves in washes on rough paper.

Pigment is a thin film that lets through a share of each colour; where washes overlap, these shares multiply.
A wash carries pigment to its rim and lets it settle in the hollows of the paper; on wet paper it runs.

Coordinates are relative to the width of the painting: x in [0, 1] to the right, y in [0, 0.8] downwards.
"""

import numpy as np
from PIL import Image
from scipy import ndimage

from experiments.distill.canvas import OVERSAMPLING, around, noise, reduce, stencil

PAPER = (250, 246, 236)
# what a full wash of each pigment looks like on white, RGB
POPPY = ((226, 40, 34), (240, 96, 40), (206, 24, 70), (246, 138, 96))
CORN = ((52, 84, 190), (84, 70, 176), (38, 120, 200))
MALLOW = ((196, 60, 140), (150, 70, 170), (232, 120, 170))
SUNNY = ((250, 186, 34), (244, 214, 80), (240, 150, 40))
GREEN = ((60, 128, 60), (30, 104, 84), (132, 156, 44), (40, 90, 50))
HEART = (40, 26, 52)
CIRCLE = np.stack(around(0, 0)(1, np.linspace(0, 2 * np.pi, 60)), -1)
SHADE = (
    ((92, 168, 222), (120, 206, 206)),
    ((252, 206, 120), (248, 170, 130)),
    ((190, 160, 224), (240, 170, 196)),
    ((150, 206, 130), (232, 226, 130)),
)
# of each large flower: x, y, radius, pigments
FLOWERS = (
    (0.25, 0.27, 0.175, POPPY),
    (0.63, 0.19, 0.135, MALLOW),
    (0.82, 0.47, 0.165, POPPY),
    (0.49, 0.46, 0.12, SUNNY),
    (0.10, 0.56, 0.10, CORN),
    (0.92, 0.13, 0.10, SUNNY),
    (0.32, 0.63, 0.10, MALLOW),
    (0.05, 0.08, 0.09, MALLOW),
    (0.60, 0.70, 0.085, POPPY),
)


def petal(x, y, angle, length, breadth, rng):
    """Returns the outline of a petal, `Nx2`: its root is at (x, y), its outer edge is ruffled."""
    t = np.linspace(-1, 1, 60)
    coarse, fine = np.sin(rng.uniform(4, 8) * t + rng.uniform(0, 6)), np.sin(17 * t + rng.uniform(0, 6))
    radius = length * (1 - np.abs(t) ** 3.2) ** 0.55 * (1 + 0.07 * coarse + 0.04 * fine)
    turn = breadth * t * (1 - 0.25 * np.abs(t))
    return np.stack(around(x, y)(radius, angle + turn), -1)


def blade(x, y, angle, length, thick, bend):
    """Returns the outline of a leaf or stem, `Nx2`, that starts at (x, y), bends and ends in a point."""
    t = np.linspace(0, 1, 40)
    steps = np.stack([np.cos(angle + bend * t), np.sin(angle + bend * t)], -1) * length / t.size
    middle = np.array([x, y]) + np.cumsum(steps, 0)
    across = np.stack([-np.sin(angle + bend * t), np.cos(angle + bend * t)], -1)
    width = thick / 2 * np.sin(np.pi * (0.08 + 0.92 * t) ** 0.8)[:, None] ** 0.8
    return np.concatenate([middle + across * width, (middle - across * width)[::-1]])


class Sheet:
    """Rough paper that takes washes; `film` is what they let through of each colour, in [0, 1]."""

    def __init__(self, size, rng):
        self.rng, self.width, self.unit = rng, size * OVERSAMPLING, size * OVERSAMPLING / 1600
        self.shape = round(size * 0.8) * OVERSAMPLING, self.width
        self.tooth = noise(self.shape, 5 * self.unit, rng) + 0.7 * noise(self.shape, 2.5 * self.unit, rng)
        self.film = np.ones((*self.shape, 3), np.float32)
        self.reserved = np.zeros(self.shape, np.float32)  # where no more water is let in
        # displacements of the rims, down and across: a slow drift and a fine fray
        slow, fray = (
            np.stack([noise(self.shape, grain * self.unit, rng) for _ in "yx"]) for grain in (45, 12)
        )
        self.drift = slow + 0.4 * fray
        self.clouds = [noise(self.shape, grain * self.unit, rng) for grain in (150, 70, 32)]

    def wash(self, outlines, pigments, strength=0.8, wet=0.0, rim=0.5):
        """Lays one wash.

        Args:
          outlines: polygons, `Nx2` each; the wash is their union.
          pigments: two colours, RGB in [0, 255], that run into each other within the wash.
          strength: amount of pigment, about 1 for the full colour.
          wet: how far the wash runs into the paper around it, relative to the width of the painting.
          rim: how much of the pigment gathers at the edge, in [0, 1].
        """
        mask, at = stencil(outlines, self.shape, round((12 + 9000 * wet) * self.unit))
        shift = (1.8 + 2200 * wet) * self.unit
        places = np.indices(mask.shape, np.float32) + shift * self.drift[(slice(None), *at)]
        cover = ndimage.map_coordinates(mask, places, order=1)
        cover = ndimage.gaussian_filter(cover, (0.8 + 1400 * wet) * self.unit)
        self.settle(at, cover * (1 - self.reserved[at]), pigments, strength, rim * (wet < 0.004))

    def reserve(self, outline):
        """Keeps later washes out of a shape, as masking fluid does."""
        mask, at = stencil([outline], self.shape)
        self.reserved[at] = np.maximum(self.reserved[at], mask)

    def settle(self, at, cover, pigments, strength, rim):
        """Lets the pigment of a wash dry where `cover`, `HxW` in [0, 1], says that the paper is wet."""
        near, far = (
            ndimage.gaussian_filter(cover, radius * self.unit, mode="constant") for radius in (3, 14)
        )
        edge = cover * (1.1 * (cover - near) + 0.5 * (cover - far)).clip(0, 1)
        one, two, three = (self.clouds[each][at] for each in self.rng.permutation(3))
        pool = 0.6 * one + 0.4 * two
        bloom = 0.5 * np.exp(-((three / 0.15) ** 2)) - 0.22 * (three > 0)  # pale, with a dark rim
        load = (cover * (1 + 0.28 * pool + 0.3 * bloom) + 1.6 * rim * edge) * (1 + 0.13 * self.tooth[at])
        blend = (0.5 + 0.45 * two + 0.25 * pool).clip(0, 1)[..., None]
        first, second = (np.log(np.array(pigment, np.float32) / 255) for pigment in pigments)
        density = (1 - blend) * first + blend * second
        self.film[at] *= np.exp(density * (strength * load.clip(0, 2.4))[..., None])

    def picture(self):
        """Returns the sheet in daylight, RGB in [0, 255]."""
        down, right = np.gradient(ndimage.gaussian_filter(self.tooth, 0.8 * self.unit))
        light = 1 - 0.06 * self.unit * (down + right)
        density = -np.log(self.film)
        film = np.exp(-density / (1 + 0.1 * density))  # many films are less dark than their product
        return np.array(PAPER) * film * light.clip(0.85, 1.15)[..., None]


def two(pigments, rng):
    """Returns two pigments of a family, which may be the same."""
    return [pigments[each] for each in rng.integers(len(pigments), size=2)]


def poppy(sheet, x, y, size, family):
    """Paints a large flower: translucent petals, folds in them, a dark heart and stamens."""
    rng, middle = sheet.rng, np.array([x, y])
    tilt, number = rng.uniform(0, 2 * np.pi), rng.integers(5, 8)
    sheet.wash([middle + 0.75 * size * CIRCLE], two(family, rng), 0.25, 0.008)
    petals = []
    for each in range(number):
        angle = tilt + 2 * np.pi * each / number + rng.normal(0, 0.15)
        petals.append(petal(x, y, angle, size * rng.uniform(0.85, 1.15), rng.uniform(0.65, 0.9), rng))
        sheet.wash(petals[-1:], two(family, rng), rng.uniform(0.4, 0.9))
    for angle in rng.uniform(0, 2 * np.pi, 2 * number):  # folds
        fold = blade(x, y, angle, size * rng.uniform(0.5, 0.85), 0.05 * size, rng.normal(0, 0.3))
        sheet.wash([fold], two(family, rng), 0.4, 0.0008)
    sheet.wash([middle + 0.14 * size * CIRCLE], (HEART, GREEN[3]), 0.8, 0.003)
    spots = np.stack(around(x, y)(size * rng.uniform(0.18, 0.36, 26), rng.uniform(0, 6.3, 26)), -1)
    sheet.wash([spot + CIRCLE * rng.uniform(0.008, 0.03) * size for spot in spots], (HEART, HEART), 0.9)
    for each in petals:
        sheet.reserve(each)


def cornflower(sheet, x, y, size, family):
    """Paints a small flower of many narrow florets."""
    rng = sheet.rng
    for length in (size, 0.68 * size):
        for angle in np.arange(0, 2 * np.pi, 0.52) + rng.uniform(0, 1):
            reach = length * rng.uniform(0.8, 1.15)
            floret = petal(x, y, angle + rng.normal(0, 0.1), reach, 0.3, rng)
            sheet.wash([floret], two(family, rng), rng.uniform(0.5, 0.9))
    sheet.wash([(x, y) + 0.2 * size * CIRCLE], two(SUNNY, rng), 0.8, 0.002)
    sheet.reserve((x, y) + 0.7 * size * CIRCLE)


def foliage(sheet, number):
    """Paints stems that rise from below, and leaves that stand off them."""
    rng = sheet.rng
    for x in np.linspace(0.02, 0.98, number) + rng.normal(0, 0.03, number):
        angle, bend, length = rng.normal(-np.pi / 2, 0.22), rng.normal(0, 0.5), rng.uniform(0.25, 0.8)
        stem = blade(x, 0.84, angle, length, rng.uniform(0.012, 0.04), bend)
        sheet.wash([stem], two(GREEN, rng), rng.uniform(0.4, 0.9))
        for t in rng.uniform(0.1, 0.7, 3):
            lean, heading = rng.choice([-1, 1]) * rng.uniform(0.5, 1.1), angle + bend * t / 2
            start = around(x, 0.84)(length * t, heading)
            reach, thick = rng.uniform(0.07, 0.18), rng.uniform(0.02, 0.05)
            leaf = blade(*start, angle + bend * t + lean, reach, thick, -0.8 * lean)
            sheet.wash([leaf], two(GREEN, rng), rng.uniform(0.45, 0.9), rng.choice([0, 0, 0.001]))


def splash(sheet, number):
    """Scatters drops, most of them tiny, of every pigment."""
    rng = sheet.rng
    for family in (POPPY, CORN, SUNNY, GREEN, MALLOW):
        spots = rng.normal(rng.uniform((0.1, 0.1), (0.9, 0.7)), 0.2, (number, 1, 2))
        radii = 0.0012 + 0.006 * rng.random((number, 1, 1)) ** 4
        sheet.wash(spots + radii * CIRCLE, two(family, rng), 0.75)


def watercolour(size: int = 640, seed: int = 0) -> Image.Image:
    """Returns flowers in washes on paper.

    Args:
      size: width in pixels; the height is four fifths of it.
      seed: of everything random.
    """
    rng = np.random.default_rng(seed)
    sheet = Sheet(size, rng)
    for each in range(8):  # wet in wet
        center = rng.uniform((0.12 * each, 0.05), (0.12 * each + 0.15, 0.75))
        pigments = SHADE[each % len(SHADE)]
        sheet.wash([center + rng.uniform(0.1, 0.2) * CIRCLE * (1.3, 0.8)], pigments, 0.55, 0.02)
    for x, y, radius, family in FLOWERS:
        x, y = x + rng.normal(0, 0.015), y + rng.normal(0, 0.015)
        poppy(sheet, x, y, radius * rng.uniform(0.9, 1.1), family)
    for number in range(13):
        x, y = rng.uniform(0.03, 0.97), rng.uniform(0.03, 0.7)
        cornflower(sheet, x, y, rng.uniform(0.025, 0.055), (CORN, CORN, MALLOW, SUNNY)[number % 4])
    foliage(sheet, 16)
    splash(sheet, 40)
    return reduce(sheet.picture(), size)
