"""The frozen network of a config: activations, channels, and rectifiers with custom gradients."""

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from nst.errors import UserError
from nst.losses.spec import Spec, of_network
from nst.networks.checkpoints import convention
from nst.networks.network import Network
from nst.networks.table import features, layer, layers_to, minimum_size
from nst.runs import specs
from nst.runs.network import load_network


class Model(NamedTuple):
    """A network with its weights."""

    network: Network
    variables: dict  # from networks.table.freeze


def load(config: ConfigDict, layers: Sequence[str], single_channels: bool = False) -> Model:
    """Loads the network that config.weights and config.network describe.

    Args:
      config: the config of a run.
      layers: names of layers; the deepest decides which weights are read.
      single_channels: whether a slim network returns the channels of VGG, rather than fewer channels with
        the same inner products.

    Raises:
      UserError: a layer or the weights are unknown, the weights cannot be read, or single channels are asked
        of a conv layer of a slim network, which does not have them.
    """
    chosen = config.weights
    made_for = convention(chosen.name, chosen.architecture, chosen.preprocessing)
    network = specs.make_network(config, made_for)
    layers_to(network.architecture, of_network(layers), "layers")  # raises for an unknown layer
    spec = Spec(network, content_layers=tuple(layers), style_layers=())
    if network.widths and single_channels:
        for name in layers:
            if layer(network.architecture, name).kind == "conv":
                raise UserError(
                    f"{name}: a slim network has single channels at relu and pool layers, not at conv "
                    "layers; use relu layers, or the full network (weights.name = vgg19)"
                )
        spec = dataclasses.replace(spec, network=dataclasses.replace(network, frame="vgg"))
    return Model(spec.network, load_network(config, spec, made_for).variables)


def activations(model: Model, image_HxWx3: np.ndarray, layers: Sequence[str]) -> dict[str, np.ndarray]:
    """Computes activations of an image.

    Args:
      model: the network; a slim network returns VGG's channels only if `single_channels` was set in `load`.
      image_HxWx3: RGB in [0, 1].
      layers: names of the layers.

    Returns:
      {layer: activation, `hxwxC` in float32}.

    Raises:
      UserError: a layer is unknown, or the picture is too small for it.
    """
    height, width = image_HxWx3.shape[:2]
    least = minimum_size(model.network, layers)
    if min(height, width) < least:
        raise UserError(f"{width}x{height} px: {', '.join(layers)} need {least} px an edge or more")
    image = jnp.asarray(image_HxWx3, jnp.float32)[None]
    arrays = _activations(model.network, model.variables, image, tuple(layers))
    return {layer: np.asarray(arrays[layer][0], np.float32) for layer in layers}


_activations = jax.jit(features, static_argnames=("network", "layers"))


def layer_shape(model: Model, layer: str, size: int) -> tuple[int, int, int]:
    """Returns the height, the width and the number of channels of a layer.

    Args:
      model: the network.
      layer: name of the layer.
      size: edge of the square image in pixels.

    Returns:
      (height, width, channels).

    Raises:
      UserError: the layer is unknown, or the size is too small for it.
    """
    least = minimum_size(model.network, (layer,))
    if size < least:
        raise UserError(f"size = {size}: {layer} needs {least} pixels or more")
    image = jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32)
    compute = partial(features, model.network, layers=(layer,))
    return jax.eval_shape(compute, model.variables, image)[layer].shape[1:]


def check_channels(layer: str, channels: Sequence[int], width: int) -> None:
    """Checks that a layer has channels with certain indices.

    Args:
      layer: name of the layer.
      channels: the indices.
      width: the layer's number of channels.

    Raises:
      UserError: an index lies outside 0 to width - 1.
    """
    for channel in channels:
        if not 0 <= channel < width:
            raise UserError(f"channel {channel}: {layer} has {width} channels; give 0 to {width - 1}")


def largest(values_C: np.ndarray, count: int) -> np.ndarray:
    """Returns the channels with the largest values, in descending order; at ties the first comes first.

    Args:
      values_C: one value for each channel.
      count: number of channels.

    Raises:
      UserError: there are fewer channels than `count`.
    """
    if not 1 <= count <= len(values_C):
        raise UserError(f"count = {count}: the layer has {len(values_C)} channels; give 1 to {len(values_C)}")
    return np.argsort(-values_C, kind="stable")[:count]


def rectifier(back: Callable[[jax.Array, jax.Array], jax.Array]) -> Callable[[jax.Array], jax.Array]:
    """Returns max(x, 0) with a custom gradient, for the argument `relu` of `networks.table.features`.

    Args:
      back: maps the input x and the signal g at the output to the signal at the input.
    """
    relu = jax.custom_vjp(nn.relu)
    relu.defvjp(lambda x: (nn.relu(x), x), lambda x, g: (back(x, g),))
    return relu
