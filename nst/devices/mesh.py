"""Arrays divided along one axis over several devices.

XLA divides a compiled program in the same way as its inputs. For an image that is divided by its height,
convolutions and poolings exchange a row or two with the neighbouring devices, sums such as Gram matrices are
added over the devices, and the optimiser's state is divided like the image. So each device holds its share of
everything that grows with the image, and no device ever holds the whole.
"""

from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from nst.errors import UserError

AXIS = "height"  # the name of the mesh's one axis, along which arrays are divided


def make_mesh(devices: int) -> Mesh | None:
    """Returns a mesh of devices in a row; None for a single device.

    Args:
      devices: number of devices, `config.devices`; 0: all.

    Raises:
      UserError: there are fewer devices, or there are several processes and `devices` is not the number of
        all their devices.
    """
    available = jax.devices()
    if not 0 <= devices <= len(available):
        raise UserError(
            f"devices = {devices}: there are {len(available)} ({available[0].platform}); 0 takes all"
        )
    chosen = available[: devices or len(available)]
    if jax.process_count() > 1 and len(chosen) < len(available):
        raise UserError(
            f"devices = {devices}: the {jax.process_count()} processes have {len(available)} together "
            "and must use all of them: set config.devices=0"
        )
    return Mesh(np.array(chosen), (AXIS,)) if len(chosen) > 1 else None


def rounded(length: int, multiple: int) -> int:
    """Returns the multiple of `multiple` that is nearest to a length; it may be 0.

    Args:
      length: length of an axis, in elements.
      multiple: a whole number, >= 1.
    """
    return (length + multiple // 2) // multiple * multiple


def sharded(mesh: Mesh | None, leaf: Any, axis: int | None = None) -> jax.ShapeDtypeStruct:
    """Returns the shape of an array with its layout on the devices.

    Args:
      mesh: from `make_mesh`; None: the result has no layout.
      leaf: an array, or anything with a shape and a dtype.
      axis: axis along which the array is divided, if it has that axis and the number of devices divides its
        length; otherwise, and for None, each device holds the whole array.
    """
    if mesh is None:
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype)
    spec = PartitionSpec()
    if axis is not None and leaf.ndim > axis and leaf.shape[axis] % mesh.size == 0:
        spec = PartitionSpec(*[None] * axis, AXIS)
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=NamedSharding(mesh, spec))


def replicated(mesh: Mesh | None, tree: Any) -> Any:
    """Returns the shapes of a tree of arrays that every device holds whole.

    Args:
      mesh: as for `sharded`.
      tree: a pytree of arrays or shapes.
    """
    return jax.tree.map(lambda leaf: sharded(mesh, leaf), tree)


def gathers(compiled: jax.stages.Compiled) -> bool:
    """Returns whether a program gathers divided arrays on single devices, whose memory bounds them.

    The exchange of rows between neighbours and the adding of sums do not gather arrays. Sorting (histogram,
    sliced_wasserstein), the matching of patches (mrf) and resampling (optimizer.bands) do.

    Args:
      compiled: a program whose inputs are divided.
    """
    return any(f" {name}" in compiled.as_text() for name in ("all-gather", "all-to-all"))


def shardings(tree: Any) -> Any:
    """Returns the layouts of a tree of shapes, in the form of `out_shardings` of `jax.jit`.

    Args:
      tree: a pytree of shapes from `sharded`.
    """
    return jax.tree.map(lambda leaf: leaf.sharding, tree)


def distribute(mesh: Mesh | None, tree: Any, axis: int | None = None) -> Any:
    """Places arrays on the devices.

    Args:
      mesh: as for `sharded`.
      tree: a pytree of arrays, which must have the same values in all processes.
      axis: axis along which each array is divided if that is possible, as for `sharded`.
    """
    return jax.tree.map(lambda leaf: _put(leaf, sharded(mesh, leaf, axis)), tree)


def put(tree: Any, like: Any) -> Any:
    """Places arrays on the devices, with the layouts of given shapes.

    Args:
      tree: a pytree of arrays, which must have the same values in all processes.
      like: a pytree of the same structure with shapes from `sharded`.
    """
    return jax.tree.map(_put, tree, like)


def _put(leaf: Any, like: jax.ShapeDtypeStruct) -> jax.Array:
    if not isinstance(like.sharding, NamedSharding):
        # NumPy's arrays are copied, since their memory must not be donated
        return leaf if isinstance(leaf, jax.Array) else jax.device_put(leaf, may_alias=False)
    if isinstance(leaf, jax.Array) and len(leaf.sharding.device_set) > 1:
        return jax.device_put(leaf, like.sharding)
    whole = np.asarray(leaf, like.dtype)  # device_put would compare the values of all processes
    return jax.make_array_from_callback(like.shape, like.sharding, lambda index: whole[index])
