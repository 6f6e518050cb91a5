"""Receptive fields: which pixels a unit of a layer reads."""

from nst.networks.layers import PIXEL, Window
from nst.networks.network import Network
from nst.networks.pooling import POOLING
from nst.networks.table import layers_to


def receptive(network: Network, layer: str) -> Window:
    """Returns the receptive field of a layer's units: the window of the image that they read.

    With the field (n, s, o) of an operation's input, and the operation's window (k, t, q), an output y reads
    its inputs [q + t y, q + t y + k), and the field of the output is

        n' = n + s (k - 1),    s' = s t,    o' = o + s q.

    Padding that repeats or reflects pixels adds none: at a border the field is the square's part inside.

    Args:
      network: the static choices.
      layer: its name.

    Raises:
      UserError: a layer that the architecture does not have.
    """
    field = PIXEL
    for each in layers_to(network.architecture, (layer,)):
        window = each.window or POOLING[network.pooling].window
        size = field.size + field.stride * (window.size - 1)
        field = Window(size, field.stride * window.stride, field.offset + field.stride * window.offset)
    return field
