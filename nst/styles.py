"""Style representations: what of an image's activations is called its style, and how far two are apart.

A representation is a pair: `describe(features_BxHxWxC) -> statistics`, any size of image in (an array, or the
`Mapped` activations of a slim network), a size that depends on the channels only out, and
`distance(statistics, target, channels) -> scalar`, where `channels` is the layer's C of the equations (a slim
network's activations may stand for more channels than they have).
Statistics are float32 whatever the dtype of the activations.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from nst.errors import choose
from nst.mapped import Mapped


def _energy(target_BxCxC: jax.Array) -> jax.Array:
    """sum A^2, or 1 where that is 0, so that it may divide."""
    energy = jnp.sum(target_BxCxC**2)
    return jnp.where(energy > 0, energy, 1.0)


# A Gram distance is c * sum_ij (G_ij - A_ij)^2 with G = F F^T / M, for C channels, M positions and target A.
GRAM_DISTANCE = {
    # Gatys et al. 2015 eq. 4, 2016 eq. 4: 1/(4 N^2 M^2) SSE of the unnormalised F F^T, N = C.
    # Departs from the paper: each Gram is divided by its own M, which is the same thing when both
    # images have one size, and the only thing that makes sense when they have not.
    "gatys": lambda channels, target: 1 / (4 * channels**2),
    # F F^T / (HW), mean of squares: leongatys/PytorchNeuralStyleTransfer, pystiche.
    "hw_mse": lambda channels, target: 1 / channels**2,
    # F F^T / (CHW), sum of squares: Johnson et al. 2016 eq. 3-4. The same number as hw_mse.
    "chw_sse": lambda channels, target: 1 / channels**2,
    # F F^T / (CHW), mean of squares: jcjohnson/neural-style, neural-style-pt, fast.ai.
    "chw_mse": lambda channels, target: 1 / channels**4,
    # F F^T / (HW), sum of squares.
    "hw_sse": lambda channels, target: 1.0,
    # Divided by the target's energy sum A^2: 0 is equal, 1 as far as a black image. The same balance of
    # layers for every network, whatever its scale and its number of channels.
    "relative": lambda channels, target: 1 / _energy(target),
}


@jax.custom_vjp
def _products(features_BxHxWxC: jax.Array) -> jax.Array:
    """sum_m F_mi F_mj: an einsum over h and w, not a reshape, so that it stays sharded when the height is."""
    return jnp.einsum("bhwc,bhwd->bcd", features_BxHxWxC, features_BxHxWxC, **_FULL)


def _products_backward(features_BxHxWxC, cotangent_BxCxC):
    # F (K + K^T): one product, where autodiff of the two factors makes two
    symmetric = cotangent_BxCxC + cotangent_BxCxC.swapaxes(1, 2)
    gradient = jnp.einsum("bhwc,bcd->bhwd", features_BxHxWxC, symmetric, **_FULL)
    return (gradient.astype(features_BxHxWxC.dtype),)


_FULL = {"preferred_element_type": jnp.float32, "precision": jax.lax.Precision.HIGHEST}
_products.defvjp(lambda features_BxHxWxC: (_products(features_BxHxWxC), features_BxHxWxC), _products_backward)


def gram(features_BxHxWxC: jax.Array | Mapped, shift: float = 0.0) -> jax.Array:
    """Gram matrix per position: G_ij = 1/M sum_m (F_mi - s)(F_mj - s), `BxCxC`, in float32 for any dtype.

    `shift` s: Novak & Nikulin 2016 (*Improving the Neural Algorithm of Artistic Style*), whose "activation
    shift" of -1 is shift = 1 here.
    """
    if isinstance(features_BxHxWxC, Mapped):
        shifted = features_BxHxWxC.replace(bias_C=features_BxHxWxC.bias_C - shift)
        return shifted.gram(gram(features_BxHxWxC.x_BxHxWxK))
    if shift:
        features_BxHxWxC = features_BxHxWxC - jnp.asarray(shift, features_BxHxWxC.dtype)
    positions = features_BxHxWxC.shape[1] * features_BxHxWxC.shape[2]
    return _products(features_BxHxWxC) / positions


def gram_distance(
    gram_BxCxC: jax.Array, target_BxCxC: jax.Array, channels: int, *, normalization: str
) -> jax.Array:
    """c sum_ij (G_ij - A_ij)^2, c from GRAM_DISTANCE[normalization] for a layer of C = `channels`."""
    factor = GRAM_DISTANCE[normalization](channels, target_BxCxC)
    return factor * jnp.sum((gram_BxCxC - target_BxCxC) ** 2)


class Representation(NamedTuple):
    """A way to say "style": see the head of the module."""

    describe: Callable[[jax.Array], jax.Array]
    distance: Callable[[jax.Array, jax.Array, int], jax.Array]


def _gram(normalization: str, shift: float) -> Representation:
    choose("style_loss.normalization", normalization, GRAM_DISTANCE)
    return Representation(partial(gram, shift=shift), partial(gram_distance, normalization=normalization))


# name -> function of the options (normalization, shift) giving the pair
STYLES = {
    "gram": lambda normalization, shift: _gram(normalization, 0.0),
    "gram_shift": _gram,
}


def style(name: str, normalization: str, shift: float) -> Representation:
    """The representation `name` of STYLES with its options.

    Raises:
      UserError: an unknown name or normalisation.
    """
    return STYLES[choose("style_loss.representation", name, STYLES)](normalization, shift)
