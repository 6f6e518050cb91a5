"""Operations on the channels of each position: linear maps, layer normalisation and GELU.

The newer architectures are made of them (Ba et al. 2016; Hendrycks & Gimpel 2016).
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from nst.networks.layers import Operation, Row, Weights
from nst.networks.network import Network
from nst.networks.operations import conv, sliding


def linear(name: str, features: int, file: str, scale: str = "", inputs: tuple[str, ...] = ()) -> Row:
    """Returns a linear map of the channels: a 1x1 convolution whose kernel is a matrix in PyTorch's files.

    Args:
      name: name of the layer.
      features: output channels.
      file: name of the map in PyTorch's files.
      scale: name, in PyTorch's files, of a factor on each output channel (LayerScale, Touvron et al. 2021),
        which is folded into the map; "": none.
      inputs: the layer that it reads; (): the layer before.
    """
    row = conv(name, features, sliding(1), file=file, inputs=inputs)
    weights = row.operation.weights
    files = {**weights.files, scale: "scale"} if scale else weights.files
    weights = weights._replace(read=partial(_read_linear, weights.read, bool(scale)), files=files)
    return row._replace(operation=row.operation._replace(weights=weights))


def _read_linear(read_conv, is_scaled: bool, reader, shapes: dict) -> dict[str, np.ndarray]:
    if not reader.has("weight"):  # a file of nst, in which a scale is folded already
        return read_conv(reader, shapes)
    inputs, outputs = shapes["kernel"][2:]
    kernel, bias = reader.take("weight", (outputs, inputs)).T, reader.take("bias", (outputs,))
    if is_scaled:
        factor = reader.take("scale", (outputs, 1, 1)).ravel()
        kernel, bias = kernel * factor, bias * factor
    return {"kernel": np.ascontiguousarray(kernel)[None, None], "bias": bias}


def layer_norm(name: str, file: str, epsilon: float = 1e-6, inputs: tuple[str, ...] = ()) -> Row:
    """Returns (x - m) / sqrt(v + epsilon) * scale + bias, with the mean m and the variance v over channels.

    Args:
      name: name of the layer.
      file: name of the normalisation in PyTorch's files.
      epsilon: number that is added to the variance.
      inputs: the layer that it reads; (): the layer before.
    """

    def compute(_, variables: dict, x_BxHxWxC: jax.Array) -> jax.Array:
        x, own = x_BxHxWxC.astype(jnp.float32), variables["params"]
        x = x - x.mean(-1, keepdims=True)
        x = x * jax.lax.rsqrt(jnp.square(x).mean(-1, keepdims=True) + epsilon)
        return (x * own["scale"] + own["bias"]).astype(x_BxHxWxC.dtype)

    weights = Weights(
        shapes=lambda inputs, _: {"scale": (inputs,), "bias": (inputs,)},
        read=take_all,
        initial=lambda shapes, _: {
            "scale": np.ones(shapes["scale"], np.float32), "bias": np.zeros(shapes["bias"], np.float32)
        },
        freeze=freeze,
        files={
            f"{file}.weight": "scale", f"{file}.bias": "bias",
            f"{name}/scale": "scale", f"{name}/bias": "bias",
        },
    )  # fmt: skip
    return Row(name, Operation(kind="layer_norm", compute=compute, weights=weights), inputs)


def take_all(reader, shapes: dict) -> dict[str, np.ndarray]:
    """Reads weights that have the same layout in files as in the operation.

    Args:
      reader: a `formats.Reader`.
      shapes: {part: shape}.
    """
    return {part: reader.take(part, shape) for part, shape in shapes.items()}


def freeze(params: dict, network: Network) -> dict[str, dict]:
    """Returns the variables of an operation whose gradient needs no other arrays.

    Args:
      params: {part: array}.
      network: the static choices.
    """
    return {"params": {part: jnp.asarray(array, network.dtype) for part, array in params.items()}}


def gelu(name: str, inputs: tuple[str, ...] = ()) -> Row:
    """Returns x times the probability that a standard normal variable is less than x."""

    def compute(_, __, x_BxHxWxC):
        return jax.nn.gelu(x_BxHxWxC, approximate=False)

    return Row(name, Operation(kind="gelu", compute=compute), inputs)
