"""Arrays in HDF5 files, as `Stored` (nst/networks/stored.py). Importing this module loads h5py."""

import contextlib
import math
import zlib
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import h5py
import numpy as np
from h5py import h5d, h5z

from nst.errors import UserError
from nst.networks.stored import MOST_BYTES, Stored

_MOST_CHUNKS = 4096  # most chunks of a dataset
_FILTERS = ([], [h5z.FILTER_DEFLATE], [h5z.FILTER_SHUFFLE], [h5z.FILTER_SHUFFLE, h5z.FILTER_DEFLATE])


@contextlib.contextmanager
def opened(path: Path, names: Iterable[str]) -> Iterator[dict[str, Stored]]:
    """Opens an HDF5 file; links to other places and data outside the file are refused.

    Args:
      path: path of the file.
      names: names of the arrays that are wanted; in whole-model files they lie in the group model_weights.
    """
    with h5py.File(path, "r") as file:
        root = file["model_weights"] if _is_linked(file, "model_weights") else file
        yield {
            name: Stored(dataset.shape or (), dataset.dtype, partial(_read_dataset, dataset))
            for name in names
            if _is_linked(root, name) and isinstance(dataset := root[name], h5py.Dataset)
        }


def _is_linked(group: h5py.Group, name: str) -> bool:
    """Returns whether a group has an object of that name.

    Raises:
      UserError: the object is, or lies below, a link to another place.
    """
    parts = name.split("/")
    for depth in range(len(parts)):
        link = group.get("/".join(parts[: depth + 1]), getlink=True)
        if link is None:
            return False
        if not isinstance(link, h5py.HardLink):
            raise UserError(f"refused: {name} is a link to another place")
    return True


def _read_dataset(dataset: h5py.Dataset) -> np.ndarray:
    created = dataset.id.get_create_plist()
    if created.get_external_count() or created.get_layout() == h5d.VIRTUAL:
        raise UserError(f"refused: {dataset.name} has its data in another file")
    filters = [created.get_filter(index)[0] for index in range(created.get_nfilters())]
    if filters not in _FILTERS:
        raise UserError(f"refused: {dataset.name} is compressed otherwise than by gzip and shuffle")
    if created.get_layout() == h5d.CHUNKED:
        _check_chunks(dataset, filters)
    return dataset[()]


def _check_chunks(dataset: h5py.Dataset, filters: list[int]) -> None:
    """Raises UserError if a chunk has not the size that its shape says; HDF5 inflates without a bound."""
    size = math.prod(dataset.chunks) * dataset.dtype.itemsize
    count = dataset.id.get_num_chunks()
    if size > MOST_BYTES or count > _MOST_CHUNKS:
        raise UserError(f"refused: {dataset.name} has {count:,} chunks of {size:,} bytes")
    for index in range(count):
        chunk = dataset.id.get_chunk_info(index)
        stored = chunk.size
        deflated = (
            h5z.FILTER_DEFLATE in filters and not chunk.filter_mask >> filters.index(h5z.FILTER_DEFLATE) & 1
        )
        if deflated and stored <= size + size // 1000 + 64:  # deflate adds five bytes to 16 kB at most
            _, data = dataset.id.read_direct_chunk(chunk.chunk_offset)
            stored = len(zlib.decompressobj().decompress(data, size + 1))
        if stored != size:
            raise UserError(f"refused: a chunk of {dataset.name} has {stored:,} bytes, not {size:,}")
