"""ResNet-18 and ResNet-50 (He et al. 2015, *Deep Residual Learning for Image Recognition*).

They are as torchvision has them, with the stride of a block in its 3x3 convolution. `resnet50_thin` has it in
the first one, as in the paper, and half the channels after the first convolution, as the networks that were
trained with Caffe under the name ResNet-50-thin (open_nsfw; experiments/weights.py).

The layers of a block, here of the first one of ResNet-18, in which every batch normalisation is folded into
the convolution before it:

    layer1.0.conv1, layer1.0.relu1, layer1.0.conv2    the arm; ResNet-50's has relu2 and conv3 as well
    layer1.0.downsample                               the shortcut, where it is a convolution
    layer1.0.add                                      the sum of the two, before the rectifier
    layer1.0                                          after the rectifier
"""

from collections.abc import Iterator
from functools import partial

from nst.networks.layers import Layer, Row, connect
from nst.networks.operations import Norm, add, conv, pool, relu, sliding

BLOCKS = {"resnet18": (2, 2, 2, 2), "resnet50": (3, 4, 6, 3), "resnet50_thin": (3, 4, 6, 3)}
# the rectifier before the pooling, the first and the last block at stride 4, and the last ones at 8 and 16
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
    """Has the stride in its first convolution if `is_first`, as in the paper, else in its 3x3 convolution."""
    parts = (partial(conv, f"{name}.conv{i}", norm=Norm(f"{name}.bn{i}")) for i in (1, 2, 3))
    first, second, third = parts
    yield first(width, sliding(1, stride if is_first else 1), inputs=(before,))
    yield relu(f"{name}.relu1")
    yield second(width, sliding(3, 1 if is_first else stride, 1))
    yield relu(f"{name}.relu2")
    yield third(4 * width, sliding(1))


LAYERS = {name: _make_layers(name) for name in BLOCKS}
