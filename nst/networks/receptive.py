"""Receptive fields: which pixels a unit of a layer sees."""

from functools import cache
from typing import NamedTuple

import jax
import numpy as np

from nst.networks.pooling import pooling
from nst.networks.vgg import Network, layers_to


class Field(NamedTuple):
    """The unit (y, x) sees the rows [offset + stride y, offset + stride y + size), and columns alike."""

    size: int  # of the square, in pixels
    stride: int  # pixels from one unit to the next
    offset: int  # of the first unit's square; negative where it leaves the picture


PIXEL = Field(1, 1, 0)
CONVOLUTION = Field(3, 1, -1)


def receptive(network: Network, layer: str) -> Field:
    """The receptive field of a layer's units, from the operations before it.

    With the field (n, s, o) of an operation's input, and an output y that reads its inputs
    [q + t y, q + t y + k), the field of the output is

        n' = n + s (k - 1),    s' = s t,    o' = o + s q.

    Padding that repeats or reflects pixels adds none: at a border the field is the square's part inside.

    Raises:
      UserError: a layer that the architecture does not have.
    """
    field = PIXEL
    for name in layers_to(network.architecture, (layer,)):
        if not name.startswith("relu"):
            reads = CONVOLUTION if name.startswith("conv") else _pool(*_kind(network))
            size = field.size + field.stride * (reads.size - 1)
            field = Field(size, field.stride * reads.stride, field.offset + field.stride * reads.offset)
    return field


def _kind(network: Network) -> tuple[str, float, float]:
    return network.pooling, network.pooling_p, network.pooling_mix


@cache
def _pool(name: str, p: float, mix: float) -> Field:
    """The window of a pooling, found by which inputs have a gradient: 64 channels, for max reads one each."""
    pool = pooling(name, p=p, mix=mix, gain=1.0)
    x_1xHxWxC = np.random.default_rng(0).uniform(1, 2, (1, 16, 16, 64)).astype(np.float32)
    gradient = jax.jit(jax.grad(lambda x, y: pool(x)[0, y, y].sum()))
    rows = [np.flatnonzero(np.any(gradient(x_1xHxWxC, y), axis=(0, 2, 3))) for y in (3, 4)]
    stride = int(rows[1][0] - rows[0][0])
    return Field(int(rows[0][-1] - rows[0][0]) + 1, stride, int(rows[0][0]) - 3 * stride)
