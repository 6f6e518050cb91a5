"""The generators of the styles, and the pictures that come with the code."""

import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from absl.testing import flagsaver
from PIL import Image

from experiments.distill import (
    canvas,
    cutouts,
    dots,
    geometry,
    ink,
    mosaic,
    night,
    paint,
    pen,
    swirls,
    watercolour,
)

IMAGES = Path(__file__).parents[2] / "nst" / "data" / "images"
SHIPPED = {  # size and seed
    "swirls": (640, 0),
    "mosaic": (600, 0),
    "geometry": (600, 1),
    "ink": (900, 0),
    "dots": (900, 0),
    "cutouts": (900, 5),
    "watercolour": (900, 8),
    "night": (900, 0),
}
# strokes take half a second at any size
STROKES = "ink", "night"
kinds = pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=pytest.mark.slow if kind in STROKES else ()) for kind in paint.KINDS],
)


def painted(kind, size, seed):
    return np.asarray(paint.KINDS[kind](size, seed), np.float32)


pixels = cache(painted)  # which no test may change


@kinds
def test_the_seed_decides(kind):
    first = pixels(kind, 33, 1)
    np.testing.assert_array_equal(painted(kind, 33, 1), first)
    assert np.abs(pixels(kind, 33, 0) - first).mean() > 5


@kinds
@pytest.mark.parametrize("size", [16, 33, 96])
def test_any_size(kind, size):
    picture = pixels(kind, size, 0)
    assert picture.shape == (round(size * 0.8), size, 3)
    assert picture.std() > 25  # contrast


@kinds
def test_another_size_is_the_same_picture(kind):
    small, large = (
        np.asarray(
            Image.fromarray(pixels(kind, size, 0).astype(np.uint8)).resize((8, 6), Image.Resampling.BOX)
        )
        for size in (96, 192)
    )
    assert np.abs(small.astype(np.float32) - large).mean() < 12


def test_sky_above_darker_land():
    picture = pixels("swirls", 96, 0)
    sky, land = picture[:38], picture[62:]
    assert sky[..., 2].mean() > sky[..., 0].mean()  # blue
    assert land[..., 0].mean() > land[..., 2].mean()  # ochre
    assert land.mean() < sky.mean()
    assert picture.std() > 40  # contrast


def test_the_field_is_one_of_directions():
    y, x = np.mgrid[0:0.8:41j, 0:1:51j]
    np.testing.assert_allclose(np.hypot(*swirls.field(x.ravel(), y.ravel())), 1, rtol=1e-4)


def test_stones_lie_in_closed_rings_without_overlap():
    corners, rows, _ = mosaic.courses(canvas.around(0, 0), (0.1, 0.2), 0.01, np.random.default_rng(0))
    x, y = np.moveaxis(corners, -1, 0)
    area = 0.5 * (y * np.roll(x, -1, 1) - x * np.roll(y, -1, 1)).sum(1)
    ring = np.pi * (0.2**2 - 0.1**2)
    assert area.min() > 0 and 0.6 * ring < area.sum() < 0.9 * ring  # the rest is grout
    np.testing.assert_allclose(np.hypot(*corners.mean(1).T), rows, atol=0.002)
    assert len(corners) == sum(round(2 * np.pi * row / 0.0112) for row in np.unique(rows))


def test_the_mosaic_is_warm_below_a_blue_sky():
    red, _, blue = np.moveaxis(pixels("mosaic", 96, 0), -1, 0)
    assert blue[30:50, 60:76].mean() > 1.5 * red[30:50, 60:76].mean()
    assert red[-6:].mean() > 2 * blue[-6:].mean()
    assert red[24:40, 24:40].mean() > 1.5 * blue[24:40, 24:40].mean()  # the heart of the great rosette


