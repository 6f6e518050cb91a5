"""The variables of a network from its parameters, for tests that need no more of `Network`."""

from nst.networks import table
from nst.networks.network import Network


def freeze(params, dtype="float32", frame="compact", convolution="direct", architecture="vgg19"):
    return table.freeze(Network(architecture, (), frame, dtype=dtype, convolution=convolution), params)
