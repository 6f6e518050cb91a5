"""Receptive fields: which pixels a unit of a layer reads."""

from nst.networks.layers import PIXEL, Window
from nst.networks.network import Network
from nst.networks.pooling import POOLING
from nst.networks.table import layers_to


def receptive(network: Network, layer: str) -> Window:
    """Returns the receptive field of a layer's units: the window of the image that they read.

    Windows are (size, stride, offset). If the input of an operation has the receptive field (n, s, o), and
    the operation has the window (k, t, q), then its output y reads the inputs [q + t y, q + t y + k), and has
    the receptive field

        n' = n + s (k - 1),    s' = s t,    o' = o + s q.

    Padding that repeats or reflects pixels does not enlarge a field: at a border it is the part of the square
    that lies inside the image. With circular padding it continues at the opposite border.

    Args:
      network: the static choices.
      layer: name of the layer.

    Raises:
      UserError: a layer that the architecture does not have.
    """
    field = PIXEL
    for each in layers_to(network.architecture, (layer,)):
        window = each.window or POOLING[network.pooling].window
        size = field.size + field.stride * (window.size - 1)
        field = Window(size, field.stride * window.stride, field.offset + field.stride * window.offset)
    return field
