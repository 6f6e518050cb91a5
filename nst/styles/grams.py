"""Gram matrices of activations: Gatys et al., and their shifted, guided, cross-layer and long-range kin.

Statistics are float32 whatever the dtype of the activations.
"""

import jax
import jax.numpy as jnp

from nst import numerics
from nst.errors import UserError
from nst.networks.slim import Mapped, evaluated
from nst.styles.positions import Look, shares


def _energy(target_BxCxC: jax.Array) -> jax.Array:
    """sum A^2, or 1 where that is 0, so that it may divide."""
    return numerics.positive_or_one(jnp.sum(target_BxCxC**2))


# A Gram distance is c * sum_ij (G_ij - A_ij)^2 with G = F F^T / M, for C channels, M positions and target A.
GRAM_DISTANCE = {
    # Gatys et al. 2015 eq. 4, 2016 eq. 4: 1/(4 N^2 M^2) SSE of the unnormalised F F^T, N = C.
    # Departs from the paper: each Gram is divided by its own M, which is the same thing when both
    # images have one size, and the only thing that makes sense when they have not.
    "gatys": lambda channels, target, difference: 1 / (4 * channels**2),
    # F F^T / (HW), mean of squares: leongatys/PytorchNeuralStyleTransfer, pystiche.
    "hw_mse": lambda channels, target, difference: 1 / channels**2,
    # F F^T / (CHW), sum of squares: Johnson et al. 2016 eq. 3-4. The same number as hw_mse.
    "chw_sse": lambda channels, target, difference: 1 / channels**2,
    # F F^T / (CHW), mean of squares: jcjohnson/neural-style, neural-style-pt, fast.ai.
    "chw_mse": lambda channels, target, difference: 1 / channels**4,
    # F F^T / (HW), sum of squares.
    "hw_sse": lambda channels, target, difference: 1.0,
    # Divided by the target's energy sum A^2: 0 is equal, 1 as far as a black image. The same balance of
    # layers for every network, whatever its scale and its number of channels.
    "relative": lambda channels, target, difference: 1 / _energy(target),
    # sum d^2 / (sum |d| + 1e-8) of F F^T / (HW): crowsonkb/style-transfer-pytorch to 2023. Its gradient has
    # about the same size however far the image is.
    "scaled": lambda channels, target, difference: 1 / (jnp.sum(numerics.absolute(difference)) + 1e-8),
}


@jax.custom_vjp
def _products(features_BxHxWxC: jax.Array, weights_HxW: jax.Array | None = None) -> jax.Array:
    """sum_m w_m F_mi F_mj: an einsum over h and w, no reshape, so that it stays sharded if the height is."""
    if weights_HxW is None:
        return numerics.einsum("bhwc,bhwd->bcd", features_BxHxWxC, features_BxHxWxC)
    # in units of the largest, so that weights that are all alike are not rounded to the dtype of the features
    largest = jnp.max(weights_HxW)
    units_HxWx1 = (weights_HxW / numerics.positive_or_one(largest))[..., None]
    weighted_BxHxWxC = (units_HxWx1 * features_BxHxWxC).astype(features_BxHxWxC.dtype)
    return largest * numerics.einsum("bhwc,bhwd->bcd", features_BxHxWxC, weighted_BxHxWxC)


def _products_backward(kept, cotangent_BxCxC):
    # w F (K + K^T): one product, where autodiff of the two factors makes two, and keeps w F
    features_BxHxWxC, weights_HxW = kept
    symmetric = cotangent_BxCxC + cotangent_BxCxC.swapaxes(1, 2)
    gradient = numerics.einsum("bhwc,bcd->bhwd", features_BxHxWxC, symmetric)
    if weights_HxW is not None:
        gradient = weights_HxW[..., None] * gradient
    return gradient.astype(features_BxHxWxC.dtype), None


_products.defvjp(lambda *given: (_products(*given), given), _products_backward)


