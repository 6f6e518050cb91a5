"""Perceptual distances with trained linear weights: LPIPS and DISTS.

They judge a picture by other networks than the one that made it: LPIPS against the photograph, DISTS against
the photograph and, by its texture term, against the paintings. Pictures keep the instrument's sizes.
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
_C = 1e-6  # of DISTS: the constants c_1 and c_2, for activations near 0


class Perceptual(NamedTuple):
    """A perceptual measure; built by keyword."""

    checkpoint: str  # the weights of its network, a key of checkpoints.CHECKPOINTS
    architecture: str
    pooling: str  # a key of pooling.POOLING
    layers: tuple[str, ...]  # of the network, or IMAGE
    # (activations of the image, those of the photograph, linear weights) -> distance
    distance: Callable[[list[jax.Array], list[jax.Array], list[jax.Array]], jax.Array]
    texture: bool = False  # whether `texture` compares it with the paintings


def lpips(image: list[jax.Array], photo: list[jax.Array], weights: list[jax.Array]) -> jax.Array:
    """Computes LPIPS, the learned perceptual image patch similarity; 0 for equal images.

        D = sum_l 1/M sum_m sum_c w_lc (F_mc / |F_m| - P_mc / |P_m|)^2

    where F and P are the activations of the image and the photograph at layer l, of M positions, and |F_m| is
    the length over the channels. Zhang et al. 2018 (*The Unreasonable Effectiveness of Deep Features as a
    Perceptual Metric*), eq. 1, and version 0.1 of its code.

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

    where m, v are the mean and the variance over the positions of channel c of the image at layer l, n, u
    those of the photograph, and k their covariance; the image itself is the first layer. Ding et al. 2020
    (*Image Quality Assessment: Unifying Structure and Texture Similarity*), eq. 4-6.

    Departs from the authors' code: their pooling keeps an odd last row or column, which the poolings here
    drop, and their demonstration reduces pictures to a short edge of 256 px.

    Args:
      image, photo: activations of each layer, `1xHxWxC`.
      weights: a and b, of all layers one after the other.
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
      activations: of each layer, `1xHxWxC`.

    Returns:
      The means, one layer after the other.
    """
    return jnp.concatenate([each.astype(jnp.float32).mean((0, 1, 2)) for each in activations])


def _texture(m: jax.Array, n: jax.Array) -> jax.Array:
    return (2 * m * n + _C) / (m**2 + n**2 + _C)


def texture(image: jax.Array, painting: jax.Array, weights: list[jax.Array]) -> jax.Array:
    """Computes the texture term of DISTS alone, which compares pictures of any two sizes; 0 for equal means.

        D = 1 - sum_lc a_lc l_lc / sum_lc a_lc

    with the symbols of `dists`.

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
    # "hann" is the pooling that its authors gave the network
    "dists": Perceptual(
        checkpoint="vgg16_torchvision", architecture="vgg16", pooling="hann", layers=(IMAGE, *_VGG),
        distance=dists, texture=True,
    ),
}  # fmt: skip


class Judge(NamedTuple):
    """A perceptual measure that is ready to judge."""

    tag: str  # for the name of the instrument: the measure, and the first digits of its network's sha256
    least: int  # pixels of the shortest edge of a picture
    # a painting, HxWx3 -> what `judge` compares with; None: the measure does not look at paintings
    see_painting: Callable[[np.ndarray], jax.Array] | None
    # (picture_HxWx3, photograph_HxWx3 of its size, what was seen of the paintings) -> {name: number}
    judge: Callable[[np.ndarray, np.ndarray, Sequence[jax.Array]], dict[str, float]]


def load(name: str, weights: str = "") -> Judge:
    """Loads the network and the linear weights of a perceptual measure.

    Args:
      name: a key of PERCEPTUAL.
      weights: path of other weights of its network; "": those for which its linear weights were trained.

    Raises:
      UserError: weights that cannot be found or read.
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

    see_painting = reader.compiled(lambda variables, image: means(see(variables, image)), variables)
    return Judge(f"{name}-{sha256[:8] or 'seed0'}", least, see_painting if row.texture else None, judge)


def names(chosen: Sequence[str]) -> tuple[str, ...]:
    """Returns the names of the numbers of some perceptual measures.

    Args:
      chosen: keys of PERCEPTUAL.

    Returns:
      Each name, followed by "NAME_texture" where the paintings are compared, too.

    Raises:
      UserError: an unknown measure.
    """
    rows = {name: PERCEPTUAL[choose("instrument", name, PERCEPTUAL)] for name in chosen}
    return tuple(
        column for name, row in rows.items() for column in (name, f"{name}_texture")[: 1 + row.texture]
    )
