"""Dots: a harbour in the evening, in small dabs of pure colour that mix in the eye.

The scene gives a colour for each point, but no dab has it: a dab is one pigment of a small palette, drawn at
random so that the dabs of a neighbourhood average to about that colour, and some are its complement.
Dabs lie along the forms: around the sun, along the water, down the trunk.

Coordinates are relative to the width of the painting: x in [0, 1] to the right, y in [0, 0.8] downwards.
"""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from experiments.distill.canvas import OVERSAMPLING, mix, noise, reduce

PIGMENTS = np.array(
    (
        (250, 244, 222),
        (255, 226, 92),
        (250, 176, 44),
        (240, 112, 40),
        (212, 52, 46),
        (236, 132, 150),
        (178, 62, 132),
        (112, 64, 150),
        (44, 48, 132),
        (34, 92, 176),
        (88, 166, 212),
        (22, 128, 132),
        (24, 108, 66),
        (112, 166, 62),
        (196, 208, 96),
        (30, 26, 62),
    )
)
# colour ramps, RGB
SKY = (
    (255, 246, 200),
    (255, 236, 150),
    (255, 208, 110),
    (250, 160, 120),
    (222, 140, 178),
    (142, 142, 206),
    (76, 118, 192),
)
SEA = ((246, 190, 120), (150, 170, 190), (60, 140, 176), (32, 92, 156), (30, 60, 122))
HILLS = ((196, 150, 190), (128, 112, 184), (78, 84, 160))
SHORE = ((70, 44, 96), (188, 84, 70), (240, 170, 80), (250, 216, 130))
LEAVES = ((20, 30, 84), (16, 84, 84), (40, 132, 72), (150, 186, 70), (244, 200, 80))
BARK = ((50, 28, 84), (120, 50, 100), (216, 100, 60), (250, 180, 90))
SAILS = ((250, 238, 206), (240, 150, 90))
SUN = (0.40, 0.315)
DABS = ((0.0165, 0.0165), (0.013, 0.0145), (0.0095, 0.0125))  # length, distance to the next
HORIZON = 0.40
# of the boats: x of the mast, y of the hull, height of the sails
BOATS = (
    (0.20, 0.455, 0.15),
    (0.56, 0.425, 0.085),
    (0.31, 0.42, 0.06),
    (0.485, 0.545, 0.24),
    (0.665, 0.415, 0.05),
)
# of the clumps of the pine: x, y, radius across, radius down
CLUMPS = (
    (0.80, 0.10, 0.17, 0.085),
    (0.95, 0.15, 0.14, 0.09),
    (0.68, 0.17, 0.10, 0.05),
    (0.90, 0.02, 0.20, 0.08),
    (0.83, 0.24, 0.09, 0.045),
    (1.0, 0.29, 0.09, 0.05),
)


def among(x, y, clumps):
    """Returns how deep each point lies in ellipses: 1 at a center, 0 on the rim, negative outside all."""
    return np.max([1 - np.hypot((x - a) / across, (y - b) / down) for a, b, across, down in clumps], 0)


def trunk(x, y):
    """Returns the position across the trunk of the pine, -1 and 1 at its sides, and its direction."""
    middle = 0.845 + 0.05 * np.sin(5.2 * (y - 0.1)) - 0.03 * y
    limb = 0.80 - 0.75 * (y - 0.27)  # a bough that leaves the trunk to the left
    wide = 0.018 + 0.035 * (y / 0.8) ** 3
    main = (x - middle) / wide
    bough = np.where((y > 0.16) & (y < 0.29), (x - limb + 0.06) / 0.011, 9.0)
    return np.where(np.abs(main) < np.abs(bough), main, bough)


def coast(x):
    """Returns the height of the hills and the height where the shore in front begins."""
    hills = HORIZON - 0.045 - 0.04 * np.sin(4.3 * x + 0.5) - 0.014 * np.sin(17 * x)
    shore = 0.735 - 0.34 * np.clip(x - 0.52, 0, 1) ** 1.3 + 0.012 * np.sin(21 * x) - 0.03 * np.cos(5 * x)
    return hills, shore


