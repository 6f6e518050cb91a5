"""Projections from activations back to pixels, which show the part of a picture that units respond to.

Zeiler & Fergus 2013 (*Visualizing and Understanding Convolutional Networks*), section 2.1.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nst.errors import UserError, choose
from nst.networks.network import Network
from nst.networks.receptive import receptive
from nst.networks.table import features
from nst.visualize import figures
from nst.visualize.network import Model, activations, largest, rectifier
from nst.visualize.receptive import box, cut

# How a signal g passes back through a rectifier whose input was x
RULES = {
    "deconvnet": lambda x, g: jnp.where(g > 0, g, 0),  # Zeiler & Fergus 2013
    "guided": lambda x, g: jnp.where((g > 0) & (x > 0), g, 0),  # Springenberg et al. 2014
    "gradient": lambda x, g: jnp.where(x > 0, g, 0),  # Simonyan et al. 2013
}


class Unit(NamedTuple):
    """A position of a layer in one of its channels."""

    y: int
    x: int
    channel: int


class Responses(NamedTuple):
    """The N strongest units of a layer and the parts of the picture that they respond to, s pixels wide."""

    layer: str
    units: tuple[Unit, ...]
    values_N: np.ndarray
    patches_Nxsxsx3: np.ndarray  # parts of the picture; grey outside it
    projections: dict[str, np.ndarray]  # rule -> Nxsxsx3; zero outside the picture


def _run(network: Network, variables: dict, image_1xHxWx3: jax.Array, layer: str, rule: str):
    """Returns a layer's activation, and a function that projects a signal of the same shape to pixels."""
    relu = rectifier(RULES[rule])
    activation, back = jax.vjp(
        lambda image: features(network, variables, image, (layer,), relu=relu)[layer], image_1xHxWx3
    )
    return activation, lambda signal: back(signal)[0]


@partial(jax.jit, static_argnames=("network", "layer", "rule"))
def _project(network, variables, image_1xHxWx3, layer, signal_1xhxwxC, rule):
    activation, back = _run(network, variables, image_1xHxWx3, layer, rule)
    if signal_1xhxwxC.shape != activation.shape:
        raise UserError(f"signal of shape {signal_1xhxwxC.shape}: {layer} has {activation.shape} here")
    return back(signal_1xhxwxC.astype(activation.dtype))


@partial(jax.jit, static_argnames=("network", "layer", "rule"))
def _project_unit(network, variables, image_1xHxWx3, layer, unit, rule):
    activation, back = _run(network, variables, image_1xHxWx3, layer, rule)
    return back(keep_unit(activation, unit))


def project(
    network: Network,
    variables: dict,
    image_1xHxWx3: jax.Array,
    layer: str,
    signal_1xhxwxC: jax.Array,
    rule: str = "deconvnet",
) -> jax.Array:
    """Projects a signal at a layer to pixels, through the network's operations in reverse order.

    For a convolution, the signal passes through the transposed filters, without the bias. Max pooling puts a
    value back where the maximum was (at ties the first in row-major order); a row or column that pooling
    drops gets zeros. For other poolings and linear maps, the signal is multiplied by the transposed Jacobian
    at the forward input; the scale and the channel order of the preprocessing are transposed as well. A
    rectifier with input x turns the signal g into

        deconvnet  g [g > 0]            guided  g [g > 0] [x > 0]            gradient  g [x > 0]

    which is the only difference between the rules. With `gradient` the result is the gradient of sum(signal *
    activation) with respect to the pixels.
    Zeiler & Fergus 2013, section 2.1; Springenberg et al. 2014 (*Striving for Simplicity*), section 3.4.

    Departs from the paper: borders are padded as VGG pads them, and contrast is not normalised.

    Args:
      network: the network, as for networks.table.features.
      variables: its weights, as for networks.table.features.
      image_1xHxWx3: RGB in [0, 1].
      layer: name of the layer.
      signal_1xhxwxC: array of the layer's shape, for example from `keep_unit`, in the channels of the
        network's activations.
      rule: one of RULES.

    Returns:
      The projection in RGB, `1xHxWx3`.

    Raises:
      UserError: the rule or the layer is unknown, or the signal has another shape than the layer.
    """
    choose("rule", rule, RULES)
    image, signal = jnp.asarray(image_1xHxWx3), jnp.asarray(signal_1xhxwxC)
    return _project(network, variables, image, layer, signal, rule)


