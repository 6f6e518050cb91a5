"""Which parts of a picture decide its style loss and its content loss: a square is covered at each place.

Zeiler & Fergus 2013 (*Visualizing and Understanding Convolutional Networks*), figure 7, with the losses of
style transfer instead of the score of a class.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

from nst.errors import UserError
from nst.losses import problem as loss_problem
from nst.losses.problem import Problem
from nst.losses.spec import Spec
from nst.visualize import figures

PARTS = ("style", "content")
# share of the largest loss; if the loss of the whole picture is smaller, changes are not given in percent
# (the content loss of the photograph is 0)
NOTHING = 1e-3


class Occlusion(NamedTuple):
    """Losses of a picture of which a square is covered, for each place of the square."""

    losses_hxw: np.ndarray
    before: float  # the loss of the whole picture
    size: int  # pixels of the square
    stride: int  # pixels from one square to the next


def corners(shape: tuple[int, int], size: int, stride: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the places of squares that lie inside a picture, with margins that differ by at most a pixel.

    Args:
      shape: height and width of the picture.
      size: edge of a square in pixels.
      stride: pixels from one square to the next.

    Returns:
      The top rows and the left columns.

    Raises:
      UserError: the square is larger than the picture, or the stride is below 1.
    """
    if not 1 <= size <= min(shape):
        raise UserError(f"size = {size}: the picture has {shape[1]}x{shape[0]} px; give 1 to {min(shape)}")
    if stride < 1:
        raise UserError(f"stride = {stride}: give 1 pixel or more")
    first = ((edge - size) % stride // 2 for edge in shape)
    return tuple(np.arange(low, edge - size + 1, stride) for low, edge in zip(first, shape, strict=True))


def mean_color(image_HxWx3: np.ndarray) -> np.ndarray:
    """Returns the mean colour of a picture, an array of shape `3`, with which a square is covered."""
    return image_HxWx3.mean((0, 1), dtype=np.float64).astype(np.float32)


def occlusion_map(
    loss: Callable[[jax.Array], jax.Array],
    image_HxWx3: np.ndarray,
    size: int,
    stride: int,
    fill: Sequence[float],
) -> np.ndarray:
    """Computes the loss of a picture of which a square is covered, for all places of the square (`corners`).

    One compiled program computes the losses one after the other, and needs the memory of one loss.

    Args:
      loss: a function of an image `1xHxWx3` that returns a scalar. A jax.tree_util.Partial, as `part_loss`
        returns, is compiled once for all arrays of the same shapes.
      image_HxWx3: in [0, 1].
      size: edge of the square in pixels.
      stride: pixels from one square to the next.
      fill: colour of the square.

    Returns:
      The losses, `hxw`.

    Raises:
      UserError: as from `corners`.
    """
    tops, lefts = corners(image_HxWx3.shape[:2], size, stride)
    loss = loss if isinstance(loss, Partial) else Partial(loss)
    places_Nx2 = np.stack(np.meshgrid(tops, lefts, indexing="ij"), -1).reshape(-1, 2)
    square = jnp.broadcast_to(jnp.asarray(fill, jnp.float32), (size, size, 3))
    image = jnp.asarray(image_HxWx3, jnp.float32)
    losses_N = _covered(loss, image, square, jnp.asarray(places_Nx2, jnp.int32))
    return np.asarray(losses_N).reshape(len(tops), len(lefts))


@jax.jit
def _covered(loss, image_HxWx3, square_sxsx3, places_Nx2):
    def at(place):
        covered = jax.lax.dynamic_update_slice(image_HxWx3, square_sxsx3, (place[0], place[1], 0))
        return loss(covered[None])

    return jax.lax.map(at, places_Nx2)


def part_loss(spec: Spec, problem: Problem, name: str) -> Partial:
    """Returns the weighted sum of the style terms or of the content terms, as a function of the image.

    Args:
      spec: the static choices of the loss.
      problem: the arrays of the loss.
      name: "style" or "content".

    Raises:
      UserError: the loss has no such terms.
    """
    layers = {"style": spec.style_layers, "content": spec.content_layers}[name]
    if not layers:
        raise UserError(f"{name}_loss.layers: empty; name layers, so that there is a {name} loss to look at")
    return Partial(_sum_of(spec, f"{name}/"), problem)


@cache
def _sum_of(spec: Spec, prefix: str) -> Callable[[Problem, jax.Array], jax.Array]:
    """Returns the function of `part_loss`: the same object for equal Specs, so that it is compiled once."""

    def loss(problem, image_1xHxWx3):
        terms = loss_problem.terms(spec, problem, image_1xHxWx3)
        return sum(value for name, value in terms.items() if name.startswith(prefix))

    return loss


def examine(
    spec: Spec,
    problem: Problem,
    image_HxWx3: np.ndarray,
    size: int,
    stride: int,
    parts: Sequence[str] = PARTS,
) -> dict[str, Occlusion]:
    """Measures how the style and the content loss change when a square is covered with the mean colour.

    Args:
      spec: the static choices of the loss.
      problem: the arrays of the loss: targets of the paintings, and of a photograph of the picture's size.
      image_HxWx3: in [0, 1].
      size: edge of the square in pixels.
      stride: pixels from one square to the next.
      parts: names from PARTS.

    Returns:
      {part: its losses}.

    Raises:
      UserError: as from `corners` and `part_loss`.
    """
    results = {}
    for name in parts:
        loss = part_loss(spec, problem, name)
        losses_hxw = occlusion_map(loss, image_HxWx3, size, stride, mean_color(image_HxWx3))
        before = float(_value(loss, jnp.asarray(image_HxWx3)[None]))
        results[name] = Occlusion(losses_hxw, before, size, stride)
    return results


@jax.jit
def _value(loss, image_1xHxWx3):
    return loss(image_1xHxWx3)


def change(occlusion: Occlusion) -> tuple[np.ndarray, str]:
    """Returns the change from L, the loss of the whole picture, to L', the loss of the covered picture.

    Returns:
      100 (L' - L) / L and "%"; or, if L is nearly 0, L' - L and "".
    """
    difference_hxw = occlusion.losses_hxw - occlusion.before
    if occlusion.before > NOTHING * occlusion.losses_hxw.max():
        return 100 * difference_hxw / occlusion.before, "%"
    return difference_hxw, ""


def figure(image_HxWx3: np.ndarray, parts: Mapping[str, Occlusion], subtitle: str):
    """Draws the picture and, for each part of the loss, its change as colours over the picture.

    Args:
      image_HxWx3: in [0, 1].
      parts: from `examine`.
      subtitle: second line of the title: the picture, the network and the size.
    """
    height, width = image_HxWx3.shape[:2]
    columns, edge = len(parts) + 1, 3.2
    scale = edge / max(height, width)
    figure = figures.new(columns * (scale * width + 0.5), scale * height + 1.3)
    figure.suptitle(
        f"Change of the loss where a square is covered\n{subtitle}", fontsize=10, color=figures.INK
    )
    first, *others = figures.axes(figure, 1, columns)[0]
    first.imshow(image_HxWx3)
    for place, (name, occlusion) in zip(others, parts.items(), strict=True):
        _draw(figure, place, name, image_HxWx3, occlusion)
    size = next(iter(parts.values())).size
    frame_x, frame_y = size * np.array([[0, 1, 1, 0, 0], [0, 0, 1, 1, 0]]) - 0.5
    for color, line in (("white", 3), ("black", 1)):  # visible on any picture
        first.plot(frame_x, frame_y, color=color, linewidth=line)
    first.set_xlabel(f"square: {size} px")
    for place in (first, *others):
        place.set_xticks([])
        place.set_yticks([])
        place.spines[:].set_visible(False)
        place.set_xlim(-0.5, width - 0.5)
        place.set_ylim(height - 0.5, -0.5)
    return figure


def _draw(figure, place, name: str, image_HxWx3: np.ndarray, occlusion: Occlusion) -> None:
    """Draws the changes as cells of `stride` pixels around the squares' centres, over the grey picture."""
    shown, unit = change(occlusion)
    tops, lefts = corners(image_HxWx3.shape[:2], occlusion.size, occlusion.stride)
    low = (occlusion.size - occlusion.stride) / 2 - 0.5
    left, top = lefts[0] + low, tops[0] + low
    right, bottom = (at[-1] + low + occlusion.stride for at in (lefts, tops))
    largest = max(np.abs(shown).max(), np.finfo(np.float32).tiny)
    place.imshow(image_HxWx3.mean(-1), cmap="gray", vmin=0, vmax=1)
    colors = place.imshow(
        shown, cmap="RdBu_r", vmin=-largest, vmax=largest, alpha=0.65, interpolation="nearest",
        extent=(left, right, bottom, top),
    )  # fmt: skip
    place.set_title(f"{name}: loss {occlusion.before:.3g}", fontsize=9)
    ticks = largest * np.linspace(-1, 1, 5)
    bar = figure.colorbar(colors, ax=place, location="bottom", shrink=0.9, ticks=ticks, format="%.2g")
    bar.set_label(f"change of the {name} loss" + (f" ({unit})" if unit else ""), fontsize=8)
