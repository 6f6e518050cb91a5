"""Content losses and regularisers; every normalisation has a name and its equation."""

import jax
import jax.numpy as jnp


def _energy(target: jax.Array) -> jax.Array:
    """sum P^2 in float32, or 1 where that is 0, so that it may divide."""
    energy = jnp.sum(target.astype(jnp.float32) ** 2)
    return jnp.where(energy > 0, energy, 1.0)


# The factor c of c * sum (F - P)^2, for an activation of M positions and C channels, and target P.
CONTENT = {
    # Gatys et al. 2015 eq. 1, 2016 eq. 1: half the sum of squares.
    "gatys": lambda positions, channels, target: 0.5,
    # The mean of squares: jcjohnson/neural-style, leongatys/PytorchNeuralStyleTransfer, Johnson et al. 2016.
    "mse": lambda positions, channels, target: 1 / (positions * channels),
    # The plain sum of squares.
    "sse": lambda positions, channels, target: 1.0,
    # 1 / (2 sqrt(C) sqrt(M)): cysmith/neural-style-tf's default.
    "root": lambda positions, channels, target: 0.5 / (positions * channels) ** 0.5,
    # 1 / sum P^2: 0 is equal, 1 as far as an image without features; the same for networks of any scale.
    "relative": lambda positions, channels, target: 1 / _energy(target),
}


def content_distance(
    features_BxHxWxC: jax.Array, target_BxHxWxC: jax.Array, channels: int, normalization: str
) -> jax.Array:
    """c sum (F - P)^2 between the activations of the image (F) and of the photograph (P), in float32.

    `normalization` names c in CONTENT; `channels` is the layer's C there, whatever the frame of F and P.
    """
    difference = features_BxHxWxC.astype(jnp.float32) - target_BxHxWxC.astype(jnp.float32)
    _, height, width, _ = difference.shape
    return CONTENT[normalization](height * width, channels, target_BxHxWxC) * jnp.sum(difference**2)


def _differences(image_BxHxWxC: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Forward differences down and to the right; each has one row or column fewer than the image."""
    down = image_BxHxWxC[:, 1:] - image_BxHxWxC[:, :-1]
    right = image_BxHxWxC[:, :, 1:] - image_BxHxWxC[:, :, :-1]
    return down, right


def tv_l1(image_BxHxWxC: jax.Array, beta: float) -> jax.Array:
    """sum |d_y x| + sum |d_x x|: anisotropic total variation (neural-style-pt)."""
    return sum(jnp.sum(jnp.abs(d)) for d in _differences(image_BxHxWxC))


def tv_l2(image_BxHxWxC: jax.Array, beta: float) -> jax.Array:
    """1/2 (sum (d_y x)^2 + sum (d_x x)^2), whose gradient is jcjohnson/neural-style's TVLoss."""
    return 0.5 * sum(jnp.sum(d**2) for d in _differences(image_BxHxWxC))


def tv_mean(image_BxHxWxC: jax.Array, beta: float) -> jax.Array:
    """mean (d_y x)^2 + mean (d_x x)^2: independent of the image's size (anishathalye/neural-style)."""
    return sum(jnp.mean(d**2) for d in _differences(image_BxHxWxC))


def tv_beta(image_BxHxWxC: jax.Array, beta: float) -> jax.Array:
    """sum ((d_y x)^2 + (d_x x)^2)^(beta/2) over all but the last row and column.

    Mahendran & Vedaldi 2015, eq. 4; beta = 1 is isotropic total variation. The gradient where both
    differences vanish is 0.
    """
    down, right = _differences(image_BxHxWxC)
    energy = down[:, :, :-1] ** 2 + right[:, :-1] ** 2
    moves = energy > 0
    return jnp.sum(jnp.where(moves, jnp.where(moves, energy, 1) ** (beta / 2), 0))


TOTAL_VARIATION = {"l1": tv_l1, "l2": tv_l2, "mean": tv_mean, "beta": tv_beta}
