"""How far a layer's features and its Gram matrix change when the picture moves.

Zeiler & Fergus 2013 (*Visualizing and Understanding Convolutional Networks*), figure 5.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nst.errors import UserError, choose
from nst.networks.table import features, minimum_size
from nst.styles import grams
from nst.visualize import figures
from nst.visualize.network import Model


class Transformation(NamedTuple):
    """A map: pixel q of the transformed picture is taken from p = A q + b, both relative to the centre."""

    source: Callable[[float], tuple[np.ndarray, np.ndarray]]  # value -> A (2x2) and b (2), rows first
    unit: str  # unit of the value
    identity: float  # the value that changes nothing


def _translate(pixels: float) -> tuple[np.ndarray, np.ndarray]:
    return np.eye(2), np.array([-pixels, 0.0])


def _scale(factor: float) -> tuple[np.ndarray, np.ndarray]:
    if not factor > 0:
        raise UserError(f"scaling by {factor}: give factors above 0")
    return np.eye(2) / factor, np.zeros(2)


def _rotate(degrees: float) -> tuple[np.ndarray, np.ndarray]:
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return np.array([[cos, sin], [-sin, cos]]), np.zeros(2)


# downwards by pixels; enlarged by a factor; counter-clockwise by degrees
TRANSFORMATIONS = {
    "translation": Transformation(_translate, "px", 0.0),
    "scaling": Transformation(_scale, "factor", 1.0),
    "rotation": Transformation(_rotate, "degrees", 0.0),
}


def window(shape: tuple[int, int], transformation: str, values: Sequence[float]) -> tuple[int, int]:
    """Returns the largest central window that stays inside the picture under all transformations.

    The window has about the picture's proportions. Let h be half the edges of the picture. A window whose
    half edges are k h stays inside under p = A q + b if k max |A h| + |b| <= h in rows and in columns, with
    the maximum over the corners (+-h_y, +-h_x).

    Args:
      shape: height and width of the picture.
      transformation: one of TRANSFORMATIONS.
      values: values of the transformation, in its unit.

    Returns:
      Height and width of the window.

    Raises:
      UserError: the transformation is unknown, or with these values no pixel is left.
    """
    source = TRANSFORMATIONS[choose("transformation", transformation, TRANSFORMATIONS)].source
    half = (np.array(shape) - 1) / 2
    share = 1.0
    for value in values:
        matrix, offset = source(value)
        share = min(share, *((half - np.abs(offset)) / (np.abs(matrix) @ half)))
    # edges are even if the picture's edges are, so that a shift by whole pixels needs no interpolation
    steps = np.ceil((1 - share) * half - 1e-6).astype(int)
    height, width = (int(edge - 2 * step) for edge, step in zip(shape, steps, strict=True))
    if share <= 0 or min(height, width) < 1:
        raise UserError(
            f"{transformation} from {min(values):g} to {max(values):g}: no part of a picture of "
            f"{shape[1]}x{shape[0]} px stays inside it; give a smaller range or a larger picture"
        )
    return height, width


def transform(image_HxWx3: np.ndarray, transformation: str, values: Sequence[float]) -> np.ndarray:
    """Returns the central window of the picture under each of V transformations.

    All windows have the size that `window` returns, so that they hold nothing from outside the picture.
    Values between pixels are interpolated by cubic splines, which hardly blur. Before a reduction by f < 1,
    the picture is blurred by a Gaussian of sigma (1/f - 1) / 2, which prevents aliasing.

    Args:
      image_HxWx3: in [0, 1].
      transformation: one of TRANSFORMATIONS.
      values: V values of the transformation, in its unit.

    Returns:
      The windows, `Vxhxwx3` in [0, 1].
    """
    from scipy import ndimage

    inner = window(image_HxWx3.shape[:2], transformation, values)
    centre, middle = ((np.array(shape) - 1) / 2 for shape in (image_HxWx3.shape[:2], inner))
    windows = np.empty((len(values), *inner, 3), np.float32)
    for index, value in enumerate(values):
        matrix, offset = TRANSFORMATIONS[transformation].source(value)
        # distance in the picture between two neighbouring pixels of the window
        apart = np.sqrt(np.linalg.det(matrix))
        spread = max(apart - 1, 0) / 2
        for channel in range(3):
            plane = image_HxWx3[..., channel].astype(np.float64)
            if spread > 1e-6:  # more than the rounding of a rotation
                plane = ndimage.gaussian_filter(plane, spread, mode="mirror")
            windows[index, ..., channel] = ndimage.affine_transform(
                plane, matrix, centre + offset - matrix @ middle, inner, order=3, mode="mirror"
            )
    return windows.clip(0, 1)


def curves(
    model: Model, image_HxWx3: np.ndarray, layers: Sequence[str], transformation: str, values: Sequence[float]
) -> dict[str, np.ndarray]:
    """Computes how far features and Gram matrices change under a transformation.

        features = |F(T x) - F(x)| / |F(x)|        gram = |G(T x) - G(x)| / |G(x)|

    in Frobenius norms of a layer's activation F and of its Gram matrix G = F F^T / M over M positions. x is
    the central window (see `transform`) of the picture, and T x is the same window of the transformed
    picture.

    Departs from the paper: the picture continues beyond the window, while the paper pads it; the paper does
    not divide by |F(x)|.

    Args:
      model: the network.
      image_HxWx3: in [0, 1].
      layers: names of L layers.
      transformation: one of TRANSFORMATIONS.
      values: V values of the transformation, in its unit.

    Returns:
      {"features": distances, "gram": distances}, `LxV` each.

    Raises:
      UserError: as from `window`, or the window is too small for the layers.
    """
    known = TRANSFORMATIONS[choose("transformation", transformation, TRANSFORMATIONS)]
    height, width = window(image_HxWx3.shape[:2], transformation, values)
    least = minimum_size(model.network, layers)
    if min(height, width) < least:
        raise UserError(
            f"{transformation} from {min(values):g} to {max(values):g}: leaves {width}x{height} px of "
            f"{image_HxWx3.shape[1]}x{image_HxWx3.shape[0]}, and {layers[-1]} needs {least}; give a smaller "
            "range or a larger picture"
        )
    windows = transform(image_HxWx3, transformation, [*values, known.identity])
    tables = _distances(model.network, model.variables, windows[:-1], windows[-1:], tuple(layers))
    return {name: np.asarray(distance_VxL).T for name, distance_VxL in tables.items()}


@partial(jax.jit, static_argnames=("network", "layers"))
def _distances(network, variables, windows_VxHxWx3, original_1xHxWx3, layers):
    def describe(image_1xHxWx3):
        activations = features(network, variables, image_1xHxWx3, layers)
        return {
            "features": [activations[layer].astype(jnp.float32) for layer in layers],
            "gram": [grams.gram(activations[layer]) for layer in layers],
        }

    original = describe(original_1xHxWx3)

    def distance(image_HxWx3):
        relative = jax.tree.map(_relative, describe(image_HxWx3[None]), original)
        return {name: jnp.stack(layers) for name, layers in relative.items()}

    return jax.lax.map(distance, windows_VxHxWx3)


def _relative(moved: jax.Array, original: jax.Array) -> jax.Array:
    norm = jnp.sqrt(jnp.sum(original**2))
    return jnp.sqrt(jnp.sum((moved - original) ** 2)) / jnp.where(norm > 0, norm, 1.0)


def figure(
    tables: Mapping[str, tuple[Sequence[float], Mapping[str, np.ndarray]]],
    layers: Sequence[str],
    subtitle: str,
):
    """Draws a row for each transformation: features on the left, Gram matrices on the right.

    Args:
      tables: {transformation: (its values, their `curves`)}.
      layers: as given to `curves`.
      subtitle: second line of the title: the picture, the network and the size.
    """
    figure = figures.new(7.2, 2.3 * len(tables) + 0.7)
    figure.suptitle(
        f"How far features and style move with the picture\n{subtitle}", fontsize=10, color=figures.INK
    )
    places = figures.axes(figure, len(tables), 2, sharey=True)
    names = {"features": "features F", "gram": "Gram matrices G"}
    for place, title in zip(places[0], names.values(), strict=True):
        place.set_title(title, fontsize=9)
    for row, (transformation, (values, distances)) in zip(places, tables.items(), strict=True):
        for place, name in zip(row, names, strict=True):
            for layer, distance_V in zip(layers, distances[name], strict=True):
                place.plot(values, distance_V, label=layer, linewidth=1.4, marker=".", markersize=4)
            place.set_xlabel(f"{transformation} ({TRANSFORMATIONS[transformation].unit})")
            place.set_ylim(bottom=0)
        row[0].set_ylabel("relative distance\n|f(Tx) - f(x)| / |f(x)|")
    places[0, 0].legend(fontsize=7, frameon=False)
    return figure
