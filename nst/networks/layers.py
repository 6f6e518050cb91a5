"""The layers of a network as data, for code that needs their properties without running the network."""

from collections.abc import Sequence
from typing import NamedTuple

from nst.errors import choose

KINDS = ("conv", "relu", "pool")


class Window(NamedTuple):
    """The part of its input that a unit reads.

    Unit (y, x) reads the rows [offset + stride y, offset + stride y + size), and the columns likewise. The
    input is that of one operation; where it is the image, the window is the unit's receptive field.
    """

    size: int  # edge of the square, in positions of the input
    stride: int  # positions of the input from one unit to the next
    offset: int  # of the first unit's square; negative where it begins outside the input


PIXEL = Window(size=1, stride=1, offset=0)  # for an operation on each position by itself


class Layer(NamedTuple):
    """A named activation of an architecture, as published; built by keyword."""

    name: str  # conv3_1
    kind: str  # the layer's operation, one of KINDS
    channels: int
    stride: int  # pixels of the image from one position to the next
    window: Window | None  # of the preceding layer; None: that of `Network.pooling`
    key: int  # folded into the random key with which positions of the layer are sampled


def find(layers: Sequence[Layer], name: str, field: str = "layers") -> int:
    """Returns the index of the layer called `name`.

    Raises:
      UserError: no such layer; the message names `field` and the nearest layer.
    """
    names = [layer.name for layer in layers]
    return names.index(choose(field, name, names))


def up_to_deepest(
    layers: tuple[Layer, ...], names: Sequence[str], field: str = "layers"
) -> tuple[Layer, ...]:
    """Returns `layers` up to and including the deepest one that is among `names`.

    Raises:
      UserError: no such layer; the message names `field` and the nearest layer.
    """
    return layers[: max((find(layers, name, field) for name in names), default=-1) + 1]
