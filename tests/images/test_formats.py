"""Forms of files that people meet, each against values known beforehand."""

import io
import os
import struct
import sys
import zlib

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from nst import images
from nst.errors import UserError
from nst.images import decode, jpegxl
from tests.images.test_images import (
    HEIGHT,
    WIDTH,
    blocks,
    complaint,
    noise,
    png_bytes,
    png_chunk,
    same,
    smooth,
    visible,
    write_tiff,
)

# --- paths


@pytest.mark.parametrize(
    "url", ["https://example.org/cat.jpg", "http://a/b.png", "file:///home/cat.jpg", "s3://a/b"]
)
def test_a_url_says_so(url, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="not fetched from URLs; download it") as error:
        images.read(url)
    assert url in str(error.value)


def test_a_file_with_a_slash_behind_it(tmp_path):
    Image.fromarray(noise()).save(tmp_path / "cat.png")
    assert "leave out the slash at the end" in complaint(f"{tmp_path}/cat.png/")
    with pytest.raises(UserError, match="dog.png: no such file"):
        images.read(f"{tmp_path}/dog.png/")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
def test_a_pipe_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "cat.png")
    assert "a device or a pipe" in complaint(tmp_path / "cat.png")


# --- formats


@pytest.mark.parametrize("suffix", ["eps", "jpg", "png"])
def test_postscript_starts_no_program(tmp_path, monkeypatch, suffix):
    Image.new("RGB", (8, 8)).save(tmp_path / "picture.eps")
    path = (tmp_path / "picture.eps").rename(tmp_path / f"photo.{suffix}")
    monkeypatch.setattr(os, "execve", None)
    monkeypatch.setattr("subprocess.Popen.__init__", lambda *_, **__: pytest.fail("a program was started"))
    assert "not an image in a known format; save it as one of these: JPEG, PNG" in complaint(path)


@pytest.mark.parametrize("format", ["PCX", "TGA", "SGI", "ICO", "MSP", "DDS", "PDF"])
def test_other_formats_are_not_opened(tmp_path, format):
    Image.new("1" if format == "MSP" else "RGB", (16, 16)).save(tmp_path / "picture", format)
    assert "not an image in a known format" in complaint(tmp_path / "picture")


@pytest.mark.parametrize("format", decode.FORMATS)
def test_every_named_format_is_read(tmp_path, format):
    if format in ("AVIF", "JPEG2000", "WEBP"):
        Image.init()
        if format not in Image.SAVE:
            pytest.skip("this Pillow is built without it")
    array = blocks()
    options = {"AVIF": {"quality": 100}, "JPEG": {"quality": 100, "subsampling": 0}}.get(format, {})
    Image.fromarray(array).save(tmp_path / "picture", format, **options)
    found = images.read(tmp_path / "picture").rgb_HxWx3
    assert np.abs(found - array / 255).mean() < (0.02 if format in ("JPEG", "WEBP", "AVIF", "GIF") else 1e-6)


HEIC = struct.pack(">I", 24) + b"ftypheic" + bytes(4) + b"mif1heic" + bytes(100)


def test_heic_names_its_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)  # importing it fails
    (tmp_path / "photo.jpg").write_bytes(HEIC)
    message = complaint(tmp_path / "photo.jpg")
    assert "a HEIC needs pillow_heif: pip install 'nst[heic]', or save it as JPEG or PNG" in message


def test_heic_is_read_where_its_decoder_is(tmp_path):
    heif = pytest.importorskip("pillow_heif")
    array = blocks()
    heif.from_pillow(Image.fromarray(array)).save(tmp_path / "photo.heic", quality=100, chroma=444)
    same(images.read(tmp_path / "photo.heic").rgb_HxWx3, array / 255, tolerance=0.03)
    (tmp_path / "damaged.heic").write_bytes(HEIC)
    assert "not an image" in complaint(tmp_path / "damaged.heic")


