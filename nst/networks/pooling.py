"""Poolings over windows of any size and stride, in NHWC.

Each pooling maps `x_BxHxWxC` to `BxhxwxC`. VGG has 2x2 windows and stride 2, so that an odd last row or
column is dropped, as in PyTorch's floor mode. If an architecture pads its poolings, positions outside x do
not count. Poolings are written with strided slices and elementwise operations only, so that their gradients
compile under XLA's determinism flags (no select-and-scatter) and stay fast inside device loops.

A new pooling is one function and one row of `POOLING`. If it has a parameter besides `p` and `mix`, the
parameter is also a field of `Network` and an argument of the functions below the table.
"""

import functools
import operator
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from nst.errors import UserError, choose
from nst.networks.layers import Sliding, Window
from nst.numerics import positive_or_one, safe_power

SQUARE = Sliding(2, 2)  # the windows of VGG
Wraps = tuple[bool, bool]  # `Network.wraps`, for rows and columns


def _windows(
    x_BxHxWxC: jax.Array, slides: Sliding, wraps: Wraps = (False, False), outside: float = 0.0
) -> list[jax.Array]:
    """Returns the first positions of all windows, `BxhxwxC`, then the second ones, and so on, in row order.

    Args:
      x_BxHxWxC: an activation.
      slides: the windows.
      wraps: for rows and for columns, whether x continues at the opposite border.
      outside: the value of positions outside x.
    """
    counts = [slides.positions(edge) for edge in x_BxHxWxC.shape[1:3]]
    ends = [(count - 1) * slides.stride + slides.size - slides.before for count in counts]
    x_BxHxWxC = x_BxHxWxC[:, : ends[0], : ends[1]]  # without the positions that no window reads
    for axis, end in zip((1, 2), ends, strict=True):
        pair = slides.before, end - x_BxHxWxC.shape[axis]
        if pair != (0, 0):
            mode = {"mode": "wrap"} if wraps[axis - 1] else {"constant_values": outside}
            x_BxHxWxC = _padded(x_BxHxWxC, axis, pair, **mode)
    rows, columns = (count * slides.stride for count in counts)
    return [
        x_BxHxWxC[:, i : i + rows : slides.stride, j : j + columns : slides.stride]
        for i in range(slides.size)
        for j in range(slides.size)
    ]


def _reduced(function: Callable, arrays: list[jax.Array]) -> jax.Array:
    """Reduces arrays to one by a function of two, which is applied to pairs of neighbours, in order."""
    while len(arrays) > 1:
        pairs = [function(*pair) for pair in zip(arrays[::2], arrays[1::2], strict=False)]
        arrays = pairs + arrays[len(pairs) * 2 :]
    return arrays[0]


def _first_max(a: jax.Array, b: jax.Array) -> jax.Array:
    """Computes max(a, b). If a = b, the whole gradient goes to `a` (lax.max halves it); NaN propagates."""
    return jnp.where((a >= b) | jnp.isnan(a), a, b)


def max_pool(x_BxHxWxC: jax.Array, slides: Sliding = SQUARE, wraps: Wraps = (False, False)) -> jax.Array:
    """Computes the largest of x_1..x_n. The gradient goes to the first largest in row order, as in PyTorch.

    Args:
      x_BxHxWxC: an activation.
      slides: the windows.
      wraps: for rows and for columns, whether x continues at the opposite border.
    """
    return _reduced(_first_max, _windows(x_BxHxWxC, slides, wraps, -jnp.inf))


def average_pool(x_BxHxWxC: jax.Array, slides: Sliding = SQUARE, wraps: Wraps = (False, False)) -> jax.Array:
    """Computes (x_1 + .. + x_n) / n. Gatys et al. 2015 prefer it for smoother gradients."""
    total = functools.reduce(operator.add, _windows(x_BxHxWxC, slides, wraps))
    if not slides.before and not slides.ceil:
        return total / slides.size**2
    inside = jnp.ones((1, *x_BxHxWxC.shape[1:3], 1), x_BxHxWxC.dtype)
    return total / functools.reduce(operator.add, _windows(inside, slides, wraps))


def l2_pool(x_BxHxWxC: jax.Array, slides: Sliding = SQUARE, wraps: Wraps = (False, False)) -> jax.Array:
    """Computes sqrt(x_1^2 + .. + x_n^2); the gradient of a window of zeros is 0."""
    squares = (x * x for x in _windows(x_BxHxWxC, slides, wraps))
    return safe_power(functools.reduce(operator.add, squares), 0.5)


