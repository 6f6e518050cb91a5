"""Optimisation in the bands of a Laplacian pyramid in place of pixels (Burt & Adelson 1983).

    x = z_0 + up(z_1 + up(z_2 + ...)),   z_k half as large as z_{k-1}

x is linear in z, so an update of the bands is an update of the pixels, and the bands themselves need not be
kept. An optimiser that scales each number by itself, such as RMSprop, then changes large areas as fast as
single pixels: Kolkin, Salavon & Shakhnarovich 2019 (*Style Transfer by Relaxed Optimal Transport and
Self-Similarity*), section 3.4. L-BFGS does so if its directions start from `metric`.
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import optax


def shapes(shape: tuple[int, ...], count: int) -> list[jax.ShapeDtypeStruct]:
    """Returns the shapes of an image's bands, finest first.

    Each band has half the height and width of the band before, rounded down, but at least 1.

    Args:
      shape: shape of the image, BxHxWxC.
      count: number of bands, including the coarsest.
    """
    batch, height, width, channels = shape
    return [
        jax.ShapeDtypeStruct((batch, max(1, height >> k), max(1, width >> k), channels), jnp.float32)
        for k in range(count)
    ]


def join(bands: Sequence[jax.Array]) -> jax.Array:
    """Returns the sum of the bands, each enlarged bilinearly to the size of the next finer one.

    Args:
      bands: the bands, finest first, each BxhxwxC.
    """
    *finer, image = bands
    for band in reversed(finer):
        image = band + jax.image.resize(image, band.shape, "linear")
    return image


def split(image: jax.Array, count: int) -> list[jax.Array]:
    """Applies the transpose of `join` to an image, which turns a gradient of pixels into one of the bands.

    Args:
      image: BxHxWxC.
      count: number of bands, including the coarsest.
    """
    (bands,) = jax.linear_transpose(join, shapes(image.shape, count))(image)
    return bands


def metric(count: int) -> Callable[[jax.Array], jax.Array]:
    """Returns the function that multiplies a gradient by a matrix M, with which large areas move faster.

        M = sum_k 2^-k J_k J_k^T,   J_k z_k: the image of band k alone

    M is positive definite. L-BFGS on pixels that takes gamma M in place of gamma I as its first estimate of
    the inverse Hessian has the same iterates as L-BFGS on the bands z that takes gamma 2^-k in band k: since
    s = J s_z and y_z = J^T y, the inner products of the two recursions are equal. So pairs of pixels can be
    kept in place of pairs of bands.

    J_k J_k^T multiplies an image that band k can represent by about 4^k, so M multiplies a wave whose
    coarsest band is k by about 2^(k+1), the inverse of its frequency.

    Args:
      count: number of bands, including the coarsest; 0 or 1: M is the identity.
    """
    if count <= 1:
        return lambda gradient: gradient

    def apply(gradient: jax.Array) -> jax.Array:
        return join([band / 2**k for k, band in enumerate(split(gradient, count))])

    return apply


def in_bands(
    inner: optax.GradientTransformationExtraArgs, count: int
) -> optax.GradientTransformationExtraArgs:
    """Returns a transformation of an image that applies another one to the image's bands.

    The transformation's `update` raises ValueError if `inner` needs the parameters, as weight decay does: an
    image does not determine its bands, so the values of the bands are not known.

    Args:
      inner: the transformation of the bands.
      count: number of bands, including the coarsest.
    """

    def init(image_BxHxWxC):
        return inner.init([jnp.zeros(band.shape) for band in shapes(image_BxHxWxC.shape, count)])

    def update(gradient_BxHxWxC, state, params=None, **extra):
        # the chain rule
        updates, state = inner.update(split(gradient_BxHxWxC, count), state, **extra)
        return join(updates), state

    return optax.GradientTransformationExtraArgs(init, update)
