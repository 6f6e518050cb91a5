"""Convolutions with frozen kernels, whose gradient with respect to the input is fast inside device loops."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from nst.networks import winograd
from nst.networks.layers import Sliding

# name -> the modes of jnp.pad for rows and for columns beyond the border of an image
PADDING = {
    "zero": ("constant", "constant"),
    "reflect": ("reflect", "reflect"),
    "replicate": ("edge", "edge"),
    "circular": ("wrap", "wrap"),  # opposite edges are neighbours, for tiles
    "circular_x": ("constant", "wrap"),  # the left and the right edge are, for panoramas of 360 degrees
}
PRECISION = {"float32": lax.Precision.HIGHEST, "tf32": lax.Precision.HIGH, "fast": lax.Precision.DEFAULT}
CONVOLUTIONS = ("direct", "winograd")  # how wide layers are computed, see nst/networks/winograd.py


class Geometry(NamedTuple):
    """The static properties of a convolution, besides the shapes."""

    sliding: Sliding = Sliding(3, 1, 1, 1)
    groups: int = 1  # groups into which the channels are divided; as many as channels: depthwise
    precision: lax.Precision = lax.Precision.HIGHEST


_Padding = tuple[tuple[int, int], tuple[int, int]]  # (before, after) of the rows and of the columns


def convolve(x: jax.Array, kernel: jax.Array | tuple, geometry: Geometry) -> jax.Array:
    """Computes a convolution, padded with zeros, in a form that XLA:CPU runs fast inside a loop.

    Args:
      x: `BxHxWxI`.
      kernel: `kxkx(I/groups)xO`, or the tuple of kernels that `winograd.transform` returns for it.
      geometry: the window, the groups and the precision of the products.
    """
    slides = geometry.sliding
    return _convolve(x, kernel, geometry, slides.stride, ((slides.before, slides.after),) * 2)


def _convolve(
    x: jax.Array,
    kernel: jax.Array | tuple,
    geometry: Geometry,
    stride: int,
    padding: _Padding,
    holes: int = 0,
) -> jax.Array:
    """Computes a convolution of x after `holes` zeros are put between its positions."""
    if isinstance(kernel, tuple):
        return winograd.convolve(x, kernel, padding[0][0], geometry.precision)
    if geometry.groups == x.shape[-1] == kernel.shape[-1]:
        return _depthwise(x, kernel, stride, padding, holes)
    return lax.conv_general_dilated(
        x,
        kernel,
        window_strides=(stride, stride),
        padding=padding,
        lhs_dilation=(holes + 1, holes + 1),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=geometry.groups,
        precision=geometry.precision,
    )


def _depthwise(
    x: jax.Array, kernel_kxkx1xC: jax.Array, stride: int, padding: _Padding, holes: int
) -> jax.Array:
    """Computes a convolution of each channel by itself, as one sum of shifted products.

    XLA:CPU computes the sum in one elementwise pass, which is ten to a hundred times faster than a
    convolution with as many groups as channels.
    """
    x = lax.pad(x, jnp.zeros((), x.dtype), ((0, 0, 0), *((*pair, holes) for pair in padding), (0, 0, 0)))
    size = kernel_kxkx1xC.shape[0]
    rows, columns = ((edge - size) // stride * stride + 1 for edge in x.shape[1:3])
    total = 0.0
    for i in range(size):
        for j in range(size):
            part = x[:, i : i + rows : stride, j : j + columns : stride].astype(jnp.float32)
            total = total + part * kernel_kxkx1xC[i, j, 0]
    return total.astype(x.dtype)


@partial(jax.custom_vjp, nondiff_argnums=(3, 4))
def frozen_convolve(x, kernel, adjoint, geometry, edges):
    """Computes `convolve`; its gradient, with respect to x only, is a convolution with `adjoint_kernel`.

    Automatic differentiation would transpose the kernel's channels inside the gradient, a layout that XLA:CPU
    does not optimise in loop bodies (4-5 times slower there), and would keep every input for a gradient of
    the weights that is not used. There is no forward-mode derivative.

    Args:
      x, kernel, geometry: as for `convolve`.
      adjoint: the kernel from `adjoint_kernel`.
      edges: numbers of rows and columns of x; with a stride they do not follow from the shape of the output.
    """
    return convolve(x, kernel, geometry)


def _frozen_forward(x, kernel, adjoint, geometry, edges):
    return convolve(x, kernel, geometry), adjoint


def _frozen_backward(geometry, edges, adjoint, cotangent):
    # With stride s, unit y reads x[s y - before + t] for t < k. So x[i] contributes to the units for which
    # t = i + before - s y lies in the kernel. The gradient is therefore a convolution of stride 1 of the
    # cotangent, with s - 1 zeros between its positions and k - 1 - before rows of padding before them.
    size, stride, before = geometry.sliding[:3]
    start = size - 1 - before
    padding = tuple(
        (start, edge - 1 + size - 1 - start - (count - 1) * stride)
        for edge, count in zip(edges, cotangent.shape[1:3], strict=True)
    )
    return _convolve(cotangent, adjoint, geometry, 1, padding, stride - 1), None, None


frozen_convolve.defvjp(_frozen_forward, _frozen_backward)


def adjoint_kernel(kernel_kxkxIxO: jax.Array, groups: int = 1) -> jax.Array:
    """Returns the kernel of the transposed convolution: flipped in space, with inputs and outputs swapped.

    Args:
      kernel_kxkxIxO: the kernel; I is the number of input channels of one group.
      groups: number of groups into which the channels are divided.
    """
    *window, inputs, outputs = kernel_kxkxIxO.shape
    parts = kernel_kxkxIxO[::-1, ::-1].reshape(*window, inputs, groups, outputs // groups)
    return parts.transpose(0, 1, 4, 3, 2).reshape(*window, outputs // groups, groups * inputs)


def pad_border(x_BxHxWxC: jax.Array, padding: str, before: int = 1, after: int = 1) -> jax.Array:
    """Returns an array with more rows and columns at each border.

    Args:
      x_BxHxWxC: activations.
      padding: a key of PADDING.
      before: number of rows above, and of columns on the left.
      after: number of rows below, and of columns on the right.
    """
    rows, columns = PADDING[padding]
    edge, none = (before, after), (0, 0)
    if rows == columns:
        return jnp.pad(x_BxHxWxC, (none, edge, edge, none), mode=rows)
    x_BxHxWxC = jnp.pad(x_BxHxWxC, (none, edge, none, none), mode=rows)
    return jnp.pad(x_BxHxWxC, (none, none, edge, none), mode=columns)


def parameter_count(variables: dict) -> int:
    """Returns the number of parameters of a frozen network; Winograd's form of a kernel counts as the kernel.

    Args:
      variables: from `table.freeze`.
    """
    parts = [array for layer in variables["params"].values() for array in layer.values()]
    # a kernel in Winograd's form is a tuple of six arrays, each a third of the kernel's size
    return sum(3 * part[0].size if isinstance(part, tuple) else part.size for part in parts)
