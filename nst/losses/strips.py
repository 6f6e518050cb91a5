"""The exact loss of a large image, strip by strip: memory grows with the strip, not with the image.

The loss needs only sums over the positions of each layer: Gram matrices, means, squared distances. So the
rows of the image are divided into strips. The network reads each strip in a window that extends beyond the
strip by a halo, which is as wide as the receptive field of the deepest layer requires. Where a window ends at
the border of the image, it is padded as the image is. Elsewhere the padding changes activations in the halo
alone, whose positions have weight 0. So the sums over the strips equal the sums over the image, and their
gradient has no seams: each strip adds its part to the rows of its window. There are two passes. The first
adds up the sums, from which the gradient of every activation follows. The second computes each strip again
and propagates that gradient back to the pixels.

All windows have the same height, so that they share one compiled program. They start at multiples of the
deepest layer's stride, so that pooling windows lie at the same places as in the whole image.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from nst.losses.spec import IMAGE, Spec, of_network
from nst.networks import receptive
from nst.networks.table import layers_to, positions


class Layout(NamedTuple):
    """The division of an image into strips, in rows of the image."""

    height: int  # height of the image
    strip: int  # height of each strip but the last, which ends where the image does
    halo: int  # least number of rows by which a window extends beyond its strip, up to the border
    window: int  # height of each window
    count: int  # number of strips
    strides: dict[str, int]  # layer -> rows of the image for each row of the layer
    rows: dict[str, int]  # layer -> number of its rows for the whole image
    window_rows: dict[str, int]  # layer -> number of its rows for a window


class Strip(NamedTuple):
    """One strip of an image."""

    layout: Layout
    index: jax.Array  # int32


def layout(spec: Spec, layers: Sequence[str], height: int) -> Layout | None:
    """Divides an image into strips.

    The height of a strip is `spec.strip`, rounded up to a multiple of the deepest layer's stride, and then
    made as even as the number of strips allows.

    Args:
      spec: the static choices of the loss.
      layers: the layers that are read.
      height: rows of the image.

    Returns:
      The layout, or None if the image is computed as a whole.
    """
    architecture, names = spec.network.architecture, of_network(layers)
    path = layers_to(architecture, names)
    if not spec.strip or not path:
        return None
    strides = {layer.name: layer.stride for layer in path} | {IMAGE: 1}
    fields = receptive.fields(spec.network, names).values()
    stride = max(strides.values())
    reach = max(max(-field.offset, field.offset + field.size - field.stride) for field in fields)
    halo, rest = _up(reach, stride), height % stride
    count = max(1, -(-(height - rest) // _up(spec.strip, stride)))
    strip = _up(-(-(height - rest) // count), stride)
    # the rows beyond the last whole stride are added, so that the last window, too, starts at a multiple
    window = strip + 2 * halo + rest
    if window >= height:
        return None
    rows, window_rows = ({IMAGE: n} | positions(architecture, names, n) for n in (height, window))
    return Layout(
        height=height, strip=strip, halo=halo, window=window, count=count,
        strides=strides, rows=rows, window_rows=window_rows,
    )  # fmt: skip


def _up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple


def _first(strip: Strip, layer: str) -> jax.Array:
    """Returns the first row of the strip's window in a layer."""
    layout = strip.layout
    start = jnp.clip(strip.index * layout.strip - layout.halo, 0, layout.height - layout.window)
    return start // layout.strides[layer]


def window_rows(strip: Strip | None, array: jax.Array, layer: str, axis: int = 1) -> jax.Array:
    """Returns the rows of a layer's array that lie in the strip's window; without a strip, all of them."""
    if strip is None:
        return array
    return lax.dynamic_slice_in_dim(array, _first(strip, layer), strip.layout.window_rows[layer], axis)


