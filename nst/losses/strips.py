"""The loss of a large image strip by strip, exactly: memory grows with the strip, not with the image.

Of an image's activations the loss needs sums over positions: Gram matrices, means, squared distances. So the
rows of the image are divided into strips. Each is seen in a window that reaches beyond it by a halo, as far
as the deepest layer's receptive field does. Where the window ends at the image's border, its padding is the
image's; elsewhere the padding spoils no more than the halo, whose positions have no weight. So the sums over
the strips are those of the whole image, and their gradient, of which each strip adds its own part to the rows
of its window, has no seams. It takes two passes: the first adds the sums, from which follows what every
activation's gradient is; the second computes each strip again and leads that gradient back to its pixels.

Windows have one height, so that there is one program for all, and begin at multiples of the deepest layer's
stride, so that each pooling window is that of the whole image.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from nst.losses.spec import IMAGE, Spec, of_network
from nst.networks.receptive import receptive
from nst.networks.vgg import layers_to


class Layout(NamedTuple):
    """How an image is divided, in rows of the image."""

    height: int  # of the image
    strip: int  # of each strip but the last, which goes to the end
    halo: int  # least that a window reaches beyond its strip, or to the border
    window: int  # seen at a time
    count: int  # strips


class Strip(NamedTuple):
    """One strip in its window."""

    layout: Layout
    index: jax.Array  # int32


def layout(spec: Spec, layers: Sequence[str], height: int) -> Layout | None:
    """The strips of an image of `height` rows; None: the whole of it at once.

    `spec.strip` is made a multiple of the deepest layer's stride, and then as even as the count allows.
    """
    names = layers_to(spec.network.architecture, of_network(layers))
    if not spec.strip or not names:
        return None
    with jax.ensure_compile_time_eval():  # it may be asked for while a program is traced
        fields = [receptive(spec.network, name) for name in names]
    stride = fields[-1].stride
    reach = max(max(-field.offset, field.offset + field.size - field.stride) for field in fields)
    halo, rest = _up(reach, stride), height % stride
    count = max(1, -(-(height - rest) // _up(spec.strip, stride)))
    strip = _up(-(-(height - rest) // count), stride)
    window = strip + 2 * halo + rest
    return Layout(height, strip, halo, window, count) if window < height else None


def _up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple


def _stride(layer: str) -> int:
    """Rows of the image for one of the layer."""
    if layer == IMAGE:
        return 1
    return 2 ** (int(layer[4]) - (not layer.startswith("pool")))


def _first(strip: Strip, layer: str) -> jax.Array:
    """The first row of the window in a layer."""
    of = strip.layout
    return jnp.clip(strip.index * of.strip - of.halo, 0, of.height - of.window) // _stride(layer)


def cut(strip: Strip | None, array: jax.Array, layer: str, axis: int = 1) -> jax.Array:
    """The window's rows of an array that has the whole layer's; of no strip: the array."""
    if strip is None:
        return array
    rows = strip.layout.window // _stride(layer)
    return lax.dynamic_slice_in_dim(array, _first(strip, layer), rows, axis)


def rows(strip: Strip | None, layer: str) -> jax.Array | None:
    """1 for those rows of the window that are the strip's, 0 for the others, `H`; of no strip: None."""
    if strip is None:
        return None
    of, stride = strip.layout, _stride(layer)
    at_H = _first(strip, layer) + jnp.arange(of.window // stride)
    begin, end = (jnp.minimum(k, of.count) * of.strip // stride for k in (strip.index, strip.index + 1))
    end = jnp.where(strip.index == of.count - 1, of.height // stride, end)
    return ((begin <= at_H) & (at_H < end)).astype(jnp.float32)


def weights(strip: Strip | None, guide_HxW: jax.Array | None, layer: str, width: int) -> jax.Array | None:
    """The weights of a window's positions, such that all strips' add to 1; of no strip: the guide's.

    Args:
      strip: None: the whole image.
      guide_HxW: weights of the whole layer's positions, sum 1; None: all alike.
      layer: its name.
      width: positions in its rows.
    """
    if strip is None:
        return guide_HxW
    rows_Hx1 = rows(strip, layer)[:, None]
    if guide_HxW is not None:
        return rows_Hx1 * cut(strip, guide_HxW, layer, axis=0)
    positions = strip.layout.height // _stride(layer) * width
    return jnp.broadcast_to(rows_Hx1 / positions, (len(rows_Hx1), width))


See = Callable[[jax.Array, Strip | None], Any]  # a window of an image, 1xhxWx3, and its strip, to arrays


def total(of: Layout | None, image_1xHxWx3: jax.Array, see: See) -> Any:
    """sum over the strips of `see(window, strip)`; all at once `see(image, None)`.

    Between the passes nothing is kept but the sums: the gradient sees each strip again.
    """
    if of is None:
        return see(image_1xHxWx3, None)

    def part(index):
        strip = Strip(of, index)
        return see(cut(strip, image_1xHxWx3, IMAGE), strip)

    @partial(jax.checkpoint, prevent_cse=False)
    def add(sums, index):
        return jax.tree.map(jnp.add, sums, part(index)), None

    none = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(part, jnp.int32(0)))
    return lax.scan(add, none, jnp.arange(of.count))[0]


def joined(of: Layout | None, image_1xHxWx3: jax.Array, see: See) -> dict[str, jax.Array]:
    """{layer: activation} of the image, `1xHxWxC`; `see(window, strip)` gives those of a window."""
    if of is None:
        return see(image_1xHxWx3, None)

    def part(index):
        strip = Strip(of, index)
        return see(cut(strip, image_1xHxWx3, IMAGE), strip)

    def put(whole, index):
        strip, found = Strip(of, index), part(index)
        for layer, window_1xHxWxC in found.items():
            own_Hx1x1 = rows(strip, layer)[:, None, None] > 0
            window_1xHxWxC = jnp.where(own_Hx1x1, window_1xHxWxC, cut(strip, whole[layer], layer))
            first = _first(strip, layer)
            whole[layer] = lax.dynamic_update_slice_in_dim(whole[layer], window_1xHxWxC, first, 1)
        return whole, None

    empty = {
        layer: jnp.zeros((1, of.height // _stride(layer), *leaf.shape[2:]), leaf.dtype)
        for layer, leaf in jax.eval_shape(part, jnp.int32(0)).items()
    }
    return lax.scan(put, empty, jnp.arange(of.count))[0]
