"""The table of architectures, and the functions by which the rest of the program uses a network.

An architecture is one file (nst/networks/vgg.py is the pattern) and one row of `ARCHITECTURES`; published
weights are rows of `checkpoints.CHECKPOINTS`. Nothing outside the architecture's own file parses the name of
a layer: its order, channels, strides and windows are data (nst/networks/layers.py).
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import flax.linen as nn
import jax

from nst.errors import choose
from nst.networks import layers as layer_data
from nst.networks import vgg
from nst.networks.layers import Layer
from nst.networks.network import Network
from nst.networks.slim import Mapped, materialize


class Architecture(NamedTuple):
    """A row of the table; built by keyword."""

    layers: tuple[Layer, ...]  # in the order of computation
    # (network, variables, image_BxHxWx3, layers, relu) -> {layer: BxhxwxC}, or `Mapped` for slim networks
    activations: Callable[..., dict[str, jax.Array | Mapped]]
    # (params, dtype, frame, convolution) -> variables
    freeze: Callable[..., dict]
    # (widths, layers) -> {parameter: {part: shape}}, in the order of computation
    parameter_shapes: Callable[[Sequence[int], Sequence[str]], dict[str, dict[str, tuple[int, ...]]]]
    # name of a tensor in a published file -> (parameter, "kernel", "bias", or "weight" in PyTorch's layout)
    file_names: dict[str, tuple[str, str]]


def _vgg(name: str) -> Architecture:
    return Architecture(
        layers=vgg.LAYERS[name],
        activations=vgg.activations,
        freeze=vgg.freeze,
        parameter_shapes=partial(vgg.parameter_shapes, name),
        file_names=vgg.file_names(name),
    )


ARCHITECTURES = {"vgg16": _vgg("vgg16"), "vgg19": _vgg("vgg19")}


# --- layers


def _row(architecture: str) -> Architecture:
    return ARCHITECTURES[choose("weights.architecture", architecture, ARCHITECTURES)]


def layer(architecture: str, name: str) -> Layer:
    """Returns a layer of an architecture.

    Args:
      architecture: a key of ARCHITECTURES.
      name: name of the layer.

    Raises:
      UserError: no such architecture or layer; the message names the nearest.
    """
    layers = _row(architecture).layers
    return layers[layer_data.find(layers, name)]


def layer_names(architecture: str) -> tuple[str, ...]:
    """Lists the layers of an architecture.

    Args:
      architecture: a key of ARCHITECTURES.

    Returns:
      their names in the order of computation: conv1_1, relu1_1, ..., pool1, ..., pool5.
    """
    return tuple(layer.name for layer in _row(architecture).layers)


def convolutions(architecture: str) -> tuple[str, ...]:
    """Lists the convolutions of an architecture.

    Args:
      architecture: a key of ARCHITECTURES.

    Returns:
      their names in the order of computation: conv1_1, conv1_2, conv2_1, ...
    """
    return tuple(layer.name for layer in _row(architecture).layers if layer.kind == "conv")


def layers_to(architecture: str, names: Sequence[str], field: str = "layers") -> tuple[Layer, ...]:
    """Lists the layers that have to be computed to obtain some of them.

    Args:
      architecture: a key of ARCHITECTURES.
      names: names of the layers to obtain.
      field: the config field that holds the names, for the message.

    Returns:
      the layers in the order of computation, up to and including the deepest one among `names`.

    Raises:
      UserError: no such architecture or layer; the message names the nearest.
    """
    return layer_data.up_to_deepest(_row(architecture).layers, names, field)


def minimum_size(network: Network, names: Sequence[str]) -> int:
    """Returns the shortest image edge, in pixels, that leaves a position at the deepest layer.

    A convolution with reflect padding needs two, since a single position has no neighbour to reflect.

    Args:
      network: the static choices.
      names: names of the layers that will be computed.
    """
    edges = [1]
    for layer in layers_to(network.architecture, names):
        reflects = layer.kind == "conv" and network.padding == "reflect"
        edges.append(layer.stride * (2 if reflects else 1))
    return max(edges)


def multiples(network: Network, names: Sequence[str]) -> tuple[int, int]:
    """Returns the numbers of which an image's height and width have to be multiples.

    Poolings drop a last row or column that fills no window. Along an axis that wraps, the borders would then
    not meet.

    Args:
      network: the static choices.
      names: names of the layers that will be computed.

    Returns:
      For the height and for the width the stride of the deepest layer, if that axis wraps, else 1.
    """
    stride = max((layer.stride for layer in layers_to(network.architecture, names)), default=1)
    rows, columns = (stride if wraps else 1 for wraps in network.wraps)
    return rows, columns


# --- the network


def freeze(network: Network, params: dict) -> dict:
    """Converts parameters to the variables of a network that is not trained.

    Args:
      network: the static choices, which decide the arrays' form.
      params: {parameter: {kernel, bias}}, float32, as `checkpoints.load` gives them.

    Returns:
      the variables that `features` takes, in the architecture's own form.
    """
    return _row(network.architecture).freeze(params, network.dtype, network.frame, network.convolution)


def features(
    network: Network,
    variables: dict,
    image_BxHxWx3: jax.Array,
    layers: Sequence[str],
    mapped: bool = False,
    relu: Callable[[jax.Array], jax.Array] = nn.relu,
) -> dict[str, jax.Array | Mapped]:
    """Computes the activations of some layers for an image.

    Args:
      network: the static choices.
      variables: from `freeze`.
      image_BxHxWx3: RGB, [0, 1]; at least `minimum_size` pixels on either edge.
      layers: any of `layer_names`; duplicates are harmless.
      mapped: whether the linear maps of a slim network are left to the caller (nst/networks/slim.py).
      relu: the rectifier; one with another gradient serves visualisations.

    Returns:
      {layer: `Bxhxwxc`} in `network.dtype`; with `mapped`, `Mapped` in place of a slim network's arrays.
    """
    run = _row(network.architecture).activations
    activations = run(network, variables, image_BxHxWx3, tuple(layers), relu)
    return activations if mapped else {name: materialize(each) for name, each in activations.items()}
