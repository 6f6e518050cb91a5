"""Pictures in every form that files take, against arrays known beforehand and naive resampling."""

import io
import os
import struct
import zlib

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from nst import files, images
from nst.errors import UserError
from nst.images import io as image_writing
from tests.helpers.profiles import SRGB, gamma_curve, primaries, profile, srgb_encoded

HEIGHT, WIDTH = 24, 40


def noise(channels=3, bits=8, seed=0):
    """HxWxC integers."""
    dtype = {8: np.uint8, 16: np.uint16}[bits]
    shape = (HEIGHT, WIDTH, channels)
    return np.random.default_rng(seed).integers(0, 2**bits, shape, dtype=dtype)


def blocks(seed=0):
    """8x8 squares of one colour: JPEG keeps them; no two rotations or reflections are alike."""
    colors = np.random.default_rng(seed).integers(30, 220, (HEIGHT // 8, WIDTH // 8, 3))
    return colors.repeat(8, 0).repeat(8, 1).astype(np.uint8)


def smooth(channels=3):
    """HxWxC floats in [0, 1] that lossy formats keep."""
    y, x = np.mgrid[:HEIGHT, :WIDTH] / WIDTH
    planes = [0.5 + 0.4 * np.sin(3 * x + k) * np.cos(2 * y - k) for k in range(channels)]
    return np.stack(planes, axis=-1).astype(np.float32)


def png_chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_bytes(array, *chunks):
    """A PNG of 8 or 16 bits (Pillow cannot write the latter in colour), with chunks put behind its header."""
    data = imagecodecs.png_encode(np.ascontiguousarray(array))
    return data[:33] + b"".join(chunks) + data[33:]


def write_tiff(path, array, **options):
    photometric = options.pop("photometric", "rgb" if array.shape[-1] in (3, 4) else "minisblack")
    tifffile.imwrite(path, array, photometric=photometric, metadata=None, **options)


def same(found, expected, tolerance=1e-6):
    assert found.dtype == np.float32
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)


def visible(picture, colors):
    """The colours where something of the picture is visible; below alpha 0 they are the reader's choice."""
    return colors if picture.alpha_HxW is None else colors[picture.alpha_HxW > 0]


# --- reading: formats, depths, modes


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp", "webp", "ppm"])
def test_eight_bits_are_read_exactly(tmp_path, suffix):
    path, array = tmp_path / f"picture.{suffix}", noise()
    Image.fromarray(array).save(path, **({"lossless": True} if suffix == "webp" else {}))
    picture = images.read(path)
    same(picture.rgb_HxWx3, array / 255)
    assert picture.alpha_HxW is None
    assert picture.notes == ()
    same(images.read(str(path)).rgb_HxWx3, array / 255)


@pytest.mark.parametrize("suffix", ["jpg", "webp"])
def test_lossy_formats_are_read_closely(tmp_path, suffix):
    path, array = tmp_path / f"picture.{suffix}", np.rint(smooth() * 255).astype(np.uint8)
    Image.fromarray(array).save(path, quality=95)
    same(images.read(path).rgb_HxWx3, array / 255, tolerance=0.1)
    assert np.abs(images.read(path).rgb_HxWx3 - array / 255).mean() < 0.012


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16bit_png(tmp_path, channels):
    path, array = tmp_path / "picture.png", noise(channels, 16)
    path.write_bytes(png_bytes(array[..., 0] if channels == 1 else array))
    picture = images.read(path)
    color = array[..., :3] if channels > 2 else array[..., :1].repeat(3, -1)
    same(picture.rgb_HxWx3, color / 65535)
    if channels in (2, 4):
        same(picture.alpha_HxW, array[..., -1] / 65535)
    else:
        assert picture.alpha_HxW is None


@pytest.mark.parametrize("layout", ["contiguous", "separate", "lzw", "zlib", "big-endian", "tiles"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_16bit_tiff(tmp_path, channels, layout):
    path, array = tmp_path / "picture.tif", noise(channels, 16)
    options = {
        "separate": {"planarconfig": "separate"},
        "lzw": {"compression": "lzw", "predictor": True},
        "zlib": {"compression": "zlib"},
        "big-endian": {"byteorder": ">"},
        "tiles": {"tile": (16, 16)},
    }.get(layout, {})
    stored = array[..., 0] if channels == 1 else array
    if layout == "separate" and channels > 1:
        stored = np.moveaxis(array, -1, 0)
    write_tiff(
        path,
        stored,
        photometric="rgb" if channels > 1 else "minisblack",
        extrasamples=["unassalpha"] if channels == 4 else None,
        **(options if channels > 1 or layout != "separate" else {}),
    )
    picture = images.read(path)
    same(picture.rgb_HxWx3, array[..., :3].repeat(1 if channels > 1 else 3, -1) / 65535)
    if channels == 4:
        same(picture.alpha_HxW, array[..., 3] / 65535)


@pytest.mark.parametrize("bits", [8, 16])
def test_tiff_whose_zero_is_white(tmp_path, bits):
    path, array = tmp_path / "picture.tif", noise(1, bits)[..., 0]
    write_tiff(path, array, photometric="miniswhite")
    same(images.read(path).rgb_HxWx3[..., 1], 1 - array / (2**bits - 1))


@pytest.mark.parametrize("bits", [8, 16])
def test_tiff_with_premultiplied_alpha(tmp_path, bits):
    top = 2**bits - 1
    alpha = np.full((HEIGHT, WIDTH, 1), top // 3)
    array = np.concatenate([noise(3, bits) // 3, alpha], axis=-1).astype(f"uint{bits}")
    write_tiff(tmp_path / "picture.tif", array, extrasamples=["assocalpha"])
    picture = images.read(tmp_path / "picture.tif")
    same(picture.rgb_HxWx3, np.minimum(array[..., :3] / alpha, 1), tolerance=1.01 / top)
    same(picture.alpha_HxW, alpha[..., 0] / top)


@pytest.mark.parametrize("bits", [8, 16])
def test_tiff_with_a_fourth_channel_of_no_meaning(tmp_path, bits):
    array = noise(4, bits)
    write_tiff(tmp_path / "picture.tif", array, extrasamples=["unspecified"])
    picture = images.read(tmp_path / "picture.tif")
    same(picture.rgb_HxWx3, array[..., :3] / (2**bits - 1))
    assert picture.alpha_HxW is None


def test_gray_and_one_bit(tmp_path):
    gray = noise(1)[..., 0]
    Image.fromarray(gray).save(tmp_path / "gray.png")
    same(images.read(tmp_path / "gray.png").rgb_HxWx3, np.stack([gray] * 3, -1) / 255)
    Image.fromarray(gray > 99).save(tmp_path / "bit.png")
    with Image.open(tmp_path / "bit.png") as stored:
        assert stored.mode == "1"
    same(images.read(tmp_path / "bit.png").rgb_HxWx3, np.stack([gray > 99] * 3, -1).astype(float))


def test_gray_float_tiff(tmp_path):
    array = smooth(1)[..., 0]
    write_tiff(tmp_path / "picture.tif", array)
    same(images.read(tmp_path / "picture.tif").rgb_HxWx3[..., 2], array)


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_alpha_is_kept_aside(tmp_path, mode):
    array = noise(len(mode))
    Image.fromarray(array).save(tmp_path / "picture.png")
    picture = images.read(tmp_path / "picture.png")
    color = array[..., :-1] if mode == "RGBA" else array[..., :1].repeat(3, -1)
    same(visible(picture, picture.rgb_HxWx3), visible(picture, color / 255))
    same(picture.alpha_HxW, array[..., -1] / 255)


@pytest.mark.parametrize("bits", [8, 16])
def test_opaque_alpha_is_none(tmp_path, bits):
    array = noise(4, bits)
    array[..., 3] = 2**bits - 1
    data = png_bytes(array) if bits == 16 else imagecodecs.png_encode(array)
    (tmp_path / "picture.png").write_bytes(data)
    assert images.read(tmp_path / "picture.png").alpha_HxW is None


@pytest.mark.parametrize("transparency", [None, 2, bytes([255, 0, 100, 30])], ids=["none", "index", "bytes"])
def test_palette(tmp_path, transparency):
    palette = np.array([[200, 10, 30], [0, 90, 255], [7, 8, 9], [250, 251, 20]], np.uint8)
    index = noise(1)[..., 0] % 4
    image = Image.fromarray(index, "L")
    image.putpalette(palette.tobytes())
    options = {} if transparency is None else {"transparency": transparency}
    image.save(tmp_path / "picture.png", **options)
    with Image.open(tmp_path / "picture.png") as stored:
        assert stored.mode == "P"
    picture = images.read(tmp_path / "picture.png")
    same(visible(picture, picture.rgb_HxWx3), visible(picture, palette[index] / 255))
    if transparency is None:
        assert picture.alpha_HxW is None
    else:
        alphas = [255, 255, 0, 255] if transparency == 2 else list(transparency)
        same(picture.alpha_HxW, np.array(alphas)[index] / 255)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_one_colour_declared_transparent(tmp_path, mode):
    array = noise(3) // 128 * 255 if mode == "RGB" else noise(1)[..., 0] // 64 * 64
    key = (255, 0, 255) if mode == "RGB" else 128
    Image.fromarray(array).save(tmp_path / "picture.png", transparency=key)
    picture = images.read(tmp_path / "picture.png")
    hidden = (array == key).all(-1) if mode == "RGB" else array == key
    assert 0 < hidden.mean() < 1
    same(picture.alpha_HxW, 1.0 - hidden)


def test_cmyk_jpeg(tmp_path):
    cmyk = np.concatenate([blocks(1), blocks(2)[..., :1] // 2], axis=-1)
    Image.fromarray(cmyk, "CMYK").save(tmp_path / "picture.jpg", quality=100, subsampling=0)
    c, m, y, k = np.moveaxis(cmyk / 255, -1, 0)
    expected = np.stack([(1 - c) * (1 - k), (1 - m) * (1 - k), (1 - y) * (1 - k)], axis=-1)
    same(images.read(tmp_path / "picture.jpg").rgb_HxWx3, expected, tolerance=4 / 255)


@pytest.mark.parametrize("suffix", ["gif", "tif"])
def test_of_several_frames_the_first_is_used_and_said(tmp_path, suffix):
    path = tmp_path / f"frames.{suffix}"
    if suffix == "gif":
        frames = [Image.fromarray(np.full((HEIGHT, WIDTH), value, np.uint8)) for value in (50, 200)]
        frames[0].save(path, save_all=True, append_images=frames[1:])
        first = np.full((HEIGHT, WIDTH, 3), 50 / 255)
    else:
        both = np.stack([noise(3, 16), noise(3, 16, seed=1)])
        write_tiff(path, both)
        first = both[0] / 65535
    picture = images.read(path)
    same(picture.rgb_HxWx3, first)
    assert picture.notes == ("several frames: the first is used",)


# --- reading: PIL images and arrays


def test_pil_image_as_source():
    array = noise(4)
    picture = images.read(Image.fromarray(array))
    same(visible(picture, picture.rgb_HxWx3), visible(picture, array[..., :3] / 255))
    same(picture.alpha_HxW, array[..., 3] / 255)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 2), (5, 7, 3), (5, 7, 4)])
def test_array_as_source(shape, dtype):
    array = np.random.default_rng(0).uniform(0, 1, shape)
    top = np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else 1
    array = (array * top).astype(dtype)
    picture = images.read(array)
    assert not np.shares_memory(picture.rgb_HxWx3, array)  # the caller's array is his
    array = array.astype(float).reshape(5, 7, -1) / top
    color = array[..., :3] if array.shape[-1] > 2 else array[..., :1].repeat(3, -1)
    same(visible(picture, picture.rgb_HxWx3), visible(picture, color))
    if array.shape[-1] in (2, 4):
        same(picture.alpha_HxW, array[..., -1])
    else:
        assert picture.alpha_HxW is None


@pytest.mark.parametrize(
    "array, hint",
    [
        (np.zeros(5, np.uint8), "shape (5,)"),
        (np.zeros((2, 3, 5), np.uint8), "shape (2, 3, 5)"),
        (np.zeros((1, 4, 4, 3), np.uint8), "shape (1, 4, 4, 3)"),
        (np.zeros((0, 4, 3), np.uint8), "shape (0, 4, 3)"),
        (np.zeros((4, 4, 3), np.int32), "int32"),
        (np.zeros((4, 4, 3), bool), "bool"),
        (np.zeros((4, 4, 3), complex), "complex"),
        (np.full((4, 4, 3), 1.01), "[0, 1]"),
        (np.full((4, 4, 3), -0.01), "[0, 1]"),
        (np.full((4, 4, 3), np.nan), "[0, 1]"),
        (np.full((4, 4, 3), np.inf), "[0, 1]"),
        (Image.fromarray(np.full((4, 4), 70000, np.int32)), "65535"),
        (Image.fromarray(np.full((4, 4), np.nan, np.float32)), "[0, 1]"),
        (3, "int: not a picture; give a path, a PIL image or an array"),
        (b"\xff\xd8", "bytes: not a picture"),
        (["photo.jpg"], "list: not a picture"),
    ],
)
def test_wrong_arrays(array, hint):
    with pytest.raises(UserError) as error:
        images.read(array)
    assert hint in str(error.value)
    assert "\n" not in str(error.value)


# --- reading: orientation

# where the standard (EXIF 2.3, tag 0x0112) puts row 0 and column 0 of the stored picture
FIRST_ROW_AND_COLUMN = {
    1: ("top", "left"),
    2: ("top", "right"),
    3: ("bottom", "right"),
    4: ("bottom", "left"),
    5: ("left", "top"),
    6: ("right", "top"),
    7: ("right", "bottom"),
    8: ("left", "bottom"),
}


def stored(upright, orientation):
    """What a camera would store of a picture, pixel by pixel."""
    height, width = upright.shape[:2]
    shape = (height, width) if orientation < 5 else (width, height)
    result = np.zeros((*shape, *upright.shape[2:]), upright.dtype)
    for r, c in np.ndindex(shape):
        y = x = None
        for side, offset in zip(FIRST_ROW_AND_COLUMN[orientation], (r, c), strict=True):
            if side in ("top", "bottom"):
                y = offset if side == "top" else height - 1 - offset
            else:
                x = offset if side == "left" else width - 1 - offset
        result[r, c] = upright[y, x]
    return result


@pytest.mark.parametrize("orientation", FIRST_ROW_AND_COLUMN)
@pytest.mark.parametrize("kind", ["jpg", "png", "webp", "tif", "png16", "gray16", "tif16"])
def test_every_orientation_gives_the_upright_picture(tmp_path, kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"picture.{kind.removesuffix('16').replace('gray', 'png')}"
    if kind.endswith("16"):
        upright = noise(4, 16) if kind != "gray16" else noise(1, 16)
        array = stored(upright, orientation)
        if kind == "tif16":
            tag = (274, "H", 1, orientation, True)
            write_tiff(path, array, extrasamples=["unassalpha"], extratags=[tag])
        else:
            chunk = png_chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))
            path.write_bytes(png_bytes(array if kind == "png16" else array[..., 0], chunk))
        picture = images.read(path)
        if kind != "gray16":
            same(picture.alpha_HxW, upright[..., 3] / 65535)
        same(picture.rgb_HxWx3, upright[..., :3].repeat(4 - min(upright.shape[2], 3), -1)[..., :3] / 65535)
        return
    upright = blocks()
    options = {"jpg": {"quality": 100, "subsampling": 0}, "webp": {"lossless": True}}.get(kind, {})
    Image.fromarray(stored(upright, orientation)).save(path, exif=exif, **options)
    same(images.read(path).rgb_HxWx3, upright / 255, tolerance=4 / 255 if kind == "jpg" else 1e-6)


@pytest.mark.parametrize("orientation", [0, 9])
@pytest.mark.parametrize("bits", [8, 16])
def test_an_orientation_that_does_not_exist_is_ignored(tmp_path, bits, orientation):
    array, tag = noise(3, bits), (274, "H", 1, orientation, True)
    write_tiff(tmp_path / "picture.tif", array, extratags=[tag])
    same(images.read(tmp_path / "picture.tif").rgb_HxWx3, array / (2**bits - 1))


# --- reading: colour profiles

# stored channel k shines in primary order[k], so sRGB's channel order[k] comes from it
SWAPPED = profile("swapped", gamma_curve(1.8), primaries(SRGB), order=(2, 0, 1))
GREY = profile("dark gray", gamma_curve(1.8))
GAMMA = 461 / 256  # 1.8, as profiles write it


def unswapped(array):
    return srgb_encoded(array[..., [1, 2, 0]].astype(float) ** GAMMA)


@pytest.mark.parametrize("suffix", ["png", "tif", "jpg", "webp"])
def test_an_embedded_profile_is_converted(tmp_path, suffix):
    array = blocks()
    options = {"jpg": {"quality": 100, "subsampling": 0}, "webp": {"lossless": True}}.get(suffix, {})
    Image.fromarray(array).save(tmp_path / f"picture.{suffix}", icc_profile=SWAPPED, **options)
    picture = images.read(tmp_path / f"picture.{suffix}")
    same(picture.rgb_HxWx3, unswapped(array / 255), tolerance=(6 if suffix == "jpg" else 2) / 255)
    assert picture.notes == ("converted from swapped to sRGB",)


def test_a_profile_is_converted_beside_alpha_and_palette(tmp_path):
    array = noise(4)
    Image.fromarray(array).save(tmp_path / "alpha.png", icc_profile=SWAPPED)
    picture = images.read(tmp_path / "alpha.png")
    same(
        visible(picture, picture.rgb_HxWx3),
        visible(picture, unswapped(array[..., :3] / 255)),
        tolerance=2 / 255,
    )
    same(picture.alpha_HxW, array[..., 3] / 255)
    few = Image.fromarray(blocks()).quantize(15)
    few.save(tmp_path / "palette.png", icc_profile=SWAPPED)
    expected = unswapped(np.asarray(few.convert("RGB")) / 255)
    same(images.read(tmp_path / "palette.png").rgb_HxWx3, expected, tolerance=2 / 255)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("bits", [8, 16])
def test_a_gray_profile_is_converted(tmp_path, bits, channels):
    array = noise(channels, bits)
    array = array[..., 0] if channels == 1 else array
    iccp = png_chunk(b"iCCP", b"gray\0\0" + zlib.compress(GREY))
    (tmp_path / "picture.png").write_bytes(png_bytes(array, iccp))
    picture = images.read(tmp_path / "picture.png")
    gray = array.reshape(HEIGHT, WIDTH, -1)[..., 0] / (2**bits - 1)
    expected = srgb_encoded(np.stack([gray] * 3, -1) ** GAMMA)
    same(
        visible(picture, picture.rgb_HxWx3),
        visible(picture, expected),
        tolerance=3 / 255 if bits == 8 else 2e-5,
    )
    assert picture.notes[0] == "converted from dark gray to sRGB"
    if channels == 2:
        same(picture.alpha_HxW, array[..., 1] / (2**bits - 1))


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_a_profile_at_16_bits_is_converted_in_16_bits(tmp_path, suffix):
    path, array = tmp_path / f"picture.{suffix}", noise(4, 16)
    if suffix == "png":
        path.write_bytes(png_bytes(array, png_chunk(b"iCCP", b"x\0\0" + zlib.compress(SWAPPED))))
    else:
        write_tiff(path, array, extrasamples=["unassalpha"], iccprofile=SWAPPED)
    picture = images.read(path)
    same(
        picture.rgb_HxWx3, unswapped(array[..., :3] / 65535), tolerance=4e-4
    )  # steps of 1/65536 in the primaries
    same(picture.alpha_HxW, array[..., 3] / 65535)
    assert picture.notes == ("converted from swapped to sRGB",)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("bad", [b"rubbish", SWAPPED[:200], GREY], ids=["rubbish", "cut", "gray"])
def test_a_bad_profile_is_ignored_and_said(tmp_path, bad, bits):
    array = noise(3, bits)
    data = png_bytes(array, png_chunk(b"iCCP", b"x\0\0" + zlib.compress(bad)))
    (tmp_path / "picture.png").write_bytes(data)
    picture = images.read(tmp_path / "picture.png")
    same(picture.rgb_HxWx3, array / (2**bits - 1))  # at 16 bits, all of them
    assert len(picture.notes) == 1
    assert picture.notes[0].startswith("embedded colour profile ignored")


# --- reading: errors


def complaint(path):
    """The message of the UserError: one line that names the file."""
    with pytest.raises(UserError) as error:
        images.read(path)
    message = str(error.value)
    assert "\n" not in message
    assert str(path) in message
    return message


def test_missing_folder_empty_and_text(tmp_path):
    assert "no such file" in complaint(tmp_path / "missing.png")
    assert "folder" in complaint(tmp_path)
    (tmp_path / "empty.jpg").write_bytes(b"")
    assert "empty" in complaint(tmp_path / "empty.jpg")
    (tmp_path / "text.png").write_text("not a picture\n" * 100)
    assert "not an image" in complaint(tmp_path / "text.png")


def test_no_permission(tmp_path, monkeypatch):
    path = tmp_path / "picture.png"
    Image.fromarray(noise()).save(path)

    def refuse(*args, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Image, "open", refuse)  # file modes do not stop root
    assert "no permission" in complaint(path)
    monkeypatch.setattr(type(path), "exists", refuse)
    assert "no permission" in complaint(path)


def encoded(kind):
    buffer, array = io.BytesIO(), noise(3, 16 if kind.endswith("16") else 8)
    if kind == "png16":
        return png_bytes(array)
    if kind == "zlib16":
        write_tiff(buffer, array, compression="zlib")
    elif kind == "tiff16":
        write_tiff(buffer, array)
    else:
        Image.fromarray(array).save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "tiff", "png16", "tiff16", "zlib16"])
def test_truncated(tmp_path, kind, share):
    data = encoded(kind)
    path = tmp_path / "picture"
    path.write_bytes(data)
    assert images.read(path).rgb_HxWx3.shape == (HEIGHT, WIDTH, 3)
    path.write_bytes(data[: int(len(data) * share)])
    message = complaint(path)
    assert "truncated" in message or "not an image" in message


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "tiff", "png16", "tiff16", "zlib16"])
def test_damaged_bytes_give_a_picture_or_one_line(tmp_path, kind):
    data, rng = encoded(kind), np.random.default_rng(0)
    path, complaints = tmp_path / "picture", 0
    for _ in range(40):
        damaged = bytearray(data)
        for _ in range(5):  # mostly in the headers, where parsers trust what they read
            end = min(len(data), 300) if rng.random() < 0.7 else len(data)
            damaged[rng.integers(end)] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            images.read(path)
        except UserError as error:
            assert "\n" not in str(error)
            complaints += 1
    assert complaints