def test_outlines():
    disc = geometry.arc(0.5, 0.4, 0.2, 0.2)
    assert np.hypot(*(disc - (0.5, 0.4)).T).max() == pytest.approx(0.2)
    triangle = np.unique(geometry.arc(0, 0, 1, 1, sides=3).round(6), axis=0)
    assert len(triangle) == 4  # and the center
    bar = geometry.bar(0, 0, np.pi / 2, -1, 3, 0.5)
    np.testing.assert_allclose([bar.min(0), bar.max(0)], [[-0.25, -1], [0.25, 3]])


def test_ink_is_translucent_and_stays_in_its_outline():
    sheet = geometry.Sheet(100, np.random.default_rng(0))
    blank = sheet.colour.copy()
    sheet.wash([geometry.arc(0.3, 0.4, 0.2, 0.2)], (200, 30, 30), fade=0)
    once = sheet.colour.copy()
    np.testing.assert_array_equal(once[:, 110:], blank[:, 110:])
    assert blank[80, 60, 2] - once[80, 60, 2] > 100
    sheet.wash([geometry.arc(0.4, 0.4, 0.2, 0.2)], (30, 60, 200), fade=0)
    assert sheet.colour[70:90, 62:98].mean() < min(
        once[70:90, 30:38].mean(), sheet.colour[70:90, 102:118].mean()
    )
    before = sheet.colour.copy()
    sheet.wash([geometry.arc(3, 3, 0.2, 0.2)], (0, 0, 0))  # beside the sheet
    np.testing.assert_array_equal(sheet.colour, before)


def test_a_stencil_is_a_window_around_the_polygons():
    square = np.array([[0.2, 0.3], [0.4, 0.3], [0.4, 0.5], [0.2, 0.5]])
    mask, at = canvas.stencil([square, square + (0.1, 0)], (80, 100), margin=4)
    whole = np.zeros((80, 100))
    whole[at] = mask
    assert mask.shape == (29, 39)  # polygons of Pillow include their rim
    np.testing.assert_array_equal(np.argwhere(whole)[[0, -1]], [[30, 20], [50, 50]])
    assert whole[30:51, 20:51].all()
    mask, at = canvas.stencil([square + 3], (80, 100))  # beside the painting
    assert not mask.any() and np.zeros((80, 100))[at].shape == mask.shape


def chroma(picture):
    """Mean distance of the largest from the smallest of red, green and blue."""
    return (picture.max(-1) - picture.min(-1)).mean()


def test_palettes():
    pictures = {kind: pixels(kind, 96, 0) for kind in paint.KINDS}
    chromas = {kind: chroma(picture) for kind, picture in pictures.items()}
    assert chromas["ink"] == min(chromas.values()) < 50
    assert min(chromas["dots"], chromas["cutouts"]) > 90
    white = {kind: (picture.min(-1) > 190).mean() for kind, picture in pictures.items()}
    assert white["watercolour"] == max(white.values()) > 0.12  # paper
    assert (pictures["ink"] < 70).all(-1).mean() > 0.1  # ink


def test_strokes_follow_a_direction_and_end_where_their_part_ends():
    paths = pen.trace(
        np.array([0.6]), np.array([0.4]), np.array([0.2]), lambda x, y: np.arctan2(x - 0.5, 0.4 - y)
    )
    np.testing.assert_allclose(np.hypot(*(paths[0] - (0.5, 0.4)).T), 0.1, rtol=0.01)  # around (0.5, 0.4)
    tool = pen.Pen(50, np.random.default_rng(0), lambda x, y: (x > 0.5).astype(int))
    tool.strokes(np.stack([np.linspace(0.1, 0.9, 12), np.full(12, 0.4)], -1)[None], 0.1, part=0)
    inked = np.asarray(tool.sheet.resize((100, 80)))[..., 3] > 0
    assert inked[:, 20:40].any(0).all() and not inked[:, 53:].any()
    tool.outline([(0.2, 0.3), (0.4, 0.3), (0.4, 0.5), (0.2, 0.5)], 0.01)
    wiped = np.asarray(tool.sheet.resize((100, 80)))[..., 3] > 0
    assert inked[38:42, 26:34].all() and not wiped[38:42, 26:34].any()


