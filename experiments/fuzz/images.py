"""Hostile image files: every format that Pillow writes, damaged; and what people meet on the web and on disk.

Crafted files, such as those whose header promises more than they hold, are in crafted.py.
"""

import io
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from experiments.fuzz import crafted, places
from experiments.fuzz.cases import Case, check, damage, pick
from nst import images

SUFFIXES = ("png", "jpg", "jpeg", "tif", "tiff", "webp", "gif", "bmp", "PNG", "heic", "jp2", "ico", "", "txt")
_MEGAPIXELS = 60.0  # the limit of a user with a small machine: reading takes up to about 20 bytes a pixel
_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "LAB", "I", "F", "I;16", "PA", "RGBa")
_WRITABLE = (
    *("AVIF", "BMP", "DDS", "DIB", "EPS", "GIF", "ICNS", "ICO", "IM", "JPEG", "JPEG2000", "MPO", "MSP"),
    *("PCX", "PDF", "PNG", "PPM", "QOI", "SGI", "SPIDER", "TGA", "TIFF", "WEBP", "XBM"),
)


def make(rng: np.random.Generator, number: int, folder: Path, shared: Path) -> Case:
    """Makes a case: a file, or what stands in its place.

    Args:
      rng: of this case.
      number: of this case; cases with consecutive numbers are of different sorts.
      folder: an empty folder for the file.
      shared: of all cases; not used.
    """
    names = [*sorted(_SORTS), "place"]
    name = names[number % len(names)]
    if name == "place":
        kind, path = places.make(rng, folder, "photo.jpg")
        return Case(f"{name}: {kind}", lambda: _read(path))
    made = _SORTS[name](rng)
    if isinstance(made, np.ndarray):
        return Case(f"{name} {made.dtype} {made.shape}", lambda: _read(made))
    label, data = made
    if rng.random() < 0.25:
        done, data = damage(rng, data)
        label = f"{label}, {done}"
    path = folder / f"photo.{pick(rng, SUFFIXES)}"
    path.write_bytes(data)
    return Case(f"{name}: {label}, {len(data)} bytes, {path.name}", lambda: _read(path))


def _read(source) -> None:
    """Reads a picture and checks what is promised of it."""
    rgb, alpha, _ = images.read(source, _MEGAPIXELS)
    check(rgb.dtype == np.float32 and rgb.ndim == 3 and rgb.shape[2] == 3, f"{rgb.dtype} {rgb.shape}")
    check(bool(np.isfinite(rgb).all()) and 0 <= rgb.min() and rgb.max() <= 1, "values beyond [0, 1]")
    if alpha is not None:
        check(
            alpha.dtype == np.float32 and alpha.shape == rgb.shape[:2], f"alpha {alpha.dtype} {alpha.shape}"
        )
        check(bool(np.isfinite(alpha).all()) and 0 <= alpha.min() and alpha.max() <= 1, "alpha beyond [0, 1]")
    if isinstance(source, Path):
        sizes = _sizes(source)
        check(not sizes or tuple(sorted(rgb.shape[:2])) in sizes, f"{rgb.shape[:2]}, not one of {sizes}")


def _sizes(path: Path) -> set[tuple[int, int]]:
    """The sizes, edges sorted since EXIF may turn the picture, that the pages of a file state."""
    sizes = set()
    try:
        with Image.open(path) as image:
            for page in range(50):  # counting them could take a minute
                image.seek(page)
                sizes.add(tuple(sorted(image.size)))
    except Exception:  # no further page, or a damaged one
        pass
    return sizes


# --- sound pictures, in all their kinds


def picture(rng: np.random.Generator, mode: str, edge: int = 90) -> Image.Image:
    """Returns a random picture.

    Args:
      rng: the source of randomness.
      mode: of Pillow.
      edge: the longest edge, in pixels.
    """
    width, height = (int(n) for n in rng.integers(1, edge, size=2))
    base = (
        rng.integers(0, 256, (4, 4, 4), dtype=np.uint8) if rng.random() < 0.8 else np.zeros((1, 1, 4), "u1")
    )
    image = Image.fromarray(base).resize((width, height))
    if mode in ("I", "F", "I;16"):
        array = np.asarray(image.convert("L"), np.float64) * pick(rng, (1, 1 / 255, 257, -3, 1e30, np.nan))
        kind = {"I": np.int32, "F": np.float32, "I;16": np.uint16}[mode]
        with np.errstate(all="ignore"):
            return Image.fromarray(array.astype(kind))
    for way in ((mode,), ("RGB", mode), ("L", mode)):
        try:
            converted = image
            for step in way:
                converted = converted.convert(step)
            return converted
        except (ValueError, OSError):
            continue
    return Image.new(mode, (width, height)) if mode != "PA" else image.convert("P").convert("PA")


def _save(rng, image: Image.Image, format: str, **options) -> bytes:
    buffer = io.BytesIO()
    for attempt in (image, image.convert("RGB") if image.mode not in ("LAB", "PA") else None, None):
        try:
            (attempt or picture(rng, "L").convert("1" if format in ("XBM", "MSP") else "L")).save(
                buffer, format, **options
            )
            return buffer.getvalue()
        except Exception:  # the format holds no such picture
            buffer = io.BytesIO()
    return b""


def _format(rng):
    format, mode = pick(rng, _WRITABLE), pick(rng, _MODES)
    return f"{format} {mode}", _save(rng, picture(rng, mode), format)


def _damaged(rng):
    label, data = _format(rng)
    done, data = damage(rng, data)
    return f"{label}, {done}", data


def _common_damaged(rng):
    format = pick(rng, ("PNG", "JPEG", "TIFF", "WEBP", "GIF"))
    done, data = damage(rng, _save(rng, picture(rng, pick(rng, ("L", "P", "RGB", "RGBA"))), format))
    return f"{format}, {done}", data


