"""Convolutions with frozen kernels: their only gradient, that of the input, is fast inside device loops."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from nst.networks import winograd

# the border of an image: jnp.pad's modes for its rows and its columns
PADDING = {
    "zero": ("constant", "constant"),
    "reflect": ("reflect", "reflect"),
    "replicate": ("edge", "edge"),
    "circular": ("wrap", "wrap"),  # opposite edges are neighbours: tiles
    "circular_x": ("constant", "wrap"),  # left and right are: panoramas of 360 degrees
}
PRECISION = {"float32": lax.Precision.HIGHEST, "tf32": lax.Precision.HIGH, "fast": lax.Precision.DEFAULT}
CONVOLUTIONS = ("direct", "winograd")  # how wide layers are computed, see nst/networks/winograd.py


def convolve(x: jax.Array, kernel: jax.Array | tuple, pad: int, precision: lax.Precision) -> jax.Array:
    """Computes a convolution of stride 1 in the one form that XLA:CPU runs fast inside a loop.

    Args:
      x: `BxHxWxI`.
      kernel: `3x3xIxO`, or the tuple of kernels that `winograd.transform` makes of one.
      pad: zeros on each side, 0 to 2.
      precision: precision of the products.
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
    """Computes `convolve`; its gradient, with respect to x only, is a convolution with `adjoint_kernel`.

    Autodiff would transpose the kernel's channels inside the gradient, a layout that XLA:CPU does not
    optimise in loop bodies (4-5 times slower there), and would keep every input for a weight gradient
    that is not used. There is no forward-mode derivative.
    """
    return convolve(x, kernel, pad, precision)


def _frozen_forward(x, kernel, adjoint, pad, precision):
    return convolve(x, kernel, pad, precision), adjoint


def _frozen_backward(pad, precision, adjoint, cotangent):
    # a 3x3 convolution padded by p is undone by one padded by 2 - p
    return convolve(cotangent, adjoint, 2 - pad, precision), None, None


frozen_convolve.defvjp(_frozen_forward, _frozen_backward)


def adjoint_kernel(kernel_3x3xIxO: jax.Array) -> jax.Array:
    """Returns the kernel of the transposed convolution: flipped in space, its channels swapped."""
    return kernel_3x3xIxO[::-1, ::-1].transpose(0, 1, 3, 2)


def pad_border(x_BxHxWxC: jax.Array, padding: str) -> jax.Array:
    """Returns an array with one more row and column at each border.

    Args:
      x_BxHxWxC: activations.
      padding: a key of PADDING.
    """
    rows, columns = PADDING[padding]
    if rows == columns:
        return jnp.pad(x_BxHxWxC, ((0, 0), (1, 1), (1, 1), (0, 0)), mode=rows)
    x_BxHxWxC = jnp.pad(x_BxHxWxC, ((0, 0), (1, 1), (0, 0), (0, 0)), mode=rows)
    return jnp.pad(x_BxHxWxC, ((0, 0), (0, 0), (1, 1), (0, 0)), mode=columns)


class Conv(nn.Module):
    """3x3 convolution and bias.

    Attributes:
      features: output channels.
      padding: a key of PADDING.
      precision: a key of PRECISION.
      frozen: whether the adjoint kernel is kept beside the kernel, and only x has a gradient.
      winograd: whether wide layers have kernels that `winograd.transform` has transformed.
    """

    features: int
    padding: str
    precision: str
    frozen: bool
    winograd: bool

    @nn.compact
    def __call__(self, x_BxHxWxC: jax.Array) -> jax.Array:
        """Computes the convolution, `BxHxWxfeatures`."""
        shape = (3, 3, x_BxHxWxC.shape[-1], self.features)
        if self.winograd and winograd.pays(*shape[2:]):
            kernel = self.get_variable("params", "kernel")
            if not isinstance(kernel, tuple):
                raise TypeError("the kernels are not in Winograd's form: call freeze with the same Network")
        else:
            kernel = self.param("kernel", nn.initializers.he_normal(), shape)
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        pad = 1
        if self.padding != "zero":
            x_BxHxWxC, pad = pad_border(x_BxHxWxC, self.padding), 0
        if not self.frozen:
            return convolve(x_BxHxWxC, kernel, pad, PRECISION[self.precision]) + bias
        adjoint = self.variable("adjoint", "kernel", adjoint_kernel, kernel).value
        return frozen_convolve(x_BxHxWxC, kernel, adjoint, pad, PRECISION[self.precision]) + bias


def parameter_count(variables: dict) -> int:
    """Returns the number of parameters of a frozen network, whatever the form of its kernels.

    Args:
      variables: from `table.freeze`.
    """
    layers = variables["params"].values()
    kernels = [layer["kernel"] for layer in layers]
    # a kernel in Winograd's form is a tuple of six arrays, each a third of the kernel's size
    sizes = [3 * kernel[0].size if isinstance(kernel, tuple) else kernel.size for kernel in kernels]
    return sum(sizes) + sum(layer["bias"].size for layer in layers)
