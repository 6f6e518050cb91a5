"""VGG-16 and VGG-19 (Simonyan & Zisserman 2014) as frozen feature extractors.

`features(network, variables, image, layers)` maps an image to the activations that were asked for, by the
papers' names: `conv3_1` before the rectifier, `relu3_1` after it, `pool3` after the block. Nothing beyond
the deepest requested layer is built, and no gradient with respect to the weights exists.
"""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from nst.errors import UserError, choose
from nst.networks import winograd
from nst.networks.convolution import CONVOLUTIONS, PADDING, PRECISION, Conv, adjoint_kernel
from nst.networks.pooling import POOLING, pooling
from nst.networks.remat import REMAT, recomputed, rectify
from nst.networks.slim import Mapped, evaluated

BLOCKS = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}  # convolutions a block
CHANNELS = (64, 128, 256, 512, 512)  # of each block's convolutions
FIRST = "replicate_first"  # replicate at conv1_1, zero elsewhere
DTYPES = ("float32", "bfloat16")
FRAMES = ("compact", "vgg")  # see `compact`


class Preprocessing(NamedTuple):
    """What the network was trained on: (scale * image[channels] - mean) / std, for an image in [0, 1]."""

    channels: str  # "RGB" or "BGR"
    scale: float
    mean: tuple[float, float, float]  # in the order of `channels`, in units of `scale`
    std: tuple[float, float, float]

    def __call__(self, image_BxHxWx3: jax.Array) -> jax.Array:
        ordered = image_BxHxWx3[..., ::-1] if self.channels == "BGR" else image_BxHxWx3
        mean, std = (jnp.asarray(value, ordered.dtype) for value in (self.mean, self.std))
        return (self.scale * ordered - mean) / std


