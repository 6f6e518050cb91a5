"""Slim networks: smaller stand-ins for a published network, with linear maps to its activations.

A slim network has fewer channels than the published network, which is called its teacher. Each of its conv
and relu layers has a linear map to the teacher's activations at that layer (experiments/distill makes
networks and maps). Pool layers use the map of the layer before them, which is exact for average pooling.

A map leads to one of two sets of channels (`Network.frame`). "vgg" are the teacher's own channels. "compact"
are fewer channels, in an orthonormal basis of the map's range: inner products and distances of activations
are the same as in the teacher's channels, but the teacher's single channels are not available (see
`compact`). The maps of conv layers are always compact, since files hold them in that form.
"""

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from nst import numerics
from nst.networks.convolution import PRECISION
from nst.networks.layers import Layer, find
from nst.networks.network import Network

KINDS = ("conv", "relu")  # kinds of layers that have maps of their own


@flax.struct.dataclass
class Mapped:
    """An activation y = x A + b that is not computed yet: x, `BxHxWxK`, and its map A, `KxC`, and b, `C`.

    x is an activation of a slim network, and y stands in for the teacher's activation. Statistics of y often
    follow from means over the positions of x, so that the larger array y need not be computed.
    """

    x_BxHxWxK: jax.Array
    kernel_KxC: jax.Array
    bias_C: jax.Array
    precision: jax.lax.Precision = flax.struct.field(pytree_node=False)  # precision of the product x A

    def array(self) -> jax.Array:
        """Computes y, `BxHxWxC`."""
        return jnp.dot(self.x_BxHxWxK, self.kernel_KxC, precision=self.precision) + self.bias_C

    def gram(self, gram_BxKxK: jax.Array, weights_HxW: jax.Array | None = None) -> jax.Array:
        """Computes the Gram matrix of y, `BxCxC`, from the Gram matrix of x.

        The result is A^T G A + m b^T + b m^T + b b^T, where G is the Gram matrix of x and m = A^T E[x]. With
        weights w that sum to W in place of the mean, m is A^T sum_i w_i x_i, and the last term is W b b^T.

        Args:
          gram_BxKxK: E[x x^T], or sum_i w_i x_i x_i^T.
          weights_HxW: w; None: the mean over positions.
        """
        kernel, bias = self.kernel_KxC.astype(jnp.float32), self.bias_C.astype(jnp.float32)
        if weights_HxW is None:
            total, mean_BxK = 1.0, jnp.mean(self.x_BxHxWxK, (1, 2), dtype=jnp.float32)
        else:
            total = jnp.sum(weights_HxW)
            mean_BxK = numerics.einsum("hw,bhwk->bk", weights_HxW, self.x_BxHxWxK)
        mean_BxC = numerics.einsum("bk,kc->bc", mean_BxK, kernel)
        cross_BxCxC = mean_BxC[:, :, None] * bias
        inner_BxCxC = numerics.einsum("kc,bkl,ld->bcd", kernel, gram_BxKxK, kernel)
        return inner_BxCxC + cross_BxCxC + cross_BxCxC.swapaxes(1, 2) + total * jnp.outer(bias, bias)


def materialize(activation: jax.Array | Mapped) -> jax.Array:
    """Returns an activation as an array, `BxHxWxC`; for a `Mapped`, the array is computed.

    Args:
      activation: as from `table.features`.
    """
    return activation.array() if isinstance(activation, Mapped) else activation


def read_through_maps(
    network: Network, layers: tuple[Layer, ...], params: dict, activations: dict[str, jax.Array]
) -> dict[str, jax.Array | Mapped]:
    """Joins each activation of a slim network with its map.

    Args:
      network: the static choices.
      layers: the layers of the architecture.
      params: {relu3_1_map: {kernel: KxC, bias: C}, ...}.
      activations: {layer: `BxHxWxK`}, the network's own.

    Returns:
      {layer: `Mapped`}; for a network that is not slim, `activations`.
    """
    if not network.widths:
        return activations
    result = {}
    for name, x_BxHxWxK in activations.items():
        part = params[f"{mapped_layer(layers, name).name}_map"]
        result[name] = Mapped(x_BxHxWxK, part["kernel"], part["bias"], PRECISION[network.precision])
    return result


def mapped_layer(layers: tuple[Layer, ...], name: str) -> Layer:
    """Returns the layer whose map is used for a layer: the layer itself or, for pool3, relu3_4."""
    layer = layers[find(layers, name)]
    return layer if layer.kind in KINDS else layers[find(layers, layer.inputs[0])]


def map_channels(layer: Layer, width: int) -> int:
    """Returns the number of output channels, in a file, of the map of a layer that has `width` channels."""
    return min(width + 1, layer.channels) if layer.kind == "conv" else layer.channels


def frozen_map(params: dict[str, np.ndarray], network: Network) -> dict[str, np.ndarray]:
    """Returns a map in the form that the network's frame and type need.

    Args:
      params: {kernel: `KxC`, bias: `C`}.
      network: the static choices.
    """
    kernel, bias = params["kernel"], params["bias"]
    if network.frame == "compact":
        kernel, bias = compact(np.asarray(kernel), np.asarray(bias))
    return {"kernel": np.asarray(kernel, network.dtype), "bias": np.asarray(bias, network.dtype)}


def compact(kernel_KxC: np.ndarray, bias_C: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Reduces a map x -> x A + b from C to K + 1 channels, in an orthonormal basis of its range.

    With [A; b] = L Q, where the rows of Q are orthonormal, x A + b = [x 1] L Q, and [x 1] L has the same
    inner products and distances. So Gram distances, content distances and everything else that a rotation of
    the channels does not change are the same as for the C channels, at a fraction of the cost. Statistics of
    single channels (means, histograms, shifts) are not. If K + 1 >= C, the map stays as it is.

    Args:
      kernel_KxC: A.
      bias_C: b.

    Returns:
      (A, b) of the reduced map: `Kx(K+1)` and `K+1`, float32.
    """
    stacked = np.concatenate([kernel_KxC, bias_C[None]]).astype(np.float64)
    if len(stacked) >= stacked.shape[1]:
        return kernel_KxC, bias_C
    lower = np.linalg.qr(stacked.T, mode="r").T.astype(np.float32)
    return lower[:-1], lower[-1]
