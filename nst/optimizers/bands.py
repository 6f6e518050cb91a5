"""An optimiser that moves the bands of a Laplacian pyramid in place of pixels (Burt & Adelson 1983).

    x = z_0 + up(z_1 + up(z_2 + ...)),   z_k half as large as z_{k-1}

x is linear in z, so that a move of the bands is one of the pixels, and the bands need not be kept. Optimisers
that scale each number by itself then change large areas as fast as single pixels: Kolkin, Salavon &
Shakhnarovich 2019 (*Style Transfer by Relaxed Optimal Transport and Self-Similarity*), section 3.4.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import optax


def shapes(shape: tuple[int, ...], count: int) -> list[jax.ShapeDtypeStruct]:
    """Of the bands of a picture `BxHxWxC`, finest first; edges are halved and rounded down, to 1 at least."""
    batch, height, width, channels = shape
    return [
        jax.ShapeDtypeStruct((batch, max(1, height >> k), max(1, width >> k), channels), jnp.float32)
        for k in range(count)
    ]


def join(bands: Sequence[jax.Array]) -> jax.Array:
    """The picture of the bands, enlarged bilinearly."""
    *finer, image = bands
    for band in reversed(finer):
        image = band + jax.image.resize(image, band.shape, "linear")
    return image


def in_bands(
    inner: optax.GradientTransformationExtraArgs, count: int
) -> optax.GradientTransformationExtraArgs:
    """`inner` on `count` bands of the one image that is its parameters.

    Raises:
      ValueError: on update, if `inner` needs to see its parameters.
    """

    def init(image_BxHxWxC):
        return inner.init([jnp.zeros(band.shape) for band in shapes(image_BxHxWxC.shape, count)])

    def update(gradient_BxHxWxC, state, params=None, **extra):
        (gradients,) = jax.linear_transpose(join, shapes(gradient_BxHxWxC.shape, count))(gradient_BxHxWxC)
        moves, state = inner.update(gradients, state, **extra)
        return join(moves), state

    return optax.GradientTransformationExtraArgs(init, update)
