"""Transparency: what nobody sees changes nothing, and colours do not mix with it."""

import numpy as np
import pytest
from PIL import Image

from nst import images
from nst.errors import UserError
from tests.images.test_images import noise, png_bytes, smooth, write_tiff

HEIGHT, WIDTH = 24, 40


def logo(hidden, bits=8):
    """A disc with a soft edge, HxWx4 integers; `hidden` is the colour where alpha is 0."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    alpha = np.clip(9.5 - np.hypot(y - 11.5, x - 20), 0, 1)
    top = 2**bits - 1
    array = np.concatenate([noise(3, bits), np.rint(alpha * top)[..., None].astype(f"uint{bits}")], -1)
    array[array[..., 3] == 0, :3] = hidden
    return array


def save(path, array):
    if path.suffix == ".tif":
        write_tiff(path, array, extrasamples=["unassalpha"])
    elif array.dtype == np.uint16:
        path.write_bytes(png_bytes(array))
    else:
        Image.fromarray(array).save(
            path, **({"lossless": True, "exact": True} if path.suffix == ".webp" else {})
        )
    return path


@pytest.mark.parametrize("filter", images.FILTERS)
@pytest.mark.parametrize("suffix, bits", [("png", 8), ("webp", 8), ("tif", 8), ("png", 16), ("tif", 16)])
def test_hidden_colours_change_no_byte(tmp_path, suffix, bits, filter):
    both = [images.read(save(tmp_path / f"{hidden}.{suffix}", logo(hidden, bits))) for hidden in (10, 65)]
    for size in ((HEIGHT, WIDTH), (9, 17), (40, 60)):
        first, second = (images.resize_picture(picture, *size, filter) for picture in both)
        np.testing.assert_array_equal(first.rgb_HxWx3, second.rgb_HxWx3)
        np.testing.assert_array_equal(first.alpha_HxW, second.alpha_HxW)


def test_hidden_colours_are_the_mean_of_the_visible_ones():
    array = logo((255, 0, 0)) / 255
    picture = images.read(array)
    shown = array[..., 3] > 0
    weights = array[shown][:, 3:]
    expected = (array[shown][:, :3] * weights).sum(0) / weights.sum()
    np.testing.assert_allclose(picture.rgb_HxWx3[~shown], np.tile(expected, ((~shown).sum(), 1)), atol=1e-6)
    np.testing.assert_array_equal(picture.rgb_HxWx3[shown], array[shown][:, :3].astype(np.float32))


@pytest.mark.parametrize("color", [0.05, 0.5, 0.95])
@pytest.mark.parametrize("filter", images.FILTERS)
def test_a_logo_of_one_colour_has_no_rim(filter, color):
    array = logo((0, 0, 0)).astype(np.float32) / 255
    picture = images.Picture(np.where(array[..., 3:] > 0, np.float32(color), 0), array[..., 3])
    for size in ((9, 17), (13, 40), (50, 71)):
        found = images.resize_picture(picture, *size, filter)
        seen = found.rgb_HxWx3[found.alpha_HxW > 0.5 / 255]
        np.testing.assert_allclose(seen, color, atol=1e-3)
        assert len(seen) > 10


def test_halving_by_boxes_weighs_colours_by_alpha():
    array = smooth(4)
    array[..., 3] = np.where(array[..., 3] > 0.5, array[..., 3], 0)
    picture = images.resize_picture(
        images.Picture(array[..., :3], array[..., 3]), HEIGHT // 2, WIDTH // 2, "box"
    )
    for i in range(HEIGHT // 2):
        for j in range(WIDTH // 2):
            four = array[2 * i : 2 * i + 2, 2 * j : 2 * j + 2].reshape(4, 4)
            alpha = four[:, 3].mean()
            assert abs(picture.alpha_HxW[i, j] - alpha) < 1e-6
            color = four[:, :3].mean(0) if alpha == 0 else (four[:, :3] * four[:, 3:]).mean(0) / alpha
            np.testing.assert_allclose(picture.rgb_HxWx3[i, j], color, atol=1e-5)


def test_colours_over_a_background_are_those_of_resizing_the_composite():
    picture = images.read(logo(7))
    background = np.float32([0.9, 0.2, 0.4])
    alpha = picture.alpha_HxW[..., None]
    composite = picture.rgb_HxWx3 * alpha + background * (1 - alpha)
    for size in ((12, 20), (9, 17)):
        found = images.resize_picture(picture, *size, "bilinear")
        alpha = found.alpha_HxW[..., None]
        over = found.rgb_HxWx3 * alpha + background * (1 - alpha)
        np.testing.assert_allclose(over, images.resize(composite, *size, "bilinear"), atol=2e-3)


def test_a_jpeg_is_put_on_white(tmp_path):
    array = logo(0) / 255
    images.write(tmp_path / "picture.jpg", array[..., :3], array[..., 3])
    found = images.read(tmp_path / "picture.jpg").rgb_HxWx3
    assert found[0, 0].min() > 0.99
    np.testing.assert_allclose(found[:8, :8], 1, atol=0.02)


@pytest.mark.parametrize("source", ["file", "array", "pillow"])
def test_a_picture_without_anything_to_see_is_refused(tmp_path, source):
    array = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    given = {"file": save(tmp_path / "picture.png", array), "array": array, "pillow": Image.fromarray(array)}
    with pytest.raises(UserError, match="every pixel is transparent"):
        images.read(given[source])
