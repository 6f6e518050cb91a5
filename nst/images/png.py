"""PNG files of 16 bits, which Pillow cuts to 8 (ISO/IEC 15948)."""

import struct
import zlib
from collections.abc import Iterator

import numpy as np

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}  # by colour type: grey, RGB, grey and alpha, RGB and alpha
# for each pass of an interlaced picture: its first column and row, and the steps to the next column and row
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_ROWS = 16  # rows that are encoded at once


def decode(data: bytes) -> np.ndarray:
    """Returns the values of a PNG file of 16 bits, HxWxC uint16.

    Args:
      data: bytes of the file. If it declares a colour to be transparent, an alpha channel is added.

    Raises:
      ValueError: the file is damaged.
    """
    compressed = b"".join(body for name, body in _chunks(data) if name == b"IDAT")
    chunks = {name: body for name, body in _chunks(data) if name in (b"IHDR", b"tRNS")}
    width, height, bits, kind, *_, interlaced = struct.unpack(">2I5B", chunks[b"IHDR"])
    if bits != 16 or kind not in _CHANNELS or interlaced > 1:
        raise ValueError("not a PNG of 16 bits")
    values_HxWxC, inflater = np.empty((height, width, _CHANNELS[kind]), np.uint16), zlib.decompressobj()
    for x, y, right, down in _PASSES if interlaced else ((0, 0, 1, 1),):
        part = values_HxWxC[y::down, x::right]
        if part.size:
            size = len(part) * (1 + part[0].nbytes)
            filtered = inflater.decompress(compressed, size)  # no more bytes than the picture has
            compressed = inflater.unconsumed_tail
            if len(filtered) < size:
                raise ValueError("its end is missing")
            part[:] = _unfiltered(filtered, *part.shape)
    if kind not in (0, 2) or b"tRNS" not in chunks:
        return values_HxWxC
    visible_HxW = (values_HxWxC != np.frombuffer(chunks[b"tRNS"], ">u2")).any(-1)
    return np.dstack([values_HxWxC, visible_HxW * np.uint16(65535)])


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yields the name and the body of each chunk, up to the end of the picture."""
    position, name = len(_SIGNATURE), b""
    while name != b"IEND":
        size, name = struct.unpack_from(">I4s", data, position)
        end = position + 8 + size
        body, check = data[position + 8 : end], data[end : end + 4]
        if name[0] & 32 == 0 and check != struct.pack(">I", zlib.crc32(name + body)):  # critical chunks only
            raise ValueError(f"the {name.decode('latin')} chunk is damaged")
        yield name, body
        position = end + 4


def _unfiltered(data: bytes, height: int, width: int, channels: int) -> np.ndarray:
    """Returns the values HxWxC of filtered rows.

    A byte is stored as its difference from a prediction, which is computed from the bytes of the pixels to
    the left, above, and above to the left. So all pixels of a diagonal depend only on the two diagonals
    before it, and can be computed at once.
    """
    rows = np.frombuffer(data, np.uint8).reshape(height, -1)
    filters = rows[:, :1]
    if filters.max() > 4:
        raise ValueError("there is no such filter")
    bytes_HxWxB = np.zeros((height + 1, width + 1, 2 * channels), np.uint8)  # zeros above and to the left
    bytes_HxWxB[1:, 1:] = rows[:, 1:].reshape(height, width, -1)
    flat = bytes_HxWxB.reshape(-1, 2 * channels)
    for diagonal in range(height + width - 1):
        first, last = max(0, diagonal - width + 1), min(height - 1, diagonal)  # the rows of the diagonal
        start, stop = (row * width + diagonal + width + 2 for row in (first, last + 1))
        left, above, corner = (
            flat[start - before : stop - before : width].astype(np.int16)
            for before in (1, width + 1, width + 2)
        )
        flat[start:stop:width] += _predictions(filters[first : last + 1], left, above, corner)
    return bytes_HxWxB[1:, 1:].view(">u2")


def _predictions(filters: np.ndarray, left: np.ndarray, above: np.ndarray, corner: np.ndarray) -> np.ndarray:
    """Returns the predictions of filters 0 to 4: 0, left, above, the mean of the two, and Paeth's choice."""
    to_left, to_above = np.abs(above - corner), np.abs(left - corner)
    to_corner = np.abs(left + above - 2 * corner)
    nearer = np.where(to_above <= to_corner, above, corner)
    paeth = np.where((to_left <= to_above) & (to_left <= to_corner), left, nearer)
    return np.choose(filters, (0, left, above, (left + above) >> 1, paeth)).astype(np.uint8)


def encode(values_HxWxC: np.ndarray, extra: dict[bytes, bytes]) -> bytes:
    """Returns the bytes of a PNG file of 16 bits.

    Args:
      values_HxWxC: uint16; grey, grey and alpha, RGB, or RGB and alpha.
      extra: {name: body} of further chunks.
    """
    height, width, channels = values_HxWxC.shape
    kind = {count: kind for kind, count in _CHANNELS.items()}[channels]
    deflater = zlib.compressobj(strategy=zlib.Z_RLE)  # as small as others, and much faster
    padded = np.zeros((height + 1, width + 1, 2 * channels), np.uint8)
    padded[1:, 1:] = values_HxWxC.astype(">u2").view(np.uint8).reshape(height, width, -1)
    parts = [deflater.compress(_filtered(padded[row : row + _ROWS + 1])) for row in range(0, height, _ROWS)]
    body = b"".join([*parts, deflater.flush()])
    header = struct.pack(">2I5B", width, height, 16, kind, 0, 0, 0)
    chunks = {b"IHDR": header} | extra | {b"IDAT": body, b"IEND": b""}
    return _SIGNATURE + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks.items()
    )


def _filtered(padded: np.ndarray) -> bytes:
    """Returns filtered rows, each by the filter with the smallest differences; `padded` has one row more."""
    own, left = padded[1:, 1:], padded[1:, :-1].astype(np.int16)
    above, corner = padded[:-1, 1:].astype(np.int16), padded[:-1, :-1].astype(np.int16)
    kinds = np.arange(5, dtype=np.uint8).reshape(5, 1, 1, 1)
    differences = own - _predictions(kinds, left, above, corner)
    best = np.abs(differences.view(np.int8).astype(np.int16)).sum((2, 3)).argmin(0)
    chosen = differences[best, np.arange(len(own))].reshape(len(own), -1)
    return np.concatenate([best[:, None].astype(np.uint8), chosen], axis=1).tobytes()
