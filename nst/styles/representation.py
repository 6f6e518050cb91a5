"""The type of a representation of style, and functions that the factories of representations share."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from nst import numerics
from nst.errors import UserError, choose, shown
from nst.styles.positions import Positions

NORMALIZATIONS = ("none", "relative")  # of all representations except the Gram matrices

_LARGEST = float(np.finfo(np.float32).max)

Layers = tuple[str, ...]


def each_layer(layers: Layers) -> tuple[Layers, ...]:
    """Returns one part for each layer."""
    return tuple((layer,) for layer in layers)


def all_layers(layers: Layers) -> tuple[Layers, ...]:
    """Returns a single part that has all layers."""
    return (layers,)


def geometric_mean(channels: list[int]) -> float:
    """Returns the geometric mean of the layers' numbers of channels."""
    return math.prod(channels) ** (1 / len(channels))


class Representation(NamedTuple):
    """A representation of style: statistics of activations, and a distance between two of them.

    A term of the style loss compares two images in one part of the layers, most often a single layer.
    `target` turns the painting's statistics into a constant, with which the image's statistics are compared
    at every step.
    """

    # (activations of each layer of a part, Positions of each layer) -> statistics
    describe: Callable[[list, list[Positions]], Any]
    # (statistics of the image, the target, C: `channels` of the part's layers) -> scalar
    distance: Callable[[Any, Any, float], jax.Array]
    # (statistics of the painting, statistics of an image without features, C) -> the target
    target: Callable[[Any, Any, float], Any] = lambda statistics, blank, channels: statistics
    # layers of the config -> the parts of which the terms of the loss are made
    parts: Callable[[Layers], tuple[Layers, ...]] = each_layer
    # channels of the part's layers in the published network -> C
    channels: Callable[[list[int]], float] = geometric_mean
    samples: int = 0  # positions that are sampled in each layer; 0: all positions are used
    blends: bool = True  # whether the statistics of several paintings may be averaged
    rotates: bool = True  # whether a rotation of the channels changes no distance (see networks/slim.py)
    linear: bool = False  # whether the statistics are linear in the positions' weights (see losses/strips.py)


def of_one_layer(describe: Callable) -> Callable:
    """Returns `describe`, a function of one layer, as a function of a part that consists of one layer."""
    return lambda activations, positions: describe(activations[0], positions[0])


def normalized(
    describe: Callable,
    distance: Callable,
    normalization: str,
    target: Callable = lambda statistics: statistics,
    **properties,
) -> Representation:
    """Returns a representation whose distance may be divided by the distance of a blank image.

    Args:
      describe: as in `Representation`.
      distance: as in `Representation`, before normalisation.
      normalization: "none": the distance as it is; "relative": divided by the distance of an image without
        features.
      target: function from the painting's statistics to the target.
      **properties: the other fields of `Representation`.
    """
    choose("style_loss.normalization", normalization, NORMALIZATIONS)
    if normalization == "none":
        return Representation(
            describe, distance, lambda statistics, blank, channels: target(statistics), **properties
        )

    def relative_target(statistics, blank, channels):
        plain = target(statistics)
        return plain, 1 / numerics.positive_or_one(distance(blank, plain, channels))

    def relative_distance(statistics, target, channels):
        plain, factor = target
        return factor * distance(statistics, plain, channels)

    return Representation(describe, relative_distance, relative_target, **properties)


def whole(name: str, value: int, least: int = 1, most: int = 2**31 - 1) -> int:
    """Returns an option, or raises UserError if it is not a whole number from `least` to `most`."""
    if type(value) is not int or not least <= value <= most:
        raise UserError(
            f"style_loss.options: {name} = {shown(value)}: give a whole number, from {least} to {most}"
        )
    return value


def number(name: str, value: float, least: float = -math.inf) -> float:
    """Returns an option, or raises UserError if it is not a finite number or is less than `least`."""
    if type(value) not in (int, float) or not abs(value) <= _LARGEST or value < least:
        bound = "" if least == -math.inf else f", at least {least}"
        raise UserError(f"style_loss.options: {name} = {shown(value)}: give a finite number{bound}")
    return float(value)


def positive(name: str, value: float) -> float:
    """Returns an option, or raises UserError if it is not a positive number."""
    if not number(name, value) > 0:
        raise UserError(f"style_loss.options: {name} = {value!r}: must be positive")
    return value
