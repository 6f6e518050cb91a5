"""MobileNetV2 (Sandler et al. 2018), as torchvision has it, and its blocks, which EfficientNet has as well.

A block has these layers; every batch normalisation is folded into the convolution before it:

    features.3.expand, features.3.expand_relu         1x1, to six times the channels; the first block has none
    features.3.depthwise, features.3.depthwise_relu   each channel by itself
    features.3.project                                1x1, without a rectifier; the arm
    features.3                                        the sum of the arm and the block's input

If the stride or the channels change, a block has no such sum: `features.2`, for example, is the projection
itself. The rectifiers are ReLU6.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from nst.networks.layers import Row, Sliding, connect
from nst.networks.operations import Norm, add, conv, relu6, sliding

STYLE = ("features.0", "features.2", "features.3", "features.6", "features.13")


class Stage(NamedTuple):
    """Blocks of the same shape; only the first one has the stride."""

    expansion: int  # channels of the depthwise convolution for each channel of the block's input
    features: int  # output channels
    count: int  # number of blocks
    stride: int
    size: int = 3  # edge of the depthwise kernel


_STAGES = (
    Stage(1, 16, 1, 1), Stage(6, 24, 2, 2), Stage(6, 32, 3, 2), Stage(6, 64, 4, 2), Stage(6, 96, 3, 1),
    Stage(6, 160, 3, 2), Stage(6, 320, 1, 1),
)  # fmt: skip


class Block(NamedTuple):
    """An inverted residual block."""

    name: str
    before: str  # the layer that the block reads
    inputs: int  # channels of that layer
    features: int  # output channels
    expansion: int
    slides: Sliding  # geometry of the depthwise convolution


# part of a block -> name of its convolution in PyTorch's files, and the batch normalisation after it
Files = Mapping[str, tuple[str, Norm]]


def inverted_residual(block: Block, files: Files) -> Iterator[Row]:
    """Yields the rows of a block.

    Args:
      block: name and shape of the block.
      files: names in files of the parts "expand", "depthwise" and "project".
    """
    name, inputs, width = block.name, (block.before,), block.inputs * block.expansion
    if block.expansion > 1:
        file, norm = files["expand"]
        yield conv(f"{name}.expand", width, sliding(1), file=file, norm=norm, inputs=inputs)
        yield relu6(f"{name}.expand_relu")
        inputs = ()
    file, norm = files["depthwise"]
    yield conv(f"{name}.depthwise", width, block.slides, groups=width, file=file, norm=norm, inputs=inputs)
    yield relu6(f"{name}.depthwise_relu")
    has_sum = block.slides.stride == 1 and block.inputs == block.features
    file, norm = files["project"]
    yield conv(f"{name}.project" if has_sum else name, block.features, sliding(1), file=file, norm=norm)
    if has_sum:
        yield add(name, block.before, f"{name}.project")


def stages(
    table: tuple[Stage, ...],
    before: tuple[str, int],
    names: Iterator[tuple[str, Files]],
    slide: Callable[[int, int], Sliding],
) -> Iterator[Row]:
    """Yields the rows of all blocks.

    Args:
      table: the stages.
      before: name and channels of the layer that the first block reads.
      names: name of each block, and names of its convolutions in files.
      slide: (edge of a kernel, stride) -> geometry of the convolution.
    """
    for stage in table:
        for index in range(stage.count):
            name, files = next(names)
            slides = slide(stage.size, 1 if index else stage.stride)
            yield from inverted_residual(Block(name, *before, stage.features, stage.expansion, slides), files)
            before = (name, stage.features)


def _names() -> Iterator[tuple[str, Files]]:
    """Yields torchvision's names of the blocks and of their convolutions."""
    yield "features.1", _files("features.1.conv", ("depthwise", "project"))
    for index in range(2, 18):
        yield f"features.{index}", _files(f"features.{index}.conv", ("expand", "depthwise", "project"))


def _files(file: str, parts: tuple[str, ...]) -> Files:
    names = {part: (f"{file}.{at}.0", Norm(f"{file}.{at}.1")) for at, part in enumerate(parts[:-1])}
    last = len(parts) - 1
    return names | {parts[-1]: (f"{file}.{last}", Norm(f"{file}.{last + 1}"))}


def _rows() -> Iterator[Row]:
    norm = Norm("features.0.1")
    yield conv("features.0.conv", 32, sliding(3, 2, 1), file="features.0.0", norm=norm)
    yield relu6("features.0")
    yield from stages(
        _STAGES, ("features.0", 32), _names(), lambda size, step: sliding(size, step, size // 2)
    )
    norm = Norm("features.18.1")
    yield conv("features.18.conv", 1280, sliding(1), file="features.18.0", norm=norm)
    yield relu6("features.18")


LAYERS = connect(_rows())
