"""How unequal the gradient of each loss term is over the phases of a grid, which makes checkerboards.

nst/metrics/artefacts.py has the equation and its sources.
"""

from collections.abc import Mapping
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from nst.errors import UserError
from nst.losses import problem as loss_problem
from nst.losses.problem import Problem
from nst.losses.spec import Spec
from nst.metrics.artefacts import phase_energy, phase_level
from nst.metrics.measures import PERIODS
from nst.visualize import figures

WHITE = 2.0  # energy that is drawn white, as a multiple of the mean energy; the mean is drawn mid-grey


def examine(spec: Spec, problem: Problem, image_HxWx3: np.ndarray) -> dict[str, dict[int, np.ndarray]]:
    """Computes, for each content and style term, the energy of its gradient at an image by phase.

    Args:
      spec: the static choices of the loss.
      problem: the arrays of the loss.
      image_HxWx3: the image, in [0, 1], with the photograph's shape.

    Returns:
      {term: {period: `pxp`}} for the terms whose gradient is not 0 (at the photograph, the content terms have
      none), and for the periods of measures.PERIODS that are no longer than an edge.

    Raises:
      UserError: no term has a gradient.
    """
    image = jnp.asarray(image_HxWx3, jnp.float32)[None]
    names = tuple(
        name for name in jax.eval_shape(partial(loss_problem.terms, spec), problem, image) if "/" in name
    )
    periods = [period for period in PERIODS if period <= min(image_HxWx3.shape[:2])]
    found = {}
    for index, name in enumerate(names):
        gradient = np.asarray(
            _gradient(spec, names, problem, image, np.eye(len(names), dtype=np.float32)[index])
        )
        if gradient.any():
            found[name] = {period: phase_energy(gradient[0], period) for period in periods}
    if not found:
        raise UserError(
            "phases: no term has a gradient at this start; give layers, or another one: "
            "--config.init.kind=noise"
        )
    return found


@partial(jax.jit, static_argnames=("spec", "names"))
def _gradient(spec, names, problem, image_1xHxWx3, chosen_N):
    """Returns the gradient of the sum of the terms times `chosen_N`: one program for all terms."""

    def loss(image):
        terms = loss_problem.terms(spec, problem, image)
        return sum(weight * terms[name] for weight, name in zip(chosen_N, names, strict=True))

    return jax.grad(loss)(image_1xHxWx3)


def figure(energies: Mapping[str, Mapping[int, np.ndarray]], subtitle: str):
    """Draws a row for each term: the energy of each phase for each period; mid-grey is the mean.

    Args:
      energies: from `examine`.
      subtitle: second line of the title: the start, the network and the size.
    """
    periods = list(next(iter(energies.values())))
    return figures.sheet(
        [[of[period] / WHITE for period in periods] for of in energies.values()],
        title=f"Energy of the pixel gradient by phase; grey: mean, white: {WHITE:g} times\n{subtitle}",
        row_labels=list(energies),
        column_labels=[f"modulo {period}" for period in periods],
        labels=[[f"{phase_level(of[period]):.2f} dB" for period in periods] for of in energies.values()],
        pixelated=True,
    )


def arrays(energies: Mapping[str, Mapping[int, np.ndarray]]) -> dict[str, np.ndarray]:
    """Returns the energies as a flat dict, for a file.

    Args:
      energies: from `examine`.

    Returns:
      {"term period": `pxp`}.
    """
    return {f"{term} {period}": found for term, of in energies.items() for period, found in of.items()}


def table(energies: Mapping[str, Mapping[int, np.ndarray]]) -> list[tuple]:
    """Returns the levels (artefacts.phase_level) as rows.

    Args:
      energies: from `examine`.

    Returns:
      The rows (term, period, level); the first holds the names of the columns.
    """
    rows = [
        (term, period, phase_level(found)) for term, of in energies.items() for period, found in of.items()
    ]
    return [("term", "period", "level, dB"), *rows]
