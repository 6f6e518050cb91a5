"""The table of architectures, and the functions with which the rest of the program uses a network.

An architecture is one file, a list of rows (nst/networks/alexnet.py is the shortest), and one row of
`ARCHITECTURES`; published weights are rows of `published.CHECKPOINTS`. Nothing outside the architecture's
own file spells the name of a layer: inputs, channels, strides and windows are data (nst/networks/layers.py).
"""

import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import flax.linen as nn
import jax

from nst.errors import UserError, choose
from nst.networks import (
    alexnet,
    convnext,
    efficientnet,
    googlenet,
    graph,
    mobilenet,
    resnet,
    squeezenet,
    vgg,
    vit,
)
from nst.networks import layers as layer_data
from nst.networks.layers import Layer
from nst.networks.network import Network
from nst.networks.slim import Mapped, materialize


class Architecture(NamedTuple):
    """A row of the table ARCHITECTURES; built by keyword."""

    layers: tuple[Layer, ...]  # in the order of computation
    style: tuple[str, ...]  # five layers for the style, from stride 1, 2 or 4 to stride 16
    content: tuple[str, ...]  # layers for the content

    def parameter_shapes(
        self, widths: Sequence[int], names: Sequence[str]
    ) -> dict[str, dict[str, tuple[int, ...]]]:
        """Returns `graph.parameter_shapes`, {parameter: {part: shape}}, in the order of computation."""
        return graph.parameter_shapes(self.layers, widths, names)

    @property
    def is_chain(self) -> bool:
        """Whether each layer is a convolution, rectifier or pooling of the layer before it, as in VGG."""
        return all(layer.kind in ("conv", "relu", "pool") for layer in self.layers)

    @property
    def file_names(self) -> dict[str, tuple[str, str]]:
        """`graph.file_names`: {name of a tensor in a file: (parameter, part)}."""
        return graph.file_names(self.layers)


def _row_of(layers: tuple[Layer, ...], style: tuple[str, ...]) -> Architecture:
    """Returns a row whose content layers are the middle three of its style layers."""
    return Architecture(layers, style, content=style[1:4])


ARCHITECTURES = {
    **{name: Architecture(each, vgg.STYLE, vgg.CONTENT) for name, each in vgg.LAYERS.items()},
    "alexnet": _row_of(alexnet.LAYERS, alexnet.STYLE),
    **{name: _row_of(each, squeezenet.STYLE[name]) for name, each in squeezenet.LAYERS.items()},
    **{name: _row_of(each, resnet.STYLE[name]) for name, each in resnet.LAYERS.items()},
    "googlenet": _row_of(googlenet.LAYERS, googlenet.STYLE),
    "mobilenet_v2": _row_of(mobilenet.LAYERS, mobilenet.STYLE),
    "efficientnet_lite0": _row_of(efficientnet.LAYERS, efficientnet.STYLE),
    "convnext_tiny": _row_of(convnext.LAYERS, convnext.STYLE),
    "vit_b_16": _row_of(vit.LAYERS, vit.STYLE),
}


# --- layers


def _row(architecture: str) -> Architecture:
    return ARCHITECTURES[choose("weights.architecture", architecture, ARCHITECTURES)]


def layer(architecture: str, name: str) -> Layer:
    """Returns a layer of an architecture.

    Args:
      architecture: a key of ARCHITECTURES.
      name: name of the layer.

    Raises:
      UserError: there is no such architecture or layer; the message names the nearest.
    """
    layers = _row(architecture).layers
    return layers[layer_data.find(layers, name)]


def layer_names(architecture: str) -> tuple[str, ...]:
    """Lists the layers of an architecture.

    Args:
      architecture: a key of ARCHITECTURES.

    Returns:
      The names in the order of computation: conv1_1, relu1_1, ..., pool1, ..., pool5.
    """
    return tuple(layer.name for layer in _row(architecture).layers)


def convolutions(architecture: str) -> tuple[str, ...]:
    """Lists the convolutions of an architecture.

    Args:
      architecture: a key of ARCHITECTURES.

    Returns:
      The names in the order of computation: conv1_1, conv1_2, conv2_1, ...
    """
    return tuple(layer.name for layer in _row(architecture).layers if layer.kind == "conv")