def project_unit(
    network: Network,
    variables: dict,
    image_1xHxWx3: jax.Array,
    layer: str,
    unit: Unit,
    rule: str = "deconvnet",
) -> jax.Array:
    """Projects the activation of one unit, with all others of the layer set to 0 (see `project`)."""
    choose("rule", rule, RULES)
    return _project_unit(network, variables, jnp.asarray(image_1xHxWx3), layer, tuple(unit), rule)


def keep_unit(activation_1xhxwxC: jax.Array, unit: Unit) -> jax.Array:
    """Returns the activation with all units but one set to 0."""
    place = (0, *unit)
    return jnp.zeros_like(activation_1xhxwxC).at[place].set(activation_1xhxwxC[place])


def strongest(activation_1xhxwxC: np.ndarray, count: int) -> tuple[Unit, ...]:
    """Returns the strongest unit of each of the `count` strongest channels, in descending order.

    At ties the first channel comes first, and in each channel the first position in row-major order counts.

    Raises:
      UserError: there are fewer channels than `count`.
    """
    height, width, channels = activation_1xhxwxC.shape[1:]
    flat = np.asarray(activation_1xhxwxC, np.float32).reshape(height * width, channels)
    first = flat.argmax(0)
    order = largest(flat[first, np.arange(channels)], count)
    return tuple(Unit(*map(int, divmod(first[c], width)), int(c)) for c in order)


def to_image(projection_HxWx3: np.ndarray) -> np.ndarray:
    """Returns a projection as an image in [0, 1]: 0 is grey, the largest absolute value is black or white."""
    largest = np.abs(projection_HxWx3).max()
    return 0.5 + 0.5 * projection_HxWx3 / (largest if largest > 0 else 1)


def examine(
    model: Model, image_HxWx3: np.ndarray, layer: str, count: int, rules: Sequence[str] = tuple(RULES)
) -> Responses:
    """Finds the strongest units of a layer, their patches of the picture and their projections.

    Args:
      model: the network.
      image_HxWx3: RGB in [0, 1].
      layer: name of the layer.
      count: number of units.
      rules: rules of the projections, from RULES.

    Raises:
      UserError: as from `activations`, `strongest` and `project`.
    """
    network, variables = model.network, model.variables
    image = jnp.asarray(image_HxWx3)[None]
    activation = activations(model, image_HxWx3, (layer,))[layer]
    units, field = strongest(activation[None], count), receptive(network, layer)
    squares = [box(field, unit.y, unit.x) for unit in units]

    def projected(rule):
        pixels = (project_unit(network, variables, image, layer, unit, rule)[0] for unit in units)
        return [
            cut(np.asarray(p), square, 0.0).patch_hxwx3 for p, square in zip(pixels, squares, strict=True)
        ]

    return Responses(
        layer,
        units,
        np.array([activation[unit] for unit in units]),
        np.stack([cut(image_HxWx3, square).patch_hxwx3 for square in squares]),
        {rule: np.stack(projected(rule)) for rule in rules},
    )


def figure(responses: Responses, subtitle: str):
    """Draws a row for each unit: its patch of the picture, then its projection with each rule.

    Args:
      responses: from `examine`.
      subtitle: second line of the title: the picture, the network and the size.
    """
    rows = [
        [patch, *(to_image(projections[n]) for projections in responses.projections.values())]
        for n, patch in enumerate(responses.patches_Nxsxsx3)
    ]
    pairs = zip(responses.units, responses.values_N, strict=True)
    size = responses.patches_Nxsxsx3.shape[1]
    return figures.sheet(
        rows,
        title=f"{responses.layer}: strongest units and their projections, {size} px\n{subtitle}",
        row_labels=[f"channel {unit.channel}\nat {unit.y}, {unit.x}: {value:.3g}" for unit, value in pairs],
        column_labels=["picture", *responses.projections],
        edge=1.2,
        pixelated=size < 64,
    )