# --- writing

WRITTEN = [("png", 8), ("png", 16), ("tif", 8), ("tiff", 16), ("jpg", 8), ("jpeg", 8), ("webp", 8)]


@pytest.mark.parametrize("with_alpha", [False, True])
@pytest.mark.parametrize("suffix, bits", WRITTEN)
def test_what_is_written_is_read(tmp_path, suffix, bits, with_alpha):
    path, array = tmp_path / f"picture.{suffix}", smooth(4)
    array[0, 0] = 0, 1, 0, 1
    images.write(path, array[..., :3], array[..., 3] if with_alpha else None, bits=bits)
    picture = images.read(path)
    tolerance = 0.502 / (2**bits - 1)
    if suffix in ("jpg", "jpeg") and with_alpha:  # on white
        assert np.abs(picture.rgb_HxWx3 - (1 + array[..., 3:] * (array[..., :3] - 1))).mean() < 0.01
    elif suffix in ("jpg", "jpeg", "webp"):
        assert np.abs(picture.rgb_HxWx3 - array[..., :3]).mean() < 0.01
    else:
        same(picture.rgb_HxWx3, array[..., :3], tolerance)
    if with_alpha and suffix not in ("jpg", "jpeg"):
        same(picture.alpha_HxW, array[..., 3], tolerance)
    else:
        assert picture.alpha_HxW is None
    assert picture.notes == ()


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("suffix, bits", [("png", 8), ("png", 16), ("tif", 8), ("tif", 16)])
def test_lossless_files_hold_the_rounded_values(tmp_path, suffix, bits, channels):
    path, array = tmp_path / f"picture.{suffix}", noise(channels, bits)
    rgba = array / (2**bits - 1)
    images.write(path, rgba[..., :3], rgba[..., 3] if channels == 4 else None, bits=bits)
    found = tifffile.imread(path) if suffix == "tif" else imagecodecs.png_decode(path.read_bytes())
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


