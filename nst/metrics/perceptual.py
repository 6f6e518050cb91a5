"""Perceptual distances with trained linear weights: LPIPS and DISTS.

They measure a picture with other networks than the one that made it. LPIPS compares it with the photograph.
DISTS compares it with the photograph and, by its texture term, with the paintings. The pictures have the same
sizes as for the instrument.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nst.errors import choose
from nst.metrics import linear, reader
from nst.networks.table import features

IMAGE = "image"  # the image itself, in [0, 1], as the first layer of DISTS
_C = 1e-6  # the constants c_1 and c_2 of DISTS, for activations near 0


class Perceptual(NamedTuple):
    """A perceptual measure; built by keyword."""

    checkpoint: str  # the weights of its network, a key of checkpoints.CHECKPOINTS
    architecture: str
    pooling: str  # a key of pooling.POOLING
    layers: tuple[str, ...]  # layers of the network, or IMAGE
    # (activations of the image, activations of the photograph, linear weights) -> distance
    distance: Callable[[list[jax.Array], list[jax.Array], list[jax.Array]], jax.Array]
    texture: bool = False  # whether `texture` compares the image with the paintings as well


def lpips(image: list[jax.Array], photo: list[jax.Array], weights: list[jax.Array]) -> jax.Array:
    """Computes LPIPS, the learned perceptual image patch similarity; 0 for equal images.

        D = sum_l 1/M sum_m sum_c w_lc (F_mc / |F_m| - P_mc / |P_m|)^2

    Here F and P are the activations of the image and the photograph at the M positions of layer l, and |F_m|
    is the length over the channels. Zhang et al. 2018 (*The Unreasonable Effectiveness of Deep Features as a
    Perceptual Metric*), eq. 1, and version 0.1 of their code.

    Args:
      image, photo: F and P of each layer, `1xHxWxC`.
      weights: w of each layer, `C`, not negative.
    """
    total = jnp.float32(0)
    for f, p, w in zip(image, photo, weights, strict=True):
        difference = _unit(f) - _unit(p)
        total += jnp.mean(jnp.sum(w * difference**2, -1))
    return total


def _unit(x: jax.Array) -> jax.Array:
    x = x.astype(jnp.float32)
    return x / (jnp.sqrt(jnp.sum(x**2, -1, keepdims=True)) + 1e-10)


def dists(image: list[jax.Array], photo: list[jax.Array], weights: list[jax.Array]) -> jax.Array:
    """Computes DISTS, the deep image structure and texture similarity, as a distance; 0 for equal images.

        D = 1 - sum_lc (a_lc l_lc + b_lc s_lc) / sum_lc (a_lc + b_lc)
        l = (2 m n + c) / (m^2 + n^2 + c)        s = (2 k + c) / (v + u + c)

    For channel c of layer l, m and v are the mean and the variance of the image over the positions, n and u
    are the same for the photograph, and k is the covariance of the two. The image itself is the first layer.
    Ding et al. 2020 (*Image Quality Assessment: Unifying Structure and Texture Similarity*), eq. 4-6.

    Departs from the authors' code: their pooling keeps an odd last row or column, which the poolings here
    drop, and their demonstration reduces pictures to a short edge of 256 px.

    Args:
      image, photo: activations of each layer, `1xHxWxC`.
      weights: a and b, each for the channels of all layers, one layer after the other.
    """
    a, b = weights
    structure = []
    for f, p in zip(image, photo, strict=True):
        f, p = (
            each - each.mean((1, 2), keepdims=True) for each in (f.astype(jnp.float32), p.astype(jnp.float32))
        )
        variances = (f**2).mean((0, 1, 2)) + (p**2).mean((0, 1, 2))
        structure.append((2 * (f * p).mean((0, 1, 2)) + _C) / (variances + _C))
    alike = jnp.sum(a * _texture(means(image), means(photo))) + jnp.sum(b * jnp.concatenate(structure))
    return 1 - alike / (jnp.sum(a) + jnp.sum(b))


def means(activations: Sequence[jax.Array]) -> jax.Array:
    """Returns the means over the positions of the channels of all layers.

    Args:
      activations: activations of each layer, `1xHxWxC`.

    Returns:
      The means in one vector, one layer after the other.
    """
    return jnp.concatenate([each.astype(jnp.float32).mean((0, 1, 2)) for each in activations])


def _texture(m: jax.Array, n: jax.Array) -> jax.Array:
    return (2 * m * n + _C) / (m**2 + n**2 + _C)


def texture(image: jax.Array, painting: jax.Array, weights: list[jax.Array]) -> jax.Array:
    """Computes the texture term of DISTS alone; 0 for equal means.

        D = 1 - sum_lc a_lc l_lc / sum_lc a_lc

    The docstring of `dists` explains the symbols. The two pictures may have different sizes.

    Args:
      image, painting: from `means`.
      weights: a and b.
    """
    a, _ = weights
    return 1 - jnp.sum(a * _texture(image, painting)) / jnp.sum(a)


_VGG = ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3")
_ALEX = ("relu1", "relu2", "relu3", "relu4", "relu5")
PERCEPTUAL = {
    "lpips_alex": Perceptual(
        checkpoint="alexnet", architecture="alexnet", pooling="max", layers=_ALEX, distance=lpips
    ),
    "lpips_vgg": Perceptual(
        checkpoint="vgg16_torchvision", architecture="vgg16", pooling="max", layers=_VGG, distance=lpips
    ),
    # "hann" is the pooling that the authors of DISTS gave the network
    "dists": Perceptual(
        checkpoint="vgg16_torchvision", architecture="vgg16", pooling="hann", layers=(IMAGE, *_VGG),
        distance=dists, texture=True,
    ),
}  # fmt: skip


class Judge(NamedTuple):
    """A perceptual measure whose weights have been loaded."""

    tag: str  # for the name of the instrument: the measure, and the first digits of its network's sha256
    least: int  # least number of pixels of a picture's short edge
    # a painting, HxWx3 -> its statistics, which `judge` compares; None: the measure does not use paintings
    describe_painting: Callable[[np.ndarray], jax.Array] | None
    # (picture_HxWx3, photograph_HxWx3 of its size, statistics of the paintings) -> {name: number}
    judge: Callable[[np.ndarray, np.ndarray, Sequence[jax.Array]], dict[str, float]]


def load(name: str, weights: str = "") -> Judge:
    """Loads the network and the linear weights of a perceptual measure.

    Args:
      name: a key of PERCEPTUAL.
      weights: path of other weights of the measure's network; "": the weights for which the linear weights
        were trained.

    Raises:
      UserError: the weights cannot be found or read.
    """
    row = PERCEPTUAL[name]
    layers = tuple(layer for layer in row.layers if layer != IMAGE)
    network, variables, sha256, least = reader.load(
        weights or row.checkpoint, row.architecture, layers, row.pooling
    )
    trained = [jnp.asarray(tensor) for tensor in linear.load(name)]

    def see(variables, image_1xHxWx3):
        read = features(network, variables, image_1xHxWx3, layers) | {IMAGE: image_1xHxWx3}
        return [read[layer] for layer in row.layers]

    def compare(variables, weights, image_1xHxWx3, photo_1xHxWx3):
        image = see(variables, image_1xHxWx3)
        return row.distance(image, see(variables, photo_1xHxWx3), weights), means(image)

    compared = reader.compiled(compare, variables, trained)

    def judge(image_HxWx3, photo_HxWx3, paintings):
        distance, seen = compared(image_HxWx3, photo_HxWx3)
        found = {name: float(distance)}
        if row.texture:
            each = [float(texture(seen, painting, trained)) for painting in paintings]
            found[f"{name}_texture"] = sum(each) / len(each)
        return found

    describe_painting = reader.compiled(lambda variables, image: means(see(variables, image)), variables)
    return Judge(f"{name}-{sha256[:8] or 'seed0'}", least, describe_painting if row.texture else None, judge)


def names(chosen: Sequence[str]) -> tuple[str, ...]:
    """Returns the names of the numbers that some perceptual measures compute.

    Args:
      chosen: keys of PERCEPTUAL.

    Returns:
      Each key, followed by "<key>_texture" if the measure compares the paintings as well.

    Raises:
      UserError: a measure is unknown.
    """
    rows = {name: PERCEPTUAL[choose("instrument", name, PERCEPTUAL)] for name in chosen}
    return tuple(
        column for name, row in rows.items() for column in (name, f"{name}_texture")[: 1 + row.texture]
    )