# --- JPEG XL


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_jpeg_xl(tmp_path, channels, dtype):
    top = 1 if dtype == "float32" else np.iinfo(dtype).max
    array = (smooth(channels) * top).astype(dtype)
    array = array[..., 0] if channels == 1 else array
    (tmp_path / "picture.jxl").write_bytes(imagecodecs.jpegxl_encode(array, lossless=True))
    picture = images.read(tmp_path / "picture.jxl")
    planes = array.reshape(HEIGHT, WIDTH, -1) / top
    same(picture.rgb_HxWx3, planes[..., :3].repeat(3 if channels == 1 else 1, -1), tolerance=2e-6)
    assert picture.notes == ("JPEG XL: the colours are taken as sRGB",)
    if channels == 4:
        same(picture.alpha_HxW, planes[..., 3], tolerance=2e-6)


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (8, 512), (256, 264), (257, 1), (1000, 1200), (90, 160),
                                  (48, 64), (600, 513), (2, 9000), (300, 300), (100, 200)])  # fmt: skip
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_the_header_of_jpeg_xl_states_the_size(size, dtype):
    data = imagecodecs.jpegxl_encode(np.zeros(size, dtype), lossless=True, effort=1)
    assert jpegxl.measure(data) == size[::-1]
    with pytest.raises(ValueError):
        jpegxl.measure(data[:1])


def test_truncated_jpeg_xl(tmp_path):
    data = imagecodecs.jpegxl_encode(noise(), lossless=True)
    for share in (0.001, 0.3, 0.95):
        (tmp_path / "picture.jxl").write_bytes(data[: max(2, int(share * len(data)))])
        assert "truncated" in complaint(tmp_path / "picture.jxl")


# --- JPEG without its end


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}], ids=str)
@pytest.mark.parametrize("missing", [1, 2])
def test_a_jpeg_without_its_last_bytes(tmp_path, options, missing):
    for seed in range(5):
        buffer = io.BytesIO()
        Image.fromarray(noise(seed=seed)).save(buffer, "JPEG", **options)
        (tmp_path / "whole.jpg").write_bytes(buffer.getvalue())
        (tmp_path / "short.jpg").write_bytes(buffer.getvalue()[:-missing])
        picture = images.read(tmp_path / "short.jpg")
        assert picture.notes == ("the end of the file is missing, but no pixels are",)
        np.testing.assert_array_equal(picture.rgb_HxWx3, images.read(tmp_path / "whole.jpg").rgb_HxWx3)