def test_the_tallest_cypress_stands_before_the_sky():
    tree = ink.CYPRESSES[0]
    y = np.linspace(tree.top + 0.05, tree.foot - 0.01, 9)
    assert (ink.part_at(tree.x + 0 * y, y) == ink.TREES).all()
    assert ink.part_at(np.array([0.5]), np.array([0.1])) == ink.SKY
    assert ink.part_at(np.array([0.5]), np.array([0.7])) == ink.FIELDS


def test_strokes_of_the_sky_lie_along_the_lines_of_its_flow():
    x, y = np.random.default_rng(0).uniform(0, (1, 0.4), (200, 2)).T
    sky = (np.abs(night.across_cypress(x, y)[0]) > 1) & (y < night.ridge(x, 0))
    angle, step = night.heading(x, y), 1e-3
    along, across = (
        np.abs(night.stream(x + step * np.cos(each), y + step * np.sin(each)) - night.stream(x, y))[sky]
        for each in (angle, angle + np.pi / 2)
    )
    assert sky.sum() > 100 and np.median(along) < 0.02 * np.median(across)


def test_the_night_is_blue_above_golden_wheat_with_a_golden_moon():
    red, _, blue = np.moveaxis(pixels("night", 96, 0), -1, 0)
    assert blue[10:30, 40:60].mean() > 2 * red[10:30, 40:60].mean()
    assert red[-6:, 40:].mean() > 1.8 * blue[-6:, 40:].mean()
    moon = night.WHIRLS[2]
    row, column = round(96 * moon.y), round(96 * moon.x)
    assert red[row - 4 : row + 5, column - 4 : column + 5].mean() > 200


@pytest.mark.parametrize("colour", [(222, 140, 178), (32, 92, 156), (250, 176, 44), (90, 120, 90)])
def test_dabs_are_pigments_that_mix_to_about_the_colour(colour):
    dabs = dots.pigments(np.tile(np.array(colour, float), (4000, 1)), np.random.default_rng(0))
    nearest = np.abs(dabs[:, None] - dots.PIGMENTS).max(-1)
    assert np.quantile(nearest.min(1), 0.99) < 25
    assert len(np.unique(nearest.argmin(1))) > 4
    assert np.abs(dabs.mean(0) - colour).max() < 45


def test_panels_cover_the_board_without_overlap():
    boxes = np.array(list(cutouts.split((0, 0, 1, 0.8), np.random.default_rng(3))))
    left, top, right, bottom = boxes.T
    assert ((right - left) * (bottom - top)).sum() == pytest.approx(0.8)
    assert len(boxes) > 5 and np.maximum(right - left, bottom - top).max() < 1.5 * cutouts.PANEL
    for x, y in np.random.default_rng(0).uniform(0, (1, 0.8), (50, 2)):
        assert ((left < x) & (x < right) & (top < y) & (y < bottom)).sum() == 1


def test_pasted_paper_covers_what_is_below_and_throws_a_shadow():
    board = cutouts.Board(100, np.random.default_rng(0))
    square = np.array([[0.3, 0.2], [0.6, 0.2], [0.6, 0.5], [0.3, 0.5]])
    board.paste([square], (200, 30, 40), rounding=0.01)
    np.testing.assert_array_equal(board.colour[:, 150:], np.broadcast_to(cutouts.IVORY, (160, 50, 3)))
    np.testing.assert_allclose(board.colour[60:80, 80:100].mean((0, 1)), (200, 30, 40), atol=8)
    assert board.colour[101:103, 80:100].mean() < board.colour[36:38, 80:100].mean() - 10  # below, not above
    papers = [cutouts.clashing([cutouts.IVORY], np.random.default_rng(seed)) for seed in range(20)]
    assert cutouts.IVORY not in papers and len(set(papers)) > 5