def gram(
    features_BxHxWxC: jax.Array | Mapped, shift: float = 0.0, weights_HxW: jax.Array | None = None
) -> jax.Array:
    """Gram matrix per position: G_ij = 1/M sum_m (F_mi - s)(F_mj - s), `BxCxC`, in float32 for any dtype.

    `weights_HxW` stand in place of 1/M.

    `shift` s: Novak & Nikulin 2016 (*Improving the Neural Algorithm of Artistic Style*), whose "activation
    shift" of -1 is shift = 1 here.
    """
    if isinstance(features_BxHxWxC, Mapped):
        shifted = features_BxHxWxC.replace(bias_C=features_BxHxWxC.bias_C - shift)
        return shifted.gram(gram(features_BxHxWxC.x_BxHxWxK, 0.0, weights_HxW), weights_HxW)
    if shift:
        features_BxHxWxC = features_BxHxWxC - jnp.asarray(shift, features_BxHxWxC.dtype)
    if weights_HxW is not None:
        return _products(features_BxHxWxC, weights_HxW)
    positions = features_BxHxWxC.shape[1] * features_BxHxWxC.shape[2]
    return _products(features_BxHxWxC) / positions


def distance(
    gram_BxCxC: jax.Array, target_BxCxC: jax.Array, channels: int, *, normalization: str
) -> jax.Array:
    """c sum_ij (G_ij - A_ij)^2, c from GRAM_DISTANCE[normalization] for a layer of C = `channels`."""
    difference_BxCxC = gram_BxCxC - target_BxCxC
    factor = GRAM_DISTANCE[normalization](channels, target_BxCxC, difference_BxCxC)
    return factor * jnp.sum(difference_BxCxC**2)


def weighted(features_1xHxWxC: jax.Array | Mapped, look: Look, shift: float = 0.0) -> jax.Array:
    """`gram`, or with the look's weights w_m in place of 1/M: the guided Gram of Gatys et al. 2017, eq. 4.

    There F is multiplied by a guide T with sum T^2 = 1, so that w = T^2 (whose sum need not be 1 here).
    """
    return gram(features_1xHxWxC, shift, look.weights_HxW)


def cross(activations, looks) -> jax.Array:
    """G_ij = E[F_i up(F')_j] between a layer and a deeper one, enlarged to its size, `1xCxC'`.

    Yeh et al. 2018 (*Quantitative Evaluation of Style Transfer*, arXiv 1804.00118), section 4, "cross-layer".
    Computed as the product of the deeper layer with means of the shallower one over its windows, which is the
    same if the enlarging repeats values, but for rows and columns that pooling has dropped.
    """
    shallow, deep = (evaluated(activation).astype(jnp.float32) for activation in activations)
    factor = 1 << (shallow.shape[1] // deep.shape[1]).bit_length() - 1  # poolings halve, and drop odd rows
    _, height, width, _ = deep.shape
    cut = shallow[:, : factor * height, : factor * width]
    means = cut.reshape(1, height, factor, width, factor, -1).mean((2, 4))
    weights_HxW = shares(deep[0].reshape(height * width, -1), looks[1]).reshape(height, width)
    return numerics.einsum("hw,bhwc,bhwd->bcd", weights_HxW, means, deep)


def long_range(features_1xHxWxC: jax.Array | Mapped, look: Look, shifts: tuple[int, ...]) -> jax.Array:
    """G^d_ij = E[F_i(p) F_j(p + d)] for each shift d along x and along y, in positions; `DxCxC`.

    Berger & Memisevic 2017 (*Incorporating Long-Range Consistency in CNN-based Texture Generation*), eq. 5.
    A shift of 0 is the Gram matrix itself. With weights, the weight of a pair is the root of their product.

    Raises:
      UserError: the layer is not larger than a shift.
    """
    features = evaluated(features_1xHxWxC).astype(jnp.float32)
    _, height, width, _ = features.shape
    found = []
    for shift in shifts:
        if min(height, width) <= shift:
            raise UserError(
                f"style_loss.options: shifts = {shifts}: a layer of {width}x{height} positions is too small; "
                "give smaller shifts, a larger size, or shallower layers"
            )
        for y, x in ((shift, 0), (0, shift)) if shift else ((0, 0),):
            parts = [slice(None, height - y), slice(None, width - x)], [slice(y, None), slice(x, None)]
            a, b = (features[:, rows, columns] for rows, columns in parts)
            weights = 1 / (a.shape[1] * a.shape[2])
            if look.weights_HxW is not None:
                both = jnp.sqrt(look.weights_HxW[*parts[0]] * look.weights_HxW[*parts[1]])
                total = both.sum()
                weights = (both / numerics.positive_or_one(total))[..., None]
            found.append(numerics.einsum("bhwc,bhwd->bcd", a * weights, b)[0])
    return jnp.stack(found)
