"""VGG (Simonyan & Zisserman 2014) with 11, 13, 16 and 19 layers, with and without batch normalisation.

Layers have the names that the papers on style transfer use: `conv3_1` is the activation before the rectifier,
`relu3_1` the one after it, and `pool3` the one after the third block. With batch normalisation, which is
folded into the convolution, `conv3_1` is the normalised activation.
"""

from collections.abc import Sequence

from nst.networks.layers import Layer, Row, connect
from nst.networks.operations import Norm, conv, pool, relu, sliding

CHANNELS = (64, 128, 256, 512, 512)  # channels of the convolutions in each block
CONVOLUTIONS = {
    "vgg11": (1, 1, 2, 2, 2), "vgg13": (2, 2, 2, 2, 2), "vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4),
}  # fmt: skip
STYLE = tuple(f"relu{block}_1" for block in range(1, 6))
CONTENT = ("relu2_1", "relu3_1", "relu4_2")


def make_layers(
    convolutions: Sequence[int], channels: Sequence[int] = CHANNELS, norm: bool = False
) -> tuple[Layer, ...]:
    """Returns the layers of a VGG in the order of computation: conv1_1, relu1_1, ..., pool1, ..., pool5.

    Args:
      convolutions: number of convolutions in each block.
      channels: number of channels in each block.
      norm: whether each convolution has a batch normalisation.
    """
    rows, position = [], 0  # the position of an operation in torchvision's list
    for block, (count, width) in enumerate(zip(convolutions, channels, strict=True), start=1):
        for name in (f"{block}_{index + 1}" for index in range(count)):
            batch_norm = Norm(f"features.{position + 1}") if norm else None
            row = conv(f"conv{name}", width, sliding(3, pad=1), file=f"features.{position}", norm=batch_norm)
            rows += [_with_older_names(row), relu(f"relu{name}")]
            position += 3 if norm else 2
        rows.append(pool(f"pool{block}"))
        position += 1
    return connect(rows, _key)


def _with_older_names(row: Row) -> Row:
    """Returns a convolution that is also found under its names in Keras' files and in Gatys' vgg_conv.pth."""
    block, index = row.name.removeprefix("conv").split("_")
    keras = f"block{block}_conv{index}"
    names = {
        f"{keras}/{keras}_W_1:0": "kernel", f"{keras}/{keras}_b_1:0": "bias",  # Keras 1 and 2
        f"{keras}/{keras}/kernel:0": "kernel", f"{keras}/{keras}/bias:0": "bias",
        f"{row.name}.weight": "weight", f"{row.name}.bias": "bias",
    }  # fmt: skip
    weights = row.operation.weights
    weights = weights._replace(files=weights.files | names)
    return row._replace(operation=row.operation._replace(weights=weights))


def _key(name: str) -> int:
    """Returns `Layer.key`, which is the same for conv3_1 and relu3_1, so that both are sampled alike."""
    return sum(256**k * ord(letter) for k, letter in enumerate(name[-3:]))


LAYERS = {
    f"{name}{suffix}": make_layers(counts, norm=bool(suffix))
    for name, counts in CONVOLUTIONS.items()
    for suffix in ("", "_bn")
}
