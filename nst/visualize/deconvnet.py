"""From chosen activations back to pixels: what in a picture they answer to.

Zeiler & Fergus 2013 (*Visualizing and Understanding Convolutional Networks*), section 2.1.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nst.errors import UserError, choose
from nst.networks.receptive import receptive
from nst.networks.slim import evaluated
from nst.networks.vgg import VGG, Network
from nst.visualize import figures
from nst.visualize.network import Seen, activations, largest, rectifier
from nst.visualize.receptive import box, cut

# The signal g on its way back through a rectifier whose input was x
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


class Answers(NamedTuple):
    """The strongest units of a layer and what they answer to; N of them, with fields of s pixels."""

    layer: str
    units: tuple[Unit, ...]
    values_N: np.ndarray
    patches_Nxsxsx3: np.ndarray  # of the picture, grey outside
    projections: dict[str, np.ndarray]  # rule -> Nxsxsx3, zero outside


def _run(network: Network, variables: dict, image_1xHxWx3: jax.Array, layer: str, rule: str):
    """A layer's activation, and the function that takes a signal of its shape back to pixels."""
    vgg = VGG(network, (layer,), relu=rectifier(RULES[rule]))
    activation, back = jax.vjp(lambda image: evaluated(vgg.apply(variables, image)[layer]), image_1xHxWx3)
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
    return back(only(activation, unit))


def project(
    network: Network,
    variables: dict,
    image_1xHxWx3: jax.Array,
    layer: str,
    signal_1xhxwxC: jax.Array,
    rule: str = "deconvnet",
) -> jax.Array:
    """A signal at a layer, taken back to pixels, `1xHxWx3` in RGB.

    The network's operations in reverse order. A convolution: the transposed filters, without the bias. Max
    pooling: its switches put a value back where the maximum was, the first in row-major order at ties; a
    dropped row or column gets zeros. Other poolings and linear maps: their transpose at the forward input.
    The preprocessing: its scale and its order of channels, transposed. A rectifier with input x turns the
    signal g into

        deconvnet  g [g > 0]            guided  g [g > 0] [x > 0]            gradient  g [x > 0]

    and nothing else differs: `gradient` is the gradient of sum(signal * activation) with respect to pixels.
    Zeiler & Fergus 2013, section 2.1; Springenberg et al. 2014 (*Striving for Simplicity*), section 3.4.

    Departs from the paper: the filters' borders are VGG's padding, and no contrast is normalised.

    Args:
      network, variables: as for vgg.features; a slim network's signal is in the channels that it gives.
      image_1xHxWx3: RGB, [0, 1].
      layer: any of vgg.layer_names.
      signal_1xhxwxC: of the layer's shape, such as `only` makes.
      rule: of RULES.

    Raises:
      UserError: an unknown rule or layer, or a signal of another shape.
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
    """`project` of the unit's own activation, all others of the layer being 0."""
    choose("rule", rule, RULES)
    return _project_unit(network, variables, jnp.asarray(image_1xHxWx3), layer, tuple(unit), rule)


def only(activation_1xhxwxC: jax.Array, unit: Unit) -> jax.Array:
    """The activation with all units set to 0 but one."""
    place = (0, *unit)
    return jnp.zeros_like(activation_1xhxwxC).at[place].set(activation_1xhxwxC[place])


def strongest(activation_1xhxwxC: np.ndarray, count: int) -> tuple[Unit, ...]:
    """The `count` channels that answer most, each by its strongest unit, in falling order.

    Of equal ones the first channel, and in it the first position row by row.

    Raises:
      UserError: fewer channels than `count`.
    """
    height, width, channels = activation_1xhxwxC.shape[1:]
    flat = np.asarray(activation_1xhxwxC, np.float32).reshape(height * width, channels)
    first = flat.argmax(0)
    order = largest(flat[first, np.arange(channels)], count)
    return tuple(Unit(*map(int, divmod(first[c], width)), int(c)) for c in order)


def show(projection_HxWx3: np.ndarray) -> np.ndarray:
    """A projection as a picture in [0, 1]: 0 is grey, its largest absolute value black or white."""
    largest = np.abs(projection_HxWx3).max()
    return 0.5 + 0.5 * projection_HxWx3 / (largest if largest > 0 else 1)


def examine(
    seen: Seen, image_HxWx3: np.ndarray, layer: str, count: int, rules: Sequence[str] = tuple(RULES)
) -> Answers:
    """The `count` strongest units of a layer, their patches of the picture and their projections.

    Raises:
      UserError: as `activations`, `strongest` and `project`.
    """
    network, variables = seen.network, seen.variables
    image = jnp.asarray(image_HxWx3)[None]
    activation = activations(seen, image_HxWx3, (layer,))[layer]
    units, field = strongest(activation[None], count), receptive(network, layer)
    squares = [box(field, unit.y, unit.x) for unit in units]

    def projected(rule):
        found = (project_unit(network, variables, image, layer, unit, rule)[0] for unit in units)
        return [cut(np.asarray(p), square, 0.0).patch_hxwx3 for p, square in zip(found, squares, strict=True)]

    return Answers(
        layer,
        units,
        np.array([activation[unit] for unit in units]),
        np.stack([cut(image_HxWx3, square).patch_hxwx3 for square in squares]),
        {rule: np.stack(projected(rule)) for rule in rules},
    )


def figure(answers: Answers, of: str):
    """A row for each unit: its patch of the picture, then its projection by each rule.

    Args:
      answers: from `examine`.
      of: the picture, the network and the size, for the title.
    """
    rows = [
        [patch, *(show(found[n]) for found in answers.projections.values())]
        for n, patch in enumerate(answers.patches_Nxsxsx3)
    ]
    pairs = zip(answers.units, answers.values_N, strict=True)
    size = answers.patches_Nxsxsx3.shape[1]
    return figures.sheet(
        rows,
        title=f"{answers.layer}: strongest units and their projections, {size} px\n{of}",
        row_labels=[f"channel {unit.channel}\nat {unit.y}, {unit.x}: {value:.3g}" for unit, value in pairs],
        column_labels=["picture", *answers.projections],
        edge=1.2,
        pixelated=size < 64,
    )
