"""The frozen network of a config, and what the rooms ask of it: activations, channels, rectifiers."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from nst.errors import UserError
from nst.losses.spec import Spec
from nst.networks.checkpoints import convention
from nst.networks.vgg import Network, features, minimum_size
from nst.runs import settings
from nst.runs.job import load_network


class Seen(NamedTuple):
    """A network and its weights."""

    network: Network
    variables: dict  # from vgg.freeze


def load(config: ConfigDict, layers: Sequence[str]) -> Seen:
    """The network that `config.weights` and `config.network` name, up to the deepest of `layers`.

    Raises:
      UserError: an unknown layer or weights, or weights that cannot be read.
    """
    chosen = config.weights
    made_for = convention(chosen.name, chosen.architecture, chosen.preprocessing)
    spec = Spec(settings.make_network(config, made_for), content_layers=tuple(layers), style_layers=())
    return Seen(spec.network, load_network(config, spec, made_for).variables)


def activations(seen: Seen, image_HxWx3: np.ndarray, layers: Sequence[str]) -> dict[str, np.ndarray]:
    """{layer: activation, `hxwxC`} of a picture, in float32.

    A slim network's single channels are VGG's only in the frame "vgg" (nst/networks/vgg.py).

    Raises:
      UserError: an unknown layer, or a picture too small for it.
    """
    height, width = image_HxWx3.shape[:2]
    least = minimum_size(seen.network, layers)
    if min(height, width) < least:
        raise UserError(f"{width}x{height} px: {', '.join(layers)} need {least} px an edge or more")
    image = jnp.asarray(image_HxWx3, jnp.float32)[None]
    found = _activations(seen.network, seen.variables, image, tuple(layers))
    return {layer: np.asarray(found[layer][0], np.float32) for layer in layers}


_activations = jax.jit(features, static_argnames=("network", "layers"))


def layer_shape(seen: Seen, layer: str, size: int) -> tuple[int, int, int]:
    """Height, width and channels of a layer for a square picture of `size` pixels.

    Raises:
      UserError: an unknown layer, or a size too small for it.
    """
    least = minimum_size(seen.network, (layer,))
    if size < least:
        raise UserError(f"size = {size}: {layer} needs {least} pixels or more")
    image = jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32)
    find = partial(features, seen.network, layers=(layer,))
    return jax.eval_shape(find, seen.variables, image)[layer].shape[1:]


def check_channels(layer: str, channels: Sequence[int], width: int) -> None:
    """Raises UserError for a channel that the layer, of `width` channels, does not have."""
    for channel in channels:
        if not 0 <= channel < width:
            raise UserError(f"channel {channel}: {layer} has {width}; give 0 to {width - 1}")


def largest(values_C: np.ndarray, count: int) -> np.ndarray:
    """The `count` channels of the largest values, in falling order; of equal ones the first.

    Raises:
      UserError: fewer channels than `count`.
    """
    if not 1 <= count <= len(values_C):
        raise UserError(f"count = {count}: the layer has {len(values_C)} channels; give 1 to {len(values_C)}")
    return np.argsort(-values_C, kind="stable")[:count]


def rectifier(back: Callable[[jax.Array, jax.Array], jax.Array]) -> Callable[[jax.Array], jax.Array]:
    """max(x, 0) for VGG's `relu`, with a way back of its own: `back` of x and the signal g at its output."""
    relu = jax.custom_vjp(nn.relu)
    relu.defvjp(lambda x: (nn.relu(x), x), lambda x, g: (back(x, g),))
    return relu
