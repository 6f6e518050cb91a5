"""Stride-1 convolution with half the multiplications: Winograd's F(4, 3) along the height.

Four rows of a 3x3 convolution's output are computed from six rows of its input,

    y = A^T [(G g) * (B^T d)],

where d are the six rows of the input, y the four rows of the output and g the three rows of the kernel. The
operation * is a 1x3 convolution along the width, for each of the six transformed rows (Winograd 1980; Lavin &
Gray 2016, *Fast Algorithms for Convolutional Neural Networks*, section 4.1). This takes 6 * 3 products in
place of 4 * 9, half as many.

Departs from Lavin & Gray: one dimension is transformed, not two. Two would need only a quarter of the
products, but for layers of 256 channels and fewer their transforms (36 arrays of a sixteenth of the picture
in place of 6 of a quarter) take more time on XLA:CPU than the products save, and the error is three times as
large.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

LEAST = 128  # least number of input and output channels for which the transforms save time
_ROWS = 4  # rows of the output in a tile

# the transforms for the interpolation points 0, 1, -1, 2, -2 and infinity
_INPUT = np.array(  # B^T
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ]
)
_KERNEL = np.array(  # G
    [[1 / 4, 0, 0], [-1 / 6] * 3, [-1 / 6, 1 / 6, -1 / 6], [1 / 24, 1 / 12, 1 / 6],
     [1 / 24, -1 / 12, 1 / 6], [0, 0, 1]]
)  # fmt: skip
_OUTPUT = np.array(  # A^T
    [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]
)


def pays(inputs: int, outputs: int) -> bool:
    """Returns whether a layer has enough channels that the transforms take less time than they save."""
    return min(inputs, outputs) >= LEAST


def transform(kernel_3x3xIxO: np.ndarray) -> tuple[np.ndarray, ...]:
    """Computes G g for each column of a kernel: six arrays `1x3xIxO`, which replace the kernel.

    They are separate arrays, since XLA would copy a part of a single array each time that the part is used.
    """
    kernel = np.asarray(kernel_3x3xIxO)
    double = np.ascontiguousarray(kernel, np.float64)  # here, since tensordot would convert it for each row
    return tuple(np.tensordot(row, double, 1)[None].astype(kernel.dtype) for row in _KERNEL)


@partial(jax.jit, static_argnums=(2, 3), inline=True)  # so that equal layers are traced once
def convolve(
    x_BxHxWxI: jax.Array, kernels_1x3xIxO: tuple[jax.Array, ...], pad: int, precision: lax.Precision
) -> jax.Array:
    """Computes `convolution.convolve` with the untransformed kernel, within 1e-5 of its largest value."""
    batch, height, width, _ = x_BxHxWxI.shape
    height += 2 * pad - 2  # height of the output
    tiles = -(-height // _ROWS)
    below = pad + tiles * _ROWS - height  # padding below, with rows that complete the last tile
    x = jnp.pad(x_BxHxWxI, ((0, 0), (pad, below), (0, 0), (0, 0)))
    rows = [x[:, row : row + _ROWS * (tiles - 1) + 1 : _ROWS] for row in range(6)]
    products = [
        lax.conv_general_dilated(
            row, kernel, (1, 1), ((0, 0), (pad, pad)),
            dimension_numbers=("NHWC", "HWIO", "NHWC"), precision=precision,
        )
        for row, kernel in zip(_combine(_INPUT, rows), kernels_1x3xIxO, strict=True)
    ]  # fmt: skip
    y = jnp.stack(_combine(_OUTPUT, products), axis=2)
    return y.reshape(batch, tiles * _ROWS, width + 2 * pad - 2, -1)[:, :height]


def _combine(matrix: np.ndarray, arrays: list[jax.Array]) -> list[jax.Array]:
    """Computes matrix @ arrays as explicit sums, each of which XLA computes in one pass."""
    return [
        sum(float(factor) * array for factor, array in zip(row, arrays, strict=True) if factor)
        for row in matrix
    ]
