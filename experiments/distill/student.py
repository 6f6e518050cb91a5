"""The training of the student: its activations, the error against the teacher, and one update.

The student is trained to give the teacher's activations and their Gram matrices; experiments/distill/fit.py
makes its first weights.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.distill.fit import layer_pairs
from nst.networks import slim
from nst.networks.graph import Run, own_activations
from nst.networks.layers import INPUT
from nst.networks.network import PREPROCESSING, Network
from nst.networks.table import ARCHITECTURES, features, layer_names
from nst.styles.grams import gram

_FLOOR = 1e-6  # added to the energies that divide: an image of one colour may leave none


@flax.struct.dataclass
class State:
    """The state of a training: the student, the optimiser and the number of updates."""

    params: dict  # the student's, as Loaded.params; its maps give the teacher's activations / scales
    optimizer: optax.OptState
    scales: dict[str, jax.Array]  # layer -> root mean square of the teacher's activations
    step: jax.Array


def student_network(widths: Sequence[int]) -> Network:
    """Returns the student's network.

    Its inputs have unit variance (torchvision's preprocessing), so that its kernels are of a size that suits
    Adam, and its activations are in the teacher's own channels.

    Args:
      widths: channels, one number for each convolution.
    """
    widths = tuple(widths)
    return Network(widths=widths, preprocessing=PREPROCESSING["torchvision"], frame="vgg")


def errors(predictions: dict, targets: dict) -> dict[str, dict[str, jax.Array]]:
    """Computes the student's squared errors relative to the teacher's energy, as means over the batch.

        features = sum (F_s - F_t)^2 / sum F_t^2

    and gram is the same of the Gram matrices.

    Args:
      predictions: {layer: the student's activations F_s, `BxHxWxC`}.
      targets: {layer: the teacher's activations F_t}, of the same shapes.

    Returns:
      {layer: {"features": scalar, "gram": scalar}}.
    """

    def relative(a, b):
        axes = tuple(range(1, a.ndim))
        return jnp.mean(jnp.sum((a - b) ** 2, axes) / (jnp.sum(b**2, axes) + _FLOOR))

    return {
        layer: {
            "features": relative(predictions[layer], target),
            "gram": relative(gram(predictions[layer]), gram(target)),
        }
        for layer, target in targets.items()
    }


class Pool(NamedTuple):
    """Training examples: inputs of the part that is trained, and the teacher's activations."""

    inputs: np.ndarray  # N images, or the student's activations at the last layer that is not trained
    targets: dict[str, np.ndarray]  # layer -> N activations of the teacher, divided by the layer's scale


def make_pool(
    teacher: dict, state: State, count: int, after: str, layers: Sequence[str], images: Sequence[np.ndarray]
) -> Pool:
    """Computes the training examples of a student.

    Args:
      teacher: params of VGG-19 in the caffe convention.
      state: of the training.
      count: the student's number of convolutions.
      after: the last relu layer that is not trained; "" trains from the image on.
      layers: those whose activations are targets.
      images: batches in [0, 1], `BxHxWx3` each.
    """
    inputs, targets = [], {layer: [] for layer in layers}
    for batch in images:
        inputs += [batch] if not after else []
        for layer, above, below in layer_pairs(teacher, state.params, count, [batch]):
            inputs += [np.asarray(below[0])] if layer == after else []
            if layer in layers:
                targets[layer].append(np.asarray(above[0] / state.scales[layer]))
    return Pool(np.concatenate(inputs), {layer: np.concatenate(parts) for layer, parts in targets.items()})


def trained(params: dict, after: str) -> list[str]:
    """Returns the names in `params` that training changes: those after the layer `after`; all if it is ""."""
    order = layer_names("vgg19")
    return [
        name for name in params if not after or order.index(name.removesuffix("_map")) > order.index(after)
    ]


def student_features(
    network: Network, layers: Sequence[str], params: dict, x_BxHxWxC: jax.Array, after: str = ""
) -> dict:
    """Computes the student's activations in the teacher's channels, differentiable in the params.

    Args:
      network: from `student_network`.
      layers: those to compute.
      params: the student's, with a map for each of the layers.
      x_BxHxWxC: images in [0, 1]; with `after`, the student's own activations at that layer.
      after: the layer at which the computation begins; "" for the image.

    Returns:
      {layer: activation divided by the layer's scale}.
    """
    architecture = ARCHITECTURES["vgg19"].layers
    training = Run(frozen=False)
    own = own_activations(
        architecture, network, {"params": params}, x_BxHxWxC, tuple(layers), training, after or INPUT
    )
    mapped = slim.read_through_maps(network, architecture, params, own)
    return {layer: activation.array() for layer, activation in mapped.items()}


@partial(jax.jit, static_argnums=(0, 1, 2), donate_argnums=3)
def step(
    network: Network,
    after: str,
    optimizer: optax.GradientTransformation,
    state: State,
    batch: Pool,
    gram_weight: jax.Array,
) -> tuple[State, dict]:
    """Updates the student once, on the loss L = sum_l (features_l + w gram_l) of a batch, see `errors`.

    Args:
      network: from `student_network`.
      after: the last relu layer that is not trained, or "".
      optimizer: of Optax; its state holds moments of the trained params alone.
      state: of the training; its buffers are donated.
      batch: examples from a pool.
      gram_weight: w, a scalar.

    Returns:
      The new state, and the errors before the update.
    """
    names = trained(state.params, after)

    def loss(params):
        layers = tuple(batch.targets)
        predictions = student_features(network, layers, state.params | params, batch.inputs, after)
        parts = errors(predictions, batch.targets)
        return sum(e["features"] + gram_weight * e["gram"] for e in parts.values()), parts

    params = {name: state.params[name] for name in names}
    gradient, parts = jax.grad(loss, has_aux=True)(params)
    updates, moments = optimizer.update(gradient, state.optimizer, params)
    params = state.params | optax.apply_updates(params, updates)
    return state.replace(params=params, optimizer=moments, step=state.step + 1), parts


@partial(jax.jit, static_argnums=(0, 1, 2))
def evaluate(teacher, network, layers, variables, params, scales, image_BxHxWx3) -> dict:
    """Computes the `errors` of a student on a batch of images.

    Args:
      teacher: its network.
      network: the student's, from `student_network`.
      layers: a tuple of those that are compared.
      variables: the teacher's, frozen.
      params: the student's.
      scales: {layer: scale} of the student's maps.
      image_BxHxWx3: RGB in [0, 1].

    Returns:
      {layer: {"features": scalar, "gram": scalar}}.
    """
    activations = features(teacher, variables, image_BxHxWx3, layers)
    targets = {layer: activation / scales[layer] for layer, activation in activations.items()}
    return errors(student_features(network, layers, params, image_BxHxWx3), targets)
