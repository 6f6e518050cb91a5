"""Receptive fields: the pixels that a unit of a layer reads."""

from collections.abc import Sequence

from nst.errors import UserError
from nst.networks.layers import INPUT, PIXEL, Layer, Window, propagated
from nst.networks.network import Network
from nst.networks.pooling import POOLING
from nst.networks.table import layers_to


def receptive(network: Network, layer: str) -> Window:
    """Returns the receptive field of a layer's units: the window of the image that they read.

    Windows are (size, stride, offset). If the input of an operation has the receptive field (n, s, o), and
    the operation has the window (k, t, q), then its output y reads the inputs [q + t y, q + t y + k), and has
    the receptive field

        n' = n + s (k - 1),    s' = s t,    o' = o + s q.

    Padding that repeats or reflects pixels does not enlarge a field: at a border, the field is the part of
    the square that lies inside the image. With circular padding it continues at the opposite border.

    Args:
      network: the static choices.
      layer: name of the layer.

    Raises:
      UserError: the architecture does not have the layer, or attention is computed in or before it.
    """
    return fields(network, (layer,))[layer]


def fields(network: Network, layers: Sequence[str]) -> dict[str, Window]:
    """Computes the receptive fields of some layers and of all layers before them.

    Args:
      network: the static choices.
      layers: names of the layers.

    Returns:
      {layer: receptive field}, in the order of computation.

    Raises:
      UserError: as from `receptive`.
    """

    def through(layer: Layer, *inputs: Window) -> Window:
        if layer.operation.everywhere:
            raise UserError(f"{layer.name} of {network.architecture}: each unit reads the whole image")
        slides = layer.operation.sliding
        window = POOLING[network.pooling].window(slides) if layer.kind == "pool" else slides.window
        # a layer with several inputs reads from where the first of their fields begins to where the last ends
        start = min(field.offset for field in inputs)
        size, stride = max(field.offset + field.size for field in inputs) - start, inputs[0].stride
        size += stride * (window.size - 1)
        return Window(size, stride * window.stride, start + stride * window.offset)

    needed = layers_to(network.architecture, layers)
    found = propagated(needed, {INPUT: PIXEL}, through)
    return {layer.name: found[layer.name] for layer in needed}
