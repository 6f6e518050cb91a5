"""The generators of the styles, and the pictures that come with the code."""

import sys
from pathlib import Path

import numpy as np
import pytest
from absl.testing import flagsaver
from PIL import Image

from experiments.distill import canvas, geometry, mosaic, paint, swirls

IMAGES = Path(__file__).parents[2] / "nst" / "data" / "images"
SHIPPED = {"swirls": (640, 0), "mosaic": (600, 0), "geometry": (600, 1)}  # size and seed
kinds = pytest.mark.parametrize("kind", paint.KINDS)


def pixels(kind, *arguments):
    return np.asarray(paint.KINDS[kind](*arguments), np.float32)


@kinds
def test_the_seed_decides(kind):
    first = pixels(kind, 96, 3)
    assert first.shape == (77, 96, 3)
    np.testing.assert_array_equal(pixels(kind, 96, 3), first)
    assert np.abs(pixels(kind, 96, 4) - first).mean() > 5


@kinds
@pytest.mark.parametrize("size", [16, 33, 130])
def test_any_size(kind, size):
    picture = pixels(kind, size, 0)
    assert picture.shape == (round(size * 0.8), size, 3)
    assert picture.std() > 25  # contrast


@kinds
def test_another_size_is_the_same_picture(kind):
    small, large = (paint.KINDS[kind](size, 0).resize((8, 6), Image.Resampling.BOX) for size in (100, 200))
    assert np.abs(np.asarray(small, np.float32) - np.asarray(large, np.float32)).mean() < 12


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


@kinds
def test_the_program_writes_a_picture(kind, tmp_path):
    out = tmp_path / "new" / "painting.png"
    if not paint.flags.FLAGS.is_parsed():
        paint.flags.FLAGS(sys.argv[:1])
    with flagsaver.flagsaver(out=str(out), kind=kind, size=64, seed=1):
        paint.main([])
    np.testing.assert_array_equal(np.asarray(Image.open(out)), pixels(kind, 64, 1))


@pytest.mark.parametrize(
    "flag, value, message",
    [
        ("kind", "oil", "value should be one of <swirls|mosaic|geometry>"),
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
        ("swirls", (640, 512), 150),
        ("mosaic", (600, 480), 150),
        ("geometry", (600, 480), 150),
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


@kinds
def test_the_shipped_styles_are_the_generators(kind):
    with Image.open(IMAGES / f"{kind}.jpg") as picture:
        shipped = np.asarray(picture, np.float32)
    # JPEG, and another version of numpy or Pillow, change little
    assert np.abs(shipped - pixels(kind, *SHIPPED[kind])).mean() < 12
