"""The weights of the terms of the loss."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import flax.struct
import jax
import numpy as np

from nst.errors import UserError
from nst.losses.spec import Spec


@flax.struct.dataclass
class LossWeights:
    """Every weight of the loss, as float32 arrays, which may change without recompiling."""

    content: jax.Array  # scalar
    style: jax.Array  # scalar
    content_layers: jax.Array  # [content layers]
    style_terms: jax.Array  # [style terms]
    regions: jax.Array  # [regions]
    styles: tuple[jax.Array, ...]  # for each region: [its style images], sum 1
    tv: jax.Array  # scalar
    regularizers: dict[str, jax.Array]  # name -> scalar


class WeightSettings(NamedTuple):
    """The weights of the loss in a config; a sequence of one value stands for as many as are needed."""

    content: float = 1.0
    style: float = 1.0
    content_layers: Sequence[float] = (1.0,)  # one for each content layer
    style_layers: Sequence[float] = (1.0,)  # one for each style layer, or other part of a representation
    representations: Sequence[float] = (1.0,)  # one for each representation of style
    styles: Sequence[float] = (1.0,)  # one for each style image
    regions: Sequence[float] = (1.0,)  # one for each region
    tv: float = 0.0
    regularizers: Mapping[str, float] = {}  # name -> weight


def make_weights(spec: Spec, settings: WeightSettings, style_count: int) -> LossWeights:
    """Returns the weights of the loss as arrays, one for each of its terms.

    Args:
      spec: the static choices of the loss.
      settings: weights, none negative.
      style_count: the number of style images.

    Raises:
      UserError: a sequence has the wrong length, a weight is negative, or the weights of the style images are
        all 0.
    """
    of_images = _repeat("style_loss.image_weights", settings.styles, style_count, "style images")
    blends = [of_images[np.array(images)] for images in spec.regions or [tuple(range(style_count))]]
    if not all(blend.sum() > 0 for blend in blends):
        raise UserError(f"style_loss.image_weights = {tuple(settings.styles)}: at least one must be positive")
    layers = len(spec.content_layers)
    weights = LossWeights(
        content=_array("content_loss.weight", settings.content),
        style=_array("style_loss.weight", settings.style),
        content_layers=_repeat("content_loss.layer_weights", settings.content_layers, layers, "layers"),
        style_terms=_style_terms(spec, settings),
        regions=_repeat("guidance.weights", settings.regions, len(blends), "regions"),
        styles=tuple(blend / blend.sum() for blend in blends),
        tv=_array("tv.weight", settings.tv),
        regularizers={
            name: _array(f"{name}.weight", settings.regularizers[name]) for name in spec.regularizers
        },
    )
    return jax.device_put(weights)  # made by NumPy: each operation on a device would be a program of its own


def _style_terms(spec: Spec, settings: WeightSettings) -> np.ndarray:
    """Returns the weight of each style term: the weight of its representation times that of its layer."""
    parts = {term.kind: [] for term in spec.style_terms}
    for term in spec.style_terms:
        parts[term.kind].append(term.part)
    of_representations = _repeat(
        "style_loss.representation_weights",
        settings.representations,
        max(1, len(parts)),  # without style layers there is no term, but still one weight
        "representations",
    )
    single = all(len(part) == 1 for kind in parts.values() for part in kind)
    what = "layers" if single else "terms"
    weights = [
        weight * _repeat("style_loss.layer_weights", settings.style_layers, len(kind), what)
        for weight, kind in zip(of_representations, parts.values(), strict=False)
    ]
    return np.concatenate(weights) if weights else np.zeros(0, np.float32)


def _repeat(field: str, values: Sequence[float], count: int, what: str) -> np.ndarray:
    """Returns `count` weights, for layers, style images and so on; a single value is repeated."""
    if not count:  # without layers, the weights that the config has for its own layers do not matter
        return np.zeros(0, np.float32)
    values = tuple(values) * count if len(values) == 1 else tuple(values)
    if len(values) != count:
        of = f"{count} {what}" if count > 1 else f"1 {what.removesuffix('s')}"
        raise UserError(
            f"{field} = {values}: {len(values)} weights for {of}; give {count}, or one for all, as {field}=1"
        )
    return _array(field, values)


def _array(field: str, value: float | Sequence[float]) -> np.ndarray:
    array = np.asarray(value, np.float32)
    if not (np.isfinite(array).all() and (array >= 0).all()):
        raise UserError(f"{field} = {value}: weights must be finite and not negative")
    return array