def test_values_are_clipped(tmp_path):
    array = np.stack([smooth(1)[..., 0] * 4 - 2] * 3, axis=-1)
    images.write(tmp_path / "picture.png", array)
    same(images.read(tmp_path / "picture.png").rgb_HxWx3, np.clip(array, 0, 1), tolerance=0.502 / 255)


@pytest.mark.parametrize("description", ["nst 0.1: seed 3\nsteps 500", "Café — 星月夜", ""])
@pytest.mark.parametrize("suffix, bits", WRITTEN)
def test_files_are_tagged_srgb_and_described(tmp_path, suffix, bits, description):
    path = tmp_path / f"picture.{suffix}"
    images.write(path, smooth(), bits=bits, description=description)
    with Image.open(path) as image:
        icc = image.info["icc_profile"]
        if suffix == "png":
            found = image.text["Description"]
        else:
            found = image.getexif()[0x010E].encode("latin-1").decode()  # Pillow reads bytes as Latin-1
    assert "sRGB" in ImageCms.getProfileDescription(io.BytesIO(icc))
    assert icc[24:36] == bytes(12)  # the time of its making would make every file differ
    assert found == description == images.read_description(path)


def test_a_file_without_a_description_has_none(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg")
    (tmp_path / "a.txt").write_text("no picture")
    (tmp_path / "short.png").write_bytes((tmp_path / "a.png").read_bytes()[:20])
    for name in ("a.png", "a.jpg", "a.txt", "short.png", "missing.png", "."):
        assert images.read_description(tmp_path / name) == ""


@pytest.mark.parametrize("suffix, bits", WRITTEN)
def test_same_array_same_bytes(tmp_path, suffix, bits):
    paths = [tmp_path / f"{name}.{suffix}" for name in ("a", "b", "c")]
    array = smooth()
    for path in paths:
        images.write(path, array if path.stem != "c" else array[::-1], bits=bits, description="same")
    first, second, other = (path.read_bytes() for path in paths)
    assert first == second
    assert first != other


def test_jpeg_keeps_the_colour_of_single_pixels(tmp_path):
    array = np.zeros((16, 16, 3))
    array[:, ::2, 0] = 1  # red lines one pixel wide: 4:2:0 would mix them with their neighbours
    images.write(tmp_path / "picture.jpg", array)
    found = images.read(tmp_path / "picture.jpg").rgb_HxWx3
    assert found[:, ::2, 0].mean() - found[:, 1::2, 0].mean() > 0.9
    with Image.open(tmp_path / "picture.jpg") as image:
        assert [layer[1:3] for layer in image.layer] == [(1, 1)] * 3


def test_a_result_is_as_readable_as_any_other_file(tmp_path):
    (tmp_path / "other").write_bytes(b"")
    images.write(tmp_path / "picture.png", smooth())
    assert (tmp_path / "picture.png").stat().st_mode == (tmp_path / "other").stat().st_mode


@pytest.mark.parametrize("suffix, bits", WRITTEN)
@pytest.mark.parametrize("where", ["encode", "fsync", "replace"])
def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch, where, suffix, bits):
    path = tmp_path / f"picture.{suffix}"
    images.write(path, smooth(), bits=bits)
    before = path.read_bytes()

    def fail(*args, **kwargs):
        raise OSError(28, "No space left on device")

    if where == "encode":
        monkeypatch.setitem(image_writing._ENCODERS, images.SUFFIXES[path.suffix], fail)
    else:
        monkeypatch.setattr(files.os, where, fail)
    with pytest.raises(OSError, match="No space left"):
        images.write(path, 1 - smooth(), bits=bits)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == [path.name]