def lp_pool(
    x_BxHxWxC: jax.Array, slides: Sliding = SQUARE, wraps: Wraps = (False, False), *, p: float
) -> jax.Array:
    """Computes (|x_1|^p + .. + |x_n|^p)^(1/p), p > 0; p = 2 is l2, p -> infinity is max of |x|.

    It is computed as m (sum (|x_i|/m)^p)^(1/p) with m = max|x_i|, so that a large p does not overflow.
    """
    parts = [jnp.abs(part) for part in _windows(x_BxHxWxC, slides, wraps)]
    safe = positive_or_one(jax.lax.stop_gradient(_reduced(jnp.maximum, parts)))
    return safe * safe_power(sum(safe_power(part / safe, p) for part in parts), 1 / p)


def mixed_pool(
    x_BxHxWxC: jax.Array, slides: Sliding = SQUARE, wraps: Wraps = (False, False), *, mix: float
) -> jax.Array:
    """Computes a max + (1 - a) average with a = `mix` in [0, 1] (Lee et al. 2016)."""
    largest, mean = (pool(x_BxHxWxC, slides, wraps) for pool in (max_pool, average_pool))
    return mix * largest + (1 - mix) * mean


def strided_pool(x_BxHxWxC: jax.Array, slides: Sliding = SQUARE, wraps: Wraps = (False, False)) -> jax.Array:
    """Returns the first x_i of each window that no window has in its padding (Springenberg et al. 2014).

    This is subsampling. Without padding it takes x_1, the top left position of the window.
    """
    rows, columns = (slides.positions(edge) * slides.stride for edge in x_BxHxWxC.shape[1:3])
    return x_BxHxWxC[:, : rows : slides.stride, : columns : slides.stride]


def blur_pool(x_BxHxWxC: jax.Array, slides: Sliding = SQUARE, wraps: Wraps = (False, False)) -> jax.Array:
    """Computes the anti-aliased maximum (Zhang 2019).

    It is the maximum at stride 1, followed by the filter [1 2 1]/4 at stride s if the pooling has a stride
    s > 1. The filter reflects at the border, as in the author's code, so with 2x2 windows H rows become
    floor(H/2). Along an axis that `wraps`, maximum and filter continue at the opposite border.
    """
    size, stride, before = slides[:3]
    if stride == 1:
        return max_pool(x_BxHxWxC, slides, wraps)
    x, counts = x_BxHxWxC, [slides.positions(edge) for edge in x_BxHxWxC.shape[1:3]]
    for axis, count, wrap in zip((1, 2), counts, wraps, strict=True):
        after = stride * (count - 1) + size - x.shape[axis] - before  # padding that the last window needs
        if wrap:
            x = _padded(x, axis, (before + 1, after + 1), mode="wrap")
        elif before or max(after, slides.after):
            x = _padded(x, axis, (before, max(after, slides.after)), constant_values=-jnp.inf)
    for axis in (1, 2):
        shifts = (jax.lax.slice_in_dim(x, i, x.shape[axis] - size + 1 + i, axis=axis) for i in range(size))
        x = functools.reduce(_first_max, shifts)
    for axis, count, wrap in zip((1, 2), counts, wraps, strict=True):
        # an activation of one row cannot be reflected
        x = x if wrap else _padded(x, axis, (1, 1), mode="reflect" if x.shape[axis] > 1 else "edge")
        left, middle, right = (
            jax.lax.slice_in_dim(x, i, i + stride * (count - 1) + 1, stride=stride, axis=axis)
            for i in range(3)
        )
        x = (left + 2 * middle + right) / 4
    return x


def hann_pool(x_BxHxWxC: jax.Array, slides: Sliding = SQUARE, wraps: Wraps = (False, False)) -> jax.Array:
    """Computes sqrt(sum_i w_i x_i^2 + 1e-12) with the 3x3 weights [1 2 1]/4 x [1 2 1]/4, zero at the border.

    Hénaff & Simoncelli 2016 (*Geodesics of Learned Representations*): windows that overlap and whose weights
    fall off to the borders leave no grid. The weights lie around the middle of the pooling's window, or
    around the first position of a window of two. The constant is taken from Ding et al. 2020 (DISTS), whose
    network has this pooling.
    """
    x = x_BxHxWxC * x_BxHxWxC
    start, counts = _hanning(slides).offset, [slides.positions(edge) for edge in x.shape[1:3]]
    for axis, count, wrap in zip((1, 2), counts, wraps, strict=True):
        reach = slides.stride * (count - 1) + 1
        pair = max(0, -start), max(0, start + reach + 2 - x.shape[axis])
        x = _padded(x, axis, pair, mode="wrap" if wrap else "constant")
        left, middle, right = (
            jax.lax.slice_in_dim(x, i, i + reach, stride=slides.stride, axis=axis)
            for i in range(start + pair[0], start + pair[0] + 3)
        )
        x = (left + 2 * middle + right) / 4
    return jnp.sqrt(x + 1e-12)


