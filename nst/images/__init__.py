"""Pictures: files and arrays of them, their sizes and their colours.

An image is float32, HxWx3 (or 1xHxWx3), sRGB in [0, 1].

    io        write a picture, and resize one
    decode    read a picture: formats, colour profiles, orientation, transparency
    folders   the pictures of a folder
    color     keep a photograph's colours

Imports nothing of nst but `errors`, `files` and `numerics`.
"""

from nst.images.io import (
    FILTERS,
    FORMATS,
    SIZE_MODES,
    SUFFIXES,
    Picture,
    check_format,
    read,
    resize,
    resize_picture,
    target_size,
    write,
)

__all__ = [
    "FILTERS",
    "FORMATS",
    "SIZE_MODES",
    "SUFFIXES",
    "Picture",
    "check_format",
    "read",
    "resize",
    "resize_picture",
    "target_size",
    "write",
]
