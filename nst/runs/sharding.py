"""The layout of a run on several devices: arrays that have the image's height are divided along it."""

import jax
from jax.sharding import Mesh

from nst.devices.mesh import replicated, sharded
from nst.errors import UserError
from nst.losses.problem import Problem
from nst.losses.spec import Spec
from nst.networks.table import cuts, layers_to
from nst.optimizers.steps import State


def height_multiple(spec: Spec, mesh: Mesh | None) -> int:
    """Returns the number of which an image's height must be a multiple, so that the devices can share it.

    Each device then has the same number of rows of the deepest layer that the loss reads.

    Args:
      spec: the static choices of the loss, which include the layers that it reads.
      mesh: the devices; None: a single device, for which the result is 1.

    Raises:
      UserError: a layer is not padded to whole strides.
    """
    if mesh is None:
        return 1
    architecture = spec.network.architecture
    layers = layers_to(architecture, spec.layers)
    for layer in layers:
        if cuts(layer):
            raise UserError(
                f"devices: {layer.name} of {architecture} is not padded to whole strides, so that devices "
                "cannot share its rows; set devices = 1"
            )
    return mesh.size * max((layer.stride for layer in layers), default=1)


def state(mesh: Mesh | None, like: State) -> State:
    """Returns the shapes of a state with their layout: images and histories of images are divided by height.

    Args:
      mesh: the devices; None: a single device.
      like: a state, or its shapes.
    """
    # images are 1xHxWx3, and histories have further axes before these; other leaves are scalars or vectors
    return jax.tree.map(lambda leaf: sharded(mesh, leaf, leaf.ndim - 3 if leaf.ndim >= 4 else None), like)


def problem(mesh: Mesh | None, like: Problem) -> Problem:
    """Returns the shapes of a problem with their layout: arrays over image positions are divided by height.

    Weights, and targets that are statistics, are replicated on every device.

    Args:
      mesh: the devices; None: a single device.
      like: a problem, or its shapes.
    """

    def by(axis, tree):
        return jax.tree.map(lambda leaf: sharded(mesh, leaf, axis), tree)

    return replicated(mesh, like).replace(
        content=by(1, like.content), guides=by(0, like.guides), photo=by(1, like.photo)
    )
