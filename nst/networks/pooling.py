"""The pooling variants: 2x2 windows, stride 2, floor mode, NHWC.

Each maps `x_BxHxWxC` to `BxfloorH/2xfloorW/2xC`; an odd last row or column is dropped, as in Caffe's
VGG under PyTorch's floor mode. They are written with strided slices and elementwise operations only,
so that their gradients compile under XLA's determinism flags (no select-and-scatter) and stay fast
inside device loops.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp

from nst.numerics import positive_or_one, safe_power

# The gain that brings a variant's mean activation to max pooling's: mean of max over mean of the variant,
# both of the same input, the last rectified layer before pool1..pool4 (relu1_2, relu2_2, relu3_4, relu4_4)
# of the max-pooled VGG-19 (Oxford), over 40 photographs of BSDS500 (every 12th by name, long edge 321
# pixels); geometric mean of the four layers. lp at p = 3, mixed at mix = 0.5: other values want their own.
# A layer departs by up to a third from it: average 1.39 1.88 1.55 2.30, l2 0.64 0.76 0.69 0.83.
# crowsonkb/style-transfer-pytorch uses 2 for average and 0.78 for l2.
MATCHED_GAIN = {
    "max": 1.0,
    "average": 1.745,
    "l2": 0.725,
    "lp": 0.837,
    "mixed": 1.266,
    "strided": 1.742,
    "blur": 1.010,
}


def _windows(x_BxHxWxC: jax.Array) -> tuple[jax.Array, ...]:
    """The four corners of every window, row by row: each `Bxh/2xw/2xC`."""
    height, width = x_BxHxWxC.shape[1] // 2 * 2, x_BxHxWxC.shape[2] // 2 * 2
    even = x_BxHxWxC[:, :height, :width]
    return even[:, ::2, ::2], even[:, ::2, 1::2], even[:, 1::2, ::2], even[:, 1::2, 1::2]


def _first_max(a: jax.Array, b: jax.Array) -> jax.Array:
    """Maximum whose gradient goes wholly to `a` at ties (lax.max would halve it); NaN propagates."""
    return jnp.where((a >= b) | jnp.isnan(a), a, b)


def max_pool(x_BxHxWxC: jax.Array) -> jax.Array:
    """max(x_1..x_4). At ties the gradient goes to the first in row-major order, as in PyTorch and cuDNN."""
    a, b, c, d = _windows(x_BxHxWxC)
    return _first_max(_first_max(a, b), _first_max(c, d))


def average_pool(x_BxHxWxC: jax.Array) -> jax.Array:
    """(x_1 + .. + x_4) / 4. Gatys et al. 2015 prefer it for smoother gradients."""
    a, b, c, d = _windows(x_BxHxWxC)
    return (a + b + c + d) / 4


def l2_pool(x_BxHxWxC: jax.Array) -> jax.Array:
    """sqrt(x_1^2 + .. + x_4^2); the gradient of an all-zero window is 0 (the limit has no direction)."""
    a, b, c, d = _windows(x_BxHxWxC)
    return safe_power(a * a + b * b + c * c + d * d, 0.5)


def lp_pool(x_BxHxWxC: jax.Array, p: float) -> jax.Array:
    """(|x_1|^p + .. + |x_4|^p)^(1/p), p > 0; p = 2 is l2, p -> infinity is max of |x|.

    Computed as m (sum (|x_i|/m)^p)^(1/p) with m = max|x_i|, so that a large p does not overflow.
    """
    corners = [jnp.abs(corner) for corner in _windows(x_BxHxWxC)]
    largest = jax.lax.stop_gradient(jnp.maximum(jnp.maximum(*corners[:2]), jnp.maximum(*corners[2:])))
    safe = positive_or_one(largest)
    return safe * safe_power(sum(safe_power(corner / safe, p) for corner in corners), 1 / p)


def mixed_pool(x_BxHxWxC: jax.Array, mix: float) -> jax.Array:
    """a max + (1 - a) average with a = `mix` in [0, 1] (Lee et al. 2016, "mixed max-average pooling")."""
    return mix * max_pool(x_BxHxWxC) + (1 - mix) * average_pool(x_BxHxWxC)


def strided_pool(x_BxHxWxC: jax.Array) -> jax.Array:
    """x_1, the top-left of the window: plain subsampling (Springenberg et al. 2014)."""
    return _windows(x_BxHxWxC)[0]


def blur_pool(x_BxHxWxC: jax.Array) -> jax.Array:
    """Anti-aliased max (Zhang 2019): 2x2 max at stride 1, then the [1 2 1]/4 filter at stride 2.

    The blur reflects at the border, as in the author's code, so H gives floor(H/2).
    """
    x = _first_max(x_BxHxWxC[:, :-1], x_BxHxWxC[:, 1:])
    x = _first_max(x[:, :, :-1], x[:, :, 1:])
    for axis in (1, 2):
        # a map of one row has nothing to reflect
        mode = "reflect" if x.shape[axis] > 1 else "edge"
        x = jnp.pad(x, [(1, 1) if i == axis else (0, 0) for i in range(4)], mode=mode)
        size = (x.shape[axis] - 3) // 2 + 1
        left, middle, right = (
            jax.lax.slice_in_dim(x, i, i + 2 * size - 1, stride=2, axis=axis) for i in range(3)
        )
        x = (left + 2 * middle + right) / 4
    return x


POOLING = {
    "max": max_pool,
    "average": average_pool,
    "l2": l2_pool,
    "lp": lp_pool,
    "mixed": mixed_pool,
    "strided": strided_pool,
    "blur": blur_pool,
}


def pooling(name: str, *, p: float, mix: float, gain: float) -> Callable[[jax.Array], jax.Array]:
    """The pooling `name` of POOLING as a function of the image alone, times `gain`.

    Args:
      name: a key of POOLING.
      p: exponent of `lp`.
      mix: share of the maximum in `mixed`.
      gain: factor on the output; 1 leaves it alone.
    """
    function = partial(POOLING[name], **{"lp": {"p": p}, "mixed": {"mix": mix}}.get(name, {}))
    return function if gain == 1 else lambda x_BxHxWxC: gain * function(x_BxHxWxC)
