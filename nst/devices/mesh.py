"""One picture over several devices: its height is divided among them, and XLA exchanges the rows at the cuts.

Convolutions and poolings send a row or two to the neighbour, Gram matrices and the other sums are added over
the devices, and the optimiser's state lies where its pixels do. So each device holds its share of the rows of
everything that grows with the picture, and none ever holds the whole of it.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from nst.errors import UserError
from nst.losses.problem import Problem
from nst.losses.spec import Spec
from nst.networks.vgg import layers_to
from nst.optimizers.steps import State

HEIGHT = "height"


def mesh(devices: int) -> Mesh | None:
    """The devices of `config.devices` (0: all that there are) in a row; None: only one.

    Raises:
      UserError: more than there are, or not all where several processes share the work.
    """
    found = jax.devices()
    if not 0 <= devices <= len(found):
        raise UserError(f"devices = {devices}: there are {len(found)} ({found[0].platform}); 0 takes all")
    chosen = found[: devices or len(found)]
    if jax.process_count() > 1 and len(chosen) < len(found):
        raise UserError(
            f"devices = {devices}: the {jax.process_count()} processes have {len(found)} together, and take "
            "part with all of them: set config.devices=0"
        )
    return Mesh(np.array(chosen), (HEIGHT,)) if len(chosen) > 1 else None


def rows(spec: Spec, over: Mesh | None) -> int:
    """What a height must be a multiple of, so that the devices share the deepest layer's rows alike."""
    if over is None:
        return 1
    names = layers_to(spec.network.architecture, spec.layers) if spec.layers else ()
    return over.size << sum(name.startswith("pool") for name in names)


def rounded(height: int, multiple: int) -> int:
    """The multiple nearest to a height; 0 if that is less than half of it."""
    return (height + multiple // 2) // multiple * multiple


def divided(over: Mesh | None, leaf: Any, axis: int | None = None) -> jax.ShapeDtypeStruct:
    """An array's shape, divided over the devices along an axis if it has that and it divides, else whole."""
    if over is None:
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype)
    spec = PartitionSpec()
    if axis is not None and leaf.ndim > axis and leaf.shape[axis] % over.size == 0:
        spec = PartitionSpec(*[None] * axis, HEIGHT)
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=NamedSharding(over, spec))


def everywhere(over: Mesh | None, tree: Any) -> Any:
    """The shapes of arrays that every device holds whole."""
    return jax.tree.map(lambda leaf: divided(over, leaf), tree)


def state(over: Mesh | None, like: State) -> State:
    """The shapes of a state: images and histories of images, `[..., H, W, 3]`, by their height."""
    return jax.tree.map(lambda leaf: divided(over, leaf, leaf.ndim - 3 if leaf.ndim >= 4 else None), like)


def problem(over: Mesh | None, like: Problem) -> Problem:
    """The shapes of a problem: what has positions of the picture by its height, all else on every device."""

    def by(axis, tree):
        return jax.tree.map(lambda leaf: divided(over, leaf, axis), tree)

    return everywhere(over, like).replace(
        content=by(1, like.content), guides=by(0, like.guides), photo=by(1, like.photo)
    )


def gathers(compiled: jax.stages.Compiled) -> bool:
    """Whether a program brings divided arrays together on the devices, whose memory then bounds the size.

    Exchanged rows and sums do not; sorting (histogram, sliced_wasserstein), matching patches (mrf) and
    resampling (optimizer.bands) do.
    """
    return any(f" {name}" in compiled.as_text() for name in ("all-gather", "all-to-all"))


def shardings(like: Any) -> Any:
    """Those of a tree of shapes."""
    return jax.tree.map(lambda leaf: leaf.sharding, like)


def spread(over: Mesh | None, tree: Any, axis: int | None = None) -> Any:
    """Arrays, divided over the devices along an axis where that is possible, else on all of them."""
    return jax.tree.map(lambda leaf: _put(leaf, divided(over, leaf, axis)), tree)


def put(tree: Any, like: Any) -> Any:
    """Arrays, laid out as shapes of `divided` say; across processes each must have the same values."""
    return jax.tree.map(_put, tree, like)


def _put(leaf: Any, like: jax.ShapeDtypeStruct) -> jax.Array:
    if not isinstance(like.sharding, NamedSharding):
        # a copy of what is NumPy's, whose memory must not be donated
        return leaf if isinstance(leaf, jax.Array) else jnp.array(leaf)
    if isinstance(leaf, jax.Array) and len(leaf.sharding.device_set) > 1:
        return jax.device_put(leaf, like.sharding)
    whole = np.asarray(leaf, like.dtype)  # device_put would compare it over the processes
    return jax.make_array_from_callback(like.shape, like.sharding, lambda index: whole[index])