def test_unknown_suffix_and_depth(tmp_path):
    for name, bits, hint in (
        ("picture.gif", 8, str(tmp_path / "picture.gif")),
        ("picture", 8, ".png"),
        ("picture.pgn", 8, "did you mean '.png'"),
        ("picture.jpg", 16, "png, tiff"),
        ("picture.webp", 16, "png, tiff"),
        ("picture.png", 12, "none"),
    ):
        with pytest.raises(UserError) as error:
            images.write(tmp_path / name, smooth(), bits=bits)
        assert hint in str(error.value)
        assert "\n" not in str(error.value)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("format", images.FORMATS)
def test_check_format_agrees_with_write(tmp_path, format):
    suffix = next(suffix for suffix, name in images.SUFFIXES.items() if name == format)
    for bits in (8, 16):
        if bits in images.FORMATS[format]:
            images.check_format(format, bits)
            images.write(tmp_path / f"picture{suffix}", smooth(), bits=bits)
        else:
            with pytest.raises(UserError):
                images.check_format(format, bits)
    with pytest.raises(UserError, match="did you mean 'jpeg'"):
        images.check_format("jpg", 8)


# --- resizing

KERNELS = {  # of support 0.5, 1, 2 and 3 source pixels, where nothing shrinks
    "box": lambda t: 1.0 if -0.5 < t <= 0.5 else 0.0,
    "bilinear": lambda t: max(0.0, 1 - abs(t)),
    "bicubic": lambda t: (  # Keys 1981, a = -1/2
        1.5 * abs(t) ** 3 - 2.5 * abs(t) ** 2 + 1
        if abs(t) < 1
        else -0.5 * (abs(t) ** 3 - 5 * abs(t) ** 2 + 8 * abs(t) - 4)
        if abs(t) < 2
        else 0.0
    ),
    "lanczos": lambda t: float(np.sinc(t) * np.sinc(t / 3)) if abs(t) < 3 else 0.0,
}


