"""Training images that the student itself makes: pictures stylised with the student as the loss network.

Training on them reduces the errors of the student that an optimiser would exploit.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from experiments.distill import dataset
from experiments.distill.export import finish
from nst.losses import problem, weights
from nst.losses.spec import Spec
from nst.networks.network import Network
from nst.networks.table import freeze
from nst.optimizers import steps
from nst.optimizers.table import Optimizer


class Student(NamedTuple):
    """A student as a loss network."""

    network: Network
    params: dict
    scales: dict  # layer -> scale of its map


def stylise(
    config: ConfigDict, student: Student, data: dataset.Data, rng: np.random.Generator
) -> list[np.ndarray]:
    """Makes pictures with the student as the loss network, from photographs or noise.

    The style weights span three decades. Pictures are kept on the way and at the end of each optimisation,
    and may leave [0, 1] a little, as iterates do.

    Args:
      config: of the distillation; its group `stylised` is used.
      student: the loss network.
      data: photographs and paintings.
      rng: of everything random.

    Returns:
      Images `HxWx3`, float32; those that are not finite are left out.
    """
    spec = _spec(config, student.network)
    variables = freeze(spec.network, finish(student.params, student.scales, np.float32))
    size, kept = config.stylised.size, []
    for _ in range(config.stylised.pairs):
        photo, painting = (
            dataset.crop(rng, pictures[rng.integers(len(pictures))], size)[None]
            for pictures in (data.photos, data.paintings)
        )
        image = photo if rng.random() < 0.7 else 0.45 + 0.1 * rng.standard_normal(photo.shape, np.float32)
        loss_weights = weights.make_weights(
            spec, weights.WeightSettings(style=10 ** rng.uniform(-0.5, 2.5)), 1
        )
        targets = problem.make_problem(
            spec, variables, jnp.asarray(photo), [jnp.asarray(painting)], loss_weights
        )
        kept += _snapshots(spec, targets, image, config.stylised.snapshots)
    return kept


def _spec(config: ConfigDict, network: Network) -> Spec:
    """Returns the loss: as in the papers, style from a block's first layer and content from a later one."""
    first = tuple(layer for layer in config.layers if layer.endswith("_1")) or tuple(config.layers)
    later = tuple(layer for layer in config.layers if layer not in first) or first[-1:]
    return Spec(
        network=network,
        content_layers=later,
        content_normalization="relative",
        style_layers=first,
        style_normalization="relative",
    )


def _snapshots(spec: Spec, targets, image_1xHxWx3: np.ndarray, counts) -> list[np.ndarray]:
    """Optimises an image and returns it after each number of updates in `counts`, if it is finite."""
    optimizer, kept = Optimizer(), []
    state = steps.init(optimizer, image_1xHxWx3)
    for count in np.diff((0, *counts)):
        state, _ = steps.run(problem.Loss(spec), optimizer, targets, state, np.int32(count))
        picture = np.clip(steps.image(optimizer, state)[0], -0.2, 1.2)
        if np.isfinite(picture).all():
            kept.append(np.asarray(picture, np.float32))
    return kept
