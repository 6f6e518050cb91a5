"""Smoothing of a layer's activations before the content and style losses, and the entropy of activations.

Wang, Li & Vasconcelos 2021 (*Rethinking and Improving the Robustness of Image Style Transfer*, arXiv
2104.05623) find that in residual networks a few activations are far larger than the others, so that they
alone determine squared distances and Gram matrices. The authors smooth activations by a softmax ("SWAG").
"""

import math

import jax
import jax.numpy as jnp


def softmax(activation_BxHxWxC: jax.Array, temperature: float) -> jax.Array:
    """Computes the softmax over all positions and channels of each image, times their number.

        S_mc = N exp(F_mc / T) / sum_nd exp(F_nd / T),    N = M C

    Here F are the activations at M positions in C channels, and T is the temperature: a larger T smooths
    more. Wang et al. 2021, the equation of section 4; their code has T = 1.

    Departs from the paper: the factor N makes the mean 1. Without the factor, S is about 1 / N, and the
    squared change of a Gram matrix is about 1 / N^4, which float32 cannot hold for a large image. The factor
    does not change relative losses; it multiplies other content losses by N^2 and other Gram losses by N^4.

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

    The sums run over the N = M C activations F at M positions in C channels. The entropy does not depend on
    the scale of the activations; it is 0 if all of them are 0. If a few activations are far larger than the
    others, the entropy is small (Wang et al. 2021, section 3).

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