def _padded(x_BxHxWxC: jax.Array, axis: int, pair: tuple[int, int], **mode) -> jax.Array:
    """Applies jnp.pad along one axis."""
    return jnp.pad(x_BxHxWxC, [pair if i == axis else (0, 0) for i in range(4)], **mode)


class Pooling(NamedTuple):
    """A row of the table of poolings."""

    # function of (x, the windows, wraps) and, by keyword, of the parameters named below
    function: Callable[..., jax.Array]
    # the windows -> the part of the input that an output reads, for all values of the parameters
    window: Callable[[Sliding], Window]
    matched_gain: float  # factor with which the mean activation is as with max pooling (see POOLING)
    parameters: tuple[tuple[str, float], ...] = ()  # (name, value at which matched_gain was measured)


def _whole(slides: Sliding) -> Window:
    return slides.window


def _first(slides: Sliding) -> Window:
    return Window(size=1, stride=slides.stride, offset=0)


def _blurred(slides: Sliding) -> Window:
    if slides.stride == 1:
        return slides.window
    return Window(size=slides.size + 2, stride=slides.stride, offset=-slides.before - 1)


def _hanning(slides: Sliding) -> Window:
    return Window(size=3, stride=slides.stride, offset=(slides.size - 1) // 2 - 1 - slides.before)


# matched_gain is the mean output of max pooling divided by the mean output of the variant, for the same
# input. It was measured on the last rectified layer before pool1..pool4 (relu1_2, relu2_2, relu3_4, relu4_4)
# of VGG-19 (Oxford) with max pooling, over 40 photographs of BSDS500 (every 12th by name, long edge 321
# pixels), and is the geometric mean of the four layers. A single layer differs from it by up to a third:
# average 1.39 1.88 1.55 2.30, l2 0.64 0.76 0.69 0.83. crowsonkb/style-transfer-pytorch uses 2 for average and
# 0.78 for l2.
POOLING = {
    "max": Pooling(max_pool, _whole, 1.0),
    "average": Pooling(average_pool, _whole, 1.745),
    "l2": Pooling(l2_pool, _whole, 0.725),
    "lp": Pooling(lp_pool, _whole, 0.837, (("p", 3.0),)),
    "mixed": Pooling(mixed_pool, _whole, 1.266, (("mix", 0.5),)),
    "strided": Pooling(strided_pool, _first, 1.742),
    "blur": Pooling(blur_pool, _blurred, 1.010),
    "hann": Pooling(hann_pool, _hanning, 1.331),
}


def check(name: str, *, p: float, mix: float) -> None:
    """Checks a pooling and its parameters.

    Args:
      name: `network.pooling`, a key of POOLING.
      p: `network.pooling_p`, the exponent of `lp`; positive.
      mix: `network.pooling_mix`, the share of the maximum in `mixed`; in [0, 1].

    Raises:
      UserError: the pooling is unknown, or a parameter is out of its range; the message names the field.
    """
    choose("network.pooling", name, POOLING)
    if not p > 0:
        raise UserError(f"network.pooling_p = {p}: must be positive")
    if not 0 <= mix <= 1:
        raise UserError(f"network.pooling_mix = {mix}: must lie in [0, 1]")


def resolve_gain(name: str, gain: float, *, p: float, mix: float) -> float:
    """Returns `gain` or, if it is 0, the gain that matches the mean activation of max pooling.

    Args:
      name: a key of POOLING.
      gain: `network.pooling_gain`.
      p, mix: as for `check`.

    Raises:
      UserError: as from `check`, or if the gain is 0 and was not measured for the value of a parameter.
    """
    check(name, p=p, mix=mix)
    if gain:
        return gain
    row, values = POOLING[name], {"p": p, "mix": mix}
    for parameter, measured in row.parameters:
        if values[parameter] != measured:
            raise UserError(
                f"network.pooling_gain = 0: the matching gain of {name} is known only for "
                f"network.pooling_{parameter} = {measured}; give a number"
            )
    return row.matched_gain


def pooling(
    name: str,
    *,
    p: float,
    mix: float,
    gain: float,
    wraps: Wraps = (False, False),
    sliding: Sliding = SQUARE,
) -> Callable[[jax.Array], jax.Array]:
    """Returns a pooling as a function of the activation alone.

    Args:
      name: a key of POOLING.
      p: the exponent of `lp`.
      mix: the share of the maximum in `mixed`.
      gain: a factor on the output.
      wraps: as `Network.wraps`, for windows that extend across the border.
      sliding: the windows.
    """
    row, values = POOLING[name], {"p": p, "mix": mix}
    arguments = {parameter: values[parameter] for parameter, _ in row.parameters}

    def function(x_BxHxWxC):
        return row.function(x_BxHxWxC, sliding, wraps, **arguments)

    return function if gain == 1 else lambda x_BxHxWxC: gain * function(x_BxHxWxC)
