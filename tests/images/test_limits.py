"""Pictures that promise much: refused by their header, in one line, before anything is decoded."""

import io
import logging
import struct
import time
import zlib

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from nst import images
from nst.errors import UserError
from nst.images import jpeg, limits
from tests.images.test_images import complaint, noise, png_chunk, write_tiff


def gif(width, height):
    screen = b"GIF89a" + struct.pack("<2H", width, height) + b"\x80\0\0" + b"\0\0\0\xff\xff\xff"
    return screen + b"," + struct.pack("<4H", 0, 0, width, height) + b"\0\2\2L\1\0;"


def png(width, height, bits=1, data=b""):
    header = struct.pack(">2I5B", width, height, bits, 0, 0, 0, 0)
    body = png_chunk(b"IHDR", header) + png_chunk(b"IDAT", zlib.compress(data)) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def saved(format, size=(16, 16), **options):
    buffer = io.BytesIO()
    Image.new("RGB", size).save(buffer, format, **options)
    return buffer.getvalue()


def jpeg_of(width, height):
    data = bytearray(saved("JPEG"))
    start = data.index(b"\xff\xc0")
    data[start + 5 : start + 9] = struct.pack(">2H", height, width)
    return bytes(data)


def webp(width, height):
    data = bytearray(saved("WEBP", lossless=True))
    (bits,) = struct.unpack_from("<I", data, 21)  # 14 bits of width - 1, as many of height - 1, and 4 others
    struct.pack_into("<I", data, 21, width - 1 | height - 1 << 14 | bits >> 28 << 28)
    return bytes(data)


def tiff(bits, tags, **options):
    """A TIFF of 64x64 px, with other numbers put into its tags."""
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, np.zeros((64, 64), f"uint{bits}"), metadata=None, **options)
    data = bytearray(buffer.getvalue())
    (start,) = struct.unpack_from("<I", data, 4)
    for entry in range(start + 2, start + 2 + 12 * struct.unpack_from("<H", data, start)[0], 12):
        (code,) = struct.unpack_from("<H", data, entry)
        if code in tags:
            struct.pack_into("<HII", data, entry + 2, 4, 1, tags[code])
    return bytes(data)


LARGE = {
    "gif": gif(65535, 65535), "png": png(60000, 60000), "png16": png(60000, 60000, 16),
    "jpeg": jpeg_of(65500, 65500), "bmp": b"BM" + struct.pack("<IHHI", 54, 0, 0, 54)
    + struct.pack("<IiiHHIIiiII", 40, 60000, 60000, 1, 24, 0, 0, 0, 0, 0, 0),
    "ppm": b"P6 60000 60000 255\n" + bytes(100), "webp": webp(16383, 16383),
    "tiff": tiff(8, {256: 60000, 257: 60000}), "tiff16": tiff(16, {256: 60000, 257: 60000}),
}  # fmt: skip
DENSE = {
    "gif": gif(10000, 10000), "png": png(10000, 10000), "jpeg": jpeg_of(10000, 10000),
    "webp": webp(10000, 10000),
    "jxl": imagecodecs.jpegxl_encode(np.zeros((4200, 4200), np.uint8), effort=1),
    "tiff": tiff(8, {256: 10000, 257: 10000}), "tiff16": tiff(16, {256: 10000, 257: 10000}),
}  # fmt: skip


def refused(tmp_path, data, seconds=1.0):
    path = tmp_path / "photo.jpg"  # the suffix does not matter
    path.write_bytes(data)
    began = time.perf_counter()
    message = complaint(path)
    assert time.perf_counter() - began < seconds
    return message


@pytest.mark.parametrize("kind", LARGE)
def test_more_pixels_than_the_budget(tmp_path, kind):
    message = refused(tmp_path, LARGE[kind])
    assert "more than max_megapixels = 250" in message and "--config.max_megapixels=" in message


