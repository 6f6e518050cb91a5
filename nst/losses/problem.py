"""The loss of an image: content loss, style loss, and their weighted sum (Gatys et al. 2015, section 2).

    L(x) = alpha L_content(x) + beta L_style(x) + regularisers

`Spec` (nst/losses/spec.py) holds the choices that change the compiled program. `Problem` holds the arrays
that may vary without recompiling: the network's parameters, the targets, and the weights. The losses are
functions of statistics of the activations (nst/losses/statistics.py), which are summed over the strips of a
large image. The targets are computed once, from the statistics of the photograph and the paintings; the
statistics of the image are compared with them at every step.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import flax.struct
import jax
import jax.numpy as jnp

from nst.errors import UserError
from nst.losses import content, regularizers, strips
from nst.losses.guidance import EVERYWHERE, Regions
from nst.losses.spec import Spec
from nst.losses.statistics import (
    Guide,
    activations,
    content_statistics,
    describe_content,
    describe_style,
    style_statistics,
)
from nst.losses.weights import LossWeights


@flax.struct.dataclass
class Problem:
    """The arrays of the loss."""

    variables: dict  # parameters of the frozen network, from networks.table.freeze
    content: dict[str, jax.Array]  # layer -> activation of the photograph, 1xhxwxc
    # region -> style image (only one if they are blended as targets) -> term -> target
    styles: tuple[tuple[tuple, ...], ...]
    weights: LossWeights
    guides: tuple[Guide, ...]  # one for each region of the photograph
    photo: dict[str, Any]  # regulariser -> its target from the photograph
    seed: jax.Array  # int32


# --- content loss


def _content_loss(spec: Spec, problem: Problem, statistics: dict) -> dict[str, jax.Array]:
    """Returns {name: alpha a_l L_content,l}, one term for each layer l."""
    weights = problem.weights
    if "self_similarity" in statistics:
        return {"content/self_similarity": weights.content * statistics["self_similarity"]}
    losses = {}
    for index, layer in enumerate(spec.content_layers):
        target, channels = problem.content[layer], spec.channels(layer)
        loss = content.content_loss(statistics[layer], target, channels, spec.content_normalization)
        losses[f"content/{layer}"] = weights.content * weights.content_layers[index] * loss
    return losses


# --- style loss


def _style_loss(spec: Spec, problem: Problem, statistics: tuple) -> dict[str, jax.Array]:
    """Returns {name: beta b_l sum_k s_k L_style,l,k, times the weight of the region}."""
    weights, losses = problem.weights, {}
    for region, (targets, in_region) in enumerate(zip(problem.styles, statistics, strict=True)):
        suffix = f"/region {region}" if len(problem.styles) > 1 else ""
        for index, term in enumerate(spec.style_terms):
            loss = sum(
                weights.styles[region][k]
                * term.representation.distance(in_region[index], target[index], term.channels)
                for k, target in enumerate(targets)
            )
            loss *= weights.style * weights.style_terms[index] * weights.regions[region]
            losses[f"style/{term.name}{suffix}"] = loss
    return losses


# --- total loss


def _regularization(spec: Spec, problem: Problem, image_1xHxWx3: jax.Array) -> dict[str, jax.Array]:
    """Returns {name: weighted value} of total variation and the other regularisers."""
    variation = regularizers.TOTAL_VARIATION[spec.tv](image_1xHxWx3, spec.tv_beta, spec.wraps)
    losses = {"tv": problem.weights.tv * variation}
    for name in spec.regularizers:
        options = spec.regularizer_options(name)
        loss = regularizers.REGULARIZERS[name].loss(image_1xHxWx3, problem.photo[name], *options)
        losses[name] = problem.weights.regularizers[name] * loss
    return losses


def terms(
    spec: Spec, problem: Problem, image_1xHxWx3: jax.Array, step: int | jax.Array = 0
) -> dict[str, jax.Array]:
    """Computes the weighted terms whose sum is the loss.

        L(x) = alpha sum_l a_l L_content,l + beta sum_l b_l sum_k s_k L_style,l,k + gamma TV(x)

    Here alpha, beta and gamma are the weights of content, style and total variation, a_l and b_l are the
    weights of the layers, and s_k are the weights of the paintings. This is eq. 7 of Gatys et al. 2015, with
    total variation and the other regularisers added, and with a sum over the regions if there are several.

    Args:
      spec: static choices.
      problem: weights and targets.
      image_1xHxWx3: RGB, [0, 1], of the photograph's shape.
      step: step of the optimisation; if `spec.resample`, it changes which positions are sampled.

    Returns:
      {name: scalar}. The names are `content/relu4_2`, `style/relu1_1` (with several regions:
      `style/relu1_1/region 0`), `tv`, and the names of the other regularisers.
    """
    # the targets are computed at step 0, so at step 0 image and target are sampled at the same positions
    step = jnp.asarray(step if spec.resample else 0, jnp.int32)

    def on_window(window_1xHxWx3, strip):
        # the network is evaluated once, for both losses and all regions
        source = activations(spec, problem.variables, window_1xHxWx3, spec.layers)
        style = tuple(
            style_statistics(spec, source, guide, problem.seed, step, strip) for guide in problem.guides
        )
        return content_statistics(spec, source, problem.content, problem.seed, step, strip), style

    layout = strips.layout(spec, spec.layers, image_1xHxWx3.shape[1])
    of_content, of_style = strips.sum_over_strips(layout, image_1xHxWx3, on_window)
    return (
        _content_loss(spec, problem, of_content)
        | _style_loss(spec, problem, of_style)
        | _regularization(spec, problem, image_1xHxWx3)
    )


def loss(spec: Spec, problem: Problem, image_1xHxWx3: jax.Array, step: int | jax.Array = 0) -> jax.Array:
    """Computes the scalar that is minimised, the sum of `terms`.

    Args:
      spec, problem, image_1xHxWx3, step: as for `terms`.
    """
    return sum(terms(spec, problem, image_1xHxWx3, step).values())


@dataclasses.dataclass(frozen=True)
class Loss:
    """`loss` as an objective of nst.optimizers.steps: a function of (problem, image, step).

    Two objectives with equal specs are equal and have the same hash, so that they share a compiled program.
    """

    spec: Spec

    def __call__(self, problem: Problem, image_1xHxWx3: jax.Array, step: int | jax.Array = 0) -> jax.Array:
        """Computes the loss; the arguments are as for `terms`."""
        return loss(self.spec, problem, image_1xHxWx3, step)


@jax.jit(static_argnums=(0, 4))
def measure(
    spec: Spec,
    problem: Problem,
    image_1xHxWx3: jax.Array,
    step: int | jax.Array,
    pixel_range: float = 1.0,
) -> dict[str, jax.Array]:
    """Computes `terms` with a compiled forward pass, for the record of a run.

    Args:
      spec, problem, step: as for `terms`.
      image_1xHxWx3: RGB, [0, pixel_range], of the photograph's shape.
      pixel_range: `pixel_range` of the optimiser. The image is divided by it in the compiled program, as in
        `steps.run`, so that both programs round alike.

    Returns:
      {name: weighted term}, as from `terms`.
    """
    return terms(spec, problem, image_1xHxWx3 / pixel_range, step)


# --- targets


class Described(NamedTuple):
    """The statistics of the photograph and the paintings, from which the targets are computed."""

    photo: dict[str, jax.Array]  # layer -> activation
    paintings: tuple[list, ...]  # region -> the statistics of each of its paintings


def describe(
    spec: Spec,
    variables: dict,
    content_1xHxWx3: jax.Array,
    styles_1xHxWx3: Sequence[jax.Array],
    regions: Regions = EVERYWHERE,
    seed: int | jax.Array = 0,
    call: Callable = lambda function, *args: function(*args),
) -> Described:
    """Computes the statistics of the photograph and of the paintings.

    Args:
      spec: static choices.
      variables: from networks.table.freeze.
      content_1xHxWx3: the photograph, RGB, [0, 1].
      styles_1xHxWx3: the paintings, of any sizes.
      regions: the regions of the photograph and of their paintings.
      seed: seed of sampled positions and random projections.
      call: calls a compiled function with its arguments, for example with a program from a cache.
    """
    seed = jnp.asarray(seed, jnp.int32)
    paintings = []
    for region, guides in enumerate(regions.style_guides):
        numbers = spec.regions[region] if spec.regions else range(len(styles_1xHxWx3))
        paintings.append([
            call(describe_style, spec, variables, styles_1xHxWx3[k], guides.get(k, {}), seed) for k in numbers
        ])  # fmt: skip
    photo = call(describe_content, spec, variables, content_1xHxWx3) if spec.content_layers else {}
    return Described(photo, tuple(paintings))


def make_problem(
    spec: Spec,
    variables: dict,
    content_1xHxWx3: jax.Array,
    styles_1xHxWx3: Sequence[jax.Array],
    weights: LossWeights,
    regions: Regions = EVERYWHERE,
    seed: int | jax.Array = 0,
) -> Problem:
    """Computes the targets, which are constants of the optimisation, and returns all arrays of the loss.

    Args:
      spec, variables, content_1xHxWx3, styles_1xHxWx3, regions, seed: as for `describe`.
      weights: from make_weights.

    Raises:
      UserError: as `from_described`.
    """
    described = describe(spec, variables, content_1xHxWx3, styles_1xHxWx3, regions, seed)
    return from_described(spec, variables, described, content_1xHxWx3, weights, regions, seed)


def from_described(
    spec: Spec,
    variables: dict,
    described: Described,
    content_1xHxWx3: jax.Array,
    weights: LossWeights,
    regions: Regions,
    seed: int | jax.Array,
) -> Problem:
    """Computes the targets from statistics, and returns all arrays of the loss.

    Several style images are blended with the weights `weights.styles`. `spec.style_blend` says whether their
    statistics are averaged into one target, or the loss adds up their distances.

    Args:
      spec, variables, content_1xHxWx3, regions, seed: as for `describe`.
      described: from `describe`.
      weights: from make_weights.

    Raises:
      UserError: the statistics of several paintings would have to be averaged, but cannot be.
    """
    targets, blends = [], []
    for paintings, blend in zip(described.paintings, weights.styles, strict=True):
        if spec.style_blend == "targets" and len(paintings) > 1:
            paintings, blend = [_mean_statistics(spec, paintings, blend)], jnp.ones(1)
        targets.append(tuple(_style_targets(spec, statistics) for statistics in paintings))
        blends.append(blend)
    return Problem(
        variables=variables,
        content=described.photo,
        styles=tuple(targets),
        weights=weights.replace(styles=tuple(blends)),
        guides=tuple(regions.guides),
        photo=regularizers.photo_targets(spec.regularizers, content_1xHxWx3, spec.laplacian_pool, spec.wraps),
        seed=jnp.asarray(seed, jnp.int32),
    )


def _mean_statistics(spec: Spec, paintings: list, blend: jax.Array):
    """Returns the weighted mean of the paintings' statistics."""
    if not all(term.representation.blends for term in spec.style_terms):
        raise UserError(
            f"style_loss.blend = targets: {spec.representation} cannot be averaged over paintings; use losses"
        )
    return jax.tree.map(lambda *stats: sum(w * s for w, s in zip(blend, stats, strict=True)), *paintings)


def _style_targets(spec: Spec, statistics: tuple) -> tuple:
    """Returns the target of each style term; `statistics` has the form that `describe_style` returns."""
    return tuple(
        term.representation.target(*pair, term.channels)
        for term, pair in zip(spec.style_terms, statistics, strict=True)
    )
