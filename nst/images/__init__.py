"""Pictures: reading and writing them, their sizes and their colours.

An image is a float32 array, HxWx3 (or 1xHxWx3), sRGB in [0, 1].

    decode    reading of pictures: formats, orientation, transparency
    limits    bounds on the size of pictures, checked before a file is decoded
    jpeg      scans of JPEG files, and files whose end is missing
    png       PNG files of 16 bits
    jpegxl    the size of JPEG XL files
    tiff      the picture among the pages of a TIFF file, and values of more than 8 bits
    profiles  colour profiles, and the conversion to sRGB
    io        writing of pictures, and reading of their descriptions
    sizes     sizes of images, and resampling to them
    folders   the pictures of a folder
    spaces    colour spaces
    color     keeping a photograph's colours

May import `errors`, `files` and `numerics`.
"""

from nst.images.decode import Picture, Source, read
from nst.images.io import FORMATS, SUFFIXES, check_format, encode, read_description, write
from nst.images.sizes import FILTERS, SIZE_MODES, measure, resize, resize_picture, target_size

__all__ = [
    "FILTERS",
    "FORMATS",
    "SIZE_MODES",
    "SUFFIXES",
    "Picture",
    "Source",
    "check_format",
    "encode",
    "measure",
    "read",
    "read_description",
    "resize",
    "resize_picture",
    "target_size",
    "write",
]
