"""The activations of an image, and their statistics, from which the losses are computed.

The statistics of a large image are summed over strips (nst/losses/strips.py). A function that takes a `strip`
returns that strip's part of the sums; with `strip` None it returns the sums over the whole image.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from nst.losses import content, strips
from nst.losses.smoothing import SMOOTHING
from nst.losses.spec import IMAGE, Spec, of_network
from nst.losses.strips import Strip
from nst.networks.convolution import PRECISION
from nst.networks.slim import materialize
from nst.networks.table import features
from nst.styles import matching
from nst.styles.positions import Positions, sample

Activations = dict[str, Any]  # layer -> activation, or `Mapped` for a slim network
Guide = dict[str, jax.Array]  # layer -> weights of its positions, HxW, sum 1; a missing layer: equal weights


def activations(spec: Spec, variables: dict, image_1xHxWx3: jax.Array, layers: Sequence[str]) -> Activations:
    """Computes the activations that the losses compare.

    Args:
      spec: the static choices.
      variables: from networks.table.freeze.
      image_1xHxWx3: RGB, [0, 1].
      layers: names of layers.

    Returns:
      {layer: activation, smoothed as `spec` says}, and under the key IMAGE the image itself, not smoothed.
    """
    read = features(spec.network, variables, image_1xHxWx3, of_network(layers), mapped=True)
    if smooth := SMOOTHING[spec.smoothing]:
        read = {name: smooth(materialize(each), spec.temperature) for name, each in read.items()}
    return read | {IMAGE: image_1xHxWx3}


def _positions(
    layers: Sequence[str],
    source: Activations,
    guide: Guide,
    samples: int,
    keys: dict[str, jax.Array],
    step: int | jax.Array,
    strip: Strip | None = None,
) -> list[Positions]:
    """Returns the `Positions` of each layer, which are the same for two images of one size and guide."""
    positions = []
    for layer in layers:
        key = keys[layer]
        shape = jax.eval_shape(materialize, source[layer]).shape[1:3]
        weights_HxW, sampled_S = strips.position_weights(strip, guide.get(layer), layer, shape[1]), None
        if samples:
            # Only the sample depends on the step. Other random numbers, such as projections, must be the same
            # as when the target was computed.
            sampled_S = sample(jax.random.fold_in(key, step), shape, weights_HxW, samples)
        positions.append(Positions(weights_HxW, sampled_S, key))
    return positions


def _keys(spec: Spec, seed: jax.Array) -> dict[str, jax.Array]:
    """Returns the random key of each layer, which does not depend on which other layers are used."""
    key = jax.random.key(seed)
    return {layer: jax.random.fold_in(key, spec.key(layer)) for layer in (*spec.layers, IMAGE)}


# --- content


@jax.jit(static_argnums=0)
def describe_content(spec: Spec, variables: dict, image_1xHxWx3: jax.Array) -> dict[str, jax.Array]:
    """Computes the target of the content loss.

    Args:
      spec: static choices.
      variables: from networks.table.freeze.
      image_1xHxWx3: the photograph, RGB, [0, 1].

    Returns:
      {layer: activation of the photograph}.
    """

    def on_window(window_1xHxWx3, strip):
        source = activations(spec, variables, window_1xHxWx3, spec.content_layers)
        return {layer: materialize(source[layer]) for layer in spec.content_layers}

    layout = strips.layout(spec, spec.content_layers, image_1xHxWx3.shape[1])
    return strips.join_strips(layout, image_1xHxWx3, on_window)


def content_statistics(
    spec: Spec,
    source: Activations,
    target: dict[str, jax.Array],
    seed: jax.Array,
    step: jax.Array,
    strip: Strip | None,
) -> dict[str, Any]:
    """Returns {layer: sums of the differences from the target} or, for self-similarity, {name: distance}."""
    layers = spec.content_layers
    if spec.content_representation == "self_similarity" and layers:
        # The distance compares pairs of positions, so it is not a sum over strips; Spec allows none here.
        positions = _positions(layers, source, {}, spec.content_samples, _keys(spec, seed), step)
        columns, target_columns = (
            matching.hypercolumns([of[layer] for layer in layers], positions) for of in (source, target)
        )
        return {"self_similarity": matching.self_similarity_distance(columns, target_columns)}
    return {
        layer: content.content_sums(
            materialize(source[layer]),
            strips.window_rows(strip, target[layer], layer),
            strips.own_rows(strip, layer),
        )
        for layer in layers
    }


# --- style


@jax.jit(static_argnums=0)
def describe_style(
    spec: Spec, variables: dict, image_1xHxWx3: jax.Array, guide: Guide, seed: jax.Array
) -> tuple[tuple, ...]:
    """Computes the statistics of a painting, from which the targets of the style loss are computed.

    Args:
      spec: static choices.
      variables: from networks.table.freeze.
      image_1xHxWx3: the painting, RGB, [0, 1], of any size.
      guide: weights of the painting's positions, {layer: HxW}; {}: equal weights.
      seed: seed of sampled positions and random projections.

    Returns:
      For each style term a pair: the statistics of the painting, and the statistics of an image without
      features.
    """

    def on_window(window_1xHxWx3, strip):
        source = activations(spec, variables, window_1xHxWx3, spec.style_layers)
        # Relative distances are in units of the distance from an image without features. That image has the
        # size and the guide of the painting, and therefore the same sampled positions.
        blank = {layer: jnp.zeros_like(materialize(activation)) for layer, activation in source.items()}
        both = (style_statistics(spec, of, guide, seed, 0, strip) for of in (source, blank))
        return tuple(zip(*both, strict=True))

    layout = strips.layout(spec, spec.style_layers, image_1xHxWx3.shape[1])
    return strips.sum_over_strips(layout, image_1xHxWx3, on_window)


def style_statistics(
    spec: Spec,
    source: Activations,
    guide: Guide,
    seed: jax.Array,
    step: int | jax.Array,
    strip: Strip | None,
) -> tuple:
    """Returns the statistics of each style term."""
    statistics, keys = [], _keys(spec, seed)
    for term in spec.style_terms:
        samples = term.representation.samples
        positions = _positions(term.part, source, guide, samples, keys, step, strip)
        positions = [each.replace(precision=PRECISION[spec.network.precision]) for each in positions]
        layers = [source[layer] for layer in term.part]
        statistics.append(term.representation.describe(layers, positions))
    return tuple(statistics)