def own_rows(strip: Strip | None, layer: str) -> jax.Array | None:
    """Returns `H` weights of the window's rows: 1 for rows of the strip, and 0 for rows of the halo.

    Without a strip all rows count, and the function returns None.
    """
    if strip is None:
        return None
    layout, stride = strip.layout, strip.layout.strides[layer]
    rows_H = _first(strip, layer) + jnp.arange(layout.window_rows[layer])
    start, end = (
        jnp.minimum(index, layout.count) * layout.strip // stride for index in (strip.index, strip.index + 1)
    )
    end = jnp.where(strip.index == layout.count - 1, layout.rows[layer], end)
    return ((start <= rows_H) & (rows_H < end)).astype(jnp.float32)


def position_weights(
    strip: Strip | None, guide_HxW: jax.Array | None, layer: str, width: int
) -> jax.Array | None:
    """Returns the weights of a window's positions; the weights of all strips add up to 1.

    Args:
      strip: the strip; None: the whole image, for which the weights of the guide are returned.
      guide_HxW: weights of all positions of the layer, sum 1; None: equal weights.
      layer: name of the layer.
      width: positions in a row of the layer.
    """
    if strip is None:
        return guide_HxW
    rows_Hx1 = own_rows(strip, layer)[:, None]
    if guide_HxW is not None:
        return rows_Hx1 * window_rows(strip, guide_HxW, layer, axis=0)
    count = strip.layout.rows[layer] * width
    return jnp.broadcast_to(rows_Hx1 / count, (len(rows_Hx1), width))


# (a window of an image, 1xhxWx3; its strip, or None where the window is the image) -> arrays
WindowFunction = Callable[[jax.Array, Strip | None], Any]


def _on_strips(layout: Layout, image_1xHxWx3: jax.Array, function: WindowFunction) -> Callable:
    """Returns `function` of the window of a strip, as a function of the strip's index."""

    def on_strip(index):
        strip = Strip(layout, index)
        return function(window_rows(strip, image_1xHxWx3, IMAGE), strip)

    return on_strip


def sum_over_strips(layout: Layout | None, image_1xHxWx3: jax.Array, function: WindowFunction) -> Any:
    """Returns the sum of `function(window, strip)` over the strips, or without a layout `function(image)`."""
    if layout is None:
        return function(image_1xHxWx3, None)
    on_strip = _on_strips(layout, image_1xHxWx3, function)

    # nothing but the sums is stored: the gradient computes each strip again
    @partial(jax.checkpoint, prevent_cse=False)
    def add(sums, index):
        return jax.tree.map(jnp.add, sums, on_strip(index)), None

    shapes = jax.eval_shape(on_strip, jnp.int32(0))
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    return lax.scan(add, zeros, jnp.arange(layout.count))[0]


def join_strips(
    layout: Layout | None, image_1xHxWx3: jax.Array, function: WindowFunction
) -> dict[str, jax.Array]:
    """Returns {layer: activation of the image, `1xHxWxC`}; `function` returns the activations of a window."""
    if layout is None:
        return function(image_1xHxWx3, None)
    on_strip = _on_strips(layout, image_1xHxWx3, function)

    def put(whole, index):
        strip = Strip(layout, index)
        for layer, window_1xHxWxC in on_strip(index).items():
            # rows of the halo keep their values, since an earlier strip may have set them already
            own_Hx1x1 = own_rows(strip, layer)[:, None, None] > 0
            window_1xHxWxC = jnp.where(own_Hx1x1, window_1xHxWxC, window_rows(strip, whole[layer], layer))
            first = _first(strip, layer)
            whole[layer] = lax.dynamic_update_slice_in_dim(whole[layer], window_1xHxWxC, first, 1)
        return whole, None

    empty = {
        layer: jnp.zeros((1, layout.rows[layer], *leaf.shape[2:]), leaf.dtype)
        for layer, leaf in jax.eval_shape(on_strip, jnp.int32(0)).items()
    }
    return lax.scan(put, empty, jnp.arange(layout.count))[0]
