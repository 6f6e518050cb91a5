"""Paints the style pictures that the project ships, each drawn from a seed.

The first commands of the README need styles that anyone may redistribute; these are the shipped ones:

python -m experiments.distill.paint --kind=swirls --out=nst/data/images/swirls.jpg
python -m experiments.distill.paint --kind=mosaic --size=600 --out=nst/data/images/mosaic.jpg
python -m experiments.distill.paint --kind=geometry --size=600 --seed=1 --out=nst/data/images/geometry.jpg

swirls: oil. A vector field turns around a sun and three clouds, and runs along the hills below. Curved
strokes follow it, from a broad brush to a fine one; each is a bundle of bristles with their own shades and
heights, and the light on the heights gives the paint its body.

mosaic: stones in grout. Rows of them run around rosettes in a night sky and along the waves below.

geometry: inks on paper. Translucent discs, triangles and checks overlap under black bars, fans and arcs.
"""

from pathlib import Path

import numpy as np
from absl import app, flags
from PIL import Image, ImageDraw, ImageFilter
from scipy import ndimage

OVERSAMPLING = 2  # the pictures are drawn larger and averaged, for smooth edges
BRUSHES = ((44, 3.0), (27, 3.0), (17, 2.2), (10.5, 0.9), (6, 0.25))  # width at 640 pixels, coats of paint
POINTS = 24  # of the path of a stroke

# from dark to light, RGB
SKY = ((12, 20, 66), (20, 42, 112), (32, 78, 158), (28, 122, 150), (112, 180, 182), (226, 226, 192))
SUN = ((24, 84, 136), (178, 62, 40), (222, 122, 40), (234, 172, 48), (248, 212, 100), (255, 243, 205))
CLOUD = ((18, 50, 116), (24, 100, 140), (64, 156, 164), (150, 200, 186), (244, 226, 176), (255, 240, 204))
HILLS = (
    ((22, 24, 70), (30, 58, 104), (34, 106, 118), (120, 160, 140)),
    ((10, 20, 40), (16, 54, 66), (40, 96, 84), (170, 140, 60)),
    ((36, 22, 34), (104, 52, 34), (184, 118, 38), (236, 190, 96)),
)
ACCENTS = ((214, 64, 30), (240, 176, 52), (250, 236, 196))
# x, y and radius relative to the width of the picture, the speed and sense of the turn, the colours
VORTICES = (
    (0.67, 0.47, 0.21, 1.0, SUN),
    (0.20, 0.17, 0.13, -1.0, CLOUD),
    (0.46, 0.11, 0.07, 0.9, CLOUD),
    (0.94, 0.17, 0.085, -0.9, CLOUD),
)
RIDGES = ((0.50, 0.035, 5.0, 0.7), (0.555, 0.030, 6.5, 3.6), (0.62, 0.035, 4.0, 5.9))  # y, waves of the hills


def mix(colours, t):
    """The colour at t in [0, 1] of a row of colours."""
    steps = np.linspace(0, 1, len(colours))
    return np.stack([np.interp(t, steps, channel) for channel in zip(*colours, strict=True)], -1)


def ground(x, y):
    """The hill at a point, -1 for the sky, and the slope of its ridge."""
    hill, slope = np.full(x.shape, -1), np.zeros(x.shape)
    for number, (height, amplitude, frequency, phase) in enumerate(RIDGES):
        below = y > height + amplitude * np.sin(frequency * x + phase)
        hill[below] = number
        slope[below] = (amplitude * frequency * np.cos(frequency * x + phase))[below]
    return hill, slope


