"""Scaling of weights so that every filter has the same mean activation."""

from collections.abc import Iterable
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np

from nst.errors import UserError
from nst.networks.network import Network
from nst.networks.table import ARCHITECTURES, features, freeze, layers_to


def normalize(network: Network, params: dict, images_1xHxWx3: Iterable[jax.Array]) -> dict:
    """Scales each filter so that its rectified output has mean 1 over images and positions.

    Let a_l be the mean of relu_l for each filter. Then w_l <- w_l a_{l-1} / a_l and b_l <- b_l / a_l, where
    a_{l-1} belongs to the inputs of a kernel and a_l to its outputs. This scales every activation and changes
    nothing else, since rectifiers and poolings are homogeneous. A filter whose output is always 0 keeps its
    scale. Gatys, Ecker & Bethge 2015b (*Texture Synthesis Using Convolutional Neural Networks*), section 2;
    in their code the result is called `vgg_normalised`.

    Args:
      network: the static choices; its pooling and padding affect the means.
      params: {conv1_1: {kernel: `kxkxIxO`, bias: `O`}, ...}, of a network that is not slim.
      images_1xHxWx3: RGB, [0, 1], of any sizes.

    Returns:
      params of the same shapes.

    Raises:
      UserError: there are no images, or the architecture is not a chain of convolutions, rectifiers and
        poolings.
    """
    row = ARCHITECTURES[network.architecture]
    layers = layers_to(network.architecture, tuple(params))
    if not row.is_chain:
        raise UserError(
            f"weights.normalize: {network.architecture} is no chain of convolutions and rectifiers, as VGG "
            "is; leave it empty"
        )
    # the rectifier of the last convolution is added
    layers = row.layers[: len(layers) + 1]
    relu_of = {conv.name: relu.name for conv, relu in pairwise(layers) if conv.kind == "conv"}
    relus = tuple(relu_of.values())
    variables = freeze(network, params)
    means = jax.jit(
        lambda variables, image: jax.tree.map(
            lambda relu: relu.mean((0, 1, 2)), features(network, variables, image, relus)
        )
    )
    sums, pixels = {relu: 0.0 for relu in relus}, 0
    for image in images_1xHxWx3:
        area = image.shape[1] * image.shape[2]
        pixels += area
        image_means = means(variables, jnp.asarray(image))
        sums = {relu: sums[relu] + area * np.asarray(image_means[relu], np.float64) for relu in relus}
    if not pixels:
        raise UserError("weights.normalize: there are no images from which to compute the means")
    result, before = {}, np.ones(3)
    for conv, relu in relu_of.items():
        mean = sums[relu] / pixels
        mean = np.where(mean > 0, mean, 1.0)
        kernel = np.asarray(params[conv]["kernel"]) * before[:, None] / mean
        bias = np.asarray(params[conv]["bias"]) / mean
        result[conv] = {"kernel": kernel.astype(np.float32), "bias": bias.astype(np.float32)}
        before = mean
    return result