@pytest.mark.parametrize("options", [{}, {"progressive": True}], ids=str)
def test_a_jpeg_that_lacks_more_is_truncated(tmp_path, options):
    buffer = io.BytesIO()
    Image.fromarray(noise()).save(buffer, "JPEG", **options)
    data = buffer.getvalue()
    for missing in (4, 5, 6, 10, 50, len(data) // 2):
        (tmp_path / "short.jpg").write_bytes(data[:-missing])
        assert "truncated" in complaint(tmp_path / "short.jpg")


# --- PNG whose transparency is one colour


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_one_grey_level_is_transparent(tmp_path, bits):
    levels = np.arange(16).reshape(2, 8) % 2**bits
    rows = b"".join(
        b"\0" + int("".join(format(v, f"0{bits}b") for v in row), 2).to_bytes(bits, "big") for row in levels
    )
    data = b"\x89PNG\r\n\x1a\n" + b"".join([
        png_chunk(b"IHDR", struct.pack(">2I5B", 8, 2, bits, 0, 0, 0, 0)),
        png_chunk(b"tRNS", struct.pack(">H", 1)),
        png_chunk(b"IDAT", zlib.compress(rows)), png_chunk(b"IEND", b""),
    ])  # fmt: skip
    (tmp_path / "picture.png").write_bytes(data)
    picture = images.read(tmp_path / "picture.png")
    same(picture.alpha_HxW, (levels != 1).astype(np.float32))
    gray = np.stack([levels / (2**bits - 1)] * 3, -1)
    same(visible(picture, picture.rgb_HxWx3), visible(picture, gray))


@pytest.mark.parametrize("channels", [1, 3])
def test_one_colour_of_16_bits_is_transparent(tmp_path, channels):
    array = noise(channels, 16)
    array[3:9, 5:] = array[0, 0]
    array[12] = array[0, 0] ^ 1  # differs in the lowest bit
    key = png_chunk(b"tRNS", array[0, 0].astype(">u2").tobytes())
    (tmp_path / "picture.png").write_bytes(png_bytes(array[..., 0] if channels == 1 else array, key))
    picture = images.read(tmp_path / "picture.png")
    same(picture.alpha_HxW, (array != array[0, 0]).any(-1).astype(np.float32))
    assert 0.05 < (picture.alpha_HxW == 0).mean() < 0.5 and picture.alpha_HxW[12].all()
    color = array.repeat(3 // channels, -1) / 65535
    same(visible(picture, picture.rgb_HxWx3), visible(picture, color))


# --- TIFF


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize(
    "options", [{}, {"compression": "zlib", "predictor": True}, {"planarconfig": "separate"}], ids=str
)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_floating_tiff(tmp_path, channels, options, dtype):
    if dtype == "float16" and "predictor" in options:
        options = {"compression": "zlib"}
    array = smooth(channels).astype(dtype)
    stored = np.moveaxis(array, -1, 0) if "planarconfig" in options else array
    if channels == 1:
        stored, options = array[..., 0], {k: v for k, v in options.items() if k != "planarconfig"}
    write_tiff(
        tmp_path / "picture.tif", stored, photometric="rgb" if channels > 1 else "minisblack",
        extrasamples=["unassalpha"] if channels == 4 else None, **options,
    )  # fmt: skip
    picture = images.read(tmp_path / "picture.tif")
    same(picture.rgb_HxWx3, array[..., :3].repeat(1 if channels > 1 else 3, -1).astype(np.float32))
    assert picture.notes == ("floating values without a colour profile are taken as sRGB",)
    if channels == 4:
        same(picture.alpha_HxW, array[..., 3].astype(np.float32))


def test_a_floating_tiff_beyond_white(tmp_path):
    write_tiff(tmp_path / "picture.tif", smooth(3) * 2)
    assert "floating values must lie in [0, 1]; scale or clip them first" in complaint(
        tmp_path / "picture.tif"
    )


def test_a_floating_tiff_with_premultiplied_alpha(tmp_path):
    array = smooth(4)
    array[2:5, 3:9, 3] = 0
    array[..., :3] *= array[..., 3:]
    write_tiff(tmp_path / "picture.tif", array, extrasamples=["assocalpha"])
    picture = images.read(tmp_path / "picture.tif")
    seen = array[..., 3] > 0
    same(picture.rgb_HxWx3[seen], smooth(4)[seen][:, :3])
    same(picture.alpha_HxW, array[..., 3])


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_a_tiff_of_10_to_14_bits(tmp_path, bits):
    array = noise(1, 16)[..., 0] >> (16 - bits)
    rows = ["".join(format(v, f"0{bits}b") for v in row) for row in array]
    data = b"".join(int(row, 2).to_bytes(WIDTH * bits // 8, "big") for row in rows)
    entries = ((256, WIDTH), (257, HEIGHT), (258, bits), (259, 1), (262, 1), (273, 8), (277, 1),
               (278, HEIGHT), (279, len(data)))  # fmt: skip
    body = b"".join(struct.pack("<HHII", code, 4, 1, value) for code, value in entries)
    head = b"II*\0" + struct.pack("<I", 8 + len(data))
    (tmp_path / "picture.tif").write_bytes(head + data + struct.pack("<H", len(entries)) + body + bytes(4))
    same(images.read(tmp_path / "picture.tif").rgb_HxWx3[..., 1], array / (2**bits - 1), tolerance=1e-5)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("place", ["pages", "subpages"])
def test_the_full_page_is_read_instead_of_the_thumbnail(tmp_path, place, bits):
    path, array = tmp_path / "picture.tif", noise(3, bits)
    with tifffile.TiffWriter(path) as file:
        options = {"photometric": "rgb", "metadata": None}
        file.write(
            array[::4, ::4], subfiletype=1, **options, **({"subifds": 2} if place == "subpages" else {})
        )
        file.write(array[::2, ::2], subfiletype=0, **options)
        file.write(array, subfiletype=0, **options)
    if place == "subpages" and bits == 8:
        assert "its full picture lies behind a thumbnail" in complaint(path)
        return
    picture = images.read(path)
    same(picture.rgb_HxWx3, array / (2**bits - 1))
    assert picture.notes == ("the first frame is a thumbnail: the largest other one is used",)


def test_a_raw_picture_is_named(tmp_path):
    with tifffile.TiffWriter(tmp_path / "picture.dng") as file:
        file.write(noise(3), subfiletype=1, photometric="rgb", metadata=None, subifds=1)
        file.write(noise(1, 16)[..., 0], subfiletype=0, photometric="cfa", metadata=None)
    assert "a camera's raw picture; develop it" in complaint(tmp_path / "picture.dng")


def test_only_a_thumbnail_is_said(tmp_path):
    write_tiff(tmp_path / "picture.tif", noise(3), subfiletype=1)
    assert images.read(tmp_path / "picture.tif").notes == (
        "the file says that this is a thumbnail, and holds nothing else",
    )
