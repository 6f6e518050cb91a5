"""Style distances between pictures, by any representation of style, as tables with nearest neighbours."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from nst.errors import UserError
from nst.losses.spec import Spec
from nst.losses.statistics import describe_style
from nst.networks.table import minimum_size
from nst.visualize import figures

WRITTEN = 12  # the largest number of pictures for which the cells of the figure show their numbers


def distances(
    spec: Spec, variables: dict, images_HxWx3: Sequence[np.ndarray], seed: int = 0
) -> dict[str, np.ndarray]:
    """Computes D_ij, the style distance of picture i from picture j as the target.

    D_ij is the value of a style term without its weight (nst.losses.problem.terms), for an image i that is
    optimised towards painting j. In general D_ij is not D_ji: targets are normalised by their own energies,
    and some distances have a direction. D_ii is 0 up to rounding, because the sampled positions depend only
    on the size and the seed. Each picture passes through the network once.

    Args:
      spec: the static choices of the loss; its content terms are ignored.
      variables: weights of the network, from networks.table.freeze.
      images_HxWx3: N images in [0, 1] of any sizes; one program is compiled for each size.
      seed: seed of the positions that some representations sample.

    Returns:
      {term of the style loss: D, `NxN`}.

    Raises:
      UserError: there are no style layers, there are fewer than two pictures, or a picture is too small for
        the layers.
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
        statistics.append(tuple(own for own, _ in described))
        targets.append(_aim(spec, described))
    table = [[_compare(spec, own, target) for target in targets] for own in statistics]
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
        term.representation.distance(own, target, term.channels)
        for term, own, target in zip(spec.style_terms, statistics, targets, strict=True)
    )


def total(tables: Mapping[str, np.ndarray], weights: Sequence[float] | None = None) -> np.ndarray:
    """Returns the weighted sum of the terms' distances, `NxN`.

    Args:
      tables: from `distances`.
      weights: one for each term, such as Problem.weights.style_terms; None: all 1.

    Raises:
      UserError: the number of weights is not the number of terms.
    """
    weights = np.ones(len(tables)) if weights is None else np.asarray(weights)
    if len(weights) != len(tables):
        raise UserError(f"{len(weights)} weights for {len(tables)} terms: give one each")
    return sum(weight * table for weight, table in zip(weights, tables.values(), strict=True))


def neighbours(distance_NxN: np.ndarray, count: int) -> np.ndarray:
    """Returns the indices of the pictures nearest to each picture, `Nxcount`, the nearest first.

    Args:
      distance_NxN: the row is the picture, the column the target.
      count: number of neighbours.

    Raises:
      UserError: there are fewer other pictures than `count`.
    """
    others = len(distance_NxN) - 1
    if not 1 <= count <= others:
        raise UserError(f"count = {count}: there are {others} other pictures; give 1 to {others}")
    apart = np.array(distance_NxN, np.float64)
    np.fill_diagonal(apart, np.inf)
    return np.argsort(apart, axis=1, kind="stable")[:, :count]


def unit(spec: Spec) -> str:
    """Returns what a distance of 1 means, for the colour bar.

    Args:
      spec: the static choices of the loss.
    """
    if spec.style_normalization == "relative":
        return "1: as far as an image without features"
    return f"normalization {spec.style_normalization}"


def figure(distance_NxN: np.ndarray, names: Sequence[str | Path], subtitle: str, unit: str):
    """Draws a table of distances as colours on a logarithmic scale, with each row's nearest picture framed.

    The diagonal and other zeros are white.

    Args:
      distance_NxN: from `distances` or `total`.
      names: names or paths of the pictures; folders and suffixes are left out.
      subtitle: second line of the title: the term or total, the network and the size.
      unit: label of the colour bar, such as `unit` returns.
    """
    count = len(distance_NxN)
    edge = max(0.42 * count, 2.5) if count <= WRITTEN else max(0.26 * count, 4)
    figure = figures.new(edge + 3.2, edge + 2.2)
    figure.suptitle(f"Style distances, framed: the nearest other\n{subtitle}", fontsize=10, color=figures.INK)
    place = figures.axes(figure)[0, 0]
    # rounding errors on the diagonal would stretch the scale
    positive = np.ma.masked_where(np.eye(count, dtype=bool) | (distance_NxN <= 0), distance_NxN)
    norm = "linear" if positive.mask.all() else "log"
    shown = place.imshow(positive, cmap="viridis_r", norm=norm, interpolation="nearest")
    labels = [Path(name).stem for name in names]
    place.set_xticks(range(count), labels, rotation=90, fontsize=7)
    place.set_yticks(range(count), labels, fontsize=7)
    place.set_xlabel("target")
    place.set_ylabel("picture")
    if count <= WRITTEN:
        bright = np.ma.filled(shown.norm(positive), 0) < 0.5  # viridis_r begins with bright colours
        for (i, j), distance in np.ndenumerate(distance_NxN):
            ink = figures.INK if bright[i, j] else "white"
            place.text(j, i, f"{distance:.2g}", ha="center", va="center", fontsize=6, color=ink)
    frame_x, frame_y = 0.45 * np.array([[-1, 1, 1, -1, -1], [-1, -1, 1, 1, -1]])
    for i, (j,) in enumerate(neighbours(distance_NxN, 1)):
        place.plot(j + frame_x, i + frame_y, color="#d1352b", linewidth=1.2)
    bar = figure.colorbar(shown, ax=place, shrink=0.8)
    bar.set_label(f"distance ({unit})", fontsize=8)
    return figure
