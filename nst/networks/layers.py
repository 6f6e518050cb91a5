"""The layers of a network as data, for code that needs their properties without running the network.

An architecture is a list of rows. A `Row` names an operation (nst/networks/operations.py) and the layers that
it reads; `connect` checks the list and returns the layers, each with its channels and its stride.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple
from zlib import crc32

from nst.errors import choose

INPUT = "input"  # the input of the first operation: the preprocessed image, three channels
_INPUT_CHANNELS = 3


class Window(NamedTuple):
    """The part of an input that a unit reads.

    Unit (y, x) reads the rows [offset + stride y, offset + stride y + size), and the same range of columns
    for x. If the input is the image, the window is the receptive field of the unit.
    """

    size: int  # edge of the square, in positions of the input
    stride: int  # positions of the input from one unit to the next
    offset: int  # position of the first unit's square; negative if the square begins outside the input


PIXEL = Window(size=1, stride=1, offset=0)  # the window of a unit that reads one position


class Sliding(NamedTuple):
    """A square that slides over rows and columns: the geometry of a convolution or a pooling."""

    size: int = 1  # edge of the square
    stride: int = 1
    before: int = 0  # rows of padding above, and columns on the left
    after: int = 0  # rows of padding below, and columns on the right
    ceil: bool = False  # whether a last square that is not full counts, as in PyTorch's ceil_mode

    @property
    def window(self) -> Window:
        """The window of the input that a unit reads."""
        return Window(self.size, self.stride, -self.before)

    def positions(self, edge: int) -> int:
        """Returns the number of positions of the output for an input with `edge` positions."""
        room = edge + self.before + self.after - self.size
        if not self.ceil:
            return max(room // self.stride + 1, 0)
        count = -(-room // self.stride) + 1
        # a square must begin inside the input or inside the padding before it
        return max(count - 1 if (count - 1) * self.stride >= edge + self.before else count, 0)


class Operation(NamedTuple):
    """The computation of a layer; the functions of nst/networks/operations.py build it."""

    kind: str  # conv, relu, pool, add, concat, ...; other code depends on the first three
    # (context, the layer's variables, *inputs) -> output; all are `BxHxWxC`, or arguments of `shown`
    compute: Callable
    # (numbers of channels of the inputs) -> number of channels of the output
    channels: Callable[..., int] = lambda first, *_: first
    sliding: Sliding = Sliding()
    # output of `compute` -> the layer's activation, `BxHxWxC`
    shown: Callable = lambda output: output
    everywhere: bool = False  # whether a unit reads all positions of the input, as attention does
    weights: "Weights | None" = None  # None: the operation has none


class Weights(NamedTuple):
    """The weights of an operation, from a file to the variables of a frozen network."""

    # (channels of the first input, channels of the output) -> {part: shape}
    shapes: Callable[[int, int], dict[str, tuple[int, ...]]]
    # (reader, shapes) -> {part: array}; the reader is formats.Reader
    read: Callable
    # (shapes, random generator) -> {part: array}, the weights of an untrained network
    initial: Callable
    # ({part: array}, network) -> {collection: {part: array}}; the collections are params and adjoint
    freeze: Callable
    files: Mapping[str, str]  # name of a tensor in a file -> name of the part that `read` reads


class Row(NamedTuple):
    """One operation of an architecture; built by the functions of nst/networks/operations.py."""

    name: str
    operation: Operation
    inputs: tuple[str, ...] = ()  # names of earlier rows, or INPUT; (): the row before


class Layer(NamedTuple):
    """A named activation of an architecture, as published; made by `connect`."""

    name: str  # conv3_1
    operation: Operation
    inputs: tuple[str, ...]  # names of earlier layers, or INPUT
    channels: int
    stride: int  # pixels of the image from one position to the next
    key: int  # folded into the random key with which positions of the layer are sampled

    @property
    def kind(self) -> str:
        """`Operation.kind`."""
        return self.operation.kind


def key_of(name: str) -> int:
    """Returns the default `Layer.key` of a name."""
    return crc32(name.encode())


def connect(rows: Iterable[Row], key: Callable[[str], int] = key_of) -> tuple[Layer, ...]:
    """Returns the layers of an architecture in the order of computation.

    Args:
      rows: the operations; each reads rows before it.
      key: returns `Layer.key` for a name.

    Raises:
      ValueError: a name occurs twice, an input is not an earlier row, or inputs have different strides.
    """
    layers: dict[str, Layer] = {}
    previous = INPUT
    for row in rows:
        inputs = row.inputs or (previous,)
        if row.name in layers or row.name == INPUT or not {*inputs} <= {*layers, INPUT}:
            raise ValueError(f"{row.name}: the name is not new, or {inputs} are not all earlier rows")
        strides = {1 if name == INPUT else layers[name].stride for name in inputs}
        if len(strides) > 1:
            raise ValueError(f"{row.name}: its inputs have the strides {strides}")
        counts = [_INPUT_CHANNELS if name == INPUT else layers[name].channels for name in inputs]
        operation, previous = row.operation, row.name
        stride = strides.pop() * operation.sliding.stride
        layers[row.name] = Layer(
            name=row.name, operation=operation, inputs=inputs, channels=operation.channels(*counts),
            stride=stride, key=key(row.name),
        )  # fmt: skip
    return tuple(layers.values())


def find(layers: Sequence[Layer], name: str, field: str = "layers") -> int:
    """Returns the index of the layer called `name`.

    Raises:
      UserError: there is no such layer; the message names `field` and the nearest layer.
    """
    names = [layer.name for layer in layers]
    return names.index(choose(field, name, names))


def needed(
    layers: tuple[Layer, ...], names: Sequence[str], field: str = "layers", after: str = INPUT
) -> tuple[Layer, ...]:
    """Returns the layers that have to be computed to obtain those called `names`, in order.

    Args:
      layers: the layers of an architecture.
      names: names of the layers to obtain.
      field: the config field that holds the names, for error messages.
      after: a layer whose activation is given; this layer, and layers that only it reads, are left out.

    Raises:
      UserError: there is no such layer; the message names `field` and the nearest layer.
    """
    wanted = {layers[find(layers, name, field)].name for name in names} - {after}
    result = []
    for layer in reversed(layers):
        if layer.name in wanted:
            result.append(layer)
            wanted |= {*layer.inputs} - {after}
    return tuple(result[::-1])


def propagated(layers: Sequence[Layer], given: Mapping[str, object], function: Callable) -> dict:
    """Computes a value of every layer from the values of its inputs.

    Args:
      layers: from `needed`.
      given: {INPUT: value}, or the values of other layers from which the computation begins.
      function: (layer, *values of its inputs) -> value.

    Returns:
      {layer: value}, including `given`.
    """
    values = dict(given)
    for layer in layers:
        values[layer.name] = function(layer, *(values[name] for name in layer.inputs))
    return values


def positions(layers: Sequence[Layer], edge: int) -> dict[str, int]:
    """Returns {layer: number of its rows, or columns} for an image with `edge` rows, or columns.

    Args:
      layers: from `needed`.
      edge: rows, or columns, of the image.
    """
    return propagated(layers, {INPUT: edge}, lambda layer, *n: layer.operation.sliding.positions(min(n)))


def channels(layers: Sequence[Layer], widths: Sequence[int] = ()) -> dict[str, int]:
    """Returns {layer: number of channels} of a slim network or, without widths, of the published network.

    Args:
      layers: from `needed`, for the whole network.
      widths: channels of the convolutions, in order; convolutions beyond them have the published number.
    """
    convolutions = [layer.name for layer in layers if layer.kind == "conv"]
    own = dict(zip(convolutions, widths, strict=False))
    return propagated(
        layers, {INPUT: _INPUT_CHANNELS},
        lambda layer, *counts: own.get(layer.name) or layer.operation.channels(*counts),
    )  # fmt: skip
