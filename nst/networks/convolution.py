"""The convolutions of a frozen network: one gradient alone, with respect to the input, and fast in loops."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from nst.networks import winograd

PADDING = {"zero": "constant", "reflect": "reflect", "replicate": "edge"}
PRECISION = {"float32": lax.Precision.HIGHEST, "tf32": lax.Precision.HIGH, "fast": lax.Precision.DEFAULT}
CONVOLUTIONS = ("direct", "winograd")  # of wide layers, see nst/networks/winograd.py


def convolve(x: jax.Array, kernel: jax.Array | tuple, pad: int, precision: lax.Precision) -> jax.Array:
    """Plain stride-1 convolution, NHWC x HWIO: the one form that XLA:CPU runs fast inside a loop.

    A tuple of kernels is one of `winograd.transform`.
    """
    if isinstance(kernel, tuple):
        return winograd.convolve(x, kernel, pad, precision)
    return lax.conv_general_dilated(
        x,
        kernel,
        window_strides=(1, 1),
        padding=((pad, pad), (pad, pad)),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        precision=precision,
    )


@partial(jax.custom_vjp, nondiff_argnums=(3, 4))
def frozen_convolve(x, kernel, adjoint, pad, precision):
    """`convolve` with respect to `x` only; its gradient is a forward convolution with `adjoint_kernel`.

    Autodiff would transpose the kernel's channels inside the gradient, a layout that XLA:CPU does not
    optimise in loop bodies (4-5 times slower there), and would keep every input for a weight gradient
    that nobody wants. There is no forward-mode derivative.
    """
    return convolve(x, kernel, pad, precision)


def _frozen_forward(x, kernel, adjoint, pad, precision):
    return convolve(x, kernel, pad, precision), adjoint


def _frozen_backward(pad, precision, adjoint, cotangent):
    # a 3x3 convolution padded by p is undone by one padded by 2 - p
    return convolve(cotangent, adjoint, 2 - pad, precision), None, None


frozen_convolve.defvjp(_frozen_forward, _frozen_backward)


def adjoint_kernel(kernel_3x3xIxO: jax.Array) -> jax.Array:
    """The kernel of the transposed convolution: flipped in space, input and output channels swapped."""
    return kernel_3x3xIxO[::-1, ::-1].transpose(0, 1, 3, 2)


class Conv(nn.Module):
    """3x3 convolution and bias. Frozen, its adjoint kernel stands beside the kernel, made once.

    With `winograd` both are those of `winograd.transform` in wide layers.
    """

    features: int
    padding: str
    precision: str
    frozen: bool
    winograd: bool

    @nn.compact
    def __call__(self, x_BxHxWxC: jax.Array) -> jax.Array:
        shape = (3, 3, x_BxHxWxC.shape[-1], self.features)
        if self.winograd and winograd.pays(*shape[2:]):
            kernel = self.get_variable("params", "kernel")
            if not isinstance(kernel, tuple):
                raise TypeError("the variables are not frozen for winograd")
        else:
            kernel = self.param("kernel", nn.initializers.he_normal(), shape)
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        pad = 1
        if self.padding != "zero":
            x_BxHxWxC = jnp.pad(x_BxHxWxC, ((0, 0), (1, 1), (1, 1), (0, 0)), mode=PADDING[self.padding])
            pad = 0
        if not self.frozen:
            return convolve(x_BxHxWxC, kernel, pad, PRECISION[self.precision]) + bias
        adjoint = self.variable("adjoint", "kernel", adjoint_kernel, kernel).value
        return frozen_convolve(x_BxHxWxC, kernel, adjoint, pad, PRECISION[self.precision]) + bias
