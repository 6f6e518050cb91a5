"""EfficientNet-Lite0: EfficientNet-B0 (Tan & Le 2019) with ReLU6 and without squeeze-and-excitation.

A block has the layers of MobileNetV2's blocks (nst/networks/mobilenet.py), with names such as
`blocks.3.expand`. As with TensorFlow's SAME padding, a convolution with a stride has one more row of padding
below than above.
"""

from collections.abc import Iterator

from nst.networks.layers import Row, Sliding, connect
from nst.networks.mobilenet import Files, Stage, stages
from nst.networks.operations import Norm, conv, relu6, sliding

_STAGES = (
    Stage(1, 16, 1, 1), Stage(6, 24, 2, 2), Stage(6, 40, 2, 2, 5), Stage(6, 80, 3, 2), Stage(6, 112, 3, 1, 5),
    Stage(6, 192, 4, 2, 5), Stage(6, 320, 1, 1),
)  # fmt: skip
STYLE = ("stem", "blocks.1", "blocks.2", "blocks.4", "blocks.10")


def _norm(file: str) -> Norm:
    return Norm(file, epsilon=1e-3)


def _names() -> Iterator[tuple[str, Files]]:
    """Yields the names of the blocks, and of their convolutions in the files of the port to PyTorch."""
    for index in range(sum(stage.count for stage in _STAGES)):
        file, parts = f"_blocks.{index}", ("expand", "depthwise", "project")
        norms = {part: _norm(f"{file}._bn{at}") for at, part in enumerate(parts)}
        yield f"blocks.{index}", {part: (f"{file}._{part}_conv", norms[part]) for part in parts}


def _same(size: int, stride: int) -> Sliding:
    rest = size - stride  # padding of both sides together, for an even number of positions
    return sliding(size, stride, (rest // 2, rest - rest // 2))


def _rows() -> Iterator[Row]:
    yield conv("stem.conv", 32, _same(3, 2), file="_conv_stem", norm=_norm("_bn0"))
    yield relu6("stem")
    yield from stages(_STAGES, ("stem", 32), _names(), _same)
    yield conv("head.conv", 1280, sliding(1), file="_conv_head", norm=_norm("_bn1"))
    yield relu6("head")


LAYERS = connect(_rows())