def sky(x, y, wander):
    """Returns colour and direction of the dabs of the sky, in rings around the sun."""
    dx, dy = x - SUN[0], y - SUN[1]
    distance = np.hypot(dx, dy)
    rays = 0.05 * np.cos(9 * np.arctan2(dy, dx) + 2 * wander)
    bands = 0.05 * np.sin(34 * distance + wander)
    return mix(SKY, 0.03 + 1.65 * distance + rays + bands + 0.05 * wander), np.arctan2(dx, -dy)


def sea(x, y, wander):
    """Returns colour and direction of the dabs of the water, where the sun and the sails are reflected."""
    depth = (y - HORIZON) / (0.8 - HORIZON)
    colour = mix(SEA, 0.12 + 0.95 * depth + 0.13 * np.sin(80 * y + 3 * np.sin(9 * x)) + 0.08 * wander)
    path = np.exp(-(((x - SUN[0] - 0.02 * np.sin(60 * y)) / (0.03 + 0.12 * depth)) ** 2))
    path *= 0.75 + 0.35 * np.sin(150 * y + 4 * np.sin(13 * x))
    colour = colour + (np.array(SKY[2]) - colour) * path.clip(0, 0.95)[..., None]
    for mast, hull, height in BOATS:
        below = (y - hull) / height
        glints = np.abs(x - mast - 0.012 * np.sin(110 * y)) < 0.26 * height * (1 - below)
        shine = np.where((below > 0) & glints, 0.6 - 0.5 * below, 0).clip(0, 1)
        colour = colour + (np.array(SAILS[1]) - colour) * shine[..., None]
    return colour, 0.12 * np.sin(40 * x + 50 * y)


def sails(x, y, mast, hull, height):
    """Returns where a boat is: of its two sails and its hull, -1 elsewhere."""
    up = (hull - 0.1 * height - y) / height
    room = np.clip(1 - up, 0, 1) * (up > 0)
    part = np.full(x.shape, -1)
    part[(x > mast) & (x < mast + 0.46 * height * room**0.8)] = 0
    part[(x < mast - 0.02 * height) & (x > mast - 0.34 * height * room - 0.02 * height)] = 1
    low = (y - hull + 0.1 * height) / (0.14 * height)
    part[(low > 0) & (low < 1) & (np.abs(x - mast) < height * (0.5 - 0.16 * low))] = 2
    return part


def afar(x, y, wander):
    """Yields what lies behind the shore, from back to front: where, in which colour, how its dabs lie."""
    hills, _ = coast(x)
    rise = (HORIZON - y) / (HORIZON - hills)
    yield np.full(x.shape, True), *sky(x, y, wander)
    yield np.hypot(x - SUN[0], y - SUN[1]) < 0.055, mix(SKY, 0 * x), np.zeros_like(x)
    slopes = mix(HILLS, 0.85 - 0.6 * rise + 0.15 * np.sin(50 * x + 20 * y) + 0.1 * wander)
    yield y > hills, slopes, 0.5 * np.sin(13 * x)
    yield y > HORIZON, *sea(x, y, wander)
    for boat in BOATS:
        part = sails(x, y, *boat)
        light = mix((*SAILS, HILLS[1]), np.array([0.0, 0.45, 1.0])[part] + 0.08 * wander)
        yield (part == 0) | (part == 1), light, np.full_like(x, 1.35)
        yield part == 2, mix(BARK, 0.2 + 0.15 * wander), np.zeros_like(x)


def near(x, y, wander):
    """Yields the shore with the shade of the pine, the trunk and the foliage, as `afar` does."""
    _, shore = coast(x)
    dapple = 0.4 * np.sin(24 * x - 33 * y + 2 * wander) * (x > 0.55)
    light = 0.74 - 0.4 * x + 0.2 * np.sin(16 * x + 25 * y) + 0.1 * wander - dapple
    yield y > shore, mix(SHORE, light), 0.5 * np.sin(9 * x) - 0.5
    across = trunk(x, y)
    yield np.abs(across) < 1, mix(BARK, 0.42 - 0.4 * across + 0.12 * wander), 1.5 - 0.25 * across
    inside = among(x, y, CLUMPS) + 0.13 * np.sin(55 * x + 4 * np.sin(31 * y)) * np.cos(47 * y) + 0.05 * wander
    light = 0.62 - 0.42 * inside + 0.12 * np.sin(17 * x + 3) + 0.2 * np.sin(38 * y - 21 * x) + 0.12 * wander
    yield inside > 0.02, mix(LEAVES, light), 0.3 + 2.2 * np.sin(11 * x) * y


