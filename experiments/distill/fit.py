"""Distillation: a slim network that stands in for VGG where VGG is a loss.

The student has the teacher's topology with fewer channels, and beside each layer a linear map to the
teacher's activations there. First every layer is fitted by least squares (`warm_start`), then all of it is
trained (`step`) to give the teacher's activations and their Gram matrices.

After Wang, Li, Wang, Hu & Yang 2020 (*Collaborative Distillation for Ultra-Resolution Universal Style
Transfer*), section 3.2, whose linear embedding loss the maps are. Departs from the paper: no decoder takes
part; the student is judged as a loss, so the Gram matrices are in the loss; the maps are kept and shipped.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax
import scipy.linalg

from nst.networks import vgg
from nst.networks.convolution import PRECISION, convolve
from nst.networks.pooling import max_pool
from nst.networks.vgg import VGG, Network
from nst.styles.grams import gram

_RIDGE = 1e-4  # of the least squares, relative to the mean of the diagonal
_ROWS = 100  # equations for each unknown are enough
_FLOOR = 1e-6  # added to the energies that divide: an image of one colour may leave none


@flax.struct.dataclass
class State:
    """All that training changes, and what it must not."""

    params: dict  # the student's, as Loaded.params; its maps give the teacher's activations / scales
    optimizer: optax.OptState
    scales: dict[str, jax.Array]  # layer -> root mean square of the teacher's activations
    step: jax.Array


def student_network(widths: Sequence[int]) -> Network:
    """The student: inputs of unit variance, so that its kernels have the size that training likes."""
    widths = tuple(widths)
    return Network(widths=widths, preprocessing=vgg.PREPROCESSING["torchvision"], frame="vgg")


# --- the warm start


def _patches(x_BxHxWxC: jax.Array) -> jax.Array:
    """The 3x3 neighbourhoods, zero padded: `BxHxWx9C`, in the order of a kernel's first three axes."""
    height, width = x_BxHxWxC.shape[1:3]
    padded = jnp.pad(x_BxHxWxC, ((0, 0), (1, 1), (1, 1), (0, 0)))
    shifted = [padded[:, i : i + height, j : j + width] for i in range(3) for j in range(3)]
    return jnp.concatenate(shifted, axis=-1)


@jax.jit
def _squares(x_NxI: jax.Array) -> jax.Array:
    x = _with_ones(x_NxI)
    return jnp.dot(x.T, x, precision="highest")


@jax.jit
def _products(x_NxI: jax.Array, y_NxO: jax.Array, solution: jax.Array, rectified: jax.Array) -> jax.Array:
    """X^T T, where T is Y, or, if `rectified`, min(X solution, 0) wherever Y is negative."""
    x = _with_ones(x_NxI)
    prediction = jnp.dot(x, solution, precision="highest")
    target = jnp.where(rectified & (y_NxO < 0), jnp.minimum(prediction, 0), y_NxO)
    return jnp.dot(x.T, target, precision="highest")


def _with_ones(x_NxI: jax.Array) -> jax.Array:
    return jnp.concatenate([x_NxI, jnp.ones((len(x_NxI), 1))], axis=1)


