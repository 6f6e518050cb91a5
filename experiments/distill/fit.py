"""The warm start of the student: every layer fitted to the teacher by least squares.

The student has the teacher's topology with fewer channels, and beside each layer a linear map to the
teacher's activations there.

After Wang, Li, Wang, Hu & Yang 2020 (*Collaborative Distillation for Ultra-Resolution Universal Style
Transfer*), section 3.2; the maps are those of its linear embedding loss. Departs from the paper: no decoder
takes part; the student is judged as a loss, so the Gram matrices are in the loss
(experiments/distill/student.py); the maps are kept and shipped.
"""

from collections.abc import Iterator, Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg

from nst.networks import pooling
from nst.networks.convolution import PRECISION, Geometry, convolve
from nst.networks.network import PREPROCESSING
from nst.networks.table import convolutions

_RIDGE = 1e-4  # of the least squares, relative to the mean of the diagonal
_ROWS = 100  # equations for each unknown; more are not needed

_max_pool = jax.jit(pooling.max_pool)


def _patches(x_BxHxWxC: jax.Array) -> jax.Array:
    """Returns the zero-padded 3x3 neighbourhoods, `BxHxWx9C`, in the order of a kernel's first three axes."""
    height, width = x_BxHxWxC.shape[1:3]
    padded = jnp.pad(x_BxHxWxC, ((0, 0), (1, 1), (1, 1), (0, 0)))
    shifted = [padded[:, i : i + height, j : j + width] for i in range(3) for j in range(3)]
    return jnp.concatenate(shifted, axis=-1)


@jax.jit
def _squares(x_NxI: jax.Array) -> jax.Array:
    """Returns X^T X, where X is x with a column of ones."""
    x = _with_ones(x_NxI)
    return jnp.dot(x.T, x, precision="highest")


@jax.jit
def _products(x_NxI: jax.Array, y_NxO: jax.Array, solution: jax.Array, rectified: jax.Array) -> jax.Array:
    """Returns X^T T, where T is y; where `rectified` and y is negative, T is min(X solution, 0)."""
    x = _with_ones(x_NxI)
    prediction = jnp.dot(x, solution, precision="highest")
    target = jnp.where(rectified & (y_NxO < 0), jnp.minimum(prediction, 0), y_NxO)
    return jnp.dot(x.T, target, precision="highest")


def _with_ones(x_NxI: jax.Array) -> jax.Array:
    return jnp.concatenate([x_NxI, jnp.ones((len(x_NxI), 1))], axis=1)


