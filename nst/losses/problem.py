"""The loss of one image as a pure function: `terms(spec, problem, image)`.

`Spec` (nst/losses/spec.py) holds the choices that change the compiled program; `Problem` the arrays that may
vary without recompiling: the network's weights, the targets, and every weight of the loss.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp

from nst.errors import UserError
from nst.losses import regularizers, strips
from nst.losses.regularizers import TOTAL_VARIATION
from nst.losses.spec import IMAGE, Spec, Term, channels_of, of_network
from nst.losses.strips import Strip
from nst.losses.weights import Weights
from nst.networks.slim import evaluated
from nst.networks.vgg import features
from nst.styles import matching, positions
from nst.styles.positions import Positions


@flax.struct.dataclass
class Problem:
    """The arrays of the loss."""

    variables: dict  # the frozen network, from vgg.freeze
    content: dict[str, jax.Array]  # layer -> activation of the photograph, 1xhxwxc
    styles: tuple[
        tuple[tuple, ...], ...
    ]  # region, style image (or one, if blended as targets), term -> target
    weights: Weights
    guides: tuple[dict[str, jax.Array], ...]  # a region each: layer -> weights of positions, HxW, or {}
    photo: dict[str, Any]  # regularizer -> what it needs of the photograph
    seed: jax.Array  # int32


def _activations(spec: Spec, variables: dict, image_1xHxWx3: jax.Array, layers: Sequence[str]) -> dict:
    """{layer: activation}, of a slim network as `Mapped`; the picture itself is `image`."""
    found = features(spec.network, variables, image_1xHxWx3, of_network(layers), mapped=True)
    return found | {IMAGE: image_1xHxWx3}


@jax.jit(static_argnums=0)
def describe_content(spec: Spec, variables: dict, image_1xHxWx3: jax.Array) -> dict[str, jax.Array]:
    """Content targets: {layer: activation} of the photograph."""

    def see(window_1xHxWx3, strip):
        found = _activations(spec, variables, window_1xHxWx3, spec.content_layers)
        return {layer: evaluated(found[layer]) for layer in spec.content_layers}

    layout = strips.layout(spec, spec.content_layers, image_1xHxWx3.shape[1])
    return strips.joined(layout, image_1xHxWx3, see)


@jax.jit(static_argnums=0)
def describe_style(
    spec: Spec, variables: dict, image_1xHxWx3: jax.Array, guide: dict[str, jax.Array], seed: jax.Array
) -> tuple[tuple, ...]:
    """(statistics, those of an image without features) of one painting, of any size, for each style term."""

    def see(window_1xHxWx3, strip):
        found = _activations(spec, variables, window_1xHxWx3, spec.style_layers)
        blank = {layer: jnp.zeros_like(evaluated(activation)) for layer, activation in found.items()}
        return tuple(
            tuple(_describe(term, activations, guide, seed, strip=strip) for activations in (found, blank))
            for term in spec.style_terms
        )

    layout = strips.layout(spec, spec.style_layers, image_1xHxWx3.shape[1])
    return strips.total(layout, image_1xHxWx3, see)


def _describe(
    term: Term,
    activations: dict,
    guide: dict,
    seed: jax.Array,
    step: int | jax.Array = 0,
    strip: Strip | None = None,
):
    """The statistics of one term, or what a strip adds to them."""
    return term.representation.describe(
        [activations[layer] for layer in term.part],
        _looks(term.part, activations, guide, term.representation.samples, seed, step, strip),
    )


def _looks(
    layers: Sequence[str],
    activations: dict,
    guide: dict,
    samples: int,
    seed: jax.Array,
    step: int | jax.Array,
    strip: Strip | None = None,
) -> list[Positions]:
    """Where each layer is looked at: the same for two pictures of one size and guide."""
    found = []
    for layer in layers:
        key = jax.random.fold_in(jax.random.key(seed), _index(layer))
        shape = jax.eval_shape(evaluated, activations[layer]).shape[1:3]
        weights_HxW, drawn_S = strips.weights(strip, guide.get(layer), layer, shape[1]), None
        if samples:
            drawn_S = positions.sample(jax.random.fold_in(key, step), shape, weights_HxW, samples)
        found.append(Positions(weights_HxW, drawn_S, key))
    return found


def _index(layer: str) -> int:
    """A number that is a layer's own."""
    return sum(256**k * ord(letter) for k, letter in enumerate(layer[-3:]))


