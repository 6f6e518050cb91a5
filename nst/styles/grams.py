"""Style as Gram matrices: those of Gatys et al., and shifted, guided, cross-layer and long-range variants.

All statistics are float32, also if the activations have another dtype.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp

from nst import numerics
from nst.errors import TooSmall, UserError, choose
from nst.networks.slim import Mapped, materialize
from nst.styles.positions import Positions, weights_of
from nst.styles.representation import Layers, Representation, number, of_one_layer, whole

# A Gram distance is c * sum_ij (G_ij - A_ij)^2 with G = F F^T / M, for C channels, M positions and target A.
# The table maps a name to a function of (C, A, G - A) that returns c.
GRAM_DISTANCE = {
    # Gatys et al. 2015 eq. 4, 2016 eq. 4: 1/(4 N^2 M^2) times the sum of squares of the unnormalised F F^T,
    # with N = C. Departs from the paper: each Gram matrix is divided by its own M. For images of one size the
    # result is the same; for images of two sizes, the paper's M would be ambiguous.
    "gatys": lambda channels, target, difference: 1 / (4 * channels**2),
    # The mean of squares of F F^T / (HW): leongatys/PytorchNeuralStyleTransfer, pystiche.
    "hw_mse": lambda channels, target, difference: 1 / channels**2,
    # The sum of squares of F F^T / (CHW): Johnson et al. 2016 eq. 3-4. The value is the same as with hw_mse.
    "chw_sse": lambda channels, target, difference: 1 / channels**2,
    # The mean of squares of F F^T / (CHW): jcjohnson/neural-style, neural-style-pt, fast.ai.
    "chw_mse": lambda channels, target, difference: 1 / channels**4,
    # The sum of squares of F F^T / (HW).
    "hw_sse": lambda channels, target, difference: 1.0,
    # 1 / sum A^2: the distance is 0 if G = A and 1 if G = 0. The balance of the layers does not depend on the
    # scale of the network's activations or on the number of channels.
    "relative": lambda channels, target, difference: 1 / numerics.energy(target),
    # sum d^2 / (sum |d| + 1e-8) of F F^T / (HW): crowsonkb/style-transfer-pytorch until 2023. The size of the
    # gradient hardly depends on the distance.
    "scaled": lambda channels, target, difference: 1 / (jnp.sum(numerics.absolute(difference)) + 1e-8),
}


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def _products(
    features_BxHxWxC: jax.Array, weights_HxW: jax.Array | None, precision: jax.lax.Precision
) -> jax.Array:
    """Computes sum_m w_m F_mi F_mj, `BxCxC`."""
    einsum = partial(numerics.einsum, "bhwc,bhwd->bcd", precision=precision)
    # the sum runs over h and w without a reshape, so that it stays sharded if the height is sharded
    if weights_HxW is None:
        return einsum(features_BxHxWxC, features_BxHxWxC)
    # the weights are divided by the largest, so that equal weights become 1, which no dtype rounds
    largest = jnp.max(weights_HxW)
    units_HxWx1 = (weights_HxW / numerics.positive_or_one(largest))[..., None]
    weighted_BxHxWxC = (units_HxWx1 * features_BxHxWxC).astype(features_BxHxWxC.dtype)
    return largest * einsum(features_BxHxWxC, weighted_BxHxWxC)


def _products_forward(features_BxHxWxC, weights_HxW, precision):
    return _products(features_BxHxWxC, weights_HxW, precision), (features_BxHxWxC, weights_HxW)


def _products_backward(precision, residuals, cotangent_BxCxC):
    # w F (K + K^T) is one product; automatic differentiation of the two factors would make two and store w F
    features_BxHxWxC, weights_HxW = residuals
    symmetric = cotangent_BxCxC + cotangent_BxCxC.swapaxes(1, 2)
    gradient = numerics.einsum("bhwc,bcd->bhwd", features_BxHxWxC, symmetric, precision=precision)
    if weights_HxW is not None:
        gradient = weights_HxW[..., None] * gradient
    return gradient.astype(features_BxHxWxC.dtype), None


_products.defvjp(_products_forward, _products_backward)


def gram(
    features_BxHxWxC: jax.Array | Mapped,
    shift: float = 0.0,
    weights_HxW: jax.Array | None = None,
    precision: jax.lax.Precision = numerics.FULL,
) -> jax.Array:
    """Computes the Gram matrix per position, G_ij = 1/M sum_m (F_mi - s)(F_mj - s).

    Args:
      features_BxHxWxC: activations F at M = HW positions; any float dtype. The linear map in the `Mapped` of
        a slim network is applied to the Gram matrix, not to the activations.
      shift: s, as in Novak & Nikulin 2016 (*Improving the Neural Algorithm of Artistic Style*), whose
        "activation shift" of -1 is shift = 1 here.
      weights_HxW: weights of the positions, in place of 1/M; None: equal weights.
      precision: precision of the products.

    Returns:
      `BxCxC`, float32.
    """
    if isinstance(features_BxHxWxC, Mapped):
        shifted = features_BxHxWxC.replace(bias_C=features_BxHxWxC.bias_C - shift)
        return shifted.gram(gram(features_BxHxWxC.x_BxHxWxK, 0.0, weights_HxW, precision), weights_HxW)
    if shift:
        features_BxHxWxC = features_BxHxWxC - jnp.asarray(shift, features_BxHxWxC.dtype)
    if weights_HxW is not None:
        return _products(features_BxHxWxC, weights_HxW, precision)
    positions = features_BxHxWxC.shape[1] * features_BxHxWxC.shape[2]
    return _products(features_BxHxWxC, None, precision) / positions


def distance(
    gram_BxCxC: jax.Array, target_BxCxC: jax.Array, channels: int, *, normalization: str
) -> jax.Array:
    """Computes c sum_ij (G_ij - A_ij)^2.

    Args:
      gram_BxCxC: G, the Gram matrix of the image, or an array of any shape.
      target_BxCxC: A, the Gram matrix of the painting, of the same shape.
      channels: C of the layer in the published network, even if a slim network's G and A have fewer.
      normalization: name of c in GRAM_DISTANCE.
    """
    difference_BxCxC = gram_BxCxC - target_BxCxC
    factor = GRAM_DISTANCE[normalization](channels, target_BxCxC, difference_BxCxC)
    return factor * jnp.sum(difference_BxCxC**2)


def _gram_like(describe: Callable, normalization: str, **properties) -> Representation:
    """Returns the representation whose matrices `describe` computes and `distance` compares."""
    choose("style_loss.normalization", normalization, GRAM_DISTANCE)
    return Representation(describe, partial(distance, normalization=normalization), **properties)


def weighted(features_1xHxWxC: jax.Array | Mapped, positions: Positions, shift: float = 0.0) -> jax.Array:
    """Computes `gram` with the positions' weights w_m: the guided Gram matrix of Gatys et al. 2017, eq. 4.

    The paper multiplies F by a guide T with sum T^2 = 1, so that w = T^2; here the sum need not be 1.
    """
    return gram(features_1xHxWxC, shift, positions.weights_HxW, positions.precision)


def make_gram(normalization: str) -> Representation:
    """Returns the representation by Gram matrices (Gatys et al. 2015, eq. 3)."""
    return _gram_like(of_one_layer(weighted), normalization, linear=True)


def make_gram_shift(normalization: str, shift: float = 1.0) -> Representation:
    """Returns the representation by Gram matrices of shifted activations (Novak & Nikulin 2016)."""
    describe = partial(weighted, shift=number("shift", shift))
    # a shift that is equal for all channels is not equal for all of them after a rotation of the channels
    return _gram_like(of_one_layer(describe), normalization, rotates=False, linear=True)


def cross(activations: list[jax.Array | Mapped], positions: list[Positions]) -> jax.Array:
    """Computes G_ij = E[F_i up(F')_j], `1xCxC'`, of a layer F and a deeper one F', enlarged to the size of F.

    Yeh et al. 2018 (*Quantitative Evaluation of Style Transfer*, arXiv 1804.00118), section 4, "cross-layer".
    G is computed from the deeper layer, and from the means of the shallower layer over the windows that
    correspond to the deeper layer's positions. The result is the same as if F' were enlarged by repeating
    values, except for rows and columns that pooling has dropped.
    """
    shallow, deep = (materialize(activation).astype(jnp.float32) for activation in activations)
    # a power of 2, because each pooling halves the size and drops an odd row
    factor = 1 << (shallow.shape[1] // deep.shape[1]).bit_length() - 1
    _, height, width, _ = deep.shape
    whole_windows = shallow[:, : factor * height, : factor * width]
    means = whole_windows.reshape(1, height, factor, width, factor, -1).mean((2, 4))
    weights_HxW = weights_of(deep[0].reshape(height * width, -1), positions[1]).reshape(height, width)
    return numerics.einsum("hw,bhwc,bhwd->bcd", weights_HxW, means, deep)


def _neighbours(layers: Layers) -> tuple[Layers, ...]:
    if len(layers) < 2:
        raise UserError("style_loss.layers: gram_cross compares each layer with the next: give at least two")
    return tuple(zip(layers, layers[1:], strict=False))


def make_gram_cross(normalization: str) -> Representation:
    """Returns the representation by `cross` of each layer with the next."""
    return _gram_like(cross, normalization, parts=_neighbours, linear=True)


def long_range(
    features_1xHxWxC: jax.Array | Mapped, positions: Positions, shifts: tuple[int, ...]
) -> jax.Array:
    """Computes G^d_ij = E[F_i(p) F_j(p + d)], `DxCxC`, for each shift d, in positions, along x and along y.

    Berger & Memisevic 2017 (*Incorporating Long-Range Consistency in CNN-based Texture Generation*), eq. 5.
    A shift of 0 gives the Gram matrix itself. The weight of a pair is the geometric mean of its positions'
    weights.

    Raises:
      TooSmall: a shift does not fit into the layer.
    """
    features = materialize(features_1xHxWxC).astype(jnp.float32)
    _, height, width, _ = features.shape
    grams = []
    for shift in shifts:
        if min(height, width) <= shift:
            raise TooSmall(
                f"style_loss.options: shifts = {shifts}: a layer of {width}x{height} positions is too small; "
                "give smaller shifts, a larger size, or shallower layers"
            )
        for y, x in ((shift, 0), (0, shift)) if shift else ((0, 0),):
            parts = [slice(None, height - y), slice(None, width - x)], [slice(y, None), slice(x, None)]
            a, b = (features[:, rows, columns] for rows, columns in parts)
            weights = 1 / (a.shape[1] * a.shape[2])
            if positions.weights_HxW is not None:
                both = jnp.sqrt(positions.weights_HxW[*parts[0]] * positions.weights_HxW[*parts[1]])
                total = both.sum()
                weights = (both / numerics.positive_or_one(total))[..., None]
            grams.append(numerics.einsum("bhwc,bhwd->bcd", a * weights, b)[0])
    return jnp.stack(grams)


def make_gram_long(normalization: str, shifts: tuple[int, ...] = (0, 1, 2, 4)) -> Representation:
    """Returns the representation by `long_range`.

    Raises:
      UserError: there are no shifts, or one is not a whole number.
    """
    if type(shifts) not in (tuple, list) or not shifts:
        raise UserError(f"style_loss.options: shifts = {shifts!r}: give whole numbers, such as (1, 2)")
    describe = partial(long_range, shifts=tuple(whole("shifts", shift, 0) for shift in shifts))
    return _gram_like(of_one_layer(describe), normalization)