def fit(inputs, targets, rounds: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Least squares y = x A + b with a small ridge: (A `IxO`, b `O`).

    With `rounds` > 0 only what a rectifier lets through counts: the error is (x A + b - y)^2 where y > 0 and
    max(x A + b, 0)^2 elsewhere. Each round replaces the negative targets by the prediction, if it is negative
    too, which never raises that error (majorise-minimise), and solves again.

    Args:
      inputs: sequence of arrays `NxI`.
      targets: sequence of arrays `NxO`.
      rounds: of the replacement.
    """
    left = sum(np.asarray(_squares(x), np.float64) for x in inputs)
    ridge = _RIDGE * np.diag(left)[:-1].mean() * np.eye(len(left))
    ridge[-1, -1] = 0  # the offset is free
    factor = scipy.linalg.cho_factor(left + ridge)
    solution = jnp.zeros((len(left), targets[0].shape[-1]))
    for done in range(rounds + 1):
        pairs = zip(inputs, targets, strict=True)
        right = sum(np.asarray(_products(x, y, solution, done > 0), np.float64) for x, y in pairs)
        solution = jnp.asarray(scipy.linalg.cho_solve(factor, right), jnp.float32)
    return np.asarray(solution[:-1]), np.asarray(solution[-1])


def choose_channels(moments_CxC: np.ndarray, count: int) -> np.ndarray:
    """The `count` channels from which the others are best recovered linearly, greedily.

    Pivoted Cholesky of the second moments: each pivot is the channel that explains most of what is left of
    all channels.
    """
    left, chosen = np.array(moments_CxC, np.float64), []
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
    """(params, scales) of a student whose layers are fitted one after the other.

    Each convolution is the least-squares fit (`fit`), from the student's own activations below, of the
    teacher's most telling channels, scaled to unit mean square after the rectifier.

    Args:
      teacher: params of VGG-19 in the caffe convention; max pooling and zero padding are assumed.
      widths: the student's channels, one a convolution.
      layers: conv and relu layers that get a map.
      batches: of images, `BxHxWx3`.
      rounds: of `fit`.
    """
    params = {}
    for conv, above, below in _layers(teacher, params, len(widths), batches):
        if conv.startswith("relu"):
            continue
        width = widths[len(params)]
        moments = sum(_moments(y) for y in above)
        chosen = choose_channels(moments, width)
        rms = np.sqrt(np.maximum(np.diag(moments)[chosen] / len(above), 1e-12)).astype(np.float32)
        stride = _stride(below, 9 * below[0].shape[-1])
        patches = [_sample(_patches, stride, x) for x in below]
        kernel, bias = fit(patches, [_sample(None, stride, y)[:, chosen] / rms for y in above], rounds)
        params[conv] = {"kernel": kernel.reshape(3, 3, -1, width), "bias": bias}
    return fit_maps(teacher, params, layers, batches)


def fit_maps(
    teacher: dict, params: dict, layers: Sequence[str], batches: Sequence[np.ndarray]
) -> tuple[dict, dict[str, float]]:
    """(params, scales) with the maps of conv and relu layers fitted to the student as it is.

    A map gives the teacher's activations divided by their root mean square, the layer's scale.
    """
    convs = {name: layer for name, layer in params.items() if name.startswith("conv") and "_map" not in name}
    result, scales = dict(params), {}
    for layer, above, below in _layers(teacher, convs, len(convs), batches, after=True):
        if layer in layers:
            scales[layer] = float(np.sqrt(np.mean([jnp.mean(y**2) for y in above])))
            stride = _stride(below, below[0].shape[-1])
            targets = [_sample(None, stride, y) / scales[layer] for y in above]
            kernel, bias = fit([_sample(None, stride, x) for x in below], targets)
            result[f"{layer}_map"] = {"kernel": kernel, "bias": bias}
    return result, scales


def _layers(teacher: dict, student: dict, count: int, batches: Sequence[np.ndarray], after: bool = False):
    """Layer by layer, (name, the teacher's activations, the student's), each a list over the batches.

    At a conv layer the student's are the inputs of that convolution, which may be put into `student` then,
    or, if `after`, its outputs.
    """
    above = [vgg.PREPROCESSING["caffe"](jnp.asarray(batch)) for batch in batches]
    below = [vgg.PREPROCESSING["torchvision"](jnp.asarray(batch)) for batch in batches]
    for conv in vgg.convolutions("vgg19")[:count]:
        if conv.endswith("_1") and conv != "conv1_1":
            above, below = ([max_pool(x) for x in xs] for xs in (above, below))
        above = [_convolve(x, teacher[conv]) for x in above]
        if not after:
            yield conv, above, below
        below = [_convolve(x, student[conv]) for x in below]
        if after:
            yield conv, above, below
        above, below = ([jax.nn.relu(x) for x in xs] for xs in (above, below))
        yield conv.replace("conv", "relu"), above, below


def _moments(y_BxHxWxC: jax.Array) -> np.ndarray:
    """The second moments of the rectified channels, `CxC`."""
    y = _sample(jax.nn.relu, 3, y_BxHxWxC)
    return np.asarray(_squares(y), np.float64)[:-1, :-1] / len(y)


def _stride(batches, unknowns: int) -> int:
    """The step between positions that leaves `_ROWS` for each unknown; odd, to meet all columns."""
    positions = sum(x[..., 0].size for x in batches)
    return max(1, (positions // (_ROWS * unknowns) - 1) | 1)


@partial(jax.jit, static_argnums=(0, 1))
def _sample(function, stride: int, x_BxHxWxC: jax.Array) -> jax.Array:
    """Every `stride`-th position of x, or of function(x): `N x C`."""
    x = function(x_BxHxWxC) if function else x_BxHxWxC
    return x.reshape(-1, x.shape[-1])[::stride]


@jax.jit
def _convolve(x_BxHxWxC: jax.Array, layer: dict) -> jax.Array:
    return convolve(x_BxHxWxC, layer["kernel"], 1, PRECISION["float32"]) + layer["bias"]


# --- training


def errors(found: dict, wanted: dict) -> dict[str, dict[str, jax.Array]]:
    """{layer: {features, gram}}: squared errors relative to the teacher's energy, mean over the batch.

    features: sum (F_s - F_t)^2 / sum F_t^2; gram: the same of the Gram matrices.
    """

    def relative(a, b):
        axes = tuple(range(1, a.ndim))
        return jnp.mean(jnp.sum((a - b) ** 2, axes) / (jnp.sum(b**2, axes) + _FLOOR))

    return {
        layer: {
            "features": relative(found[layer], target),
            "gram": relative(gram(found[layer]), gram(target)),
        }
        for layer, target in wanted.items()
    }


class Pool(NamedTuple):
    """What a student is trained on: inputs of its trained part, and the teacher's activations."""

    inputs: np.ndarray  # N images, or the student's activations at the last layer that stays as it is
    targets: dict[str, np.ndarray]  # layer -> N activations of the teacher, divided by the layer's scale


def make_pool(
    teacher: dict, state: State, count: int, after: str, layers: Sequence[str], images: Sequence[np.ndarray]
) -> Pool:
    """The pool of a student that is trained `after` a relu layer, or from the image on ("").

    Args:
      teacher: as for `warm_start`.
      state: the student's.
      count: its convolutions.
      after: the last layer that stays as it is.
      layers: the targets.
      images: batches, `BxHxWx3`.
    """
    inputs, targets = [], {layer: [] for layer in layers}
    for batch in images:
        inputs += [batch] if not after else []
        for layer, above, below in _layers(teacher, state.params, count, [batch]):
            inputs += [np.asarray(below[0])] if layer == after else []
            if layer in layers:
                targets[layer].append(np.asarray(above[0] / state.scales[layer]))
    return Pool(np.concatenate(inputs), {layer: np.concatenate(found) for layer, found in targets.items()})


def trained(params: dict, after: str) -> list[str]:
    """The names in params that training changes: convolutions and maps after the layer `after`, or all."""
    order = vgg.layer_names("vgg19")
    return [
        name for name in params if not after or order.index(name.removesuffix("_map")) > order.index(after)
    ]


def student_features(
    network: Network, layers: Sequence[str], params: dict, x_BxHxWxC: jax.Array, after: str = ""
) -> dict:
    """{layer: activation in the teacher's channels, / scales}, with gradients for the params.

    x is an image, or, with `after`, the student's own activation at that layer.
    """
    found = VGG(network, tuple(layers), frozen=False, after=after).apply({"params": params}, x_BxHxWxC)
    return {layer: activation.array() for layer, activation in found.items()}


@partial(jax.jit, static_argnums=(0, 1, 2), donate_argnums=3)
def step(
    network: Network,
    after: str,
    optimizer: optax.GradientTransformation,
    state: State,
    batch: Pool,
    gram_weight: jax.Array,
) -> tuple[State, dict]:
    """One update of the student on a batch: L = sum_l (features_l + w gram_l), see `errors`.

    Returns the new state and the errors before the update.
    """
    names = trained(state.params, after)

    def loss(params):
        found = student_features(network, tuple(batch.targets), state.params | params, batch.inputs, after)
        found = errors(found, batch.targets)
        return sum(e["features"] + gram_weight * e["gram"] for e in found.values()), found

    params = {name: state.params[name] for name in names}
    gradient, found = jax.grad(loss, has_aux=True)(params)
    updates, moments = optimizer.update(gradient, state.optimizer, params)
    params = state.params | optax.apply_updates(params, updates)
    return state.replace(params=params, optimizer=moments, step=state.step + 1), found


@partial(jax.jit, static_argnums=(0, 1, 2))
def evaluate(teacher, network, layers, variables, params, scales, image_BxHxWx3) -> dict:
    """`errors` of a student on a batch of images."""
    wanted = vgg.features(teacher, variables, image_BxHxWx3, layers)
    wanted = {layer: activation / scales[layer] for layer, activation in wanted.items()}
    return errors(student_features(network, layers, params, image_BxHxWx3), wanted)


def finish(params: dict, scales: dict[str, float], dtype=np.float16) -> dict:
    """The params to be shipped: maps that give the teacher's own scale, everything rounded to `dtype`.

    Maps of conv layers are put into the compact frame (nst.networks.vgg.compact), to save space.
    """
    result = {}
    for name, layer in params.items():
        scale = float(scales[name.removesuffix("_map")]) if name.endswith("_map") else 1.0
        kernel, bias = (np.asarray(layer[part], np.float32) * scale for part in ("kernel", "bias"))
        if name.startswith("conv") and name.endswith("_map"):
            kernel, bias = vgg.compact(kernel, bias)
        # safetensors writes the memory as it lies
        result[name] = {"kernel": kernel.astype(dtype, order="C"), "bias": bias.astype(dtype)}
    return result
