"""Optimisation of the bands of a Laplacian pyramid in place of pixels (Burt & Adelson 1983).

    x = z_0 + up(z_1 + up(z_2 + ...)),   z_k half as large as z_{k-1}

x is linear in z, so an update of the bands is an update of the pixels, and the bands themselves need not be
kept. An optimiser that scales each number by itself, such as RMSprop, then changes large areas as fast as
single pixels: Kolkin, Salavon & Shakhnarovich 2019 (*Style Transfer by Relaxed Optimal Transport and
Self-Similarity*), section 3.4.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import optax


def shapes(shape: tuple[int, ...], count: int) -> list[jax.ShapeDtypeStruct]:
    """Returns the shapes of an image's bands, finest first.

    Each band has half the height and width of the one before, rounded down, but at least 1.

    Args:
      shape: shape of the image, BxHxWxC.
      count: number of bands, with the coarsest.
    """
    batch, height, width, channels = shape
    return [
        jax.ShapeDtypeStruct((batch, max(1, height >> k), max(1, width >> k), channels), jnp.float32)
        for k in range(count)
    ]


def join(bands: Sequence[jax.Array]) -> jax.Array:
    """Returns the image that bands add up to, each enlarged bilinearly to the size of the one before.

    Args:
      bands: finest first, each BxhxwxC.
    """
    *finer, image = bands
    for band in reversed(finer):
        image = band + jax.image.resize(image, band.shape, "linear")
    return image


def in_bands(
    inner: optax.GradientTransformationExtraArgs, count: int
) -> optax.GradientTransformationExtraArgs:
    """Returns a transformation of an image that applies another one to the image's bands.

    Its `update` raises ValueError if `inner` needs the parameters, as weight decay does: an image does not
    determine its bands, so they cannot be passed.

    Args:
      inner: the transformation of the bands.
      count: number of bands, with the coarsest.
    """

    def init(image_BxHxWxC):
        return inner.init([jnp.zeros(band.shape) for band in shapes(image_BxHxWxC.shape, count)])

    def update(gradient_BxHxWxC, state, params=None, **extra):
        # the chain rule: the gradient of the bands is the transpose of `join` applied to the image's
        (gradients,) = jax.linear_transpose(join, shapes(gradient_BxHxWxC.shape, count))(gradient_BxHxWxC)
        updates, state = inner.update(gradients, state, **extra)
        return join(updates), state

    return optax.GradientTransformationExtraArgs(init, update)