PREPROCESSING = {
    "caffe": Preprocessing("BGR", 255.0, (103.939, 116.779, 123.68), (1.0, 1.0, 1.0)),
    "torchvision": Preprocessing("RGB", 1.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}


@dataclasses.dataclass(frozen=True)
class Network:
    """The static choices of the feature extractor; hashable, so that it can key a compiled program."""

    architecture: str = "vgg19"
    widths: tuple[int, ...] = ()  # channels of a slim network, one a convolution; (): VGG's own
    frame: str = "compact"  # in which a slim network's activations are given, see `compact`
    preprocessing: Preprocessing = PREPROCESSING["caffe"]
    pooling: str = "max"
    pooling_p: float = 3.0
    pooling_mix: float = 0.5
    pooling_gain: float = 1.0
    padding: str = "zero"
    dtype: str = "float32"
    precision: str = "float32"
    convolution: str = "direct"  # the variables must be frozen for it
    remat: str = "none"  # what of the forward pass is kept for the gradient, of REMAT

    def __post_init__(self):
        choose("network.architecture", self.architecture, BLOCKS)
        choose("network.frame", self.frame, FRAMES)
        choose("network.pooling", self.pooling, POOLING)
        choose("network.padding", self.padding, (*PADDING, FIRST))
        choose("network.dtype", self.dtype, DTYPES)
        choose("network.precision", self.precision, PRECISION)
        choose("network.convolution", self.convolution, CONVOLUTIONS)
        if self.convolution == "winograd" and self.dtype != "float32":
            raise UserError(
                f"network.convolution = winograd: its sums lose too much in {self.dtype}; use direct"
            )
        choose("network.remat", self.remat, REMAT)
        if self.pooling_p <= 0:
            raise UserError(f"network.pooling_p = {self.pooling_p}: must be positive")
        if not 0 <= self.pooling_mix <= 1:
            raise UserError(f"network.pooling_mix = {self.pooling_mix}: must lie in [0, 1]")

    def padding_of(self, conv: str) -> str:
        """Of a convolution: one of PADDING."""
        if self.padding != FIRST:
            return self.padding
        return "replicate" if conv == "conv1_1" else "zero"

    def width(self, conv: str) -> int:
        """Output channels of a convolution."""
        if not self.widths:
            return channels(conv)
        return self.widths[convolutions(self.architecture).index(conv)]

    def read_width(self, conv: str, layer: str) -> int:
        """Channels in which a slim network's layer, `conv` or after it, is given.

        VGG's, or those of the compact frame, in which conv layers always are.
        """
        full = channels(conv)
        compact = self.frame == "compact" or layer == conv
        return min(self.width(conv) + 1, full) if compact else full


def channels(layer: str) -> int:
    """The channels that VGG has at a layer: conv3_1, relu3_1 and pool3 have 256."""
    return CHANNELS[int(layer[4]) - 1]


def layer_names(architecture: str) -> tuple[str, ...]:
    """All layers in the order of computation: conv1_1, relu1_1, ..., pool1, ..., pool5."""
    names = []
    for block, convolutions in enumerate(BLOCKS[architecture], start=1):
        for index in range(1, convolutions + 1):
            names += [f"conv{block}_{index}", f"relu{block}_{index}"]
        names.append(f"pool{block}")
    return tuple(names)


def convolutions(architecture: str) -> tuple[str, ...]:
    """The convolutions in the order of computation: conv1_1, conv1_2, conv2_1, ..."""
    return tuple(name for name in layer_names(architecture) if name.startswith("conv"))


def layers_to(architecture: str, layers: Sequence[str], field: str = "layers") -> tuple[str, ...]:
    """`layer_names` up to and including the deepest of `layers`.

    Raises:
      UserError: a layer that the architecture does not have, naming the nearest.
    """
    names = layer_names(architecture)
    depth = max((names.index(choose(field, layer, names)) for layer in layers), default=-1)
    return names[: depth + 1]


def minimum_size(network: Network, layers: Sequence[str]) -> int:
    """The shortest image edge, in pixels, that leaves a pixel (reflect padding: two) at the deepest layer."""
    scale, edge = 1, 1
    for name in layers_to(network.architecture, layers):
        scale *= 2 if name.startswith("pool") else 1
        reflects = name.startswith("conv") and network.padding == "reflect"
        edge = max(edge, scale * (2 if reflects else 1))
    return edge


class Map(nn.Module):
    """The linear map through which a layer of a slim network is read."""

    features: int
    precision: str

    @nn.compact
    def __call__(self, x_BxHxWxK: jax.Array) -> Mapped:
        kernel = self.param("kernel", nn.initializers.lecun_normal(), (x_BxHxWxK.shape[-1], self.features))
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        return Mapped(x_BxHxWxK, kernel, bias, PRECISION[self.precision])


class VGG(nn.Module):
    """Image to activations: `BxHxWx3` RGB in [0, 1] -> {layer: `Bxhxwxc`}, as deep as `layers` ask.

    A slim network is read through linear maps to VGG's activations, one of each conv and relu layer, as
    `Mapped`; pool layers use the map of the relu before them, which is exact for average pooling.
    """

    network: Network
    layers: tuple[str, ...]
    frozen: bool = True  # False: for training, with gradients with respect to the weights
    after: str = ""  # a layer whose own activation, unmapped, is given in place of the image
    relu: Callable[[jax.Array], jax.Array] = nn.relu  # another has another way back (nst/visualize)
    unmapped: bool = False  # a slim network's own activations

    @nn.compact
    def __call__(self, image_BxHxWx3: jax.Array) -> dict[str, jax.Array]:
        net = self.network
        pool = pooling(net.pooling, p=net.pooling_p, mix=net.pooling_mix, gain=net.pooling_gain)
        names = layers_to(net.architecture, self.layers)
        if self.after:
            x, names = image_BxHxWx3, names[names.index(self.after) + 1 :]
        else:
            x = net.preprocessing(image_BxHxWx3).astype(net.dtype)
        activations, maps = {}, {}
        for name in names:
            if name.startswith("conv"):
                conv = name
                conv_of = partial(Conv, net.width(name), net.padding_of(name), net.precision)
                x = conv_of(self.frozen, net.convolution == "winograd", name=name)(x)
            else:
                x = self._relu(name)(x) if name.startswith("relu") else pool(x)
            if name in self.layers:
                activations[name] = x
                if net.widths and not self.unmapped:
                    source = map_name(net.architecture, name)
                    if source not in maps:
                        maps[source] = Map(net.read_width(conv, name), net.precision, name=source)
                    activations[name] = maps[source](x)
        return activations

    def _relu(self, name: str) -> Callable[[jax.Array], jax.Array]:
        """The rectifier of a layer; what the loss reads is kept whole anyway."""
        saves = self.network.remat != "none" and self.relu is nn.relu and name not in self.layers
        return rectify if saves else self.relu


def map_name(architecture: str, layer: str) -> str:
    """The map through which a layer of a slim network is read: relu3_1_map, and relu3_4_map for pool3."""
    if layer.startswith("pool"):
        names = layer_names(architecture)
        layer = names[names.index(layer) - 1]
    return f"{layer}_map"


def compact(kernel_KxC: np.ndarray, bias_C: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The map x -> x A + b in K + 1 channels instead of C: an orthonormal frame of the map's own range.

    With [A; b] = L Q, Q of orthonormal rows, x A + b = [x 1] L Q, and L alone keeps every inner product and
    distance between activations. So Gram distances, content distances, and every other measure that a
    rotation of the channels leaves alone are those of the C channels, in a fraction of the work; measures of
    single channels (means, histograms, shifts) are not. Where K + 1 >= C the map stays as it is.
    """
    stacked = np.concatenate([kernel_KxC, bias_C[None]]).astype(np.float64)
    if len(stacked) >= stacked.shape[1]:
        return kernel_KxC, bias_C
    lower = np.linalg.qr(stacked.T, mode="r").T.astype(np.float32)
    return lower[:-1], lower[-1]


def freeze(params: dict, dtype: str = "float32", frame: str = "compact", convolution: str = "direct") -> dict:
    """Params {conv: {kernel, bias}} -> the module's variables, adjoint kernels beside, in `dtype`.

    Maps of a slim network, {relu3_1_map: {kernel, bias}}, are put into `frame`: compact or vgg. `convolution`
    is the Network's.
    """
    found, adjoint = {}, {}
    for name, layer in params.items():
        kernel, bias = layer["kernel"], layer["bias"]
        if kernel.ndim == 2 and frame == "compact":
            kernel, bias = compact(np.asarray(kernel), np.asarray(bias))
        form = partial(jnp.asarray, dtype=dtype)
        if convolution == "winograd" and kernel.ndim == 4 and winograd.pays(*kernel.shape[2:]):
            form = winograd.transform
        if kernel.ndim == 4:
            adjoint[name] = {"kernel": form(adjoint_kernel(kernel))}
        found[name] = {"kernel": form(kernel), "bias": jnp.asarray(bias, dtype)}
    return {"params": found, "adjoint": adjoint}


def parameters(variables: dict) -> int:
    """How many numbers the network has, in whatever form its kernels are."""
    layers = variables["params"].values()
    kernels = [layer["kernel"] for layer in layers]
    sizes = [3 * kernel[0].size if isinstance(kernel, tuple) else kernel.size for kernel in kernels]
    return sum(sizes) + sum(layer["bias"].size for layer in layers)


def features(
    network: Network,
    variables: dict,
    image_BxHxWx3: jax.Array,
    layers: Sequence[str],
    mapped: bool = False,
) -> dict[str, jax.Array | Mapped]:
    """The activations of `layers` for an image (RGB, [0, 1]): {layer: `Bxhxwxc`} in `network.dtype`.

    Args:
      network: static choices.
      variables: from `freeze`.
      image_BxHxWx3: at least `minimum_size` pixels on either edge.
      layers: any of `layer_names`; duplicates are harmless.
      mapped: leave a slim network's linear maps to the caller (nst/networks/slim.py).
    """
    by_blocks = network.remat == "block"
    found = (_recomputed if by_blocks else _features)(network, variables, image_BxHxWx3, tuple(layers))
    return found if mapped else {layer: evaluated(activation) for layer, activation in found.items()}


def _features(network: Network, variables: dict, image_BxHxWx3: jax.Array, layers: tuple[str, ...]) -> dict:
    return VGG(network, layers).apply(variables, image_BxHxWx3)


def _recomputed(network: Network, variables: dict, image_BxHxWx3: jax.Array, layers: tuple[str, ...]) -> dict:
    """`_features`, of which the gradient keeps `layers` and the blocks' inputs alone."""
    x, after, between, found = image_BxHxWx3, "", 0, {}
    for name in layers_to(network.architecture, layers):
        between += 1
        if name not in layers and not name.startswith("pool"):
            continue
        part = VGG(network, (name,), after=after, unmapped=True)

        def way(x, part=part, name=name):
            return part.apply(variables, x)[name]

        # of a convolution and its rectifier there is nothing to be computed again
        x = (recomputed(way) if between > 2 else way)(x)
        if name in layers:
            found[name] = x
            if network.widths:
                read = variables["params"][map_name(network.architecture, name)]
                found[name] = Map(read["bias"].shape[-1], network.precision).apply({"params": read}, x)
        after, between = name, 0
    return found


def normalize(network: Network, params: dict, images_1xHxWx3: Iterable[jax.Array]) -> dict:
    """Scales each filter so that its rectified output has mean 1 over images and positions.

    With a_l the mean of relu_l of each filter: w_l <- w_l a_{l-1} / a_l (over inputs, outputs) and
    b_l <- b_l / a_l, which scales every activation and changes nothing else, since rectifier and pooling are
    homogeneous. A filter that never fires keeps its scale. Gatys, Ecker & Bethge 2015b (*Texture Synthesis
    Using Convolutional Neural Networks*), section 2; the `vgg_normalised` of their code.

    Args:
      network: its pooling and padding take part in the means.
      params: {conv: {kernel, bias}}.
      images_1xHxWx3: RGB, [0, 1].

    Raises:
      UserError: no images.
    """
    layers = tuple(conv.replace("conv", "relu") for conv in params)
    layers = layers_to(network.architecture, layers)
    relus = tuple(name for name in layers if name.startswith("relu"))
    variables = freeze(params, network.dtype)
    means = jax.jit(
        lambda variables, image: jax.tree.map(
            lambda relu: relu.mean((0, 1, 2)), features(network, variables, image, relus)
        )
    )
    sums, pixels = {relu: 0.0 for relu in relus}, 0
    for image in images_1xHxWx3:
        area = image.shape[1] * image.shape[2]
        pixels += area
        found = means(variables, jnp.asarray(image))
        sums = {relu: sums[relu] + area * np.asarray(found[relu], np.float64) for relu in relus}
    if not pixels:
        raise UserError("weights.normalize: no images to normalise by")
    result, before = {}, np.ones(3)
    for relu in relus:
        conv = relu.replace("relu", "conv")
        mean = sums[relu] / pixels
        mean = np.where(mean > 0, mean, 1.0)
        kernel = np.asarray(params[conv]["kernel"]) * before[:, None] / mean
        bias = np.asarray(params[conv]["bias"]) / mean
        result[conv] = {"kernel": kernel.astype(np.float32), "bias": bias.astype(np.float32)}
        before = mean
    return result