def field(x, y):
    """The direction of the brush at a point: a unit vector."""
    u, v = 0.5 + 0 * x, 0.35 * np.sin(7 * x + 3 * y) + 0.25 * np.cos(4 * x - 9 * y)
    for center_x, center_y, radius, speed, _ in VORTICES:
        dx, dy = x - center_x, y - center_y
        turn = 4 * speed / radius * np.exp(-(dx**2 + dy**2) / (1.5 * radius) ** 2)
        u, v = u - turn * dy, v + turn * dx
    hill, slope = ground(x, y)
    u, v = np.where(hill >= 0, 1.0, u), np.where(hill >= 0, slope + 0.3 * np.sin(23 * x + 31 * y), v)
    furrows = hill == len(RIDGES) - 1  # of the field in front: they meet behind the hills
    u, v = np.where(furrows, x - VORTICES[0][0], u), np.where(furrows, y - 0.53 + 0.04 * np.sin(30 * x), v)
    return np.stack([u, v]) / (np.hypot(u, v) + 1e-9)


def heading(x, y, step):
    """The direction half a step ahead: with it a turn stays a turn."""
    u, v = field(x, y)
    return field(x + step * u / 2, y + step * v / 2)


def colours_at(x, y, rng):
    """A colour for a stroke at each point: from the ramp of its region, with the painter's whims."""
    whim = rng.normal(0, 1, x.shape)
    waves = np.sin(9 * x + 14 * y + 2 * np.sin(5 * x)) + 0.6 * np.sin(23 * y - 8 * x)
    colour = mix(SKY, (0.36 + 0.2 * waves + 0.15 * whim).clip(0, 1))
    for center_x, center_y, radius, _, ramp in VORTICES:
        distance = np.hypot(x - center_x, y - center_y) / radius
        rings = 1.08 - 0.72 * distance + 0.13 * np.cos(13 * distance) + 0.09 * whim
        glow = rng.random(x.shape) < 1.5 - distance  # the disc frays into the sky
        colour = np.where(glow[:, None], mix(ramp, rings.clip(0, 1)), colour)
    hill, _ = ground(x, y)
    for number, ramp in enumerate(HILLS):
        fan = (x - VORTICES[0][0]) / np.maximum(y - 0.5, 0.02)  # constant along a furrow
        waves = np.sin(40 * y + 9 * x) if number < len(HILLS) - 1 else np.sin(9 * fan)
        light = 0.45 + 0.24 * waves + 0.18 * whim
        colour = np.where((hill == number)[:, None], mix(ramp, light.clip(0, 1)), colour)
    accent = np.array(ACCENTS)[rng.integers(len(ACCENTS), size=x.shape)]
    return np.where((rng.random(x.shape) < 0.02)[:, None], accent, colour)


