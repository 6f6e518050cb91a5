"""ConvNeXt-T (Liu et al. 2022, *A ConvNet for the 2020s*), as torchvision has it.

A block has these layers; the names are those of the first block:

    features.1.0.depthwise                            7x7, each channel by itself
    features.1.0.norm                                 layer normalisation
    features.1.0.expand, features.1.0.gelu            1x1, to four times the channels
    features.1.0.project                              1x1, with the layer's scale folded into it; the arm
    features.1.0                                      the sum of the arm and the block's input

Between the stages, `features.2.norm` is the layer normalisation before the convolution `features.2`.
"""

from collections.abc import Iterator

from nst.networks.layers import Row, connect
from nst.networks.operations import add, conv, sliding
from nst.networks.pointwise import gelu, layer_norm, linear

_STAGES = ((96, 3), (192, 3), (384, 9), (768, 3))  # channels and number of blocks
STYLE = ("features.0", "features.1.0", "features.1.2", "features.3.2", "features.5.8")


def _block(name: str, before: str, width: int) -> Iterator[Row]:
    file, inputs = f"{name}.block", (before,)
    yield conv(f"{name}.depthwise", width, sliding(7, pad=3), groups=width, file=f"{file}.0", inputs=inputs)
    yield layer_norm(f"{name}.norm", f"{file}.2")
    yield linear(f"{name}.expand", 4 * width, f"{file}.3")
    yield gelu(f"{name}.gelu")
    yield linear(f"{name}.project", width, f"{file}.5", scale=f"{name}.layer_scale")
    yield add(name, before, f"{name}.project")


def _rows() -> Iterator[Row]:
    yield conv("features.0.conv", _STAGES[0][0], sliding(4, 4), file="features.0.0")
    yield layer_norm("features.0", "features.0.1")
    before = "features.0"
    for stage, (width, count) in enumerate(_STAGES):
        if stage:
            name = f"features.{2 * stage}"
            yield layer_norm(f"{name}.norm", f"{name}.0")
            yield conv(name, width, sliding(2, 2), file=f"{name}.1")
            before = name
        for index in range(count):
            name = f"features.{2 * stage + 1}.{index}"
            yield from _block(name, before, width)
            before = name


LAYERS = connect(_rows())
