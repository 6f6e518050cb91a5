"""The variables of a network from its parameters, and its activations, for tests that need no more of it."""

import jax

from nst.networks import table
from nst.networks.network import Network

# compiled as a whole, which takes a fraction of the time of its operations one by one; layers are a tuple
features = jax.jit(table.features, static_argnums=(0, 3))


def freeze(params, dtype="float32", frame="compact", convolution="direct", architecture="vgg19"):
    return table.freeze(Network(architecture, (), frame, dtype=dtype, convolution=convolution), params)
