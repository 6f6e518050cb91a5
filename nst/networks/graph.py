"""The network that a list of layers describes: its parameters, variables and activations."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import flax.linen as nn
import jax

from nst.networks import slim
from nst.networks.layers import INPUT, Layer, channels, find, needed, propagated
from nst.networks.network import FIRST, Network
from nst.networks.operations import Context
from nst.networks.remat import recomputed, rectify
from nst.networks.slim import Mapped

_ENDS = ("pool", "add", "concat")  # kinds of layers at which a block may end, for `remat`


def parameter_shapes(
    layers: tuple[Layer, ...], widths: Sequence[int], names: Sequence[str]
) -> dict[str, dict[str, tuple[int, ...]]]:
    """Returns the shapes of the parameters that are needed to compute some layers.

    Args:
      layers: the layers of the architecture.
      widths: as `Network.widths`, at least as deep as `names`.
      names: names of the layers that will be computed.

    Returns:
      {conv1_1: {kernel: (3, 3, inputs, channels), bias: (channels,)}, ...} in the order of computation, and
      for a slim network also the maps, {relu1_1_map: {kernel: (channels, VGG's channels), bias: ...}, ...}.
    """
    counts = channels(layers, widths)
    shapes = {
        layer.name: layer.operation.weights.shapes(counts[layer.inputs[0]], counts[layer.name])
        for layer in needed(layers, names)
        if layer.operation.weights
    }
    maps = {}
    for name in dict.fromkeys(names) if widths else ():
        layer = slim.mapped_layer(layers, name)
        full = slim.map_channels(layer, counts[layer.name])
        maps[f"{layer.name}_map"] = {"kernel": (counts[layer.name], full), "bias": (full,)}
    return shapes | maps


def file_names(layers: tuple[Layer, ...]) -> dict[str, tuple[str, str]]:
    """Returns the names of tensors in files, {name in a file: (parameter, name in its operation)}.

    Args:
      layers: the layers of the architecture.
    """
    names = {}
    for layer in layers:
        if layer.kind in slim.KINDS:
            names |= {f"{layer.name}_map/{part}": (f"{layer.name}_map", part) for part in ("kernel", "bias")}
        if layer.operation.weights:
            names |= {name: (layer.name, part) for name, part in layer.operation.weights.files.items()}
    return names


def freeze(layers: tuple[Layer, ...], network: Network, params: dict) -> dict:
    """Converts parameters to the variables of a frozen network, which include the kernels of the gradient.

    The gradient of a frozen convolution is a convolution with an adjoint kernel, which is computed here once.

    Args:
      layers: the layers of the architecture.
      network: the static choices, which decide the form of the arrays.
      params: {conv1_1: {kernel: `kxkxIxO`, bias: `O`}, ...}, and for a slim network its maps, {relu3_1_map:
        {kernel: `KxC`, bias: `C`}, ...}.

    Returns:
      {"params": {name: {kernel, bias}}, "adjoint": {conv: {kernel}}}.
    """
    operations = {layer.name: layer.operation for layer in layers}
    variables = {"params": {}, "adjoint": {}}
    for name, parts in params.items():
        if name in operations:
            frozen = operations[name].weights.freeze(parts, network)
        else:
            frozen = {"params": slim.frozen_map(parts, network)}
        for collection, arrays in frozen.items():
            variables[collection][name] = arrays
    return jax.device_put(variables)  # made by NumPy: each operation on a device would be its own program


# --- activations


class Run(NamedTuple):
    """How the layers are computed, besides the static choices."""

    relu: Callable[[jax.Array], jax.Array] = nn.relu  # nst/visualize passes one with another gradient
    frozen: bool = True  # whether the variables are from `freeze`; False: for training, no adjoint kernels


FROZEN = Run()


def activations(
    layers: tuple[Layer, ...],
    network: Network,
    variables: dict,
    image_BxHxWx3: jax.Array,
    names: Sequence[str],
    run: Run = FROZEN,
) -> dict[str, jax.Array | Mapped]:
    """Computes {layer: activation, `BxhxwxC`, in `network.dtype`}, or {layer: `Mapped`} for a slim network.

    Args:
      layers: the layers of the architecture.
      network: the static choices.
      variables: from `freeze`.
      image_BxHxWx3: RGB, [0, 1], large enough that every layer has a position.
      names: names of layers; duplicates are harmless.
      run: how the layers are computed.
    """
    function = _by_blocks if network.remat == "block" else own_activations
    own = function(layers, network, variables, image_BxHxWx3, tuple(dict.fromkeys(names)), run)
    own = {name: layers[find(layers, name)].operation.shown(value) for name, value in own.items()}
    return slim.read_through_maps(network, layers, variables["params"], own)


def own_activations(
    layers: tuple[Layer, ...],
    network: Network,
    variables: dict,
    x_BxHxWxC: jax.Array,
    names: Sequence[str],
    run: Run = FROZEN,
    after: str = INPUT,
) -> dict[str, jax.Array]:
    """Computes the activations of some layers; a slim network's activations are in its own channels.

    Args:
      layers, network, variables, names, run: as for `activations`.
      x_BxHxWxC: the image, RGB, [0, 1], or the activation of the layer `after`.
      after: the layer after which the computation begins; INPUT: it begins with the image.

    Returns:
      {layer: output of its operation}; the output is the activation, `BxhxwxC`, or the argument of
      `Operation.shown`.
    """
    if after == INPUT:
        x_BxHxWxC = network.preprocessing(x_BxHxWxC).astype(network.dtype)
    first = next(layer.name for layer in layers if layer.kind == "conv")

    def compute(layer, *inputs):
        # keeping bits saves nothing if the output of the rectifier is kept anyway
        saves = network.remat != "none" and run.relu is nn.relu and layer.name not in names
        padding = network.padding
        if padding == FIRST:
            padding = "replicate" if layer.name == first else "zero"
        context = Context(network, rectify if saves else run.relu, padding, run.frozen)
        own = {collection: parts.get(layer.name) for collection, parts in variables.items()}
        return layer.operation.compute(context, own, *inputs)

    values = propagated(needed(layers, names, after=after), {after: x_BxHxWxC}, compute)
    return {name: values[name] for name in names}


def _by_blocks(layers, network, variables, image_BxHxWx3, names, run) -> dict[str, jax.Array]:
    """Computes `own_activations` with a gradient that keeps only `names` and the inputs of blocks."""
    x, after, result = image_BxHxWx3, INPUT, {}
    for part in _blocks(needed(layers, names), names):
        last = part[-1].name
        asked = tuple(layer.name for layer in part if layer.name in names)

        def compute(x, asked=(*asked, *(() if last in asked else (last,))), after=after):
            return own_activations(layers, network, variables, x, asked, run, after)

        # computing again saves nothing if a part has at most a convolution and its rectifier
        found = (recomputed(compute) if len(part) > 2 else compute)(x)
        result |= {name: found[name] for name in asked}
        x, after = found[last], last
    return result


def _blocks(layers: tuple[Layer, ...], names: Sequence[str]) -> list[list[Layer]]:
    """Divides layers into parts of which each reads, outside itself, only the last layer of the part before.

    A part ends with a pooling, a merge or a layer in `names`, if no later layer reads one within the part.
    """
    parts, part = [], []
    for index, layer in enumerate(layers):
        part.append(layer)
        later = {name for other in layers[index + 1 :] for name in other.inputs}
        is_cut = later <= {other.name for other in layers[index:]}
        if (is_cut and (layer.kind in _ENDS or layer.name in names)) or index == len(layers) - 1:
            parts.append(part)
            part = []
    return parts
