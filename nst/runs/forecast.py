"""Lower bounds of the memory of a run, from shapes alone, before a picture is resized.

`fitting.check_memory` computes the exact number, but only after the pictures have been resized and the loop
has been compiled, which may itself need more memory than is available.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from nst.devices import memory, processes
from nst.errors import UserError
from nst.losses.spec import Spec
from nst.networks.table import layers_to, positions
from nst.optimizers import steps
from nst.optimizers.table import Optimizer

# A run whose lower bound is less than this many times the limit is left to `fitting.check_memory`, whose
# error names the largest size that fits. The pictures themselves are a small part of the memory of a run.
_SLACK = 2


def make_check(
    spec: Spec, optimizer: Optimizer, mesh: Mesh | None, gigabytes: float
) -> Callable[[str, int, int], None]:
    """Returns a function (role, height, width) that raises UserError for a picture that cannot fit.

    Args:
      spec: the static choices of the loss.
      optimizer: the static choices of the optimisation.
      mesh: the devices that share the height; None: one device.
      gigabytes: `config.memory_limit_gb`.
    """
    share = mesh.size if mesh else 1
    # processes that disagreed on the limit would wait for each other forever
    limit = processes.broadcast(memory.limit(gigabytes))

    def check(role: str, height: int, width: int) -> None:
        if role != "content":
            check_painting(spec, role, (height, width), share, _SLACK * limit)
            return
        pixels = image_bytes(spec, optimizer, height, width) // share
        need, scale = memory.of_run(pixels, 0), largest_scale(pixels, limit)
        if need > _SLACK * limit:
            below = f"below {round(width * scale)}x{round(height * scale)} px" if scale else "if any fits"
            raise UserError(
                f"content: {width}x{height} px needs at least {memory.format_bytes(need)}, and "
                f"{memory.format_bytes(limit)} are available: ask for a smaller size, {below}, such as "
                "size = auto, or for a smaller optimizer.memory"
            )

    return check


def check_painting(spec: Spec, role: str, shape: tuple[int, int], share: int, limit: int) -> None:
    """Checks that the memory suffices to compute the targets of a painting.

    Args:
      spec: the static choices of the loss.
      role: name of the painting for error messages, such as "style 0".
      shape: height and width of the painting.
      share: the number of devices that divide the height.
      limit: bytes that may be used.

    Raises:
      UserError: the targets need more than the limit.
    """
    need = memory.of_run(picture_bytes(spec, *shape) // share, 0)
    if need > limit:
        raise UserError(
            f"{role}: {shape[1]}x{shape[0]} px needs at least {memory.format_bytes(need)}, more than is "
            "available: lower size, style_size or style_scale"
        )


def largest_scale(pixels_bytes: int, limit: int) -> float:
    """Returns the factor on the edges of an image at which its lower bound reaches the limit.

    Args:
      pixels_bytes: the lower bound, from `image_bytes`, which grows with the number of pixels.
      limit: bytes that may be used; if they are not enough for any image, the function returns 0.
    """
    return (memory.most_for_program(limit) / max(1, pixels_bytes)) ** 0.5


def image_bytes(spec: Spec, optimizer: Optimizer, height: int, width: int) -> int:
    """Returns a lower bound of the bytes of the loop: the optimiser's state and the largest activation.

    Args:
      spec: the static choices of the loss.
      optimizer: the static choices of the optimisation.
      height, width: size of the image in pixels.
    """
    image = jax.ShapeDtypeStruct((1, height, width, 3), jnp.float32)
    state = jax.eval_shape(partial(steps.init, optimizer), image)
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state)) + _activation(
        spec, height, width
    )


def picture_bytes(spec: Spec, height: int, width: int) -> int:
    """Returns a lower bound of the bytes for a painting's targets: its pixels and the largest activation.

    Args:
      spec: the static choices of the loss.
      height, width: size of the painting in pixels.
    """
    return 12 * height * width + _activation(spec, height, width)


def _activation(spec: Spec, height: int, width: int) -> int:
    """Returns the bytes of the largest output of a convolution, or 0 if the image is computed in strips."""
    network = spec.network
    convolutions = [each for each in layers_to(network.architecture, spec.layers) if each.kind == "conv"]
    channels = network.widths or [each.channels for each in convolutions]
    rows, columns = (positions(network.architecture, spec.layers, edge) for edge in (height, width))
    counts = [rows[each.name] * columns[each.name] for each in convolutions]
    largest = max((a * b for a, b in zip(counts, channels, strict=False)), default=0)
    return 0 if spec.strip else largest * jnp.dtype(network.dtype).itemsize
