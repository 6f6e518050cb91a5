"""How much each term of the loss counts."""

from collections.abc import Mapping, Sequence

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from nst.errors import UserError
from nst.losses.spec import Spec


@flax.struct.dataclass
class Weights:
    """Every weight of the loss, as float32 arrays."""

    content: jax.Array  # scalar
    style: jax.Array  # scalar
    content_layers: jax.Array  # [content layers]
    style_terms: jax.Array  # [style terms]
    regions: jax.Array  # [regions]
    styles: tuple[jax.Array, ...]  # a region each: [its style images], sum 1
    tv: jax.Array  # scalar
    regularizers: dict[str, jax.Array]  # name -> scalar


def make_weights(
    spec: Spec,
    *,
    content: float,
    style: float,
    content_layers: Sequence[float],
    style_layers: Sequence[float],
    styles: Sequence[float],
    style_count: int,
    tv: float,
    representations: Sequence[float] = (1.0,),
    regions: Sequence[float] = (1.0,),
    regularizers: Mapping[str, float] | None = None,
) -> Weights:
    """Weights from config values. A sequence of one value stands for every layer, style image, ...

    Raises:
      UserError: a sequence of another length, a negative weight, or styles that add up to nothing.
    """

    def fit(field, values, count, what):
        values = tuple(values) * count if len(values) == 1 else tuple(values)
        if len(values) != count:
            raise UserError(
                f"{field} = {values}: {len(values)} weights for {count} {what}; give {count}, or one"
            )
        return scalar(field, values)

    def scalar(field, value):
        array = np.asarray(value, np.float32)
        if not (np.isfinite(array).all() and (array >= 0).all()):
            raise UserError(f"{field} = {value}: weights must be finite and not negative")
        return jnp.asarray(array)

    parts = {term.kind: [] for term in spec.style_terms}
    for term in spec.style_terms:
        parts[term.kind].append(term.part)
    of_representations = fit(
        "style_loss.representation_weights", representations, max(1, len(parts)), "representations"
    )
    what = "layers" if all(len(part) == 1 for found in parts.values() for part in found) else "terms"
    terms = [
        weight * fit("style_loss.layer_weights", style_layers, len(found), what)
        for weight, found in zip(of_representations, parts.values(), strict=False)
    ]
    blend = fit("style_loss.image_weights", styles, style_count, "style images")
    blends = [blend[np.array(paintings)] for paintings in spec.regions or [tuple(range(style_count))]]
    if not all(found.sum() > 0 for found in blends):
        raise UserError(f"style_loss.image_weights = {tuple(styles)}: at least one must be positive")
    return Weights(
        content=scalar("content_loss.weight", content),
        style=scalar("style_loss.weight", style),
        content_layers=fit("content_loss.layer_weights", content_layers, len(spec.content_layers), "layers"),
        style_terms=jnp.concatenate(terms) if terms else jnp.zeros(0),
        regions=fit("guidance.weights", regions, len(blends), "regions"),
        styles=tuple(found / found.sum() for found in blends),
        tv=scalar("tv.weight", tv),
        regularizers={
            name: scalar(f"{name}.weight", (regularizers or {})[name]) for name in spec.regularizers
        },
    )
