"""The static choices of a network of any architecture."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp

from nst.errors import UserError, choose
from nst.networks import pooling
from nst.networks.convolution import CONVOLUTIONS, PADDING, PRECISION
from nst.networks.remat import REMAT

FIRST = "replicate_first"  # replicate at the first convolution, zero elsewhere
DTYPES = ("float32", "bfloat16")
FRAMES = ("compact", "vgg")  # the channels of a slim network's activations, see nst/networks/slim.py


class Preprocessing(NamedTuple):
    """The input that a network was trained on: (scale * image[channels] - mean) / std, image in [0, 1]."""

    channels: str  # "RGB" or "BGR"
    scale: float
    mean: tuple[float, float, float]  # in the order of `channels`, in units of `scale`
    std: tuple[float, float, float]

    def __call__(self, image_BxHxWx3: jax.Array) -> jax.Array:
        """Returns the network's input, `BxHxWx3`, for an image (RGB, [0, 1])."""
        ordered = image_BxHxWx3[..., ::-1] if self.channels == "BGR" else image_BxHxWx3
        mean, std = (jnp.asarray(value, ordered.dtype) for value in (self.mean, self.std))
        return (self.scale * ordered - mean) / std


PREPROCESSING = {
    "caffe": Preprocessing("BGR", 255.0, (103.939, 116.779, 123.68), (1.0, 1.0, 1.0)),
    "torchvision": Preprocessing("RGB", 1.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}


@dataclasses.dataclass(frozen=True)
class Network:
    """The static choices of the network; hashable, so that they can be the key of a compiled program.

    The constructor checks all fields but `architecture`, which nst/networks/table.py checks when it is used.

    Raises:
      UserError: a value is not allowed; the message names the config field.
    """

    architecture: str = "vgg19"  # a key of table.ARCHITECTURES
    widths: tuple[int, ...] = ()  # channels of a slim network's convolutions; (): as published
    # one of FRAMES; losses.spec.Spec sets it to "vgg" if the loss needs the single channels of a slim network
    frame: str = "compact"
    preprocessing: Preprocessing = PREPROCESSING["caffe"]
    pooling: str = "max"  # a key of pooling.POOLING
    pooling_p: float = 3.0  # exponent of lp
    pooling_mix: float = 0.5  # share of the maximum in mixed
    pooling_gain: float = 1.0  # factor on the output of the pooling
    padding: str = "zero"  # border of the convolutions, a key of convolution.PADDING, or FIRST
    dtype: str = "float32"  # dtype of the activations, one of DTYPES
    precision: str = "float32"  # precision of products, a key of convolution.PRECISION
    convolution: str = "direct"  # algorithm, one of CONVOLUTIONS; `freeze` makes the kernels for it
    remat: str = "none"  # the values of the forward pass that the gradient keeps, one of REMAT

    @property
    def wraps(self) -> tuple[bool, bool]:
        """Whether the last row of the image continues at the first, and the same for columns."""
        rows, columns = PADDING.get(self.padding, PADDING["zero"])
        return rows == "wrap", columns == "wrap"

    def __post_init__(self):
        choose("network.frame", self.frame, FRAMES)
        pooling.check(self.pooling, p=self.pooling_p, mix=self.pooling_mix)
        choose("network.padding", self.padding, (*PADDING, FIRST))
        choose("network.dtype", self.dtype, DTYPES)
        choose("network.precision", self.precision, PRECISION)
        choose("network.convolution", self.convolution, CONVOLUTIONS)
        if self.convolution == "winograd" and self.dtype != "float32":
            raise UserError(
                f"network.convolution = winograd: its sums lose too many digits in {self.dtype}; use direct"
            )
        choose("network.remat", self.remat, REMAT)