def test_washes_multiply_gather_at_the_rim_and_spare_what_is_reserved():
    disc, red, blue = (0.5, 0.4) + 0.2 * watercolour.CIRCLE, [(200, 60, 60)] * 2, [(60, 60, 200)] * 2
    even, sheet = (watercolour.Sheet(200, np.random.default_rng(0)) for _ in range(2))
    even.wash([disc], red, rim=0)
    sheet.wash([disc], red)
    once = sheet.film.copy()
    distance = np.hypot(np.arange(400) - 200, (np.arange(320) - 160)[:, None]) / 400
    inside, rim = distance < 0.17, np.abs(distance - 0.195) < 0.004
    assert (once[distance > 0.23] == 1).all() and once[inside].mean() < 0.6
    assert once[rim].mean() < even.film[rim].mean() - 0.02
    np.testing.assert_allclose(once[inside], even.film[inside], atol=0.01)
    sheet.reserve((0.5, 0.4) + 0.1 * watercolour.CIRCLE)
    sheet.wash([disc], blue)
    np.testing.assert_array_equal(sheet.film[distance < 0.09], once[distance < 0.09])
    ring = inside & (distance > 0.12)
    assert sheet.film[ring][:, 0].mean() < 0.5 * once[ring][:, 0].mean()


@kinds
def test_the_program_writes_a_picture(kind, tmp_path):
    out = tmp_path / "new" / "painting.png"
    if not paint.flags.FLAGS.is_parsed():
        paint.flags.FLAGS(sys.argv[:1])
    with flagsaver.flagsaver(out=str(out), kind=kind, size=33, seed=1):
        paint.main([])
    np.testing.assert_array_equal(np.asarray(Image.open(out)), pixels(kind, 33, 1))


@pytest.mark.parametrize(
    "flag, value, message",
    [
        ("kind", "oil", "value should be one of <swirls|mosaic|geometry|ink|dots|cutouts|watercolour|night>"),
        ("size", "15", "15 is not integer >= 16"),
    ],
)
def test_the_program_refuses(flag, value, message):
    with pytest.raises(paint.flags.IllegalFlagValueError) as error:
        paint.flags.FLAGS[flag].parse(value)
        paint.flags.FLAGS.validate_all_flags()
    assert str(error.value) == f"flag --{flag}={value}: {message}"


@pytest.mark.parametrize(
    "name, size, kilobytes",
    [
        ("cat", (451, 300), 70),
        ("coffee", (600, 400), 70),
        ("astronaut", (512, 512), 70),
        ("raccoon", (1024, 768), 210),
        ("hopper", (512, 600), 70),
        ("lake", (960, 640), 160),
        ("swirls", (640, 512), 150),
        ("mosaic", (600, 480), 150),
        ("geometry", (600, 480), 150),
        ("ink", (900, 720), 260),
        ("dots", (900, 720), 270),
        ("cutouts", (900, 720), 150),
        ("watercolour", (900, 720), 200),
        ("night", (900, 720), 290),
    ],
)
def test_shipped_pictures(name, size, kilobytes):
    path = IMAGES / f"{name}.jpg"
    with Image.open(path) as picture:
        picture.load()
        assert (picture.format, picture.mode, picture.size) == ("JPEG", "RGB", size)
    assert path.stat().st_size < kilobytes * 1000


def test_every_shipped_picture_has_its_licence_recorded():
    rows = [
        line.split("|") for line in (IMAGES / "README.md").read_text("utf8").splitlines() if ".jpg |" in line
    ]
    assert sorted(row[1].strip() for row in rows) == sorted(path.name for path in IMAGES.glob("*.jpg"))
    assert all(cell.strip() for row in rows for cell in row[1:6])


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=pytest.mark.slow if size == 900 else ())
        for kind, (size, _) in SHIPPED.items()
    ],
)
def test_the_shipped_styles_are_the_generators(kind):
    with Image.open(IMAGES / f"{kind}.jpg") as picture:
        shipped = np.asarray(picture, np.float32)
    # JPEG, and another version of numpy or Pillow, change little
    assert np.abs(shipped - pixels(kind, *SHIPPED[kind])).mean() < 12
