"""The generator of the painting, and the pictures that come with the code."""

import sys
from pathlib import Path

import numpy as np
import pytest
from absl.testing import flagsaver
from PIL import Image

from experiments import paint

DATA = Path(__file__).parents[1] / "nst" / "data"


def pixels(*arguments):
    return np.asarray(paint.paint(*arguments), np.float32)


def test_the_seed_decides():
    first = pixels(96, 3)
    assert first.shape == (77, 96, 3)
    np.testing.assert_array_equal(pixels(96, 3), first)
    assert np.abs(pixels(96, 4) - first).mean() > 5


def test_sky_above_darker_land():
    picture = pixels(96, 0)
    sky, land = picture[:38], picture[62:]
    assert sky[..., 2].mean() > sky[..., 0].mean()  # blue
    assert land[..., 0].mean() > land[..., 2].mean()  # ochre
    assert land.mean() < sky.mean()
    assert picture.std() > 40  # contrast


def test_the_field_is_one_of_directions():
    y, x = np.mgrid[0:0.8:41j, 0:1:51j]
    np.testing.assert_allclose(np.hypot(*paint.field(x.ravel(), y.ravel())), 1, rtol=1e-4)


def test_the_program_writes_a_picture(tmp_path):
    out = tmp_path / "new" / "painting.png"
    if not paint.flags.FLAGS.is_parsed():
        paint.flags.FLAGS(sys.argv[:1])
    with flagsaver.flagsaver(out=str(out), size=64, seed=1):
        paint.main([])
    np.testing.assert_array_equal(np.asarray(Image.open(out)), pixels(64, 1))


@pytest.mark.parametrize(
    "name, size, kilobytes", [("photograph.jpg", (451, 300), 80), ("painting.jpg", (640, 512), 150)]
)
def test_shipped_pictures(name, size, kilobytes):
    with Image.open(DATA / name) as picture:
        picture.load()
        assert (picture.format, picture.mode, picture.size) == ("JPEG", "RGB", size)
    assert (DATA / name).stat().st_size < kilobytes * 1000


def test_the_shipped_painting_is_the_generators():
    with Image.open(DATA / "painting.jpg") as picture:
        shipped = np.asarray(picture, np.float32)
    # JPEG, and another version of numpy or Pillow, change little
    assert np.abs(shipped - pixels(640, 0)).mean() < 12