def scene(x, y, wander):
    """Returns the colour that the dabs at each point mix to, `Nx3`, and the direction in which they lie, `N`.

    Args:
      x, y: the points, `N`.
      wander: smooth noise at the points, `N`.
    """
    colour, angle = np.zeros((x.size, 3)), np.zeros_like(x)
    for where, paint, direction in (*afar(x, y, wander), *near(x, y, wander)):
        colour = np.where(where[:, None], paint, colour)
        angle = np.where(where, direction, angle)
    return colour, angle


def pigments(colour, rng):
    """Returns one pigment for each colour, `Nx3`: likely a near one, now and then one near its complement.

    Args:
      colour: what the dabs should mix to, RGB, `Nx3`.
      rng: of the draw.
    """
    grey = colour.mean(-1, keepdims=True)
    turn = np.where(rng.random(grey.shape) < 0.1, -0.9, 1.4)  # the complement is about as light
    vivid = grey + turn * (colour - grey)
    far = ((vivid[:, None] - PIGMENTS) ** 2 * (0.3, 0.5, 0.2)).sum(-1)
    gumbel = -np.log(-np.log(rng.random(far.shape)))
    return PIGMENTS[np.argmin(far / 1100 - gumbel, 1)] + rng.normal(0, 7, (len(colour), 3))


def cover(canvas, relief, dab, pitch, rng):
    """Covers the canvas with dabs of one size.

    Args:
      canvas: PIL image in RGB, which is painted on.
      relief: PIL image in mode L of the same size: the height of the paint.
      dab: length of a dab, relative to the width of the painting.
      pitch: distance from one dab to the next.
      rng: of everything random.
    """
    y, x = np.mgrid[0 : 0.8 + pitch : pitch, 0 : 1 + pitch : pitch].reshape(2, -1)
    x, y = (axis + rng.uniform(-0.6, 0.6, axis.shape) * pitch for axis in (x, y))
    bumps = noise((80, 100), 9, rng)
    colour, angle = scene(x, y, bumps[(y * 95).astype(int).clip(0, 79), (x * 95).astype(int).clip(0, 99)])
    paint = pigments(colour, rng).clip(0, 255).astype(int)
    angle = (angle + rng.normal(0, 0.16, angle.shape))[:, None]
    along, across = dab * rng.uniform((0.62, 0.36), (0.95, 0.5), (x.size, 2)).T[..., None]
    t = np.linspace(0, 2 * np.pi, 11)[:-1]
    along, across, cos, sin = along * np.cos(t), across * np.sin(t), np.cos(angle), np.sin(angle)
    outlines = np.stack(
        [along * cos - across * sin + x[:, None], along * sin + across * cos + y[:, None]], -1
    )
    outlines = (outlines * canvas.width).reshape(x.size, -1)
    heights, order = rng.integers(110, 220, x.size).tolist(), rng.permutation(x.size)
    draw, emboss = ImageDraw.Draw(canvas), ImageDraw.Draw(relief)
    for outline, fill, top in zip(outlines[order].tolist(), paint[order].tolist(), heights, strict=True):
        draw.polygon(outline, tuple(fill))
        emboss.polygon(outline, top)


def dots(size: int = 640, seed: int = 0) -> Image.Image:
    """Returns a harbour in dabs of pure colour.

    Args:
      size: width in pixels; the height is four fifths of it.
      seed: of everything random.
    """
    rng = np.random.default_rng(seed)
    width, height = size * OVERSAMPLING, round(size * 0.8) * OVERSAMPLING
    canvas, relief = Image.new("RGB", (width, height), (238, 222, 190)), Image.new("L", (width, height), 90)
    for dab, pitch in DABS:
        cover(canvas, relief, dab, pitch, rng)
    soft = relief.filter(ImageFilter.GaussianBlur(width / 1100))
    down, right = np.gradient(np.asarray(soft, np.float32))
    light = 1 - 0.006 * (down + right) * width / 1600  # from above on the left
    return reduce(np.asarray(canvas, np.float32) * light.clip(0.7, 1.3)[..., None], size)