def _frames(rng):
    format, count = pick(rng, ("GIF", "PNG", "TIFF", "WEBP", "AVIF", "MPO")), int(rng.integers(2, 40))
    pages = [picture(rng, "RGB") for _ in range(count)]
    if format != "TIFF" or rng.random() < 0.5:
        pages = [page.resize(pages[0].size) for page in pages]
    options = {"compression": pick(rng, (None, "tiff_lzw"))} if format == "TIFF" else {}
    return f"{format} of {count} frames", _save(
        rng, pages[0], format, save_all=True, append_images=pages[1:], **options
    )


def _profile(rng) -> bytes:
    kind = pick(rng, ("sRGB", "LAB", "XYZ"))
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile(kind)).tobytes()
    if rng.random() < 0.7:
        profile = damage(rng, profile)[1]
    return profile * 400 if rng.random() < 0.05 else profile


def _with_profile(rng):
    format, mode = (
        pick(rng, ("PNG", "JPEG", "TIFF", "WEBP")),
        pick(rng, ("L", "LA", "P", "RGB", "RGBA", "CMYK")),
    )
    image = picture(rng, mode)
    return f"{format} {mode} with a profile", _save(rng, image, format, icc_profile=_profile(rng))


def _with_exif(rng):
    format, exif = pick(rng, ("JPEG", "PNG", "TIFF", "WEBP")), Image.Exif()
    exif[0x0112] = pick(rng, (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 255, 65535, "6", (6, 3), -1, 6.5))
    exif[0x010E] = pick(rng, ("", "x" * 60000, "\0\0", "ä€"))
    try:
        data = exif.tobytes()
    except Exception:  # Pillow writes no such value
        data = b"Exif\0\0MM\0*" + rng.bytes(60)
    if rng.random() < 0.4:
        data = (b"Exif\0\0" if format != "TIFF" else b"") + damage(rng, data.removeprefix(b"Exif\0\0"))[1][
            :65000
        ]
    return f"{format} with EXIF", _save(rng, picture(rng, "RGB"), format, exif=data)


def _with_text(rng):
    info = PngInfo()
    info.add_text(
        "Description", pick(rng, ("", "\0", "é" * 1000, "x" * 3_000_000)), zip=bool(rng.integers(2))
    )
    return "PNG with text", _save(rng, picture(rng, "RGB"), "PNG", pnginfo=info)


def _tifffile(rng):
    kind = pick(rng, ("u1", "u2", "u4", "i2", "f2", "f4", "f8", "?"))
    shape = [int(rng.integers(1, 60)), int(rng.integers(1, 60)), pick(rng, (1, 2, 3, 4, 5, 7))]
    with np.errstate(all="ignore"):
        array = (rng.random(shape) * pick(rng, (1, 255, 65535, 1e38, -1))).astype(kind)
    if kind[0] == "f" and rng.random() < 0.2:
        array[0, 0, 0] = pick(rng, (np.nan, np.inf, -np.inf))
    options = {
        "photometric": pick(rng, ("rgb", "minisblack", "miniswhite", "cielab", "separated")),
        "compression": pick(rng, (None, "zlib", "lzw", "packbits", "zstd", "lzma")),
        "planarconfig": pick(rng, ("contig", "separate")),
        "tile": pick(rng, (None, (16, 16), (64, 32))),
        "bigtiff": bool(rng.integers(2)),
        "byteorder": pick(rng, "<>"),
        "predictor": pick(rng, (False, True)),
    }
    for extra in (options, {"photometric": "minisblack"}):
        try:
            buffer = io.BytesIO()
            tifffile.imwrite(buffer, array, **extra)
            return f"TIFF {kind} {shape} {options['photometric']}", buffer.getvalue()
        except Exception:  # no such combination
            continue
    return "TIFF, empty", b""


def _array(rng):
    shape = pick(rng, ((), (3,), (4, 5), (4, 5, 1), (4, 5, 2), (4, 5, 3), (4, 5, 4), (4, 5, 5), (0, 5, 3)))
    values = rng.random(shape) * pick(rng, (1, 1.0001, 255, -1, np.nan, np.inf))
    with np.errstate(all="ignore"):
        return np.asarray(values).astype(
            pick(rng, ("f2", "f4", "f8", "u1", "u2", "i4", "?", "c8", "O", "U4"))
        )


# --- what is not a picture


def _not_an_image(rng):
    name = pick(rng, sorted(_OTHERS))
    return name, _OTHERS[name]


_OTHERS = {
    "nothing": b"",
    "a line": b"hello\n",
    "HTML": b"<!DOCTYPE html><html><body>404 Not Found</body></html>",
    "SVG": b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
    "PDF": b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>",
    "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n{} loop\n",
    "a program": b"\x7fELF\x02\x01\x01" + bytes(99),
    "an archive": b"PK\x05\x06" + bytes(18),
    "HEIC": b"\0\0\0\x18ftypheic\0\0\0\0heicmif1" + bytes(99),
    "AVIF": b"\0\0\0\x18ftypavif\0\0\0\0avifmif1" + bytes(99),
    "JPEG XL": b"\xff\x0a" + bytes(99),
    "a video": b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(99),
    "a pointer of Git LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
}


_SORTS = {
    "array": _array,
    "common": _common_damaged,
    "crafted": crafted.make,
    "damaged": _damaged,
    "exif": _with_exif,
    "format": _format,
    "frames": _frames,
    "huge": crafted.huge,
    "not an image": _not_an_image,
    "png chunks": crafted.png_chunks,
    "profile": _with_profile,
    "text": _with_text,
    "tifffile": _tifffile,
}
