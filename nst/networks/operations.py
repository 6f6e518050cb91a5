"""The operations of which architectures are made: each function returns a row of an architecture.

`inputs` names the layers that a row reads; without it, a row reads the row before. A batch normalisation,
which is a scale and a shift in a frozen network, is folded into the convolution before it when a file is
read. A new operation is a function that returns a `Row`, here or, if only one architecture has it, in the
file of that architecture.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nst.networks import convolution, winograd
from nst.networks.convolution import PRECISION, adjoint_kernel
from nst.networks.layers import Operation, Row, Sliding, Weights
from nst.networks.network import Network
from nst.networks.pooling import SQUARE, pooling


class Context(NamedTuple):
    """The choices of a network that its operations read."""

    network: Network
    relu: Callable[[jax.Array], jax.Array]
    padding: str  # border of this layer, a key of convolution.PADDING
    frozen: bool  # whether the variables have adjoint kernels, and only the image has a gradient


def sliding(size: int, stride: int = 1, pad: int | tuple[int, int] = 0, ceil: bool = False) -> Sliding:
    """Returns the geometry of a convolution or a pooling.

    Args:
      size: edge of the window.
      stride: positions from one window to the next.
      pad: positions of padding on each side, or (before, after).
      ceil: whether a last window that is not full counts.
    """
    before, after = (pad, pad) if isinstance(pad, int) else pad
    return Sliding(size, stride, before, after, ceil)


# --- convolutions


class Norm(NamedTuple):
    """A batch normalisation after a convolution."""

    file: str  # name of the normalisation in PyTorch's files
    epsilon: float = 1e-5  # added to the variance


class _Shape(NamedTuple):
    """The properties in which convolutions differ."""

    features: int
    sliding: Sliding
    groups: int
    norm: Norm | None


def conv(
    name: str,
    features: int,
    slides: Sliding,
    *,
    groups: int = 1,
    file: str = "",
    norm: Norm | None = None,
    inputs: tuple[str, ...] = (),
) -> Row:
    """Returns a convolution together with the batch normalisation that follows it.

    Args:
      name: name of the layer.
      features: output channels.
      slides: from `sliding`.
      groups: number of groups into which the channels are divided; as many as input channels: depthwise.
      file: name of the convolution in PyTorch's files; "": the same as `name`. A file must have a bias for
        it, unless there is a `norm`.
      norm: the batch normalisation of the output, if there is one.
      inputs: the layer that it reads; (): the layer before.
    """
    shape, file = _Shape(features, slides, groups, norm), file or name
    files = {f"{file}.weight": "weight", f"{file}.bias": "bias"}
    files |= {f"{name}/kernel": "kernel", f"{name}/bias": "bias"}
    parts = {"weight": "gamma", "bias": "beta", "running_mean": "mean", "running_var": "variance"}
    files |= {f"{norm.file}.{theirs}": ours for theirs, ours in parts.items()} if norm else {}
    weights = Weights(
        shapes=partial(_conv_shapes, shape),
        read=partial(_read_conv, shape),
        initial=_he,
        freeze=partial(_freeze_conv, shape),
        files=files,
    )
    operation = Operation(
        kind="conv", compute=partial(_convolve, shape), channels=lambda *_: features,
        sliding=slides, weights=weights,
    )  # fmt: skip
    return Row(name, operation, inputs)


def _conv_shapes(shape: _Shape, inputs: int, outputs: int) -> dict[str, tuple[int, ...]]:
    size = shape.sliding.size
    return {"kernel": (size, size, inputs // shape.groups, outputs), "bias": (outputs,)}


def _read_conv(shape: _Shape, reader, shapes: dict) -> dict[str, np.ndarray]:
    """Reads a kernel (HWIO, or PyTorch's OIHW) and a bias, and folds a batch normalisation into them."""
    *window, inputs, outputs = shapes["kernel"]
    if not reader.has("weight"):  # a file of nst, in which a normalisation is folded already
        return {part: reader.take(part, shapes[part]) for part in ("kernel", "bias")}
    kernel = reader.take("weight", (outputs, inputs, *window)).transpose(2, 3, 1, 0)
    if shape.norm and not reader.has("bias"):
        bias = np.zeros(outputs, np.float32)
    else:
        bias = reader.take("bias", shapes["bias"])
    if shape.norm:
        gamma, beta, mean, variance = (
            reader.take(part, (outputs,)) for part in ("gamma", "beta", "mean", "variance")
        )
        scale = gamma / np.sqrt(variance.astype(np.float64) + shape.norm.epsilon)
        kernel = (kernel * scale).astype(np.float32)
        bias = ((bias - mean) * scale + beta).astype(np.float32)
    return {"kernel": np.ascontiguousarray(kernel), "bias": bias}


def _he(shapes: dict, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Returns a bias of 0 and a normal kernel of variance 2 / n for n inputs of a unit (He et al. 2015)."""
    kernel = rng.standard_normal(shapes["kernel"], np.float32)
    kernel = kernel * np.float32((2 / math.prod(shapes["kernel"][:3])) ** 0.5)
    return {"kernel": kernel, "bias": np.zeros(shapes["bias"], np.float32)}


def _has_winograd_form(shape: _Shape, network: Network, kernel_shape: tuple[int, ...]) -> bool:
    suits = shape.sliding[:2] == (3, 1) and shape.groups == 1
    return network.convolution == "winograd" and suits and winograd.pays(*kernel_shape[2:])


def _freeze_conv(shape: _Shape, params: dict, network: Network) -> dict[str, dict]:
    kernel, bias = params["kernel"], params["bias"]
    form = partial(np.asarray, dtype=network.dtype)
    if _has_winograd_form(shape, network, kernel.shape):
        form = winograd.transform
    return {
        "params": {"kernel": form(kernel), "bias": np.asarray(bias, network.dtype)},
        "adjoint": {"kernel": form(adjoint_kernel(kernel, shape.groups))},
    }


def _convolve(shape: _Shape, context: Context, variables: dict, x_BxHxWxC: jax.Array) -> jax.Array:
    kernel, bias = variables["params"]["kernel"], variables["params"]["bias"]
    if isinstance(kernel, tuple) != (
        _has_winograd_form(shape, context.network, (3, 3, x_BxHxWxC.shape[-1], bias.size))
    ):
        raise TypeError("the kernels are not in the network's form: call freeze with the same Network")
    slides = shape.sliding
    if context.padding != "zero" and (slides.before or slides.after):
        x_BxHxWxC = convolution.pad_border(x_BxHxWxC, context.padding, slides.before, slides.after)
        slides = slides._replace(before=0, after=0)
    geometry = convolution.Geometry(slides, shape.groups, PRECISION[context.network.precision])
    if not context.frozen:
        return convolution.convolve(x_BxHxWxC, kernel, geometry) + bias
    adjoint = variables["adjoint"]["kernel"]
    return convolution.frozen_convolve(x_BxHxWxC, kernel, adjoint, geometry, x_BxHxWxC.shape[1:3]) + bias


# --- operations without weights


def relu(name: str, inputs: tuple[str, ...] = ()) -> Row:
    """Returns max(x, 0)."""
    return Row(name, Operation(kind="relu", compute=lambda context, _, x: context.relu(x)), inputs)


def relu6(name: str, inputs: tuple[str, ...] = ()) -> Row:
    """Returns min(max(x, 0), 6)."""

    def compute(context, _, x_BxHxWxC):
        return jnp.minimum(context.relu(x_BxHxWxC), 6)

    return Row(name, Operation(kind="relu", compute=compute), inputs)


def pool(name: str, slides: Sliding = SQUARE, inputs: tuple[str, ...] = ()) -> Row:
    """Returns a pooling of the kind that `network.pooling` says.

    Args:
      name: name of the layer.
      slides: from `sliding`.
      inputs: the layer that it reads; (): the layer before.
    """
    return Row(name, Operation(kind="pool", compute=partial(_pool, slides), sliding=slides), inputs)


def _pool(slides: Sliding, context: Context, _, x_BxHxWxC: jax.Array) -> jax.Array:
    net = context.network
    values = {"p": net.pooling_p, "mix": net.pooling_mix, "gain": net.pooling_gain}
    return pooling(net.pooling, **values, wraps=net.wraps, sliding=slides)(x_BxHxWxC)


def add(name: str, *inputs: str) -> Row:
    """Returns the sum of layers."""
    operation = Operation(kind="add", compute=lambda _, __, first, *others: sum(others, start=first))
    return Row(name, operation, inputs)


def concat(name: str, *inputs: str) -> Row:
    """Returns the channels of several layers, one after the other."""
    operation = Operation(
        kind="concat", channels=lambda *counts: sum(counts),
        compute=lambda _, __, *arrays: jnp.concatenate(arrays, axis=-1),
    )  # fmt: skip
    return Row(name, operation, inputs)


def affine(name: str, scale: tuple[float, ...], shift: tuple[float, ...]) -> Row:
    """Returns scale * x + shift, with a constant for each channel."""

    def compute(_, __, x_BxHxWxC):
        return x_BxHxWxC * jnp.asarray(scale, x_BxHxWxC.dtype) + jnp.asarray(shift, x_BxHxWxC.dtype)

    return Row(name, Operation(kind="affine", compute=compute))
