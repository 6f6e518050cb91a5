"""The header of JPEG XL files, which states the size before anything is decoded (ISO/IEC 18181-1 and -2)."""

import struct

CODESTREAM = b"\xff\x0a"
CONTAINER = b"\0\0\0\x0cJXL \r\n\x87\n"
# width / height by the code in the header; 0: the width follows
_RATIOS = (None, (1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))


def is_jpegxl(head: bytes) -> bool:
    """Returns whether a file is a JPEG XL.

    Args:
      head: the first bytes of the file, at least 12.
    """
    return head.startswith((CODESTREAM, CONTAINER))


def measure(data: bytes) -> tuple[int, int]:
    """Reads the size of a picture from its header.

    Args:
      data: the bytes of the file.

    Returns:
      (width, height) in pixels, before the orientation is applied.

    Raises:
      ValueError: there is no such header.
    """
    stream = _codestream(data)[:16]
    if not stream.startswith(CODESTREAM):
        raise ValueError("no JPEG XL codestream")
    bits = int.from_bytes(stream[2:].ljust(14, b"\0"), "little")

    def take(count: int) -> int:
        nonlocal bits
        value, bits = bits & ((1 << count) - 1), bits >> count
        return value

    small = take(1)

    def length() -> int:
        return 8 * (take(5) + 1) if small else take((9, 13, 18, 30)[take(2)]) + 1

    height = length()
    ratio = _RATIOS[take(3)]
    return (height * ratio[0] // ratio[1] if ratio else length()), height


def _codestream(data: bytes) -> bytes:
    if not data.startswith(CONTAINER):
        return data
    position = 0
    while position + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, position)
        header = 8
        if size == 1:
            (size,), header = struct.unpack_from(">Q", data, position + 8), 16
        if kind in (b"jxlc", b"jxlp"):  # jxlp holds one part of the codestream, after its number
            return data[position + header + (4 if kind == b"jxlp" else 0) :][:64]
        if size < header:  # 0: up to the end of the file
            break
        position += size
    raise ValueError("no JPEG XL codestream")
