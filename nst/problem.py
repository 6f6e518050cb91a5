"""The loss of one image as a pure function: `terms(spec, problem, image)`.

`Spec` holds the choices that change the compiled program; `Problem` the arrays that may vary without
recompiling: the network's weights, the targets, and every weight of the loss.
"""

import dataclasses
from collections.abc import Sequence

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from nst.errors import UserError, choose
from nst.losses import CONTENT, TOTAL_VARIATION, content_distance
from nst.mapped import evaluated
from nst.styles import Representation, style
from nst.vgg import Network, channels, features, layers_to

BLENDS = ("targets", "losses")


@dataclasses.dataclass(frozen=True)
class Spec:
    """The static choices of the loss; hashable. Fields are the config's, validated here."""

    network: Network = Network()
    content_layers: tuple[str, ...] = ("relu4_2",)
    content_normalization: str = "mse"
    style_layers: tuple[str, ...] = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
    representation: str = "gram"
    style_normalization: str = "hw_mse"
    style_shift: float = 0.0
    style_blend: str = "targets"
    tv: str = "l2"
    tv_beta: float = 2.0

    def __post_init__(self):
        layers_to(self.network.architecture, self.content_layers, "content_loss.layers")
        layers_to(self.network.architecture, self.style_layers, "style_loss.layers")
        choose("content_loss.normalization", self.content_normalization, CONTENT)
        choose("style_loss.blend", self.style_blend, BLENDS)
        choose("tv.kind", self.tv, TOTAL_VARIATION)
        style(self.representation, self.style_normalization, self.style_shift)
        if (
            self.network.widths
            and self.network.frame == "vgg"
            and any(x.startswith("conv") for x in self.layers)
        ):
            raise UserError(
                "network.frame = vgg: a slim network has relu and pool layers in it, not conv layers"
            )
        if self.representation == "gram_shift" and self.network.widths and self.network.frame == "compact":
            raise UserError(
                "style_loss.representation = gram_shift: needs single channels; set network.frame = vgg"
            )

    @property
    def layers(self) -> tuple[str, ...]:
        """Every layer that the loss reads, each once."""
        return tuple(dict.fromkeys(self.content_layers + self.style_layers))

    @property
    def style(self) -> Representation:
        return style(self.representation, self.style_normalization, self.style_shift)


@flax.struct.dataclass
class Weights:
    """Every weight of the loss, as float32 arrays."""

    content: jax.Array  # scalar
    style: jax.Array  # scalar
    content_layers: jax.Array  # [content layers]
    style_layers: jax.Array  # [style layers]
    styles: jax.Array  # [style images], sum 1
    tv: jax.Array  # scalar


@flax.struct.dataclass
class Problem:
    """The arrays of the loss."""

    variables: dict  # the frozen network, from vgg.freeze
    content: dict[str, jax.Array]  # layer -> activation of the photograph, 1xhxwxc
    styles: tuple[dict, ...]  # a style image each (or one, if blended as targets): layer -> statistics
    weights: Weights


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
) -> Weights:
    """Weights from config values. A sequence of one value stands for every layer or style image.

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

    blend = fit("style_loss.image_weights", styles, style_count, "style images")
    if not blend.sum() > 0:
        raise UserError(f"style_loss.image_weights = {tuple(styles)}: at least one must be positive")
    return Weights(
        content=scalar("content_loss.weight", content),
        style=scalar("style_loss.weight", style),
        content_layers=fit("content_loss.layer_weights", content_layers, len(spec.content_layers), "layers"),
        style_layers=fit("style_loss.layer_weights", style_layers, len(spec.style_layers), "layers"),
        styles=blend / blend.sum(),
        tv=scalar("tv.weight", tv),
    )


@jax.jit(static_argnums=0)
def describe_content(spec: Spec, variables: dict, image_1xHxWx3: jax.Array) -> dict[str, jax.Array]:
    """Content targets: {layer: activation} of the photograph."""
    return features(spec.network, variables, image_1xHxWx3, spec.content_layers)


@jax.jit(static_argnums=0)
def describe_style(spec: Spec, variables: dict, image_1xHxWx3: jax.Array) -> dict[str, jax.Array]:
    """Style targets: {layer: statistics} of one painting, of any size."""
    activations = features(spec.network, variables, image_1xHxWx3, spec.style_layers, mapped=True)
    return {layer: spec.style.describe(activation) for layer, activation in activations.items()}


def make_problem(
    spec: Spec,
    variables: dict,
    content_1xHxWx3: jax.Array,
    styles_1xHxWx3: Sequence[jax.Array],
    weights: Weights,
) -> Problem:
    """Computes the targets once; they are constants of the optimisation (Gatys et al. 2015, section 2).

    Several style images are blended by `weights.styles`: as one averaged target, or later as a sum of
    losses (`spec.style_blend`).
    """
    content = describe_content(spec, variables, content_1xHxWx3) if spec.content_layers else {}
    styles = (
        [describe_style(spec, variables, image) for image in styles_1xHxWx3] if spec.style_layers else [{}]
    )
    if spec.style_blend == "targets":
        blended = jax.tree.map(
            lambda *stats: sum(w * s for w, s in zip(weights.styles, stats, strict=True)), *styles
        )
        styles, weights = [blended], weights.replace(styles=jnp.ones(1))
    return Problem(variables=variables, content=content, styles=tuple(styles), weights=weights)


def terms(spec: Spec, problem: Problem, image_1xHxWx3: jax.Array) -> dict[str, jax.Array]:
    """Every weighted term of the loss, by name; their sum is the loss.

        L(x) = alpha sum_l a_l L_content,l + beta sum_l b_l sum_k s_k L_style,l,k + gamma TV(x)

    Gatys et al. 2015 eq. 7, with total variation. Names: `content/relu4_2`, `style/relu1_1`, `tv`.

    Args:
      spec: static choices.
      problem: weights and targets.
      image_1xHxWx3: RGB, [0, 1], the shape of the content targets' photograph.
    """
    weights = problem.weights
    activations = features(spec.network, problem.variables, image_1xHxWx3, spec.layers, mapped=True)
    result = {}
    for index, layer in enumerate(spec.content_layers):
        loss = content_distance(
            evaluated(activations[layer]), problem.content[layer], channels(layer), spec.content_normalization
        )
        result[f"content/{layer}"] = weights.content * weights.content_layers[index] * loss
    for index, layer in enumerate(spec.style_layers):
        statistics = spec.style.describe(activations[layer])
        loss = sum(
            weights.styles[k] * spec.style.distance(statistics, target[layer], channels(layer))
            for k, target in enumerate(problem.styles)
        )
        result[f"style/{layer}"] = weights.style * weights.style_layers[index] * loss
    result["tv"] = weights.tv * TOTAL_VARIATION[spec.tv](image_1xHxWx3, spec.tv_beta)
    return result


def loss(spec: Spec, problem: Problem, image_1xHxWx3: jax.Array) -> jax.Array:
    """The sum of `terms`: the scalar that is minimised."""
    return sum(terms(spec, problem, image_1xHxWx3).values())
