"""Image files written byte by byte: heads that promise too much, bombs, and chunks out of place."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

from experiments.fuzz.cases import pick

_EDGES = (
    0, 1, 2, 255, 4000, 8000, 10_000, 13_000, 16_383, 30_000, 65_500, 65_535, 10**6, 178_000_000, 2**31 - 1,
    2**32 - 1,
)  # fmt: skip


def make(rng: np.random.Generator) -> tuple[str, bytes]:
    """Returns what it is and a file of one of the sorts below.

    Args:
      rng: the source of randomness.
    """
    return pick(rng, (_png_bomb, _tiff_bomb, _many_pages, _many_scans, _flat_webp, _many_gif_frames))(rng)


def huge(rng: np.random.Generator) -> tuple[str, bytes]:
    """Returns what it is and a file whose header states a random, often absurd size.

    Args:
      rng: the source of randomness.
    """
    name, (width, height) = pick(rng, sorted(_HEADERS)), (pick(rng, _EDGES), pick(rng, _EDGES))
    if rng.random() < 0.3:
        width = height
    wide = _BITS[name]
    width, height = width % 2**wide, height % 2**wide
    return f"{name} that states {width}x{height}", _HEADERS[name](rng, width, height)


# --- PNG


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _png(width, height, bits, color, *chunks) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + b"".join(chunks) + _chunk(b"IEND", b"")


def zeros(count: int) -> bytes:
    """Returns a zlib stream of zero bytes, quickly even if they are billions.

    Args:
      count: of the bytes.
    """
    block = 2**22
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    one = deflate.compress(bytes(block)) + deflate.flush(zlib.Z_FULL_FLUSH)
    rest = zlib.compressobj(9, zlib.DEFLATED, -15)
    tail = rest.compress(bytes(count % block)) + rest.flush()
    adler = (count % 65521) << 16 | 1  # of zeros
    return b"\x78\xda" + one * (count // block) + tail + struct.pack(">I", adler)


def _png_head(rng, width, height):
    bits, color = pick(rng, ((1, 0), (8, 0), (8, 2), (16, 2), (8, 3), (8, 6), (16, 6), (16, 4)))
    chunks = [_chunk(b"PLTE", bytes(range(6)))] if color == 3 else []
    return _png(width, height, bits, color, *chunks, _chunk(b"IDAT", zeros(pick(rng, (0, 10**3, 10**6)))))


def _png_bomb(rng):
    width, height = pick(
        rng, ((20_000, 20_000), (30_000, 30_000), (12_000, 12_000), (178_000_000, 1), (1, 10**7))
    )
    bits, color, channels = pick(rng, ((1, 0, 1), (8, 0, 1), (8, 2, 3), (16, 6, 4)))
    row = 1 + (width * bits * channels + 7) // 8
    return f"PNG of {width}x{height} zeros", _png(
        width, height, bits, color, _chunk(b"IDAT", zeros(row * height))
    )


def png_chunks(rng: np.random.Generator) -> tuple[str, bytes]:
    """Returns what it is and a small PNG with chunks that are wrong, twice there, too large, or out of place.

    Args:
      rng: the source of randomness.
    """
    bits, color, channels = pick(
        rng,
        (
            (1, 0, 1),
            (4, 0, 1),
            (8, 0, 1),
            (16, 0, 1),
            (8, 2, 3),
            (16, 2, 3),
            (2, 3, 1),
            (8, 3, 1),
            (8, 4, 2),
            (16, 6, 4),
            (3, 0, 1),
            (8, 5, 3),
        ),  # fmt: skip
    )
    width, height = (int(n) for n in rng.integers(1, 40, size=2))
    rows = b"".join(
        bytes([pick(rng, (0, 0, 1, 2, 3, 4, 5))]) + rng.bytes((width * bits * channels + 7) // 8)
        for _ in range(height)
    )
    data = [_chunk(b"IDAT", zlib.compress(rows))]
    for _ in range(int(rng.integers(1, 5))):
        name = pick(rng, sorted(_BODIES))
        data.insert(int(rng.integers(len(data) + 1)), _chunk(name, _BODIES[name](rng)))
    return f"PNG of {bits} bits, colour {color}", _png(width, height, bits, color, *data)


def _deflated(rng) -> bytes:
    return b"icc\0\0" + zeros(pick(rng, (10, 10**6, 3 * 10**9)))


_BODIES = {
    b"tRNS": lambda rng: rng.bytes(pick(rng, (0, 1, 2, 6, 256, 999))),
    b"PLTE": lambda rng: rng.bytes(pick(rng, (0, 1, 3, 12, 768, 999))),
    b"gAMA": lambda rng: rng.bytes(pick(rng, (0, 4, 5))),
    b"cHRM": lambda rng: rng.bytes(pick(rng, (0, 32, 5))),
    b"sBIT": lambda rng: rng.bytes(pick(rng, (0, 1, 3))),
    b"pHYs": lambda rng: rng.bytes(pick(rng, (0, 9, 3))),
    b"eXIf": lambda rng: rng.bytes(pick(rng, (0, 30))),
    b"iCCP": _deflated,
    b"zTXt": _deflated,
    b"iTXt": lambda rng: b"key\0\1\0\0\0" + zeros(pick(rng, (10, 3 * 10**9))),
    b"IHDR": lambda rng: struct.pack(">IIBBBBB", pick(rng, _EDGES), 9, 8, 2, 0, 0, 0),
    b"acTL": lambda rng: struct.pack(">II", pick(rng, _EDGES), 0),
    b"fcTL": lambda rng: rng.bytes(26),
    b"fdAT": lambda rng: rng.bytes(40),
    b"XXXX": lambda rng: rng.bytes(10),
    b"IDAT": lambda rng: rng.bytes(40),
    b"IEND": lambda rng: b"",
}


# --- the heads of other formats


def _gif(rng, width, height):
    head = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6)
    return head + b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\2\2\x44\1\0;"


def _jpeg(rng, width, height):
    """A small JPEG whose frame header states another size."""
    buffer = io.BytesIO()
    options = {"progressive": bool(rng.integers(2)), "quality": 20}
    Image.new("RGB", (16, 16), (9, 99, 199)).save(buffer, "JPEG", **options)
    data = bytearray(buffer.getvalue())
    place = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2"))
    data[place + 5 : place + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def _bmp(rng, width, height):
    bits = pick(rng, (1, 8, 24, 32))
    info = struct.pack("<IIIHHIIIIII", 40, width, height, 1, bits, pick(rng, (0, 1, 3)), 0, 0, 0, 2, 0)
    return b"BM" + struct.pack("<IHHI", 99, 0, 0, 62) + info + bytes(100)


def _tiff(entries, data=b"") -> bytes:
    """A TIFF of one page: entries are (tag, type, count, value or offset), the data begins at 8."""
    body = struct.pack("<H", len(entries))
    body += b"".join(struct.pack("<HHII", *entry) for entry in sorted(entries))
    return b"II*\0" + struct.pack("<I", 8 + len(data)) + data + body + bytes(4)


def _tiff_head(rng, width, height):
    compression, bits = pick(rng, (1, 5, 8, 32773, 7, 34712)), pick(rng, (1, 8, 16, 32))
    entries = [
        (256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, bits), (259, 3, 1, compression),
        (262, 3, 1, pick(rng, (0, 1, 2, 3, 6))), (273, 4, 1, 8), (277, 3, 1, pick(rng, (1, 3, 4, 65535))),
        (278, 4, 1, pick(rng, (height, 1, 0))), (279, 4, 1, pick(rng, (40, 2**32 - 1))),
    ]  # fmt: skip
    return _tiff(entries, bytes(40))


def _tiff_bomb(rng):
    edge = pick(rng, (12_000, 20_000, 40_000))
    data, bits = zeros(edge * edge), pick(rng, (8, 16))
    entries = [
        (256, 4, 1, edge), (257, 4, 1, edge * 8 // bits), (258, 3, 1, bits), (259, 3, 1, 8), (262, 3, 1, 1),
        (273, 4, 1, 8), (277, 3, 1, 1), (278, 4, 1, edge), (279, 4, 1, len(data)),
    ]  # fmt: skip
    return f"TIFF of {edge}x{edge} zeros", _tiff(entries, data)


def _many_pages(rng):
    """Pages that share one strip; the last may point to the first."""
    count, out = pick(rng, (1000, 100_000)), bytearray(b"II*\0" + struct.pack("<I", 16) + bytes(8))
    tags = [(256, 1), (257, 1), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, 1), (279, 1)]
    page = struct.pack("<H", len(tags)) + b"".join(
        struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags
    )
    for number in range(count):
        after = len(out) + len(page) + 4
        end = number == count - 1
        out += page + struct.pack("<I", pick(rng, (0, 16)) if end else after)
    return f"TIFF of {count} pages", bytes(out)


def _ppm(rng, width, height):
    return pick(rng, (b"P6", b"P5", b"P3", b"P4")) + f"\n{width} {height}\n255\n".encode() + bytes(99)


def _webp(rng, width, height):
    body = (
        b"\x10\0\0\0" + struct.pack("<I", max(width - 1, 0))[:3] + struct.pack("<I", max(height - 1, 0))[:3]
    )
    chunk = b"VP8X" + struct.pack("<I", len(body)) + body
    lossless = b"VP8L" + struct.pack("<I", 8) + b"\x2f" + struct.pack("<I", 0x0FFFFFFF) + bytes(3)
    return b"RIFF" + struct.pack("<I", 4 + len(chunk + lossless)) + b"WEBP" + chunk + lossless


def _flat_webp(rng):
    edge, buffer = pick(rng, (500, 3000)), io.BytesIO()
    Image.new("RGB", (edge, edge), (1, 2, 3)).save(buffer, "WEBP", lossless=bool(rng.integers(2)), method=0)
    return f"WebP of {edge}x{edge}, one colour", buffer.getvalue()


def _jpeg2000(rng, width, height):
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16)).save(buffer, "JPEG2000", no_jp2=True)
    data = bytearray(buffer.getvalue())
    place = data.find(b"\xff\x51") + 6
    data[place : place + 8] = struct.pack(">II", width, height)
    if rng.random() < 0.5:  # one tile of that size
        data[place + 16 : place + 24] = struct.pack(">II", width, height)
    return bytes(data)


def _sgi(rng, width, height):
    return struct.pack(">hBBHHHH", 474, 1, 1, 3, width, height, 3) + bytes(500 + 99)


def _qoi(rng, width, height):
    return b"qoif" + struct.pack(">IIBB", width, height, 3, 0) + b"\xfd" * 999


def _tga(rng, width, height):
    return struct.pack("<BBBHHBHHHHBB", 0, 0, 10, 0, 0, 0, 0, 0, width, height, 24, 0) + b"\xff\0\0\0" * 99


_HEADERS = {
    "BMP": _bmp, "GIF": _gif, "JPEG": _jpeg, "JPEG 2000": _jpeg2000, "PNG": _png_head, "PPM": _ppm,
    "QOI": _qoi, "SGI": _sgi, "TGA": _tga, "TIFF": _tiff_head, "WebP": _webp,
}  # fmt: skip
_BITS = {"BMP": 32, "JPEG 2000": 32, "PNG": 32, "PPM": 32, "QOI": 32, "TIFF": 32, "WebP": 24}
_BITS |= {name: 16 for name in ("GIF", "JPEG", "SGI", "TGA")}


# --- few bytes that take long


def _many_scans(rng):
    """A progressive JPEG whose last scan is there thousands of times."""
    buffer, edge = io.BytesIO(), pick(rng, (64, 1000, 4000))
    Image.new("RGB", (edge, edge), (9, 99, 199)).save(buffer, "JPEG", progressive=True, quality=20)
    data = buffer.getvalue()
    scan, count = data[data.rfind(b"\xff\xda") : -2], pick(rng, (10, 1000, 20_000))
    scan = scan[: 470_000 // count] if len(scan) * count > 2_000_000 else scan
    return f"JPEG of {edge}x{edge} with {count} scans", data[:-2] + scan * count + data[-2:]


def _many_gif_frames(rng):
    count = pick(rng, (100, 20_000))
    frame = b",\0\0\0\0\1\0\1\0\0\2\2\x44\1\0"
    return f"GIF of {count} frames", b"GIF89a\1\0\1\0\x80\0\0" + bytes(6) + frame * count + b";"
