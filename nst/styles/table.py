"""Style representations: what of an image's activations is called its style, and how far two are apart.

A representation (`Representation`) describes some layers' activations by statistics, and compares those of
the picture with the painting's. Pictures may have any size. This is the table of all of them:

    grams.py          Gram matrices
    distributions.py  moments, histograms, sliced and Gaussian Wasserstein distances
    kernels.py        maximum mean discrepancies
    matching.py       patches, contextual similarity, relaxed earth mover's distance
"""

import inspect
import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax

from nst import numerics, options
from nst.errors import UserError, choose
from nst.styles import grams, matching, mmd, transport
from nst.styles.grams import GRAM_DISTANCE
from nst.styles.positions import Look


def _each(layers: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    return tuple((layer,) for layer in layers)


def _neighbours(layers: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    if len(layers) < 2:
        raise UserError("style_loss.layers: gram_cross compares layers with the next: give at least two")
    return tuple(zip(layers, layers[1:], strict=False))


def _together(layers: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    return (layers,)


def _geometric_mean(channels: list[int]) -> float:
    return math.prod(channels) ** (1 / len(channels))


class Representation(NamedTuple):
    """A way to say "style"."""

    # activations of a part, and a Look for each -> statistics
    describe: Callable[[list, list[Look]], Any]
    # statistics of the picture, the target, and C: `channels` of the part's VGG layers -> scalar
    distance: Callable[[Any, Any, float], jax.Array]
    # statistics of the painting, those of an image without features, and C -> the target
    aim: Callable[[Any, Any, float], Any] = lambda statistics, blank, channels: statistics
    # the layers of the config -> those that each term of the loss is made of
    parts: Callable[[tuple[str, ...]], tuple[tuple[str, ...], ...]] = _each
    channels: Callable[[list[int]], float] = _geometric_mean
    samples: int = 0  # positions that are drawn in a layer; 0: none
    blends: bool = True  # statistics of several paintings may be averaged
    rotates: bool = True  # a rotation of the channels changes nothing, so that a compact frame serves
    linear: bool = False  # `describe` is linear in the weights of the positions: parts of an image add up


def _single(describe: Callable) -> Callable:
    """A function of one layer as one of a part of one layer."""
    return lambda activations, looks: describe(activations[0], looks[0])


def _gram_like(describe: Callable, normalization: str, **more) -> Representation:
    choose("style_loss.normalization", normalization, GRAM_DISTANCE)
    return Representation(describe, partial(grams.distance, normalization=normalization), **more)


def _other(
    describe: Callable,
    distance: Callable,
    normalization: str,
    aim: Callable = lambda statistics: statistics,
    **more,
) -> Representation:
    """With the distance as it is (none), or divided by that of an image without features (relative)."""
    choose("style_loss.normalization", normalization, NORMALIZATIONS)
    if normalization == "none":
        return Representation(describe, distance, lambda statistics, blank, channels: aim(statistics), **more)

    def relative_aim(statistics, blank, channels):
        target = aim(statistics)
        reference = distance(blank, target, channels)
        return target, 1 / numerics.positive_or_one(reference)

    def relative_distance(statistics, target, channels):
        return target[1] * distance(statistics, target[0], channels)

    return Representation(describe, relative_distance, relative_aim, **more)


NORMALIZATIONS = ("none", "relative")  # of all that are not Gram matrices


def _random(normalization: str, draw: Callable, feature: Callable, count: int) -> Representation:
    """The discrepancy of a kernel with random features."""
    settings = {"draw": draw, "feature": feature, "count": _whole("features", count)}
    return _other(
        _single(mmd.activations), partial(mmd.random_distance, **settings), normalization,
        partial(mmd.aim, **settings), blends=False,
    )  # fmt: skip


def _mmd_polynomial(
    normalization: str, degree: int = 2, offset: float = 0.0, features: int = 512
) -> Representation:
    offset = _number("offset", offset, least=0.0)
    if _whole("degree", degree) == 1:
        return _other(_single(mmd.linear), mmd.linear_distance, normalization, linear=True)
    if degree == 2:
        distance = partial(mmd.quadratic_distance, offset=offset)
        return _other(_single(mmd.quadratic), distance, normalization, linear=True)
    draw = partial(mmd.polynomial, degree=degree)
    return _random(normalization, draw, partial(mmd.products, offset=offset), features)


def _mmd_gaussian(normalization: str, bandwidth: float = 1.0, features: int = 512) -> Representation:
    draw = partial(mmd.gaussian, bandwidth=_positive("bandwidth", bandwidth))
    return _random(normalization, draw, mmd.waves, features)


def _mmd_laplacian(normalization: str, bandwidth: float = 1.0, features: int = 512) -> Representation:
    draw = partial(mmd.laplacian, bandwidth=_positive("bandwidth", bandwidth))
    return _random(normalization, draw, mmd.waves, features)


def _moments_k(normalization: str, order: int = 4) -> Representation:
    describe = partial(transport.moments, order=_whole("order", order, 2))
    return _other(_single(describe), transport.central_distance, normalization, rotates=False)


def _sliced_wasserstein(normalization: str, projections: int = 0) -> Representation:
    describe = partial(transport.sliced, projections=_whole("projections", projections, 0))
    distance, aim = transport.transport_distance, transport.ascending
    return _other(_single(describe), distance, normalization, aim, blends=False)


def _wasserstein_gaussian(normalization: str, floor: float = 1e-4, iterations: int = 0) -> Representation:
    settings = {"floor": _number("floor", floor, 0.0), "iterations": _whole("iterations", iterations, 0)}
    distance = partial(transport.bures_distance, **settings)
    aim = partial(transport.bures_aim, **settings)
    return _other(_single(transport.gaussian), distance, normalization, aim, linear=True)


def _mrf(normalization: str, size: int = 3, stride: int = 2) -> Representation:
    stride = _whole("stride", stride)
    describe = _single(partial(matching.patches, size=_whole("size", size), stride=stride))
    return _other(describe, partial(matching.patch_distance, size=size), normalization, blends=False)


def _contextual(normalization: str, bandwidth: float = 0.5, samples: int = 4096) -> Representation:
    distance = partial(matching.contextual_distance, bandwidth=_positive("bandwidth", bandwidth))
    samples = _whole("samples", samples)
    return _other(_single(matching.drawn), distance, normalization, samples=samples, blends=False)


def _columns(normalization: str, distance: Callable, **more) -> Representation:
    """A distance of all layers together."""
    more["samples"] = _whole("samples", more["samples"])
    return _other(
        matching.hypercolumns, distance, normalization, parts=_together, channels=sum, blends=False, **more
    )


def _whole(name: str, value: int, least: int = 1) -> int:
    if type(value) is not int or value < least:
        raise UserError(f"style_loss.options: {name} = {value!r}: give a whole number, at least {least}")
    return value


def _number(name: str, value: float, least: float = -math.inf) -> float:
    if type(value) not in (int, float) or not math.isfinite(value) or value < least:
        bound = "" if least == -math.inf else f", at least {least}"
        raise UserError(f"style_loss.options: {name} = {value!r}: give a number{bound}")
    return float(value)


def _positive(name: str, value: float) -> float:
    if not _number(name, value) > 0:
        raise UserError(f"style_loss.options: {name} = {value!r}: must be positive")
    return value


def _gram(normalization: str) -> Representation:
    return _gram_like(_single(grams.weighted), normalization, linear=True)


def _gram_shift(normalization: str, shift: float = 1.0) -> Representation:
    describe = _single(partial(grams.weighted, shift=_number("shift", shift)))
    return _gram_like(describe, normalization, rotates=False, linear=True)


def _gram_cross(normalization: str) -> Representation:
    return _gram_like(grams.cross, normalization, parts=_neighbours, linear=True)


def _gram_long(normalization: str, shifts: tuple[int, ...] = (0, 1, 2, 4)) -> Representation:
    if type(shifts) not in (tuple, list) or not shifts:
        raise UserError(f"style_loss.options: shifts = {shifts!r}: give whole numbers, such as (1, 2)")
    shifts = [_whole("shifts", shift, 0) for shift in shifts]
    return _gram_like(_single(partial(grams.long_range, shifts=tuple(shifts))), normalization)


def _moments(normalization: str) -> Representation:
    distance = transport.moments_distance
    return _other(_single(transport.moments), distance, normalization, rotates=False)


def _histogram(normalization: str) -> Representation:
    describe, aim = _single(transport.histogram), transport.ascending
    distance = transport.transport_distance
    return _other(describe, distance, normalization, aim, blends=False, rotates=False)


def _mmd_linear(normalization: str) -> Representation:
    return _other(_single(mmd.linear), mmd.linear_distance, normalization, linear=True)


def _mmd_cosine(normalization: str) -> Representation:
    return _other(_single(mmd.cosine), mmd.linear_distance, normalization, linear=True)


def _remd(normalization: str, samples: int = 1024) -> Representation:
    return _columns(normalization, matching.remd_distance, samples=samples)


def _column_moments(normalization: str, samples: int = 1024) -> Representation:
    distance = matching.column_moments_distance
    return _columns(normalization, distance, samples=samples, rotates=False)


def _palette(normalization: str, samples: int = 1024) -> Representation:
    return _other(
        _single(matching.palette), matching.palette_distance, normalization, blends=False,
        samples=_whole("samples", samples), parts=lambda layers: (("image",),),
    )  # fmt: skip


# name -> function of style_loss.normalization and style_loss.options that gives the representation
STYLES = {
    "gram": _gram,
    "gram_shift": _gram_shift,
    "gram_cross": _gram_cross,
    "gram_long": _gram_long,
    "moments": _moments,
    "moments_k": _moments_k,
    "histogram": _histogram,
    "sliced_wasserstein": _sliced_wasserstein,
    "wasserstein_gaussian": _wasserstein_gaussian,
    "mmd_linear": _mmd_linear,
    "mmd_polynomial": _mmd_polynomial,
    "mmd_gaussian": _mmd_gaussian,
    "mmd_laplacian": _mmd_laplacian,
    "mmd_cosine": _mmd_cosine,
    "mrf": _mrf,
    "contextual": _contextual,
    "remd": _remd,
    "column_moments": _column_moments,
    "palette": _palette,
}


def linear() -> tuple[str, ...]:
    """The names of the representations that are linear, with their own options."""
    return tuple(name for name, make in STYLES.items() if make("relative").linear)


def style(names: str, normalization: str, text: str = "") -> dict[str, Representation]:
    """The representations of "gram" or "gram+histogram", by name, with their options.

    Args:
      names: of STYLES, joined by +; their losses are added.
      normalization: of GRAM_DISTANCE for Gram matrices, of NORMALIZATIONS for the others.
      text: options, as "degree=3,samples=512"; each goes to those that take it.

    Raises:
      UserError: an unknown name, normalisation or option.
    """
    chosen = [choose("style_loss.representation", name.strip(), STYLES) for name in names.split("+")]
    if len(set(chosen)) < len(chosen):
        raise UserError(f"style_loss.representation = {names}: name each representation once")
    given = options.parse("style_loss.options", text, *(partial(STYLES[name], "") for name in chosen))
    found = {}
    for name in chosen:
        taken = inspect.signature(STYLES[name]).parameters
        found[name] = STYLES[name](normalization, **{k: v for k, v in given.items() if k in taken})
    return found