def naive_matrix(before, after, filter):
    """Row i holds the weights of the source pixels in pixel i of the result."""
    if filter == "area":  # each pixel repeated, and means of equal blocks; or lines between pixels
        if after > before:
            places = np.linspace(0, before - 1, after)
            return np.stack([np.interp(places, np.arange(before), unit) for unit in np.eye(before)], axis=1)
        return np.repeat(np.eye(before), after, axis=0).reshape(after, before, before).mean(1)
    matrix, scale = np.zeros((after, before)), before / after
    for i in range(after):
        center = (i + 0.5) * scale  # pixel k covers [k, k + 1]
        if filter == "bilinear_aliased":  # torch's interpolate(align_corners=False, antialias=False)
            position = max(center - 0.5, 0)
            left = int(position)
            right = min(left + 1, before - 1)
            matrix[i, left] += 1 - (position - left)
            matrix[i, right] += position - left
            continue
        for k in range(before):
            matrix[i, k] = KERNELS[filter]((k + 0.5 - center) / max(scale, 1))
        matrix[i] /= matrix[i].sum()
    return matrix


def naive_resize(array, height, width, filter):
    rows, columns = (naive_matrix(*pair, filter) for pair in zip(array.shape, (height, width), strict=False))
    return np.clip(np.einsum("ih,jw,hwc->ijc", rows, columns, array.astype(np.float64)), 0, 1)


