"""Slim networks, whose activations are read through linear maps, and maps that need not be computed.

A slim network stands in for a published one, its teacher, with fewer channels. Beside each of its conv and
relu layers lies a linear map to the teacher's activations there (experiments/distill). Pool layers use the
map of the layer before them, which is exact for average pooling.

The maps are given in one of two frames (`Network.frame`). "vgg" has the teacher's own channels. "compact" has
fewer, from which every inner product of the teacher's channels can be had, but no single one of them; see
`compact`. Maps of conv layers lie in the compact frame in either case, as files hold them.
"""

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from nst import numerics
from nst.networks.convolution import PRECISION
from nst.networks.layers import Layer, find
from nst.networks.network import Network


@flax.struct.dataclass
class Mapped:
    """y = x A + b at every position, for a slim network's x, `BxHxWxK`, and its map A, `KxC`, and b, `C`.

    What is wanted of y is often a function of means of x, so that y itself, as large as x, can be spared.
    """

    x_BxHxWxK: jax.Array
    kernel_KxC: jax.Array
    bias_C: jax.Array
    precision: jax.lax.Precision = flax.struct.field(pytree_node=False)  # of y, where it is computed

    def array(self) -> jax.Array:
        """Computes y, `BxHxWxC`."""
        return jnp.dot(self.x_BxHxWxK, self.kernel_KxC, precision=self.precision) + self.bias_C

    def gram(self, gram_BxKxK: jax.Array, weights_HxW: jax.Array | None = None) -> jax.Array:
        """Computes the Gram matrix of y, `BxCxC`, from that of x.

        With m = A^T E[x] it is A^T G A + m b^T + b m^T + b b^T. With weights w of sum W in place of the mean,
        m is A^T sum_i w_i x_i, and the last term W b b^T.

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
    """Returns an activation as an array, `BxHxWxC`, for which a map is computed.

    Args:
      activation: as `table.features` gives it.
    """
    return activation.array() if isinstance(activation, Mapped) else activation


def read_through_maps(
    network: Network, layers: tuple[Layer, ...], params: dict, activations: dict[str, jax.Array]
) -> dict[str, jax.Array | Mapped]:
    """Reads a slim network's activations through its maps.

    Args:
      network: the static choices.
      layers: the architecture's.
      params: {relu3_1_map: {kernel: KxC, bias: C}, ...}.
      activations: {layer: `BxHxWxK`}, the network's own.

    Returns:
      {layer: `Mapped`}; of a network that is not slim, `activations`.
    """
    if not network.widths:
        return activations
    result = {}
    for name, x_BxHxWxK in activations.items():
        part = params[map_name(layers, name)]
        result[name] = Mapped(x_BxHxWxK, part["kernel"], part["bias"], PRECISION[network.precision])
    return result


def map_name(layers: tuple[Layer, ...], name: str) -> str:
    """Returns the name of the map for a layer: relu3_1_map, and relu3_4_map for pool3."""
    index = find(layers, name)
    return f"{layers[index - 1 if layers[index].kind == 'pool' else index].name}_map"


def map_channels(layer: Layer, width: int) -> int:
    """Returns the channels to which a layer's map leads in a file, from a slim network's `width`."""
    return min(width + 1, layer.channels) if layer.kind == "conv" else layer.channels


def compact(kernel_KxC: np.ndarray, bias_C: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Puts the map x -> x A + b into K + 1 channels instead of C: an orthonormal frame of the map's range.

    With [A; b] = L Q, Q of orthonormal rows, x A + b = [x 1] L Q, and L alone keeps every inner product and
    distance between activations. So Gram distances, content distances, and every other measure that a
    rotation of the channels leaves alone are those of the C channels, in a fraction of the work; measures of
    single channels (means, histograms, shifts) are not. Where K + 1 >= C the map stays as it is.

    Args:
      kernel_KxC: A.
      bias_C: b.

    Returns:
      (A, b) in the compact frame: `Kx(K+1)` and `K+1`, float32.
    """
    stacked = np.concatenate([kernel_KxC, bias_C[None]]).astype(np.float64)
    if len(stacked) >= stacked.shape[1]:
        return kernel_KxC, bias_C
    lower = np.linalg.qr(stacked.T, mode="r").T.astype(np.float32)
    return lower[:-1], lower[-1]
