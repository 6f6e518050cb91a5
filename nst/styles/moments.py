"""Style as moments: means, standard deviations and higher moments of each channel; second moments of all.

F_mc is the activation of channel c of C at position m of M, and E is the mean over the positions, weighted if
the positions have weights. A prime marks the painting's statistics.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from nst import numerics
from nst.styles.positions import Positions, flatten, mean_over, weights_of
from nst.styles.representation import Representation, normalized, of_one_layer, whole


class Moments(NamedTuple):
    """The moments of each channel."""

    mean_C: jax.Array
    central_KxC: jax.Array  # E[(F - mean)^k], k = 2, 3, ...


def moments(features_1xHxWxC: jax.Array, positions: Positions, order: int = 2) -> Moments:
    """Computes the mean and the central moments up to `order` of each channel."""
    rows_MxC = flatten(features_1xHxWxC)
    mean_C = mean_over(rows_MxC, positions)
    centred_MxC = rows_MxC - mean_C
    central = [mean_over(centred_MxC**k, positions) for k in range(2, order + 1)]
    return Moments(mean_C, jnp.stack(central) if central else jnp.zeros((0, *mean_C.shape)))


def mean_distance(statistics: Moments, target: Moments, channels: int) -> jax.Array:
    """Computes 1/C sum_c (mu_c - mu'_c)^2.

    With weights it is the distance of guided means in the code of Gatys et al. 2017.
    """
    return jnp.sum((statistics.mean_C - target.mean_C) ** 2) / channels


def moments_distance(statistics: Moments, target: Moments, channels: int) -> jax.Array:
    """Computes 1/C sum_c (mu_c - mu'_c)^2 + (sigma_c - sigma'_c)^2, with the standard deviations sigma.

    Li et al. 2017 (*Demystifying Neural Style Transfer*), eq. 14, who call these batch normalisation
    statistics.
    """
    deviations_C, target_C = (numerics.safe_sqrt(of.central_KxC[0]) for of in (statistics, target))
    return mean_distance(statistics, target, channels) + jnp.sum((deviations_C - target_C) ** 2) / channels


def make_moments(normalization: str) -> Representation:
    """Returns the representation by `moments_distance`."""
    # a rotation of the channels would change the moments of each channel
    return normalized(of_one_layer(moments), moments_distance, normalization, rotates=False)


def central_distance(statistics: Moments, target: Moments, channels: int) -> jax.Array:
    """Computes 1/C sum_c (mu_c - mu'_c)^2 + sum_k (r_k(m_kc) - r_k(m'_kc))^2, m_k = E[(F - mu)^k].

    k runs from 2 to `order`. r_k(m) = m (m^2 + s^2k)^((1-k)/2k) is about m / s^(k-1) for small m, and for
    large m about the k-th root, with the sign of m. So every order is in units of an activation, and no order
    dominates the others. s is the target's standard deviation over the whole layer (1 if that is 0). Central
    moment matching: Zellinger et al. 2017 (arXiv 1702.08811); for style, Kalischek et al. 2021 (arXiv
    2103.07208). Departs from the papers: they bound the activations instead of taking roots, and add norms,
    which have no gradient at equality, instead of squares.
    """
    deviation = numerics.safe_sqrt(jnp.sum(target.central_KxC[0]) / channels)
    scale = numerics.positive_or_one(deviation)

    def roots(central_KxC):
        order_Kx1 = jnp.arange(2, len(central_KxC) + 2)[:, None]
        units_KxC = central_KxC / scale**order_Kx1
        return scale * units_KxC * (1 + units_KxC**2) ** ((1 - order_Kx1) / (2 * order_Kx1))

    difference_KxC = roots(statistics.central_KxC) - roots(target.central_KxC)
    return mean_distance(statistics, target, channels) + jnp.sum(difference_KxC**2) / channels


def make_moments_k(normalization: str, order: int = 4) -> Representation:
    """Returns the representation by `central_distance`."""
    describe = partial(moments, order=whole("order", order, 2, most=20))
    return normalized(of_one_layer(describe), central_distance, normalization, rotates=False)


class RawMoments(NamedTuple):
    """The first two moments of a layer, not centred, so that moments of several paintings can be averaged."""

    mean_C: jax.Array
    second_CxC: jax.Array  # E[F F^T]


def raw_moments(features_1xHxWxC: jax.Array, positions: Positions) -> RawMoments:
    """Computes the mean and the second moment over all channels."""
    rows_MxC = flatten(features_1xHxWxC)
    weights_M = weights_of(rows_MxC, positions)
    second_CxC = numerics.einsum("m,mc,md->cd", weights_M, rows_MxC, rows_MxC)
    return RawMoments(mean_over(rows_MxC, positions), second_CxC)