def swirls(size=640, seed=0):
    """Strokes of oil paint as a PIL image, `size` wide and four fifths as high."""
    rng = np.random.default_rng(seed)
    width, height = size * OVERSAMPLING, round(size * 0.8) * OVERSAMPLING
    y, x = np.mgrid[0:0.8:64j, 0:1:80j]
    first = colours_at(x.ravel(), y.ravel(), rng).reshape(64, 80, 3).astype(np.uint8)  # under the strokes
    canvas, relief = Image.fromarray(first).resize((width, height)), Image.new("L", (width, height), 90)
    draw, emboss = ImageDraw.Draw(canvas), ImageDraw.Draw(relief)
    thick = max(1, round(2.6 * width / 640))  # of a bristle
    for brush, coats in BRUSHES:
        breadth, length = brush / 640, (5.5 * brush + 12) / 640
        number = round(coats * 0.8 / (breadth * length))
        x, y = rng.uniform(-0.03, 1.03, number), rng.uniform(-0.03, 0.83, number)
        colour = colours_at(x, y, rng)
        step = length * rng.uniform(0.6, 1.2, number) / POINTS
        for _ in range(POINTS // 2):  # back to where the stroke begins
            x, y = np.stack([x, y]) - step * heading(x, y, -step)
        path, normals = [], []
        for _ in range(POINTS):
            u, v = heading(x, y, step)
            path.append(np.stack([x, y], -1))
            normals.append(np.stack([-v, u], -1))
            x, y = x + step * u, y + step * v
        path, normals = np.stack(path, 1), np.stack(normals, 1)
        across = np.linspace(-0.5, 0.5, max(3, round(brush / 2)))
        taper = np.sin(np.linspace(0.35, np.pi - 0.15, POINTS))[:, None] ** 0.4
        for stroke in range(number):
            bristles = (across + rng.normal(0, 0.02, across.size))[:, None, None]
            lines = (path[stroke] + breadth * bristles * taper * normals[stroke]) * width
            load = np.convolve(rng.normal(0, 1, across.size + 2), (0.3, 0.6, 0.3), "valid")[:, None]
            shades = colour[stroke] * (1 + 0.16 * load) + rng.normal(0, 5, 3)
            heights = 110 + 45 * load + 60 * (np.abs(across) > 0.38)[:, None]  # paint piles up at the rim
            tops = np.concatenate([shades, heights], 1).clip(0, 255).astype(int).tolist()
            ends = rng.integers((0, POINTS - 6), (5, POINTS + 1), (across.size, 2))  # ragged
            for line, (*shade, top), (start, end) in zip(lines, tops, ends, strict=True):
                points = line[start:end].ravel().tolist()
                draw.line(points, tuple(shade), thick)
                emboss.line(points, top, thick)
    wet = ImageFilter.GaussianBlur(width / 1150)  # neighbouring bristles run into each other a little
    down, right = np.gradient(np.asarray(relief.filter(wet), np.float32))
    light = 1 - 0.011 * (down + right) * width / 1280  # from above, on the left
    shaded = (np.asarray(canvas.filter(wet), np.float32) * light.clip(0.6, 1.4)[..., None]).clip(0, 255)
    return Image.fromarray(shaded.astype(np.uint8)).resize((size, round(size * 0.8)), Image.Resampling.BOX)


def noise(shape, grain, rng):
    """Smooth noise whose bumps are about `grain` pixels wide."""
    rng = rng.spawn(1)[0]  # another size of picture takes other numbers here, and nowhere else
    coarse = rng.normal(0, 1, [int(edge / max(grain, 1)) + 2 for edge in shape]).astype(np.float32)
    return np.asarray(Image.fromarray(coarse).resize(shape[::-1], Image.Resampling.BICUBIC))


def photograph(colour, size):
    """The picture at its final size, from a larger one in floats; a bit soft, which JPEG rewards."""
    whole = Image.fromarray(colour.clip(0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(size / 640))
    return whole.resize((size, round(size * 0.8)), Image.Resampling.BOX)


def around(x, y):
    """Polar coordinates about a point."""
    return lambda radius, angle: (x + radius * np.cos(angle), y + radius * np.sin(angle))


GROUT = (70, 60, 56)
NIGHT = ((14, 22, 72), (22, 44, 122), (26, 76, 160), (44, 122, 176), (120, 176, 186))
GOLD = ((120, 62, 22), (196, 122, 34), (232, 172, 60), (250, 218, 130))
RED = ((104, 18, 32), (176, 38, 34), (218, 84, 40), (240, 150, 70))
GREEN = ((12, 58, 62), (20, 98, 92), (62, 146, 104), (150, 186, 112))
SEA = ((16, 40, 92), (18, 92, 120), (40, 150, 150), (150, 206, 184))
MARBLE = ((196, 178, 150), (228, 216, 190), (250, 244, 226))
# x, y and radius, the number of petals, the colours of the heart, of the petals and between them
ROSETTES = (
    (0.33, 0.33, 0.235, 8, GOLD, RED, GREEN),
    (0.80, 0.17, 0.125, 6, RED, MARBLE, SEA),
    (0.83, 0.47, 0.085, 5, GOLD, GREEN, RED),
    (0.585, 0.055, 0.07, 5, MARBLE, RED, GOLD),
    (0.03, 0.03, 0.10, 7, GOLD, SEA, RED),
    (0.61, 0.475, 0.06, 4, RED, GOLD, GREEN),
)
# y, the colours, those of the crest
WAVES = ((0.59, SEA, MARBLE), (0.655, GREEN, GOLD), (0.715, RED, MARBLE))


def courses(place, rows, stone, rng, start=0.0, span=2 * np.pi, ring=True):
    """Rows of stones: their corners, their rows and places along them; a row that is a ring grows with it."""
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
    """The whole ground, in rings around the first rosette, with stars of gold."""
    x, y, radius, *_ = ROSETTES[0]
    corners, r, t = courses(around(x, y), (radius, 0.95), 0.0175, rng)
    light = 0.42 + 0.25 * np.sin(12 * t + 3 * np.sin(14 * r)) + 0.2 * np.sin(34 * r)
    colours = mix(NIGHT, light + rng.normal(0, 0.12, r.shape))
    stars = rng.random(r.shape) < 0.035
    colours[stars] = mix(GOLD, rng.random(stars.sum()))
    return np.array([[0, 0], [1, 0], [1, 0.8], [0, 0.8]]), corners, colours


def rosette(x, y, radius, petals, heart, petal, between, rng):
    """A flower in a ring of gold beads."""
    stone = radius / round(radius / (0.009 + 0.02 * radius))
    corners, r, t = courses(around(x, y), (0, radius - stone / 2), stone, rng)
    r, t, whim = r / radius, t + rng.uniform(0, 2 * np.pi), rng.normal(0, 0.12, r.shape)
    edge = 0.36 + 0.44 * np.abs(np.cos(petals * t / 2)) ** 0.8
    colours = mix(between, 0.3 + 0.6 * (r - edge) / (1 - edge) + whim)
    for where, ramp, light in (
        (r < edge, petal, 1.35 - r / edge),
        (np.abs(r - edge) < 0.045, MARBLE, 0.6),
        (r < 0.24, heart, 1 - 2.6 * r),
        (r > 0.86, GOLD, np.where(np.sin(3 * petals * t) > 0, 0.85, 0.1)),
    ):
        colours = np.where(where[:, None], mix(ramp, light + whim), colours)
    return np.stack(around(x, y)(radius + 0.003, np.linspace(0, 2 * np.pi, 120)), -1), corners, colours


def swell(phase):
    """Coordinates along a wave."""
    return lambda row, t: (t, row + 0.032 * np.sin(9.5 * t + phase) + 0.012 * np.sin(21 * t + 2.2 * phase))


def waves(rng):
    """Rows along waves, one before the other, each with a light crest."""
    phase = rng.uniform(0, 2 * np.pi)
    for number, (top, ramp, foam) in enumerate(WAVES):
        place = swell(phase + 1.24 * number)
        corners, r, t = courses(place, (top, top + 0.15), 0.0135, rng, -0.05, 1.1, ring=False)
        depth, whim = (r - top) / 0.085, rng.normal(0, 0.12, r.shape)
        colours = mix(ramp, 1 - 0.8 * depth + 0.25 * np.sin(30 * t + 40 * r + 2 * number) + whim)
        colours = np.where((depth < 0.16)[:, None], mix(foam, 0.6 + whim), colours)
        crest = np.stack(place(top - 0.003, np.linspace(0, 1, 200)), -1)
        yield np.concatenate([crest, [[1, 1], [0, 1]]]), corners, colours


def mosaic(size=640, seed=0):
    """Stones in grout as a PIL image, `size` wide and four fifths as high."""
    rng = np.random.default_rng(seed)
    width, height = size * OVERSAMPLING, round(size * 0.8) * OVERSAMPLING
    pieces = [sky(rng), *(rosette(*each, rng) for each in ROSETTES), *waves(rng)]
    stones, number = Image.new("I", (width, height)), 0  # the number of the stone at each pixel, 0 for grout
    draw = ImageDraw.Draw(stones)
    for outline, corners, _ in pieces:
        draw.polygon((outline * width).ravel().tolist(), 0)  # cuts the stones that lie there
        for stone in (corners * width).reshape(-1, 8).tolist():
            number += 1
            draw.polygon(stone, number)
    colours = np.concatenate([[GROUT], *(colours for *_, colours in pieces)])
    colours = colours * rng.normal(1, 0.06, (number + 1, 1)) + rng.normal(0, 5, (number + 1, 3))
    stones, unit = np.asarray(stones), width / 1280
    rough = noise(stones.shape, 4 * unit, rng)
    bevel = np.minimum(ndimage.distance_transform_edt(stones), 4 * unit) + 0.25 * unit * rough
    down, right = np.gradient(ndimage.gaussian_filter(bevel, 0.8 * unit))
    light = 1 + 0.22 * (down + right)  # from above, on the left
    light = np.where(stones > 0, light, 0.85 * light + 0.15 * rough)
    return photograph(colours[stones] * light.clip(0.45, 1.5)[..., None], size)


PAPER, BLACK = (240, 226, 196), (30, 26, 30)
WARM = ((196, 44, 34), (226, 98, 36), (238, 178, 48), (220, 130, 140))
INKS = (*WARM, (38, 84, 150), (24, 52, 96), (70, 150, 168), (60, 124, 98), (136, 76, 128))


def arc(x, y, radius, thick, start=0.0, span=2 * np.pi, sides=90):
    """The outline of an arc or ring; of a disc or polygon when it is as thick as its radius."""
    angle = start + np.linspace(0, span, sides + 1)
    edges = around(x, y)(np.repeat([radius, radius - thick], sides + 1), np.append(angle, angle[::-1]))
    return np.stack(edges, -1)


def bar(x, y, angle, start, stop, thick):
    """The outline of a straight bar between two distances from a point."""
    u, v = np.cos(angle), np.sin(angle)
    along, across = np.array([start, start, stop, stop]), thick / 2 * np.array([-1, 1, 1, -1])
    return np.stack([x + along * u - across * v, y + along * v + across * u], -1)


def scatter(number, rng):
    """Points in the picture that keep apart."""
    points = [rng.uniform((0.05, 0.05), (0.95, 0.75))]
    while len(points) < number:
        tries = rng.uniform((0.03, 0.03), (0.97, 0.77), (4, 2))
        points.append(max(tries, key=lambda one: min(np.hypot(*(one - other)) for other in points)))
    return points


class Sheet:
    """Paper that takes one ink after another; lengths are relative to its width."""

    def __init__(self, size, rng):
        self.rng, self.width, self.unit = rng, size * OVERSAMPLING, size * OVERSAMPLING / 1280
        shape = round(size * 0.8) * OVERSAMPLING, self.width
        self.y, self.x = np.mgrid[: shape[0], : shape[1]] / self.width
        self.tooth, stain, clouds = (
            noise(shape, grain * self.unit, rng) + 0.6 * noise(shape, grain * self.unit / 2.5, rng)
            for grain in (6, 170, 30)
        )
        self.thirst = 0.05 * (self.tooth + clouds)  # where more ink settles
        self.colour = PAPER + stain[..., None] * (3.5, 7, 11)

    def wash(self, outlines, ink, strength=0.92, fade=0.5):
        """Shapes in one translucent ink, which pools at their rims and fades to one side."""
        mask = Image.new("L", self.colour.shape[1::-1])
        for outline in outlines:
            ImageDraw.Draw(mask).polygon((outline * self.width).ravel().tolist(), 255)
        left, top, right, bottom = mask.getbbox() or (0, 0, 1, 1)
        at = np.s_[top:bottom, left:right]
        mask = np.asarray(mask, np.float32)[at] / 255
        rim = mask - ndimage.gaussian_filter(mask, 4 * self.unit, mode="constant")
        angle = self.rng.uniform(0, 2 * np.pi)
        side = np.cos(angle) * self.x[at] + np.sin(angle) * self.y[at]
        side = (side - side.min()) / (np.ptp(side) + 1e-9)
        amount = mask * (strength * (1 - fade * side) + 0.35 * rim + self.thirst[at]).clip(0, 1)
        below, ink = self.colour[at], np.array(ink)
        self.colour[at] += amount[..., None] * (0.68 * below * ink / 255 + 0.38 * ink - below)


def disc(sheet, x, y, radius):
    """A disc, plain or with an eye, a halo or rings."""
    halo, iris, pupil = (1.3, 0.18, INKS), (0.62, 0.62, WARM), (0.25, 0.25, [BLACK])
    rings = [(outer, 0.1, [BLACK]) for outer in (0.95, 0.71, 0.47, 0.23)]
    more = ((), (iris, pupil), (halo, iris, pupil), rings)[sheet.rng.integers(4)]
    for outer, thick, inks in ((1, 1, INKS), *more):
        aside = 0.15 * (1 - outer) * radius
        ring = arc(x + aside, y - aside, outer * radius, thick * radius)
        sheet.wash([ring], sheet.rng.choice(inks), fade=0.4)


def checks(sheet, x, y):
    """A slanting chessboard, some of its fields in colours."""
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
    """What a pen adds: fans, lines across the sheet, parallel arcs, rows of ticks."""
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


def geometry(size=640, seed=0):
    """Shapes in inks on paper as a PIL image, `size` wide and four fifths as high."""
    rng = np.random.default_rng(seed)
    sheet = Sheet(size, rng)
    for sides, point in zip((3, 3, 4, 4), scatter(4, rng), strict=True):
        plane = arc(*point, *[rng.uniform(0.28, 0.42)] * 2, rng.uniform(0, 2 * np.pi), sides=sides)
        sheet.wash([plane], rng.choice(INKS), 0.55, 0.75)
    for number, point in enumerate(scatter(17, rng)):
        disc(sheet, *point, 0.13 if number < 3 else 0.025 + 0.1 * rng.random() ** 2)
    for point in scatter(9, rng):
        triangle = arc(*point, *[rng.uniform(0.08, 0.2)] * 2, *rng.uniform((0, 0.4), (6, 1.1)), sides=1)
        sheet.wash([triangle], rng.choice(INKS))
    for point in scatter(4, rng):
        checks(sheet, *point)
    for point in scatter(7, rng):
        angle, length = rng.choice([-1.1, -0.6, 0.5, 0.9]) + rng.normal(0, 0.1), rng.uniform(0.08, 0.3)
        outline = bar(*point, angle, -length, length, rng.choice([0.006, 0.012, 0.02, 0.028]))
        sheet.wash([outline], rng.choice((*INKS, *[BLACK] * 6)), fade=0.3)
    sheet.wash(lines(rng), BLACK, fade=0.1)
    down, right = np.gradient(ndimage.gaussian_filter(sheet.tooth, sheet.unit))
    return photograph(sheet.colour * (1 - 0.1 * sheet.unit * (down + right)).clip(0.8, 1.2)[..., None], size)


KINDS = {"swirls": swirls, "mosaic": mosaic, "geometry": geometry}
OUT = flags.DEFINE_string("out", "painting.jpg", "The picture to write.")
KIND = flags.DEFINE_enum("kind", "swirls", list(KINDS), "What to paint.")
SIZE = flags.DEFINE_integer("size", 640, "Its width in pixels.", lower_bound=16)
SEED = flags.DEFINE_integer("seed", 0, "Another seed, another picture of the kind.")


def main(argv):
    del argv
    Path(OUT.value).parent.mkdir(parents=True, exist_ok=True)
    KINDS[KIND.value](SIZE.value, SEED.value).save(OUT.value, quality=90)


if __name__ == "__main__":
    app.run(main)
