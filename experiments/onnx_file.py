"""Reads the convolutions of an ONNX file, with what is added and multiplied after them, without ONNX.

The file is a message of Protocol Buffers; of its fields only those that are needed are read here.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from nst.errors import UserError

_VARINT, _EIGHT_BYTES, _DELIMITED, _FOUR_BYTES = 0, 1, 2, 5
_FLOAT = 1  # of TensorProto.DataType
_PASSES = ("Cast", "Transpose", "Identity")  # which change no value


class Node(NamedTuple):
    """An operation of the graph."""

    kind: str
    inputs: tuple[str, ...]
    output: str


class Convolution(NamedTuple):
    """A convolution, into which what follows is folded: scale * (x * kernel) + bias."""

    kernel_OxIxkxk: np.ndarray
    bias_O: np.ndarray
    output: str  # name of the value after it


def convolutions(data: bytes) -> list[Convolution]:
    """Returns the convolutions of a graph in its order, with the normalisations that follow them.

    Args:
      data: of the file, which holds its weights.

    Raises:
      UserError: it is not an ONNX graph with its weights.
    """
    try:
        nodes, arrays = _graph(data)
    except (ValueError, IndexError, KeyError) as error:
        raise UserError(f"no ONNX file with its weights ({error})") from error
    readers: dict[str, list[Node]] = {}
    for node in nodes:
        for name in node.inputs:
            readers.setdefault(name, []).append(node)
    return [_folded(node, readers, arrays) for node in nodes if node.kind == "Conv"]


def _folded(conv: Node, readers: dict[str, list[Node]], arrays: dict[str, np.ndarray]) -> Convolution:
    kernel, (scale, shift) = arrays[conv.inputs[1]], (np.float64(1), np.float64(0))
    if len(conv.inputs) > 2:
        shift = arrays[conv.inputs[2]].astype(np.float64)
    end = conv.output
    while len(following := readers.get(end, [])) == 1:
        (node,) = following
        constants = [arrays[name].ravel().astype(np.float64) for name in node.inputs if name in arrays]
        if node.kind in ("Add", "Sub", "Mul") and constants and node.inputs[0] not in arrays:
            (value,) = constants
            if node.kind == "Mul":
                scale, shift = scale * value, shift * value
            else:
                shift = shift + (value if node.kind == "Add" else -value)
        elif node.kind not in _PASSES:
            break
        end = node.output
    scale, shift = (np.broadcast_to(value, len(kernel)) for value in (scale, shift))
    folded = (kernel * scale[:, None, None, None]).astype(np.float32)
    return Convolution(folded, shift.astype(np.float32), end)


# --- Protocol Buffers


def _graph(data: bytes) -> tuple[list[Node], dict[str, np.ndarray]]:
    """Returns the operations and the constants of a ModelProto."""
    (graph,) = _all(data, 7)
    nodes, arrays = [], dict(_array(tensor) for tensor in _all(graph, 5))
    for each in _all(graph, 1):
        inputs, outputs, (kind,) = ([part.decode() for part in _all(each, number)] for number in (1, 2, 4))
        node = Node(kind, tuple(inputs), outputs[0])
        if kind == "Identity" and inputs[0] in arrays:
            arrays[node.output] = arrays[inputs[0]]
        else:
            nodes.append(node)
    return nodes, arrays


def _array(tensor: bytes) -> tuple[str, np.ndarray]:
    """Returns name and value of a TensorProto; of one that is not float32, an empty value."""
    fields: dict[int, list] = {}
    for number, value in _fields(tensor):
        fields.setdefault(number, []).append(value)
    name = fields[8][0].decode()
    if fields[2] != [_FLOAT] or 9 not in fields:
        return name, np.zeros(0, np.float32)
    return name, np.frombuffer(fields[9][0], "<f4").reshape(fields.get(1, []))


def _all(data: bytes, number: int) -> list:
    """Returns the values of a field."""
    return [value for found, value in _fields(data) if found == number]


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yields number and value of each field of a message."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, at = _varint(data, at)
        elif kind in (_DELIMITED, _EIGHT_BYTES, _FOUR_BYTES):
            size, at = _varint(data, at) if kind == _DELIMITED else (8 if kind == _EIGHT_BYTES else 4, at)
            value, at = data[at : at + size], at + size
        else:
            raise ValueError(f"a field of the unknown type {kind}")
        if at > len(data):
            raise ValueError("it ends within a field")
        yield number, value


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Returns an integer of seven bits a byte, and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
