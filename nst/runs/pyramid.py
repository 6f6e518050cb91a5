"""Coarse to fine: the same picture at growing sizes, each the start of the next.

Large structures are settled where they are small and cheap: Gatys et al. 2017 (*Controlling Perceptual
Factors in Neural Style Transfer*), section 5, in two sizes; crowsonkb/style-transfer-pytorch in steps of
sqrt 2, with the optimiser's moments carried along.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import optax

from nst.errors import UserError
from nst.optimizers.table import Optimizer, method


def sizes(size: int, factor: float, least: int) -> list[int]:
    """size, size / f, size / f^2, ... down to `least`, rounded, smallest first; `least` 0: size alone.

    Raises:
      UserError: a factor that does not shrink, or no size to start from.
    """
    if not least:
        return [size]
    if factor <= 1:
        raise UserError(f"pyramid.factor = {factor}: must be larger than 1")
    if not size:
        raise UserError("pyramid.min_size: the sizes follow from size: give it in pixels")
    found, count = [size], 1
    while round(size / factor**count) >= least:
        found.insert(0, round(size / factor**count))
        count += 1
    return found


def steps(given: Sequence[int], last: int, count: int) -> list[int]:
    """The updates at each of `count` sizes: those given, the last of them repeated, and `last` at full size.

    Raises:
      UserError: more numbers than there are smaller sizes, or one below 1.
    """
    given = list(given) or [last]
    if len(given) > max(1, count - 1):
        raise UserError(f"pyramid.steps = {tuple(given)}: {len(given)} numbers for {count - 1} smaller sizes")
    if not all(number == int(number) >= 1 for number in given):
        raise UserError(f"pyramid.steps = {tuple(given)}: give whole numbers, at least 1")
    return [int(given[min(index, len(given) - 1)]) for index in range(count - 1)] + [last]


def carry(optimizer: Optimizer, inner: optax.OptState, height: int, width: int) -> optax.OptState | None:
    """The optimiser's state at another size; None for L-BFGS, whose pairs of another size say nothing.

    Moments are resampled: first ones (and traces) bicubic, second ones (`nu`) bilinear, which leaves no
    negative ones. Counts are kept, so that their bias correction goes on.
    """
    rule = method(optimizer)
    if not rule.carries:
        return None

    def resample(path, leaf, like):
        if leaf.ndim != 4:
            return leaf
        second = any(getattr(key, "name", "") == "nu" for key in path)
        return jax.image.resize(leaf, like.shape, "linear" if second else "cubic", antialias=False)

    template = jax.eval_shape(rule.init, jnp.zeros((1, height, width, 3)))
    return jax.tree_util.tree_map_with_path(resample, inner, template)
