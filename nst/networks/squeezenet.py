"""SqueezeNet 1.0 and 1.1 (Iandola et al. 2016), as torchvision has them.

The first module has the layers `fire2.squeeze` and `fire2.squeeze_relu`, then the two arms
`fire2.expand1x1`, `fire2.expand1x1_relu` and `fire2.expand3x3`, `fire2.expand3x3_relu`, and `fire2`, which
has the channels of both arms.
"""

from collections.abc import Iterator, Mapping

from nst.networks.layers import Row, connect
from nst.networks.operations import concat, conv, pool, relu, sliding

# number of the module, as in the paper -> channels of its squeeze layer, and of each of its arms
_FIRES = {
    2: (16, 64), 3: (16, 64), 4: (32, 128), 5: (32, 128), 6: (48, 192), 7: (48, 192), 8: (64, 256),
    9: (64, 256),
}  # fmt: skip
STYLE = {
    "squeezenet1_0": ("relu1", "fire2", "fire4", "fire8", "fire9"),
    "squeezenet1_1": ("relu1", "fire2", "fire3", "fire5", "fire9"),
}


def _rows(first: Row, pools: Mapping[int, str], position: int) -> Iterator[Row]:
    """Yields the rows.

    Args:
      first: the first convolution.
      pools: number of a module -> name of the pooling before it.
      position: position of the first module in torchvision's list.
    """
    yield from (first, relu("relu1"))
    for number, (squeeze, expand) in _FIRES.items():
        if number in pools:
            yield pool(pools[number], sliding(3, 2, ceil=True))
            position += number > 2
        name, file = f"fire{number}", f"features.{position}"
        position += 1
        yield conv(f"{name}.squeeze", squeeze, sliding(1), file=f"{file}.squeeze")
        yield relu(f"{name}.squeeze_relu")
        arms = {"expand1x1": sliding(1), "expand3x3": sliding(3, pad=1)}
        for arm, slides in arms.items():
            inputs = (f"{name}.squeeze_relu",)
            yield conv(f"{name}.{arm}", expand, slides, file=f"{file}.{arm}", inputs=inputs)
            yield relu(f"{name}.{arm}_relu")
        yield concat(name, *(f"{name}.{arm}_relu" for arm in arms))


LAYERS = {
    "squeezenet1_0": connect(
        _rows(conv("conv1", 96, sliding(7, 2), file="features.0"), {2: "pool1", 5: "pool4", 9: "pool8"}, 3)
    ),
    "squeezenet1_1": connect(
        _rows(conv("conv1", 64, sliding(3, 2), file="features.0"), {2: "pool1", 4: "pool3", 6: "pool5"}, 3)
    ),
}
