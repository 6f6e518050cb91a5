"""Style distances between pictures, by any representation of style: a table, and who is nearest to whom."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from nst.errors import UserError
from nst.losses.spec import Spec
from nst.losses.statistics import describe_style
from nst.networks.vgg import minimum_size
from nst.visualize import figures

WRITTEN = 12  # pictures, up to which the numbers stand in the cells


def distances(
    spec: Spec, variables: dict, images_HxWx3: Sequence[np.ndarray], seed: int = 0
) -> dict[str, np.ndarray]:
    """{term of the style loss: D, `NxN`}, D_ij of picture i (the row) from the target that is picture j.

    The unweighted terms of nst.losses.problem.terms, for a picture i that is optimised towards painting j. In
    general D_ij is not D_ji: targets are normalised by their own energies, and some distances have a
    direction. D_ii is 0 but for rounding: what is drawn depends on the size and the seed only.
    Every picture is looked at once.

    Args:
      spec: its style_loss fields count, content does not.
      variables: from vgg.freeze.
      images_HxWx3: N pictures in [0, 1], of any sizes; each size is compiled.
      seed: of what is drawn.

    Raises:
      UserError: no style layers, fewer than two pictures, or one too small for the layers.
    """
    if not spec.style_terms:
        raise UserError("style_loss.layers: empty; name layers, so that there is a style to compare")
    if len(images_HxWx3) < 2:
        raise UserError(f"{len(images_HxWx3)} pictures: give two or more to compare")
    least = minimum_size(spec.network, spec.layers)
    statistics, targets = [], []
    for index, image in enumerate(images_HxWx3):
        height, width = image.shape[:2]
        if min(height, width) < least:
            raise UserError(f"picture {index}: {width}x{height} px; the layers need {least} px an edge")
        pixels = jnp.asarray(image, jnp.float32)[None]
        described = describe_style(spec, variables, pixels, {}, jnp.asarray(seed, jnp.int32))
        statistics.append(tuple(found for found, _ in described))
        targets.append(_aim(spec, described))
    table = [[_compare(spec, found, target) for target in targets] for found in statistics]
    table_NxNxT = np.asarray(jax.device_get(table), np.float32)
    return {term.name: table_NxNxT[..., index] for index, term in enumerate(spec.style_terms)}


@partial(jax.jit, static_argnums=0)
def _aim(spec, described):
    return tuple(
        term.representation.target(*pair, term.channels)
        for term, pair in zip(spec.style_terms, described, strict=True)
    )


@partial(jax.jit, static_argnums=0)
def _compare(spec, statistics, targets):
    return tuple(
        term.representation.distance(found, target, term.channels)
        for term, found, target in zip(spec.style_terms, statistics, targets, strict=True)
    )


def total(found: Mapping[str, np.ndarray], weights: Sequence[float] | None = None) -> np.ndarray:
    """The sum over the terms, `NxN`, each times its weight (of Problem.weights.style_terms); None: all 1."""
    weights = np.ones(len(found)) if weights is None else np.asarray(weights)
    if len(weights) != len(found):
        raise UserError(f"{len(weights)} weights for {len(found)} terms: give one each")
    return sum(weight * table for weight, table in zip(weights, found.values(), strict=True))


def neighbours(distance_NxN: np.ndarray, count: int) -> np.ndarray:
    """The `count` pictures to which each is nearest, by its row, itself left out; `Nxcount` in rising order.

    Raises:
      UserError: fewer other pictures than `count`.
    """
    others = len(distance_NxN) - 1
    if not 1 <= count <= others:
        raise UserError(f"count = {count}: there are {others} other pictures; give 1 to {others}")
    apart = np.array(distance_NxN, np.float64)
    np.fill_diagonal(apart, np.inf)
    return np.argsort(apart, axis=1, kind="stable")[:, :count]


def unit(spec: Spec) -> str:
    """What a distance of 1 is, for the colour bar."""
    if spec.style_normalization == "relative":
        return "1: as far as an image without features"
    return f"normalization {spec.style_normalization}"


def figure(distance_NxN: np.ndarray, names: Sequence[str | Path], of: str, unit: str):
    """The table as colours on a logarithmic scale, each row's nearest other picture framed.

    The diagonal, and other zeros, are white.

    Args:
      distance_NxN: of `distances` or `total`.
      names: of the pictures; directories and suffixes are left out.
      of: the term or total, the network and the size, for the title.
      unit: for the colour bar, as from `unit`.
    """
    count = len(distance_NxN)
    edge = max(0.42 * count, 2.5) if count <= WRITTEN else max(0.26 * count, 4)
    figure = figures.new(edge + 3.2, edge + 2.2)
    figure.suptitle(f"Style distances, framed: the nearest other\n{of}", fontsize=10, color=figures.INK)
    place = figures.axes(figure)[0, 0]
    # the diagonal's rounding would stretch the scale
    positive = np.ma.masked_where(np.eye(count, dtype=bool) | (distance_NxN <= 0), distance_NxN)
    norm = "linear" if positive.mask.all() else "log"
    shown = place.imshow(positive, cmap="viridis_r", norm=norm, interpolation="nearest")
    labels = [Path(name).stem for name in names]
    place.set_xticks(range(count), labels, rotation=90, fontsize=7)
    place.set_yticks(range(count), labels, fontsize=7)
    place.set_xlabel("target")
    place.set_ylabel("picture")
    if count <= WRITTEN:
        bright = np.ma.filled(shown.norm(positive), 0) < 0.5  # of the reversed colours
        for (i, j), distance in np.ndenumerate(distance_NxN):
            ink = figures.INK if bright[i, j] else "white"
            place.text(j, i, f"{distance:.2g}", ha="center", va="center", fontsize=6, color=ink)
    frame_x, frame_y = 0.45 * np.array([[-1, 1, 1, -1, -1], [-1, -1, 1, 1, -1]])
    for i, (j,) in enumerate(neighbours(distance_NxN, 1)):
        place.plot(j + frame_x, i + frame_y, color="#d1352b", linewidth=1.2)
    bar = figure.colorbar(shown, ax=place, shrink=0.8)
    bar.set_label(f"distance ({unit})", fontsize=8)
    return figure
