"""Smoothing of a layer's activations before the content and the style loss, and how peaked they are.

Wang, Li & Vasconcelos 2021 (*Rethinking and Improving the Robustness of Image Style Transfer*, arXiv
2104.05623) find that residual networks have a few activations far above the others, which decide squared
distances and Gram matrices alone, and smooth them by a softmax ("SWAG").
"""

import math

import jax
import jax.numpy as jnp


def softmax(activation_BxHxWxC: jax.Array, temperature: float) -> jax.Array:
    """Computes the softmax over all positions and channels of each image, times their number.

        S_mc = N exp(F_mc / T) / sum_nd exp(F_nd / T),    N = M C

    Here F are the activations at M positions in C channels, and T is the temperature: a large T smooths more.
    Wang et al. 2021, the equation of section 4; their code has T = 1.

    Departs from the paper: the factor N makes the mean 1. Without it S is about 1 / N, and the square of a
    Gram matrix's change about 1 / N^4, which float32 cannot hold for a large image. Relative losses are the
    same with and without it; other content losses grow by N^2, and other Gram losses by N^4.

    Args:
      activation_BxHxWxC: F, of any float dtype.
      temperature: T, positive, in units of the activations.
    """
    logits = activation_BxHxWxC.astype(jnp.float32) / temperature
    count = math.prod(activation_BxHxWxC.shape[1:])
    return (count * jax.nn.softmax(logits, axis=(1, 2, 3))).astype(activation_BxHxWxC.dtype)


# name -> a function of (activation_BxHxWxC, temperature); "none" leaves the activations as they are
SMOOTHING = {"none": None, "softmax": softmax}


def entropy(activation_BxHxWxC: jax.Array) -> jax.Array:
    """Computes the entropy of a layer's activations, in [0, 1]: 1 if all are equal, 0 if only one is not 0.

        H = -sum_mc p_mc log p_mc / log N,    p_mc = |F_mc| / sum_nd |F_nd|

    over the N = M C activations F at M positions in C channels. It does not change with their scale. It is 0
    where all are 0. A small entropy is that of a few peaks (Wang et al. 2021, section 3).

    Args:
      activation_BxHxWxC: F.

    Returns:
      H of each image, `B`.
    """
    size = jnp.abs(activation_BxHxWxC.astype(jnp.float32))
    total = size.sum((1, 2, 3), keepdims=True)
    share = size / jnp.where(total > 0, total, 1.0)
    information = jnp.where(share > 0, -jnp.log(jnp.where(share > 0, share, 1.0)), 0.0)
    return (share * information).sum((1, 2, 3)) / math.log(max(2, math.prod(size.shape[1:])))
