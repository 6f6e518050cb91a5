"""An activation that is read through a linear map which need not be computed."""

import flax.struct
import jax
import jax.numpy as jnp

from nst import numerics


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
        """y, `BxHxWxC`."""
        return jnp.dot(self.x_BxHxWxK, self.kernel_KxC, precision=self.precision) + self.bias_C

    def gram(self, gram_BxKxK: jax.Array, weights_HxW: jax.Array | None = None) -> jax.Array:
        """The Gram matrix of y, `BxCxC`, from that of x.

        With m = A^T E[x] it is A^T G A + m b^T + b m^T + b b^T. With weights w of sum W in place of the mean,
        m is A^T sum_i w_i x_i, and the last term W b b^T.
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


def evaluated(activation: jax.Array | Mapped) -> jax.Array:
    """The activation itself, `BxHxWxC`."""
    return activation.array() if isinstance(activation, Mapped) else activation
