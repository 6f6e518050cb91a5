"""PNG and TIFF of 16 bits are read and written without imagecodecs, and as imagecodecs does it."""

import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from nst import images
from nst.images import png, tiff
from tests.images.test_images import complaint, noise, png_bytes, png_chunk, same, write_tiff

ROOT = Path(__file__).parents[2]
PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def values(height, width, channels, seed=0):
    return np.random.default_rng(seed).integers(0, 65536, (height, width, channels), dtype=np.uint16)


def filtered(array, kinds):
    """The rows of a picture, each filtered in its own way, pixel by pixel as the standard defines it."""
    height, width, channels = array.shape
    rows, size = array.astype(">u2").tobytes(), 2 * channels
    rows = [rows[y * width * size : (y + 1) * width * size] for y in range(height)]
    out = bytearray()
    for y, row in enumerate(rows):
        out.append(kinds[y])
        for i, byte in enumerate(row):
            a = row[i - size] if i >= size else 0
            b = rows[y - 1][i] if y else 0
            c = rows[y - 1][i - size] if y and i >= size else 0
            p = a + b - c
            paeth = min((a, b, c), key=lambda value: abs(p - value))  # noqa: B023 the first of equal ones
            out.append((byte - (0, a, b, (a + b) // 2, paeth)[kinds[y]]) % 256)
    return bytes(out)


def written(array, kinds, interlaced=False, *extra, pieces=1):
    height, width, channels = array.shape
    parts = [array[y::down, x::right] for x, y, right, down in PASSES] if interlaced else [array]
    data = zlib.compress(b"".join(filtered(part, kinds) for part in parts if part.size))
    cuts = [len(data) * part // pieces for part in range(pieces + 1)]
    header = struct.pack(">2I5B", width, height, 16, {1: 0, 3: 2, 2: 4, 4: 6}[channels], 0, 0, interlaced)
    chunks = [png_chunk(b"IHDR", header), *extra]
    chunks += [png_chunk(b"IDAT", data[a:b]) for a, b in zip(cuts[:-1], cuts[1:], strict=True)]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks) + png_chunk(b"IEND", b"")


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (2, 3), (17, 11), (8, 30)])
@pytest.mark.parametrize("interlaced", [False, True])
def test_every_filter_is_undone(size, channels, interlaced):
    array = values(*size, channels)
    array[: size[0] // 2] //= 256  # neighbours that are alike
    for seed in range(4):
        kinds = np.random.default_rng(seed).integers(0, 5, size[0]).tolist()
        data = written(array, kinds, interlaced, pieces=1 + seed)
        np.testing.assert_array_equal(png.decode(data), array)
        np.testing.assert_array_equal(imagecodecs.png_decode(data).reshape(array.shape), array)


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("channels, key", [(1, (258,)), (3, (3, 256, 65535))])
def test_one_colour_is_transparent(channels, key, interlaced):
    array = values(6, 7, channels)
    array[2, 3] = array[5, 0] = key
    array[0, 0] = (*key[:-1], key[-1] - 1)
    trns = png_chunk(b"tRNS", struct.pack(f">{channels}H", *key))
    data = written(array, [4] * 6, interlaced, trns)
    expected = np.full((6, 7), 65535)
    expected[2, 3] = expected[5, 0] = 0
    np.testing.assert_array_equal(png.decode(data), np.dstack([array, expected]))
    np.testing.assert_array_equal(imagecodecs.png_decode(data), png.decode(data))


def test_grey_is_as_pillow_reads_it():
    data = written(values(20, 30, 1), [0, 1, 2, 3, 4] * 4)
    with Image.open(io.BytesIO(data)) as image:
        np.testing.assert_array_equal(np.asarray(image), png.decode(data)[..., 0])


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (33, 50)])
def test_what_is_written_is_read_by_others(size, channels):
    for array in (values(*size, channels), np.zeros((*size, channels), np.uint16)):
        data = png.encode(array, {b"tEXt": b"Title\0x"})
        np.testing.assert_array_equal(imagecodecs.png_decode(data).reshape(array.shape), array)
        np.testing.assert_array_equal(png.decode(data), array)
        with Image.open(io.BytesIO(data)) as image:
            image.load()  # which also compares the checksums
            assert image.text == {"Title": "x"}


def test_smooth_pictures_become_small():
    slope = np.linspace(0, 60000, 200 * 300).reshape(200, 300, 1).repeat(3, -1).astype(np.uint16)
    assert len(png.encode(slope, {})) < slope.nbytes / 5