@pytest.mark.parametrize("size", [(12, 20), (7, 13), (50, 61), (24, 9), (31, 40), (1, 1)], ids=str)
@pytest.mark.parametrize("filter", images.FILTERS)
def test_resize_agrees_with_the_loops(filter, size):
    array = (noise() / 255).astype(np.float32)
    found = images.resize(array, *size, filter)
    same(found, naive_resize(array, *size, filter), tolerance=5e-6)


@pytest.mark.parametrize("filter", ["box", "area"])
def test_an_integer_factor_gives_the_means_of_blocks(filter):
    array = (noise() / 255).astype(np.float32)
    means = array.reshape(HEIGHT // 4, 4, WIDTH // 8, 8, 3).mean((1, 3))
    same(images.resize(array, HEIGHT // 4, WIDTH // 8, filter), means)


@pytest.mark.parametrize("size", [(1, 1), (7, 13), (HEIGHT - 1, 3), (2, WIDTH - 1)], ids=str)
def test_means_of_areas_keep_the_mean_and_the_type(size):
    array = (noise() / 255).astype(np.float32)
    found = images.resize(array, *size, "area")
    assert found.dtype == np.float32 and found.shape == (*size, 3)
    assert found.mean((0, 1)) == pytest.approx(array.mean((0, 1)), abs=1e-6)
    # box does not: it leaves out pixels of which less than half lies in a box
    assert size == (1, 1) or abs(images.resize(array, *size, "box").mean() - array.mean()) > 1e-5


def test_a_mean_of_areas_weighs_alpha():
    """3 columns become 2: the middle one belongs half to each, as far as it is visible."""
    rgb = np.repeat(np.float32([[[0.2], [0.5], [0.9]]]), 3, axis=2)
    alpha = np.float32([[1, 0.5, 0]])
    found = images.resize_picture(images.Picture(rgb, alpha), 1, 2, "area")
    same(found.alpha_HxW, np.array([[(1 + 0.25) / 1.5, 0.25 / 1.5]]), 1e-6)
    same(found.rgb_HxWx3[0, :, 0], np.array([(0.2 + 0.5 * 0.25) / 1.25, 0.5]), 1e-6)


def test_aliased_bilinear_halves_by_the_mean_of_four_and_skips_at_a_quarter():
    array = (noise() / 255).astype(np.float32)
    quads = array.reshape(HEIGHT // 2, 2, WIDTH // 2, 2, 3).mean((1, 3))
    same(images.resize(array, HEIGHT // 2, WIDTH // 2, "bilinear_aliased"), quads)
    middle = array.reshape(HEIGHT // 4, 4, WIDTH // 4, 4, 3)[:, 1:3, :, 1:3].mean((1, 3))
    same(images.resize(array, HEIGHT // 4, WIDTH // 4, "bilinear_aliased"), middle)


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("filter", images.FILTERS)
def test_a_constant_stays_constant(filter, value):
    array = np.full((HEIGHT, WIDTH, 3), value, np.float32)
    for size in ((9, 17), (50, 90)):
        same(images.resize(array, *size, filter), np.full((*size, 3), value))


@pytest.mark.parametrize("filter", images.FILTERS)
def test_overshoot_is_clipped(filter):
    array = (noise(3) > 127).astype(np.float32)
    found = images.resize(array, 37, 61, filter)
    assert found.min() >= 0
    assert found.max() <= 1


@pytest.mark.parametrize("filter", images.FILTERS)
def test_resize_of_planes_and_of_its_own_size(filter):
    array = (noise() / 255).astype(np.float32)
    same(images.resize(array[..., 1], 9, 11, filter), images.resize(array, 9, 11, filter)[..., 1])
    np.testing.assert_array_equal(images.resize(array, HEIGHT, WIDTH, filter), array)
    swapped = images.resize(array.swapaxes(0, 1), 11, 9, filter)
    same(swapped.swapaxes(0, 1), images.resize(array, 9, 11, filter))


def test_resize_picture_takes_alpha_along():
    array = smooth(4)
    for alpha in (array[..., 3], None):
        picture = images.Picture(array[..., :3], alpha, ("a note",))
        found = images.resize_picture(picture, 10, 12, "bicubic")
        assert found.notes == ("a note",)
        if alpha is None:
            assert found.alpha_HxW is None
            same(found.rgb_HxWx3, naive_resize(array, 10, 12, "bicubic")[..., :3], 2e-6)
        else:
            expected = naive_resize(array, 10, 12, "bicubic")[..., 3]
            same(found.alpha_HxW, expected, 2e-6)
            seen = naive_resize(array[..., :3] * array[..., 3:], 10, 12, "bicubic")
            same(found.rgb_HxWx3, seen / expected[..., None], 5e-6)


def test_unknown_filter_names_the_nearest():
    with pytest.raises(UserError, match="resize_filter = 'lancsoz': did you mean 'lanczos'"):
        images.resize(smooth(), 4, 4, "lancsoz")


@pytest.mark.parametrize(
    "height, width, size, mode, expected",
    [
        (300, 400, 200, "long", (150, 200)),
        (400, 300, 200, "long", (200, 150)),
        (300, 400, 150, "short", (150, 200)),
        (400, 300, 150, "short", (200, 150)),
        (100, 400, 100, "area", (50, 200)),
        (300, 400, 0, "long", (300, 400)),
        (300, 400, 0, "area", (300, 400)),
        (333, 500, 512, "long", (341, 512)),  # 340.99
        (321, 481, 256, "short", (256, 384)),  # 383.6
        (3, 10000, 100, "long", (1, 100)),  # 0.03: never nothing
        (10000, 3, 100, "long", (100, 1)),
        (1, 1, 512, "short", (512, 512)),
    ],
)
def test_target_size(height, width, size, mode, expected):
    assert images.target_size(height, width, size, mode) == expected


def test_target_size_keeps_what_it_says():
    rng = np.random.default_rng(0)
    for _ in range(300):
        height, width, size = (int(v) for v in rng.integers(1, 3000, 3))
        long = images.target_size(height, width, size, "long")
        short = images.target_size(height, width, size, "short")
        assert max(long) == size
        assert min(short) == size
        area = images.target_size(height, width, size, "area")
        # half a pixel an edge
        assert abs(area[0] * area[1] - size**2) <= 0.5 * (area[0] + area[1]) + 0.25 or min(area) == 1
        for found in (long, short, area):
            if min(found) > 1:
                ratio = found[0] / height * width / found[1]
                assert abs(ratio - 1) < 0.51 / min(found) * 2.1


def test_target_size_errors():
    with pytest.raises(UserError, match="size = -1"):
        images.target_size(3, 4, -1, "long")
    with pytest.raises(UserError, match="size_mode = 'longest': did you mean 'long'"):
        images.target_size(3, 4, 5, "longest")