def make_problem(
    spec: Spec,
    variables: dict,
    content_1xHxWx3: jax.Array,
    styles_1xHxWx3: Sequence[jax.Array],
    weights: Weights,
    guides: Sequence[dict] = ({},),
    style_guides: Sequence[dict] = ({},),
    seed: int | jax.Array = 0,
) -> Problem:
    """Computes the targets once; they are constants of the optimisation (Gatys et al. 2015, section 2).

    Several style images are blended by `weights.styles`: as one averaged target, or later as a sum of
    losses (`spec.style_blend`).

    Args:
      spec: static choices.
      variables: from vgg.freeze.
      content_1xHxWx3: the photograph, RGB, [0, 1].
      styles_1xHxWx3: the paintings.
      weights: from balance.make_weights.
      guides: a region each, {layer: weights of the photograph's positions, HxW}; {}: everywhere.
      style_guides: the same for the paintings.
      seed: of what is drawn.
    """
    seed = jnp.asarray(seed, jnp.int32)
    content = describe_content(spec, variables, content_1xHxWx3) if spec.content_layers else {}
    targets, blends = [], []
    for region, guide in enumerate(style_guides):
        paintings = spec.regions[region] if spec.regions else range(len(styles_1xHxWx3))
        described = [describe_style(spec, variables, styles_1xHxWx3[k], guide, seed) for k in paintings]
        blend = weights.styles[region]
        if spec.style_blend == "targets" and len(described) > 1:
            described = [_mean_target(spec, described, blend)]
            blend = jnp.ones(1)
        targets.append(
            tuple(
                tuple(
                    term.representation.target(*pair, term.channels)
                    for term, pair in zip(spec.style_terms, terms, strict=True)
                )
                for terms in described
            )
        )
        blends.append(blend)
    return Problem(
        variables=variables,
        content=content,
        styles=tuple(targets),
        weights=weights.replace(styles=tuple(blends)),
        guides=tuple(guides),
        photo=regularizers.photo_targets(spec.regularizers, content_1xHxWx3, spec.laplacian_pool),
        seed=seed,
    )


def _mean_target(spec: Spec, described: list, blend: jax.Array):
    """Statistics averaged over paintings."""
    stuck = [term.name for term in spec.style_terms if not term.representation.blends]
    if stuck:
        raise UserError(
            f"style_loss.blend = targets: {spec.representation} cannot be averaged over paintings; use losses"
        )
    return jax.tree.map(lambda *stats: sum(w * s for w, s in zip(blend, stats, strict=True)), *described)


def terms(
    spec: Spec, problem: Problem, image_1xHxWx3: jax.Array, step: int | jax.Array = 0
) -> dict[str, jax.Array]:
    """Every weighted term of the loss, by name; their sum is the loss.

        L(x) = alpha sum_l a_l L_content,l + beta sum_l b_l sum_k s_k L_style,l,k + gamma TV(x)

    Gatys et al. 2015 eq. 7, with total variation, and the sum over regions where there are several. Names:
    `content/relu4_2`, `style/relu1_1` (`style/relu1_1/region 0`), `tv`, and the other regularizers'.

    Args:
      spec: static choices.
      problem: weights and targets.
      image_1xHxWx3: RGB, [0, 1], the shape of the content targets' photograph.
      step: of the optimisation, for what is drawn anew (`spec.resample`).
    """
    weights = problem.weights
    step = jnp.asarray(step if spec.resample else 0, jnp.int32)
    content, styles = _seen(spec, problem, image_1xHxWx3, step)
    result = _content_terms(spec, problem, content)
    for region, (targets, statistics) in enumerate(zip(problem.styles, styles, strict=True)):
        name = f"/region {region}" if len(problem.styles) > 1 else ""
        for index, term in enumerate(spec.style_terms):
            loss = sum(
                weights.styles[region][k]
                * term.representation.distance(statistics[index], target[index], term.channels)
                for k, target in enumerate(targets)
            )
            loss *= weights.style * weights.style_terms[index] * weights.regions[region]
            result[f"style/{term.name}{name}"] = loss
    result["tv"] = weights.tv * TOTAL_VARIATION[spec.tv](image_1xHxWx3, spec.tv_beta)
    for name in spec.regularizers:
        options = spec.regularizer_options(name)
        loss = regularizers.REGULARIZERS[name](image_1xHxWx3, problem.photo[name], *options)
        result[name] = weights.regularizers[name] * loss
    return result


