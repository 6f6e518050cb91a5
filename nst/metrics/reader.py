"""A network that measures pictures, and functions of it that are compiled once for each size."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from nst.devices import memory
from nst.errors import UserError
from nst.networks import checkpoints
from nst.networks.network import PREPROCESSING, Network
from nst.networks.table import freeze, minimum_size


class MeasuringNetwork(NamedTuple):
    """A frozen network in float32, as it was trained, except for its pooling."""

    network: Network
    variables: dict  # from networks.table.freeze
    sha256: str  # digest of the file of weights; "": random weights
    least: int  # least number of pixels of a picture's short edge


def load(name: str, architecture: str, layers: Sequence[str], pooling: str = "max") -> MeasuringNetwork:
    """Loads a network that measures.

    Args:
      name: name of a network in nst.networks.checkpoints, or path of its weights.
      architecture: architecture of the weights, if `name` is a path.
      layers: names of the layers that are read.
      pooling: a key of networks.pooling.POOLING.

    Raises:
      UserError: the weights cannot be found or read.
    """
    convention = checkpoints.convention(name, architecture, "")
    loaded = checkpoints.load(name, convention.architecture, layers)
    network = Network(
        architecture=convention.architecture,
        widths=convention.widths,
        frame="vgg",  # the channels of a slim network's teacher, since some measures use single channels
        preprocessing=PREPROCESSING[convention.preprocessing],
        pooling=pooling,
    )
    variables = freeze(network, loaded.params)
    return MeasuringNetwork(network, variables, loaded.sha256, minimum_size(network, layers))


def compiled(function: Callable, *fixed: Any) -> Callable:
    """Returns a function of images that is compiled once for each size.

    Args:
      function: function of `fixed` and of images `1xHxWx3`.
      *fixed: its first arguments, arrays or trees of arrays.

    Returns:
      `function` as a function of images `HxWx3` alone. It raises UserError if it needs more memory than is
      available.
    """

    @lru_cache(maxsize=64)
    def program(*sizes: tuple[int, int]) -> jax.stages.Compiled:
        shapes = [jax.ShapeDtypeStruct((1, *size, 3), jnp.float32) for size in sizes]
        made = jax.jit(function).lower(*fixed, *shapes).compile()
        need, limit = memory.program_bytes(made), memory.available(jax.devices()[0])
        if need > limit:
            height, width = sizes[0]
            raise UserError(
                f"{width}x{height} px needs {memory.format_bytes(need)} to judge, and "
                f"{memory.format_bytes(limit)} are available: give a smaller picture"
            )
        return made

    def on_images(*images_HxWx3):
        sizes = [image.shape[:2] for image in images_HxWx3]
        return program(*sizes)(*fixed, *(jnp.asarray(image)[None] for image in images_HxWx3))

    return on_images
