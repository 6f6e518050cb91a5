"""VGG-16 and VGG-19 (Simonyan & Zisserman 2014) as frozen feature extractors.

Layers have the names that the papers on style transfer use: `conv3_1` is the activation before the rectifier,
`relu3_1` after it, `pool3` that after the third block. Nothing beyond the deepest requested layer is built,
and no gradient with respect to the weights exists.

All that is particular to VGG is in this file. The rest of the program uses the two networks through their
rows in nst/networks/table.py.
"""

from collections.abc import Callable, Sequence
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from nst.networks import slim, winograd
from nst.networks.convolution import Conv, adjoint_kernel
from nst.networks.layers import PIXEL, Layer, Window, find, up_to_deepest
from nst.networks.network import FIRST, Network
from nst.networks.pooling import pooling
from nst.networks.remat import recomputed, rectify
from nst.networks.slim import Mapped

CHANNELS = (64, 128, 256, 512, 512)  # of each block's convolutions
_CONVOLUTION = Window(size=3, stride=1, offset=-1)


def make_layers(convolutions: Sequence[int], channels: Sequence[int] = CHANNELS) -> tuple[Layer, ...]:
    """Returns the layers of a VGG in the order of computation: conv1_1, relu1_1, ..., pool1, ..., pool5.

    Args:
      convolutions: number of convolutions in each block.
      channels: number of channels in each block.
    """
    layers, stride = [], 1
    for block, (count, width) in enumerate(zip(convolutions, channels, strict=True), start=1):
        add = partial(Layer, channels=width)
        for name in (f"{block}_{index + 1}" for index in range(count)):
            for kind, window in (("conv", _CONVOLUTION), ("relu", PIXEL)):
                key = _key(kind + name)
                layers.append(add(name=kind + name, kind=kind, stride=stride, window=window, key=key))
        name, stride = f"pool{block}", 2 * stride
        layers.append(add(name=name, kind="pool", stride=stride, window=None, key=_key(name)))
    return tuple(layers)


def _key(name: str) -> int:
    """Returns `Layer.key`, from the last three characters, so that conv3_1 and relu3_1 are sampled alike."""
    return sum(256**k * ord(letter) for k, letter in enumerate(name[-3:]))


LAYERS = {"vgg16": make_layers((2, 2, 3, 3, 3)), "vgg19": make_layers((2, 2, 4, 4, 4))}


def _convolutions(architecture: str) -> list[Layer]:
    return [layer for layer in LAYERS[architecture] if layer.kind == "conv"]


# --- parameters


def parameter_shapes(
    architecture: str, widths: Sequence[int], names: Sequence[str]
) -> dict[str, dict[str, tuple[int, ...]]]:
    """Returns the shapes, in a file, of the parameters that are needed to compute some layers.

    Args:
      architecture: a key of LAYERS.
      widths: as `Network.widths`, at least as deep as `names`.
      names: names of the layers that will be computed.

    Returns:
      {conv1_1: {kernel: (3, 3, inputs, channels), bias: (channels,)}, ...} in the order of computation, and
      of a slim network its maps, {relu1_1_map: {kernel: (channels, VGG's channels), bias: ...}, ...}.
    """
    layers = LAYERS[architecture]
    own = dict(zip((layer.name for layer in _convolutions(architecture)), widths, strict=False))
    shapes, inputs, maps = {}, 3, {}
    for layer in up_to_deepest(layers, names):
        if layer.kind == "conv":
            width = own.get(layer.name, layer.channels)
            shapes[layer.name] = {"kernel": (3, 3, inputs, width), "bias": (width,)}
            inputs = width
        if own and layer.kind != "pool":
            full = slim.map_channels(layer, inputs)
            maps[f"{layer.name}_map"] = {"kernel": (inputs, full), "bias": (full,)}
    return shapes | {name: maps[name] for name in (slim.map_name(layers, name) for name in names if own)}


def file_names(architecture: str) -> dict[str, tuple[str, str]]:
    """Returns every name under which checkpoints hold a tensor: {name: (parameter, part)}.

    The part is "kernel" (HWIO), "bias", or "weight", a kernel in PyTorch's layout (OIHW).
    """
    names = {}
    for position, layer in enumerate(LAYERS[architecture]):
        if layer.kind == "pool":
            continue
        parts = {"kernel": "kernel", "bias": "bias"}
        names |= {
            f"{layer.name}_map/{part}": (f"{layer.name}_map", part) for part in parts
        }  # of a slim network
        if layer.kind == "relu":
            continue
        conv = layer.name
        block, index = conv.removeprefix("conv").split("_")
        keras = f"block{block}_conv{index}"
        torch = f"features.{position}"
        names |= {
            f"{conv}/kernel": (conv, "kernel"),  # this project's own files
            f"{conv}/bias": (conv, "bias"),
            f"{keras}/{keras}_W_1:0": (conv, "kernel"),  # Keras 1 and 2
            f"{keras}/{keras}_b_1:0": (conv, "bias"),
            f"{keras}/{keras}/kernel:0": (conv, "kernel"),
            f"{keras}/{keras}/bias:0": (conv, "bias"),
            f"{torch}.weight": (conv, "weight"),  # torchvision; also jcjohnson's Caffe conversion
            f"{torch}.bias": (conv, "bias"),
            f"{conv}.weight": (conv, "weight"),  # Gatys' vgg_conv.pth
            f"{conv}.bias": (conv, "bias"),
        }
    return names


