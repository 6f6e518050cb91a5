"""The content loss: how far the activations of the image are from the activations of the photograph.

F are the activations of the image at one layer, and P the activations of the photograph. Both have M
positions and C channels.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from nst import numerics

CONTENT_REPRESENTATIONS = ("activations", "self_similarity")

# name -> the factor c of c sum (F - P)^2, given M, C, P and sum |F - P|
CONTENT = {
    # Gatys et al. 2015 eq. 1, 2016 eq. 1: half the sum of squares.
    "gatys": lambda positions, channels, target, distance: 0.5,
    # The mean of squares: jcjohnson/neural-style, leongatys/PytorchNeuralStyleTransfer, Johnson et al. 2016.
    "mse": lambda positions, channels, target, distance: 1 / (positions * channels),
    # The plain sum of squares.
    "sse": lambda positions, channels, target, distance: 1.0,
    # 1 / (2 sqrt(C) sqrt(M)): the default of cysmith/neural-style-tf.
    "root": lambda positions, channels, target, distance: 0.5 / (positions * channels) ** 0.5,
    # 1 / sum P^2: the loss is 0 where F = P and 1 where F = 0, for networks of any scale.
    "relative": lambda positions, channels, target, distance: 1 / numerics.energy(target),
    # 1 / (sum |F - P| + 1e-8): crowsonkb/style-transfer-pytorch until 2023.
    "scaled": lambda positions, channels, target, distance: 1 / (distance + 1e-8),
}


class Sums(NamedTuple):
    """Sums over the positions of a layer; the sums over its parts add up to them."""

    squares: jax.Array  # sum (F - P)^2
    distance: jax.Array  # sum |F - P|


def content_sums(
    features_BxHxWxC: jax.Array, target_BxHxWxC: jax.Array, rows_H: jax.Array | None = None
) -> Sums:
    """Computes `Sums` in float32; `rows_H` holds one weight for each row (None: every weight is 1)."""
    difference = features_BxHxWxC.astype(jnp.float32) - target_BxHxWxC.astype(jnp.float32)
    weights_Hx1x1 = 1.0 if rows_H is None else rows_H[:, None, None]
    distance = jnp.sum(weights_Hx1x1 * numerics.absolute(difference))
    return Sums(jnp.sum(weights_Hx1x1 * difference**2), distance)


def content_loss(sums: Sums, target_BxHxWxC: jax.Array, channels: int, normalization: str) -> jax.Array:
    """Computes c sum (F - P)^2 from the sums over the whole layer, with c as in `content_distance`."""
    _, height, width, _ = target_BxHxWxC.shape
    return CONTENT[normalization](height * width, channels, target_BxHxWxC, sums.distance) * sums.squares


def content_distance(
    features_BxHxWxC: jax.Array, target_BxHxWxC: jax.Array, channels: int, normalization: str
) -> jax.Array:
    """Computes c sum (F - P)^2 in float32.

    Args:
      features_BxHxWxC: F, the activations of the image.
      target_BxHxWxC: P, the activations of the photograph.
      channels: C of the layer in the published network, even if a slim network's F and P have fewer.
      normalization: name of c in CONTENT.
    """
    sums = content_sums(features_BxHxWxC, target_BxHxWxC)
    return content_loss(sums, target_BxHxWxC, channels, normalization)
