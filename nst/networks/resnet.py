"""ResNet-18 and ResNet-50 (He et al. 2015, *Deep Residual Learning for Image Recognition*).

They are as torchvision has them: a block with a stride has it in its 3x3 convolution. `resnet50_thin` has it
in the block's first convolution, as in the paper, and half the channels in every layer after conv1, as the
networks that were trained with Caffe under the name ResNet-50-thin (open_nsfw; experiments/weights.py).

A block has these layers; the names are those of the first block. Every batch normalisation is folded into
the convolution before it.

    layer1.0.conv1, layer1.0.relu1, layer1.0.conv2    the arm; in ResNet-50 it also has relu2 and conv3
    layer1.0.downsample                               the shortcut, if it is a convolution
    layer1.0.add                                      the sum of the two, before the rectifier
    layer1.0                                          the sum after the rectifier
"""

from collections.abc import Iterator
from functools import partial

from nst.networks.layers import Layer, Row, connect
from nst.networks.operations import Norm, add, conv, pool, relu, sliding

BLOCKS = {"resnet18": (2, 2, 2, 2), "resnet50": (3, 4, 6, 3), "resnet50_thin": (3, 4, 6, 3)}
# the rectifier before the pooling, the first and last blocks at stride 4, and the last blocks at 8 and 16
STYLE = {
    "resnet18": ("relu1", "layer1.0", "layer1.1", "layer2.1", "layer3.1"),
    "resnet50": ("relu1", "layer1.0", "layer1.2", "layer2.3", "layer3.5"),
    "resnet50_thin": ("relu1", "layer1.0", "layer1.2", "layer2.3", "layer3.5"),
}


def _make_layers(architecture: str) -> tuple[Layer, ...]:
    is_thin, bottleneck = architecture == "resnet50_thin", architecture != "resnet18"
    base, make = 32 if is_thin else 64, partial(_bottleneck, is_thin) if bottleneck else _basic
    rows = [
        conv("conv1", 64, sliding(7, 2, 3), norm=Norm("bn1")),
        relu("relu1"),
        pool("maxpool", sliding(3, 2, (0, 1) if is_thin else 1)),
    ]
    before, channels = "maxpool", 64
    for stage, count in enumerate(BLOCKS[architecture]):
        width = base * 2**stage
        for index in range(count):
            name, stride = f"layer{stage + 1}.{index}", 2 if stage and not index else 1
            rows += make(name, before, width, stride)
            arm, shortcut, outputs = rows[-1].name, before, width * (4 if bottleneck else 1)
            if stride > 1 or channels != outputs:
                shortcut = f"{name}.downsample"
                names = {"file": f"{shortcut}.0", "norm": Norm(f"{shortcut}.1")}
                rows.append(conv(shortcut, outputs, sliding(1, stride), inputs=(before,), **names))
            rows += [add(f"{name}.add", arm, shortcut), relu(name)]
            before, channels = name, outputs
    return connect(rows)


def _basic(name: str, before: str, width: int, stride: int) -> Iterator[Row]:
    first, second = (partial(conv, f"{name}.conv{i}", norm=Norm(f"{name}.bn{i}")) for i in (1, 2))
    yield first(width, sliding(3, stride, 1), inputs=(before,))
    yield relu(f"{name}.relu1")
    yield second(width, sliding(3, pad=1))


def _bottleneck(is_first: bool, name: str, before: str, width: int, stride: int) -> Iterator[Row]:
    """Yields the arm of a block; its first convolution has the stride if `is_first`, else the 3x3 one."""
    parts = (partial(conv, f"{name}.conv{i}", norm=Norm(f"{name}.bn{i}")) for i in (1, 2, 3))
    first, second, third = parts
    yield first(width, sliding(1, stride if is_first else 1), inputs=(before,))
    yield relu(f"{name}.relu1")
    yield second(width, sliding(3, 1 if is_first else stride, 1))
    yield relu(f"{name}.relu2")
    yield third(4 * width, sliding(1))


LAYERS = {name: _make_layers(name) for name in BLOCKS}