def layers_to(architecture: str, names: Sequence[str], field: str = "layers") -> tuple[Layer, ...]:
    """Lists the layers that have to be computed to obtain some layers.

    Args:
      architecture: a key of ARCHITECTURES.
      names: names of the layers to obtain.
      field: the config field that holds the names, for error messages.

    Returns:
      The layers in the order of computation; the last one is the deepest among `names`.

    Raises:
      UserError: there is no such architecture or layer; the message names the nearest.
    """
    return layer_data.needed(_row(architecture).layers, names, field)


def minimum_size(network: Network, names: Sequence[str]) -> int:
    """Returns the shortest image edge, in pixels, for which every layer has a position.

    A convolution with reflect padding needs more positions than the padding adds, since it reflects them.

    Args:
      network: the static choices.
      names: names of the layers that will be computed.
    """
    layers = layers_to(network.architecture, names)

    def suffices(edge: int) -> bool:
        counts = layer_data.positions(layers, edge)
        reflected = [layer for layer in layers if layer.kind == "conv" and network.padding == "reflect"]
        return min(counts.values()) > 0 and all(
            counts[layer.inputs[0]] > max(layer.operation.sliding[2:4]) for layer in reflected
        )

    return next(edge for edge in itertools.count(1) if suffices(edge))


def positions(architecture: str, names: Sequence[str], edge: int) -> dict[str, int]:
    """Counts the rows, or the columns, of layers for an image with `edge` rows, or columns.

    Args:
      architecture: a key of ARCHITECTURES.
      names: names of layers.
      edge: rows, or columns, of the image.

    Returns:
      {layer: number}, also for the layers before those in `names`.
    """
    return layer_data.positions(layers_to(architecture, names), edge)


def multiples(network: Network, names: Sequence[str]) -> tuple[int, int]:
    """Returns the numbers of which an image's height and width have to be multiples.

    Poolings drop a last row or column that does not fill a window. Along an axis that wraps, the borders
    would then not meet. A first convolution that divides the image into patches does not read the rows and
    columns that do not fill a patch.

    Args:
      network: the static choices.
      names: names of the layers that will be computed.

    Returns:
      For the height and for the width: the stride of the deepest layer if that axis wraps, else the edge of
      the patches, or 1 if there are no patches.
    """
    layers = layers_to(network.architecture, names)
    stride = max((layer.stride for layer in layers), default=1)
    slides = [layer.operation.sliding for layer in layers if layer_data.INPUT in layer.inputs]
    patch = max((each.stride for each in slides if each.size == each.stride), default=1)
    rows, columns = (stride if wraps else patch for wraps in network.wraps)
    return rows, columns


def check(network: Network, names: Sequence[str]) -> None:
    """Checks that an architecture allows the static choices.

    Args:
      network: the static choices.
      names: names of the layers that will be computed.

    Raises:
      UserError: a pooling is chosen for an architecture without poolings, or borders are chosen to meet but
        cannot.
    """
    architecture = network.architecture
    if network.pooling != "max" and not any(layer.kind == "pool" for layer in _row(architecture).layers):
        raise UserError(
            f"network.pooling = {network.pooling}: {architecture} has no poolings; leave it at max"
        )
    for layer in layers_to(architecture, names) if any(network.wraps) else ():
        if cuts(layer):
            raise UserError(
                f"network.padding = {network.padding}: {layer.name} of {architecture} is not padded to whole "
                "strides, so that borders cannot meet; use zero, reflect or replicate"
            )


def cuts(layer: Layer) -> bool:
    """Returns whether a layer has more or fewer positions than its input has whole strides.

    Args:
      layer: a layer of an architecture.
    """
    slides = layer.operation.sliding
    return slides.positions(64 * slides.stride) != 64


# --- the network


def freeze(network: Network, params: dict) -> dict:
    """Converts parameters to the variables of a frozen network.

    Args:
      network: the static choices, which decide the form of the arrays.
      params: {parameter: {kernel, bias}}, float32, as from `checkpoints.load`.

    Returns:
      The variables that `features` takes.
    """
    return graph.freeze(_row(network.architecture).layers, network, params)


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
      mapped: whether the caller applies the linear maps of a slim network (nst/networks/slim.py).
      relu: the rectifier; visualisations pass one with another gradient.

    Returns:
      {layer: `Bxhxwxc`} in `network.dtype`; with `mapped`, a slim network's arrays are `Mapped` instead.
    """
    architecture = _row(network.architecture).layers
    activations = graph.activations(architecture, network, variables, image_BxHxWx3, layers, graph.Run(relu))
    return activations if mapped else {name: materialize(each) for name, each in activations.items()}