def _seen(spec: Spec, problem: Problem, image_1xHxWx3: jax.Array, step: jax.Array) -> tuple[dict, tuple]:
    """What the loss needs of the activations: (content by layer, statistics of style by region and term)."""

    def see(window_1xHxWx3, strip):
        activations = _activations(spec, problem.variables, window_1xHxWx3, spec.layers)
        style = tuple(
            tuple(_describe(term, activations, guide, problem.seed, step, strip) for term in spec.style_terms)
            for guide in problem.guides
        )
        return _content_seen(spec, problem, activations, step, strip), style

    layout = strips.layout(spec, spec.layers, image_1xHxWx3.shape[1])
    return strips.total(layout, image_1xHxWx3, see)


def _content_seen(
    spec: Spec, problem: Problem, activations: dict, step: jax.Array, strip: Strip | None
) -> dict[str, Any]:
    """{layer: sums of the differences from the photograph}; of self-similarity the loss itself."""
    layers = spec.content_layers
    if spec.content_representation == "self_similarity" and layers:
        seen = _looks(layers, activations, {}, spec.content_samples, problem.seed, step)
        found, target = (
            matching.hypercolumns([of[layer] for layer in layers], seen)
            for of in (activations, problem.content)
        )
        return {"self_similarity": matching.self_similarity_distance(found, target)}
    result = {}
    for layer in layers:
        target = strips.cut(strip, problem.content[layer], layer)
        result[layer] = regularizers.content_sums(
            evaluated(activations[layer]), target, strips.rows(strip, layer)
        )
    return result


def _content_terms(spec: Spec, problem: Problem, seen: dict) -> dict[str, jax.Array]:
    weights = problem.weights
    if "self_similarity" in seen:
        return {"content/self_similarity": weights.content * seen["self_similarity"]}
    result = {}
    for index, layer in enumerate(spec.content_layers):
        target = problem.content[layer]
        loss = regularizers.content_loss(seen[layer], target, channels_of(layer), spec.content_normalization)
        result[f"content/{layer}"] = weights.content * weights.content_layers[index] * loss
    return result


def loss(spec: Spec, problem: Problem, image_1xHxWx3: jax.Array, step: int | jax.Array = 0) -> jax.Array:
    """The sum of `terms`: the scalar that is minimised."""
    return sum(terms(spec, problem, image_1xHxWx3, step).values())


@dataclasses.dataclass(frozen=True)
class Loss:
    """`loss` as an objective of nst.optimizers.steps: a function of (problem, image, step).

    Losses of equal specs are equal and have the same hash, so that they share a compiled program.
    """

    spec: Spec

    def __call__(self, problem: Problem, image_1xHxWx3: jax.Array, step: int | jax.Array = 0) -> jax.Array:
        """Computes the loss; arguments as for `terms`."""
        return loss(self.spec, problem, image_1xHxWx3, step)


@jax.jit(static_argnums=(0, 4))
def measure(
    spec: Spec,
    problem: Problem,
    image_1xHxWx3: jax.Array,
    step: int | jax.Array,
    pixel_range: float = 1.0,
) -> dict[str, jax.Array]:
    """`terms`, compiled: a forward pass, for the record of a run.

    Args:
      spec: static choices.
      problem: weights and targets.
      image_1xHxWx3: RGB, [0, pixel_range], the shape of the content targets' photograph.
      step: of the optimisation, at which the image was reached.
      pixel_range: that of the optimiser. The division by it is compiled with the terms, as it is in
        `steps.run`, so that both round alike.

    Returns:
      {name: weighted term}, as `terms` does.
    """
    return terms(spec, problem, image_1xHxWx3 / pixel_range, step)