@pytest.mark.parametrize("channels", [3, 4])
def test_damaged_16bit_png(tmp_path, channels):
    array, path = values(20, 30, channels), tmp_path / "picture.png"
    whole = written(array, [1] * 20)
    middle = whole.index(b"IDAT") + 40
    rows = bytearray(filtered(array, [1] * 20))
    head, end = whole[:33], png_chunk(b"IEND", b"")
    short = head + png_chunk(b"IDAT", zlib.compress(bytes(rows[:-1]))) + end
    rows[0] = 5
    strange = head + png_chunk(b"IDAT", zlib.compress(bytes(rows))) + end
    damaged = {
        "the IDAT chunk is damaged": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
        "its end is missing": short,
        "there is no such filter": strange,
    }
    for reason, data in damaged.items():
        path.write_bytes(data)
        assert "truncated or damaged image" in complaint(path)
        with pytest.raises(ValueError, match=reason):
            png.decode(data)
    more = zlib.compress(filtered(array, [1] * 20) + bytes(10**7))  # what follows the picture is left there
    path.write_bytes(head + png_chunk(b"IDAT", more) + end)
    same(images.read(path).rgb_HxWx3, array[..., :3] / 65535)


# --- TIFF


LAYOUTS = [{}, {"rowsperstrip": 7}, {"tile": (16, 32)}, {"planarconfig": "separate"},
           {"planarconfig": "separate", "tile": (32, 16)}, {"byteorder": ">"}, {"bigtiff": True},
           {"byteorder": ">", "tile": (16, 16)}]  # fmt: skip


@pytest.mark.parametrize("compression", [None, "lzw", "zlib", "deflate", "packbits", "lzma", "zstd"])
@pytest.mark.parametrize("dtype", ["uint16", "float16", "float32", "float64"])
def test_deep_tiffs_are_read_as_by_imagecodecs(tmp_path, compression, dtype):
    array = noise(3, 16)
    array = array if dtype == "uint16" else (array / 65535).astype(dtype)
    for options in LAYOUTS:
        for predictor in (False, True) if compression in ("lzw", "zlib") else (False,):
            stored = np.moveaxis(array, -1, 0) if "planarconfig" in options else array
            given = {"compression": compression, "predictor": predictor, **options}
            tifffile.imwrite(tmp_path / "picture.tif", stored, photometric="rgb", metadata=None, **given)
            with tifffile.TiffFile(tmp_path / "picture.tif") as file:
                found = tiff._samples(file.pages.first)
                np.testing.assert_array_equal(found, file.pages.first.asarray(), err_msg=str(given))
                assert found.dtype == dtype and found.dtype.isnative


# reads the pictures of a folder where imagecodecs is not installed, and writes one in every form
WITHOUT = """
import pathlib, sys
sys.modules["imagecodecs"] = None
import numpy as np
from nst import images
from nst.errors import UserError
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    try:
        np.save(path.with_name(path.name + ".npy"), images.read(path).rgb_HxWx3)
    except UserError as error:
        path.with_name(path.name + ".txt").write_text(str(error))
for bits in (8, 16):
    for suffix in ("png", "tif"):
        images.write(f"{sys.argv[1]}/written{bits}.{suffix}", np.load(sys.argv[2]), bits=bits)
"""


@pytest.mark.processes
def test_without_imagecodecs(tmp_path):
    folder, array = tmp_path / "pictures", noise(3, 16)
    folder.mkdir()
    (folder / "a.png").write_bytes(png_bytes(array))
    for compression in (None, "lzw", "zlib", "packbits"):
        write_tiff(
            folder / f"{compression}.tif", array, compression=compression, predictor=compression == "lzw"
        )
    write_tiff(folder / "float.tif", (array / 65535).astype(np.float32), compression="zlib", predictor=True)
    (folder / "b.jxl").write_bytes(imagecodecs.jpegxl_encode(noise()))
    tifffile.imwrite(folder / "c.tif", array >> 4, photometric="rgb", bitspersample=12)
    np.save(tmp_path / "picture.npy", array / 65535)
    words = (sys.executable, "-c", WITHOUT, str(folder), str(tmp_path / "picture.npy"))
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    advice = "needs imagecodecs: pip install 'nst[images]', or save it "
    said = {path.name: path.read_text() for path in folder.glob("*.txt")}
    assert said == {
        "b.jxl.txt": f"{folder / 'b.jxl'}: a JPEG XL {advice}as PNG or JPEG",
        "c.tif.txt": f"{folder / 'c.tif'}: a TIFF of 12 bits {advice}with 16 bits",
    }
    found = sorted(folder.glob("*.npy"))
    assert len(found) == 6
    for path in found:
        same(np.load(path), array / 65535)
    for path in folder.glob("written*"):  # the same bytes as with it
        images.write(tmp_path / path.name, array / 65535, bits=int(path.stem.removeprefix("written")))
        assert path.read_bytes() == (tmp_path / path.name).read_bytes()