@pytest.mark.parametrize("kind", DENSE)
def test_more_pixels_than_so_few_bytes_can_hold(tmp_path, kind):
    message = refused(tmp_path, DENSE[kind])
    assert "px in" in message and f"{len(DENSE[kind])} bytes" in message


@pytest.mark.parametrize("mode, bits", [("1", 1), ("L", 8), ("RGB", 8), ("RGBA", 8), ("RGBA", 16)])
def test_zeros_are_no_picture_in_any_depth(tmp_path, mode, bits):
    rows, color = 5000, {"1": 0, "L": 0, "RGB": 2, "RGBA": 6}[mode]
    data = zlib.compress(bytes(rows * (1 + rows * len(mode) * bits // 8)), 9)
    header = png_chunk(b"IHDR", struct.pack(">2I5B", rows, rows, bits, color, 0, 0, 0))
    body = png_chunk(b"IDAT", data) + png_chunk(b"IEND", b"")
    assert "made to fill the memory" in refused(tmp_path, b"\x89PNG\r\n\x1a\n" + header + body)


def test_pages_and_photographs_are_admitted():
    limits.check("a page at 600 dpi, in black and white", 4960, 7016, 250, 80_000, 1 / 8)
    limits.check("an AVIF of 0.1 bits per pixel", 8000, 6000, 250, 600_000)
    limits.check("below 16.8 megapixels, anything", 4096, 4096, 250, 35)


@pytest.mark.parametrize("size", [(178_000_000, 1), (1, 178_000_000)])
def test_an_edge_beyond_all_scans(tmp_path, size):
    assert "no edge may have more than 1000000 px" in refused(tmp_path, png(*size, 8, bytes(10**6)))


def test_the_budget_can_be_raised_and_lowered(tmp_path):
    path = tmp_path / "picture.png"
    Image.fromarray(noise()).save(path)
    pixels = noise().shape[0] * noise().shape[1] / 1e6
    assert images.read(path, pixels).rgb_HxWx3.shape == noise().shape
    for source in (path, Image.fromarray(noise())):
        with pytest.raises(UserError, match="max_megapixels"):
            images.read(source, pixels * 0.99)
    (tmp_path / "large.gif").write_bytes(gif(65535, 65535))
    with pytest.raises(UserError, match="4295 megapixels, more than max_megapixels = 4000"):
        images.read(tmp_path / "large.gif", 4000)


def test_scans_of_200_megapixels_are_admitted(tmp_path, monkeypatch):
    limits.check("scan", 17_000, 11_800, limits.MEGAPIXELS, 60_000_000)
    path = tmp_path / "picture.png"
    Image.fromarray(noise()).save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)  # Pillow's own limit, of 179 megapixels
    assert images.read(path).rgb_HxWx3.shape == noise().shape
    assert Image.MAX_IMAGE_PIXELS == 10


def test_nothing_is_left_changed(tmp_path):
    log, before = logging.getLogger("tifffile"), Image.MAX_IMAGE_PIXELS
    (tmp_path / "a.tif").write_bytes(b"II*\0" + bytes(40))
    complaint(tmp_path / "a.tif")
    assert not log.disabled and Image.MAX_IMAGE_PIXELS == before


# --- JPEG


def progressive(scans, edge=16):
    data = saved("JPEG", (edge, edge), progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:-2] + data[last:-2] * (scans - data.count(b"\xff\xda")) + data[-2:]


def test_a_jpeg_with_thousands_of_scans_is_refused(tmp_path):
    assert "more than 100 scans" in refused(tmp_path, progressive(3000, 2000))
    assert "more than 100 scans" in refused(tmp_path, progressive(101))
    (tmp_path / "fine.jpg").write_bytes(progressive(100))
    assert images.read(tmp_path / "fine.jpg").rgb_HxWx3.shape == (16, 16, 3)


def test_a_large_jpeg_may_have_fewer_scans():
    data = progressive(30)
    jpeg.check_scans("small", data, 10**8)
    with pytest.raises(UserError, match="more than 20 scans"):
        jpeg.check_scans("large", data, 250 * 10**6)


def test_bytes_that_look_like_scans_are_not_counted(tmp_path):
    data = saved("JPEG")
    comment = b"\xff\xda" * 1000
    thumbnail = b"\xff\xfe" + struct.pack(">H", len(comment) + 2) + comment
    (tmp_path / "picture.jpg").write_bytes(data[:2] + thumbnail + data[2:] + comment)
    assert images.read(tmp_path / "picture.jpg").rgb_HxWx3.shape == (16, 16, 3)


# --- TIFF


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(
    "tags", [{322: 2**20}, {323: 2**31 - 16}, {322: 2**31 - 16, 323: 2**31 - 16}], ids=str
)
def test_tiles_larger_than_the_picture(tmp_path, bits, tags):
    assert "tiles of" in refused(tmp_path, tiff(bits, tags, tile=(32, 32), compression="zlib"))


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("tags", [{322: 0}, {262: 999}, {259: 999}, {258: 0}, {277: 0}], ids=str)
def test_tags_that_mean_nothing(tmp_path, bits, tags):
    refused(tmp_path, tiff(bits, tags, tile=(32, 32)))


@pytest.mark.parametrize("bits", [8, 16])
def test_a_tiff_with_60000_channels(tmp_path, bits):
    assert "60000 channels" in refused(tmp_path, tiff(bits, {277: 60000}))


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(
    "options", [{"tile": (32, 32)}, {"rowsperstrip": 16, "compression": "zlib"}], ids=str
)
def test_a_tiff_whose_parts_are_missing_is_damaged(tmp_path, bits, options):
    """Decoders would leave the missing part black."""
    assert "parts of the picture are missing" in refused(tmp_path, tiff(bits, {257: 4000}, **options))


def test_a_tiff_of_100000_pages(tmp_path):
    entries = ((256, 3, 16), (257, 3, 16), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 8), (278, 3, 16),
               (279, 4, 256))  # fmt: skip
    body = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", c, k, 1, v) for c, k, v in entries)
    data, count = [b"II*\0" + struct.pack("<I", 264) + bytes(range(256))], 100_000
    for page in range(1, count + 1):
        data.append(body + struct.pack("<I", 264 + page * (len(body) + 4) if page < count else 0))
    path = tmp_path / "pages.tif"
    path.write_bytes(b"".join(data))
    began = time.perf_counter()
    picture = images.read(path)
    assert time.perf_counter() - began < 1
    assert picture.notes == ("several frames: the first is used",)
    np.testing.assert_array_equal(picture.rgb_HxWx3[..., 0].ravel(), np.arange(256, dtype=np.float32) / 255)


@pytest.mark.parametrize("compression", ["jpegxl", "jpeg2000", "lerc"])
def test_a_deep_tiff_of_a_compression_with_sizes_of_its_own(tmp_path, compression):
    write_tiff(tmp_path / "picture.tif", noise(3, 16), compression=compression)
    assert "save it with LZW or ZIP" in complaint(tmp_path / "picture.tif")


# --- metadata


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("name, head", [(b"iCCP", b"x\0\0"), (b"zTXt", b"x\0\0"), (b"iTXt", b"x\0\1\0\0\0")])
def test_metadata_that_unpacks_to_much(tmp_path, bits, name, head):
    bomb = png_chunk(name, head + zlib.compress(bytes(30_000_000)))
    data = png(8, 8, bits, bytes(8 * (8 * bits // 8 + 1)))
    assert "too large" in refused(tmp_path, data[:33] + bomb + data[33:])


def test_memory_that_runs_out_is_one_line(tmp_path, monkeypatch):
    Image.fromarray(noise()).save(tmp_path / "picture.png")

    def fail(*args):
        raise MemoryError

    monkeypatch.setattr(ImageOps, "exif_transpose", fail)
    assert "not enough memory" in complaint(tmp_path / "picture.png")