def fit(inputs, targets, rounds: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Solves y = x A + b by least squares with a small ridge.

    With `rounds` > 0 only what a rectifier lets through counts: the error is (x A + b - y)^2 where y > 0 and
    max(x A + b, 0)^2 elsewhere. Each round replaces the negative targets by the prediction, if that is
    negative too, and solves again; this never raises the error (majorise-minimise).

    Args:
      inputs: x, a sequence of arrays `NxI`.
      targets: y, a sequence of arrays `NxO`, one for each of the inputs.
      rounds: how many times negative targets are replaced.

    Returns:
      A (`IxO`) and b (`O`).
    """
    left = sum(np.asarray(_squares(x), np.float64) for x in inputs)
    ridge = _RIDGE * np.diag(left)[:-1].mean() * np.eye(len(left))
    ridge[-1, -1] = 0  # the offset is free
    factor = scipy.linalg.cho_factor(left + ridge)
    solution = jnp.zeros((len(left), targets[0].shape[-1]))
    for number in range(rounds + 1):
        pairs = zip(inputs, targets, strict=True)
        right = sum(np.asarray(_products(x, y, solution, number > 0), np.float64) for x, y in pairs)
        solution = jnp.asarray(scipy.linalg.cho_solve(factor, right), jnp.float32)
    return np.asarray(solution[:-1]), np.asarray(solution[-1])


def choose_channels(moments_CxC: np.ndarray, count: int) -> np.ndarray:
    """Chooses, greedily, the channels from which the others are best recovered linearly.

    This is a pivoted Cholesky decomposition: each pivot is the channel that explains most of what the
    channels before it leave unexplained.

    Args:
      moments_CxC: second moments of the channels.
      count: how many to choose.

    Returns:
      The indices of the channels, in the order in which they were chosen.
    """
    left, chosen = np.array(moments_CxC, np.float64), []  # what is still unexplained
    for _ in range(count):
        gains = (left**2).sum(0) / np.maximum(np.diag(left), 1e-9 * np.trace(moments_CxC))
        gains[chosen] = -1
        best = int(np.argmax(gains))
        chosen.append(best)
        left -= np.outer(left[:, best], left[best]) / max(left[best, best], 1e-12)
    return np.array(chosen)


def warm_start(
    teacher: dict, widths: Sequence[int], layers: Sequence[str], batches: Sequence[np.ndarray], rounds: int
) -> tuple[dict, dict[str, float]]:
    """Makes a student whose convolutions are fitted one after the other.

    Each convolution predicts the teacher's most informative channels (`choose_channels`) from the student's
    own activations below it, by least squares (`fit`). The channels are scaled to unit mean square after the
    rectifier.

    Args:
      teacher: params of VGG-19 in the caffe convention; max pooling and zero padding are assumed.
      widths: the student's channels, one number for each convolution.
      layers: conv and relu layers that get a map.
      batches: images in [0, 1], `BxHxWx3` each.
      rounds: argument of `fit`.

    Returns:
      The student's params and the scale of each layer, see `fit_maps`.
    """
    params = {}
    for conv, above, below in layer_pairs(teacher, params, len(widths), batches):
        if conv.startswith("relu"):
            continue
        width = widths[len(params)]
        moments = sum(_moments(y) for y in above)
        channels = choose_channels(moments, width)
        rms = np.sqrt(np.maximum(np.diag(moments)[channels] / len(above), 1e-12)).astype(np.float32)
        stride = _stride(below, 9 * below[0].shape[-1])
        patches = [_sample(_patches, stride, x) for x in below]
        targets = [np.asarray(_sample(None, stride, y))[:, channels] / rms for y in above]
        kernel, bias = fit(patches, targets, rounds)
        params[conv] = {"kernel": kernel.reshape(3, 3, -1, width), "bias": bias}
    return fit_maps(teacher, params, layers, batches)


def fit_maps(
    teacher: dict, params: dict, layers: Sequence[str], batches: Sequence[np.ndarray]
) -> tuple[dict, dict[str, float]]:
    """Fits the maps of conv and relu layers, without changing the student's convolutions.

    A map gives the teacher's activations divided by their root mean square, which is the layer's scale.

    Args:
      teacher: params of VGG-19 in the caffe convention.
      params: the student's.
      layers: those that get a map.
      batches: images in [0, 1], `BxHxWx3` each.

    Returns:
      The student's params with the new maps, and {layer: scale}.
    """
    convs = {name: layer for name, layer in params.items() if name.startswith("conv") and "_map" not in name}
    result, scales = dict(params), {}
    for layer, above, below in layer_pairs(teacher, convs, len(convs), batches, after=True):
        if layer in layers:
            scales[layer] = float(np.sqrt(np.mean([jnp.mean(y**2) for y in above])))
            stride = _stride(below, below[0].shape[-1])
            targets = [np.asarray(_sample(None, stride, y)) / scales[layer] for y in above]
            kernel, bias = fit([_sample(None, stride, x) for x in below], targets)
            result[f"{layer}_map"] = {"kernel": kernel, "bias": bias}
    return result, scales


def layer_pairs(
    teacher: dict, student: dict, count: int, batches: Sequence[np.ndarray], after: bool = False
) -> Iterator[tuple[str, list[jax.Array], list[jax.Array]]]:
    """Runs both networks side by side and yields their activations layer by layer.

    Args:
      teacher: params of VGG-19 in the caffe convention.
      student: params. Each convolution is read after its layer was yielded, so that the caller can add it
        then.
      count: convolutions that are run.
      batches: images in [0, 1], `BxHxWx3` each.
      after: whether conv layers yield the outputs of the student's convolution, instead of its inputs.

    Yields:
      The name of a conv or relu layer, the teacher's activations and the student's, a list over the batches
      each.
    """
    above = [PREPROCESSING["caffe"](jnp.asarray(batch)) for batch in batches]
    below = [PREPROCESSING["torchvision"](jnp.asarray(batch)) for batch in batches]
    for conv in convolutions("vgg19")[:count]:
        if conv.endswith("_1") and conv != "conv1_1":
            above, below = ([_max_pool(x) for x in xs] for xs in (above, below))
        above = [_convolve(x, teacher[conv]) for x in above]
        if not after:
            yield conv, above, below
        below = [_convolve(x, student[conv]) for x in below]
        if after:
            yield conv, above, below
        above, below = ([jax.nn.relu(x) for x in xs] for xs in (above, below))
        yield conv.replace("conv", "relu"), above, below


def _moments(y_BxHxWxC: jax.Array) -> np.ndarray:
    """Returns the second moments of the rectified channels, `CxC`."""
    y = _sample(jax.nn.relu, 3, y_BxHxWxC)
    return np.asarray(_squares(y), np.float64)[:-1, :-1] / len(y)


def _stride(batches, unknowns: int) -> int:
    """Returns the step between positions that leaves `_ROWS` for each unknown; odd, to meet all columns."""
    positions = sum(x[..., 0].size for x in batches)
    return max(1, (positions // (_ROWS * unknowns) - 1) | 1)


@partial(jax.jit, static_argnums=(0, 1))
def _sample(function, stride: int, x_BxHxWxC: jax.Array) -> jax.Array:
    """Returns every `stride`-th position of x, or of function(x), as `NxC`."""
    x = function(x_BxHxWxC) if function else x_BxHxWxC
    return x.reshape(-1, x.shape[-1])[::stride]


@jax.jit
def _convolve(x_BxHxWxC: jax.Array, layer: dict) -> jax.Array:
    return convolve(x_BxHxWxC, layer["kernel"], Geometry(precision=PRECISION["float32"])) + layer["bias"]
