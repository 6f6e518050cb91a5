"""The poolings: 2x2 windows, stride 2, floor mode, NHWC.

Each maps `x_BxHxWxC` to `BxfloorH/2xfloorW/2xC`; an odd last row or column is dropped, as in PyTorch's floor
mode. They are written with strided slices and elementwise operations only, so that their gradients compile
under XLA's determinism flags (no select-and-scatter) and stay fast inside device loops.

A new pooling is one function and one row of `POOLING`. If it has a parameter besides `p` and `mix`, that is
also a field of `Network` and an argument of the functions below the table.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from nst.errors import UserError, choose
from nst.networks.layers import Window
from nst.numerics import positive_or_one, safe_power


def _windows(x_BxHxWxC: jax.Array) -> tuple[jax.Array, ...]:
    """Returns the four corners of every window, in row order: each `Bxh/2xw/2xC`."""
    height, width = x_BxHxWxC.shape[1] // 2 * 2, x_BxHxWxC.shape[2] // 2 * 2
    even = x_BxHxWxC[:, :height, :width]
    return even[:, ::2, ::2], even[:, ::2, 1::2], even[:, 1::2, ::2], even[:, 1::2, 1::2]


def _first_max(a: jax.Array, b: jax.Array) -> jax.Array:
    """Computes max(a, b). At a tie the whole gradient goes to `a` (lax.max halves it); NaN propagates."""
    return jnp.where((a >= b) | jnp.isnan(a), a, b)


def max_pool(x_BxHxWxC: jax.Array) -> jax.Array:
    """Computes max(x_1..x_4). At ties the gradient goes to the first in row order, as in PyTorch and cuDNN.

    Args:
      x_BxHxWxC: an activation; an odd last row or column is dropped.
    """
    a, b, c, d = _windows(x_BxHxWxC)
    return _first_max(_first_max(a, b), _first_max(c, d))


def average_pool(x_BxHxWxC: jax.Array) -> jax.Array:
    """Computes (x_1 + .. + x_4) / 4. Gatys et al. 2015 prefer it for smoother gradients."""
    a, b, c, d = _windows(x_BxHxWxC)
    return (a + b + c + d) / 4


def l2_pool(x_BxHxWxC: jax.Array) -> jax.Array:
    """Computes sqrt(x_1^2 + .. + x_4^2); the gradient of an all-zero window, which has no direction, is 0."""
    a, b, c, d = _windows(x_BxHxWxC)
    return safe_power(a * a + b * b + c * c + d * d, 0.5)


def lp_pool(x_BxHxWxC: jax.Array, p: float) -> jax.Array:
    """Computes (|x_1|^p + .. + |x_4|^p)^(1/p), p > 0; p = 2 is l2, p -> infinity is max of |x|.

    Computed as m (sum (|x_i|/m)^p)^(1/p) with m = max|x_i|, so that a large p does not overflow.
    """
    corners = [jnp.abs(corner) for corner in _windows(x_BxHxWxC)]
    largest = jax.lax.stop_gradient(jnp.maximum(jnp.maximum(*corners[:2]), jnp.maximum(*corners[2:])))
    safe = positive_or_one(largest)
    return safe * safe_power(sum(safe_power(corner / safe, p) for corner in corners), 1 / p)


def mixed_pool(x_BxHxWxC: jax.Array, mix: float) -> jax.Array:
    """Computes a max + (1 - a) average, a = `mix` in [0, 1] (Lee et al. 2016)."""
    return mix * max_pool(x_BxHxWxC) + (1 - mix) * average_pool(x_BxHxWxC)


def strided_pool(x_BxHxWxC: jax.Array) -> jax.Array:
    """Returns x_1, the top left of the window: plain subsampling (Springenberg et al. 2014)."""
    return _windows(x_BxHxWxC)[0]


def blur_pool(x_BxHxWxC: jax.Array, wraps: tuple[bool, bool] = (False, False)) -> jax.Array:
    """Computes the anti-aliased maximum (Zhang 2019).

    It is a 2x2 maximum at stride 1, followed by the filter [1 2 1]/4 at stride 2. The blur reflects at the
    border, as in the author's code, so H rows become floor(H/2); along an axis that `wraps`, both continue at
    the opposite border.
    """
    for axis, wrap in zip((1, 2), wraps, strict=True):
        if wrap:
            x_BxHxWxC = _padded(x_BxHxWxC, axis, "wrap")
    x = _first_max(x_BxHxWxC[:, :-1], x_BxHxWxC[:, 1:])
    x = _first_max(x[:, :, :-1], x[:, :, 1:])
    for axis, wrap in zip((1, 2), wraps, strict=True):
        # an activation of one row has nothing to reflect
        x = x if wrap else _padded(x, axis, "reflect" if x.shape[axis] > 1 else "edge")
        size = (x.shape[axis] - 3) // 2 + 1
        left, middle, right = (
            jax.lax.slice_in_dim(x, i, i + 2 * size - 1, stride=2, axis=axis) for i in range(3)
        )
        x = (left + 2 * middle + right) / 4
    return x


def _padded(x_BxHxWxC: jax.Array, axis: int, mode: str) -> jax.Array:
    return jnp.pad(x_BxHxWxC, [(1, 1) if i == axis else (0, 0) for i in range(4)], mode=mode)


class Pooling(NamedTuple):
    """A row of the table of poolings."""

    # of x and, by keyword, of the parameters named below and, if the window begins before x, of `wraps`
    function: Callable[..., jax.Array]
    window: Window  # the part of the input that an output reads, whatever the parameters
    matched_gain: float  # brings the mean activation to that of max pooling, see below
    parameters: tuple[tuple[str, float], ...] = ()  # (name, value at which matched_gain was measured)


_SQUARE = Window(size=2, stride=2, offset=0)

# matched_gain is the mean output of max pooling divided by that of the variant, for the same input. It was
# measured on the last rectified layer before pool1..pool4 (relu1_2, relu2_2, relu3_4, relu4_4) of VGG-19
# (Oxford) with max pooling, over 40 photographs of BSDS500 (every 12th by name, long edge 321 pixels), and is
# the geometric mean of the four layers. A single layer differs from it by up to a third: average 1.39 1.88
# 1.55 2.30, l2 0.64 0.76 0.69 0.83. crowsonkb/style-transfer-pytorch uses 2 for average and 0.78 for l2.
POOLING = {
    "max": Pooling(max_pool, _SQUARE, 1.0),
    "average": Pooling(average_pool, _SQUARE, 1.745),
    "l2": Pooling(l2_pool, _SQUARE, 0.725),
    "lp": Pooling(lp_pool, _SQUARE, 0.837, (("p", 3.0),)),
    "mixed": Pooling(mixed_pool, _SQUARE, 1.266, (("mix", 0.5),)),
    "strided": Pooling(strided_pool, Window(size=1, stride=2, offset=0), 1.742),
    "blur": Pooling(blur_pool, Window(size=4, stride=2, offset=-1), 1.010),
}


def check(name: str, *, p: float, mix: float) -> None:
    """Checks a pooling and its parameters.

    Args:
      name: `network.pooling`, a key of POOLING.
      p: `network.pooling_p`, the exponent of `lp`; positive.
      mix: `network.pooling_mix`, the share of the maximum in `mixed`; in [0, 1].

    Raises:
      UserError: an unknown pooling or a parameter out of its range; the message names the config field.
    """
    choose("network.pooling", name, POOLING)
    if not p > 0:
        raise UserError(f"network.pooling_p = {p}: must be positive")
    if not 0 <= mix <= 1:
        raise UserError(f"network.pooling_mix = {mix}: must lie in [0, 1]")


def resolve_gain(name: str, gain: float, *, p: float, mix: float) -> float:
    """Returns `gain`, or, where it is 0, the gain that matches the mean activation of max pooling.

    Args:
      name: a key of POOLING.
      gain: `network.pooling_gain`.
      p, mix: as for `check`.

    Raises:
      UserError: as `check`, or a gain of 0 for a parameter at which the matching gain was not measured.
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
    name: str, *, p: float, mix: float, gain: float, wraps: tuple[bool, bool] = (False, False)
) -> Callable[[jax.Array], jax.Array]:
    """Returns a pooling as a function of the activation alone.

    Args:
      name: a key of POOLING.
      p: the exponent of `lp`.
      mix: the share of the maximum in `mixed`.
      gain: a factor on the output; 1 leaves it alone.
      wraps: as `Network.wraps`, for a pooling that reads over the border.
    """
    row, values = POOLING[name], {"p": p, "mix": mix}
    arguments = {parameter: values[parameter] for parameter, _ in row.parameters}
    if row.window.offset < 0:
        arguments["wraps"] = wraps
    function = partial(row.function, **arguments)
    return function if gain == 1 else lambda x_BxHxWxC: gain * function(x_BxHxWxC)
