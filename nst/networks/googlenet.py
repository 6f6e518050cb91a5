"""GoogLeNet (Szegedy et al. 2014, *Going Deeper with Convolutions*), as torchvision has it.

torchvision's network has batch normalisations, which are folded into the convolutions here, and 3x3 kernels
in the third arm, where the paper has 5x5. The weights were ported from TensorFlow, so `transform_input` first
converts torchvision's input to TensorFlow's input, (image - 0.5) / 0.5.

A block has these layers; the names are those of torchvision's modules in the first block. A layer of
convolutions is named after its rectifier, and `.conv` after that name is the convolution before the
rectifier:

    inception3a.branch1                               1x1
    inception3a.branch2.0, inception3a.branch2.1      1x1, 3x3
    inception3a.branch3.0, inception3a.branch3.1      1x1, 3x3
    inception3a.branch4.0, inception3a.branch4.1      a pooling, 1x1
    inception3a                                       the channels of all arms
"""

from collections.abc import Iterator

from nst.networks.layers import Row, Sliding, connect
from nst.networks.operations import Norm, affine, concat, conv, pool, relu, sliding

# block -> channels of its six convolutions, in the order above
_BLOCKS = {
    "3a": (64, 96, 128, 16, 32, 32), "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64), "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64), "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128), "5b": (384, 192, 384, 48, 128, 128),
}  # fmt: skip
# block -> the pooling before it
_POOLS = {
    "4a": pool("maxpool3", sliding(3, 2, ceil=True)),
    "5a": pool("maxpool4", sliding(2, 2, ceil=True)),
}
# the mean that torchvision subtracts from each channel of the input, and the deviation that it divides by
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
STYLE = ("conv1", "conv3", "inception3a", "inception3b", "inception4e")


def _conv(name: str, features: int, slides: Sliding, inputs: tuple[str, ...] = ()) -> Iterator[Row]:
    norm = Norm(f"{name}.bn", epsilon=1e-3)
    yield conv(f"{name}.conv", features, slides, norm=norm, inputs=inputs)
    yield relu(name)


def _block(name: str, before: str, counts: tuple[int, ...]) -> Iterator[Row]:
    one, three, inputs = sliding(1), sliding(3, pad=1), (before,)
    yield from _conv(f"{name}.branch1", counts[0], one, inputs)
    for arm, (reduced, features) in ((2, counts[1:3]), (3, counts[3:5])):
        yield from _conv(f"{name}.branch{arm}.0", reduced, one, inputs)
        yield from _conv(f"{name}.branch{arm}.1", features, three)
    yield pool(f"{name}.branch4.0", sliding(3, 1, 1, ceil=True), inputs)
    yield from _conv(f"{name}.branch4.1", counts[5], one)
    yield concat(name, *(f"{name}.{arm}" for arm in ("branch1", "branch2.1", "branch3.1", "branch4.1")))


def _rows() -> Iterator[Row]:
    scale = tuple(std / 0.5 for std in _STD)
    shift = tuple((mean - 0.5) / 0.5 for mean in _MEAN)
    yield affine("transform_input", scale, shift)
    yield from _conv("conv1", 64, sliding(7, 2, 3))
    yield pool("maxpool1", sliding(3, 2, ceil=True))
    yield from _conv("conv2", 64, sliding(1))
    yield from _conv("conv3", 192, sliding(3, pad=1))
    before = "maxpool2"
    yield pool(before, sliding(3, 2, ceil=True))
    for block, counts in _BLOCKS.items():
        name = f"inception{block}"
        if block in _POOLS:
            yield _POOLS[block]
            before = _POOLS[block].name
        yield from _block(name, before, counts)
        before = name


LAYERS = connect(_rows())