def freeze(params: dict, dtype: str = "float32", frame: str = "compact", convolution: str = "direct") -> dict:
    """Converts parameters to the variables of `VGG`, which include the kernels of the gradient.

    The gradient of a frozen convolution is a convolution with its adjoint kernel, which is made here, once.

    Args:
      params: {conv1_1: {kernel: `3x3xIxO`, bias: `O`}, ...}, and for a slim network its maps, {relu3_1_map:
        {kernel: `KxC`, bias: `C`}, ...}.
      dtype: `Network.dtype`, of all arrays but the kernels in Winograd's form.
      frame: `Network.frame`, the channels to which the maps of a slim network lead.
      convolution: `Network.convolution`; "winograd" transforms the kernels of wide layers.

    Returns:
      {"params": {name: {kernel, bias}}, "adjoint": {conv: {kernel}}}.
    """
    frozen, adjoint = {}, {}
    for name, layer in params.items():
        kernel, bias = layer["kernel"], layer["bias"]
        if kernel.ndim == 2 and frame == "compact":
            kernel, bias = slim.compact(np.asarray(kernel), np.asarray(bias))
        form = partial(jnp.asarray, dtype=dtype)
        if convolution == "winograd" and kernel.ndim == 4 and winograd.pays(*kernel.shape[2:]):
            form = winograd.transform
        if kernel.ndim == 4:
            adjoint[name] = {"kernel": form(adjoint_kernel(kernel))}
        frozen[name] = {"kernel": form(kernel), "bias": jnp.asarray(bias, dtype)}
    return {"params": frozen, "adjoint": adjoint}


# --- activations


class VGG(nn.Module):
    """The network up to the deepest of `layers`: an image, `BxHxWx3`, RGB, [0, 1] -> {layer: `BxhxwxK`}.

    For a slim network these are its own activations, K = `Network.widths`; the function `activations` adds
    its maps. Simonyan & Zisserman 2014 (*Very Deep Convolutional Networks for Large-Scale Image
    Recognition*), section 2, configurations D and E.

    Attributes:
      network: the static choices.
      layers: names of the activations to return, any of LAYERS.
      frozen: use the variables of `freeze`; False: for training, with gradients with respect to the weights.
      after: a layer whose activation is given in place of the image; "": none.
      relu: the rectifier; another one may have another gradient (nst/visualize).
    """

    network: Network
    layers: tuple[str, ...]
    frozen: bool = True
    after: str = ""
    relu: Callable[[jax.Array], jax.Array] = nn.relu

    @nn.compact
    def __call__(self, image_BxHxWx3: jax.Array) -> dict[str, jax.Array]:
        """Computes {layer: activation}."""
        net = self.network
        layers = LAYERS[net.architecture]
        values = {"p": net.pooling_p, "mix": net.pooling_mix, "gain": net.pooling_gain}
        pool = pooling(net.pooling, **values, wraps=net.wraps)
        widths = dict(zip((conv.name for conv in _convolutions(net.architecture)), net.widths, strict=False))
        if self.after:
            x, begin = image_BxHxWx3, find(layers, self.after) + 1
        else:
            x, begin = net.preprocessing(image_BxHxWx3).astype(net.dtype), 0
        activations = {}
        for layer in up_to_deepest(layers, self.layers)[begin:]:
            if layer.kind == "conv":
                width = widths.get(layer.name, layer.channels)
                conv = partial(Conv, width, self._padding(layer), net.precision, self.frozen)
                x = conv(net.convolution == "winograd", name=layer.name)(x)
            else:
                x = self._relu(layer)(x) if layer.kind == "relu" else pool(x)
            if layer.name in self.layers:
                activations[layer.name] = x
        return activations

    def _padding(self, conv: Layer) -> str:
        if self.network.padding != FIRST:
            return self.network.padding
        return "replicate" if conv == LAYERS[self.network.architecture][0] else "zero"

    def _relu(self, layer: Layer) -> Callable[[jax.Array], jax.Array]:
        """Returns the rectifier of a layer: `rectify` saves nothing where the activation is kept anyway."""
        saves = self.network.remat != "none" and self.relu is nn.relu and layer.name not in self.layers
        return rectify if saves else self.relu


def activations(
    network: Network,
    variables: dict,
    image_BxHxWx3: jax.Array,
    layers: Sequence[str],
    relu: Callable[[jax.Array], jax.Array] = nn.relu,
) -> dict[str, jax.Array | Mapped]:
    """Computes {layer: activation, `BxhxwxC`, in `network.dtype`}, or {layer: `Mapped`} for a slim network.

    Args:
      network: the static choices.
      variables: from `freeze`.
      image_BxHxWx3: RGB, [0, 1], large enough that a pixel is left at the deepest layer.
      layers: names in LAYERS; duplicates are harmless.
      relu: as for `VGG`.
    """
    run = _recomputed if network.remat == "block" else _plain
    own = run(network, variables, image_BxHxWx3, tuple(layers), relu)
    return slim.read_through_maps(network, LAYERS[network.architecture], variables["params"], own)


def _plain(network, variables, image_BxHxWx3, layers, relu) -> dict[str, jax.Array]:
    return VGG(network, layers, relu=relu).apply(variables, image_BxHxWx3)


def _recomputed(network, variables, image_BxHxWx3, layers, relu) -> dict[str, jax.Array]:
    """Computes the same as `_plain`; the gradient keeps only `layers` and the inputs of the blocks."""
    x, after, between, result = image_BxHxWx3, "", 0, {}
    for layer in up_to_deepest(LAYERS[network.architecture], layers):
        name, between = layer.name, between + 1
        if name not in layers and layer.kind != "pool":
            continue
        part = VGG(network, (name,), after=after, relu=relu)

        def run(x, part=part, name=name):
            return part.apply(variables, x)[name]

        # recomputing saves nothing where a part has at most a convolution and its rectifier
        x = (recomputed(run) if between > 2 else run)(x)
        if name in layers:
            result[name] = x
        after, between = name, 0
    return result
