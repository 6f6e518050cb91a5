"""Coarse to fine: the same image at growing sizes, where each result is the start of the next size.

Large structures form at the small sizes, where steps take little time. Gatys et al. 2017 (*Controlling
Perceptual Factors in Neural Style Transfer*), section 5, use two sizes; crowsonkb/style-transfer-pytorch
multiplies the size by sqrt 2 each time, and resamples the optimiser's moments to the next size.
"""

import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from ml_collections import ConfigDict

from nst import images
from nst.errors import UserError
from nst.optimizers.table import Optimizer, method
from nst.runs import identity, settings
from nst.runs.identity import Identity

MOST = 100  # most sizes of a pyramid


class Level(NamedTuple):
    """One size of a pyramid, which is a run with a config and a folder of its own."""

    config: ConfigDict
    workdir: Path | None
    identity: Identity | None = None  # the identity that its folder must have; None: there is no folder


def plan(
    config: ConfigDict,
    workdir: Path | None,
    originals: Sequence[tuple[int, int]] = (),
    inputs: Mapping[str, str] = types.MappingProxyType({}),
) -> list[Level]:
    """Plans the sizes of a run, smallest first; the last level is the run itself.

    Some of the smaller sizes may be too small for the config; `stylize.run_sizes` leaves these out.

    Args:
      config: from `settings.resolve`, with a number for its size.
      workdir: the run folder, in which each smaller size has a folder `size_N`; None: nothing is written.
      originals: height and width of the photograph and of each painting before resizing; needed if `size` is
        0.
      inputs: {role: sha256} of every file that the result depends on; needed if there is a folder.

    Raises:
      UserError: the fields of `config.pyramid` do not define a sequence of sizes.
    """
    levels, start = [], ""
    for smaller in _smaller(config, originals) if config.pyramid.min_size else ():
        run_identity = identity.make(settings.as_dict(smaller), inputs, start)
        levels.append(Level(smaller, workdir and workdir / f"size_{smaller.size}", run_identity))
        start = identity.start_after(run_identity, smaller.steps)
    return [*levels, Level(config, workdir, identity.make(settings.as_dict(config), inputs, start))]


def _smaller(config: ConfigDict, originals: Sequence[tuple[int, int]]) -> list[ConfigDict]:
    """Returns the configs of the smaller sizes, smallest first."""
    config = _in_pixels(config, originals)
    *smaller, _ = sizes(config.size, config.pyramid.factor, config.pyramid.min_size)
    updates = steps(config.pyramid.steps, config.steps, len(smaller) + 1)
    return [
        _at_size(config, size, updates[index], len(smaller) - index) for index, size in enumerate(smaller)
    ]


def _in_pixels(config: ConfigDict, originals: Sequence[tuple[int, int]]) -> ConfigDict:
    """Returns a config whose `size` is not 0 and for which the pictures have the same sizes."""
    if config.size:
        return config
    size, *paintings = [images.measure(*shape, config.size_mode) for shape in originals]
    config = config.copy_and_resolve_references()
    config.size = size
    if not config.style_size:  # where size is 0, the paintings keep their own sizes
        config.style_scale = tuple(painting / size for painting in paintings)
    return config


def _at_size(config: ConfigDict, size: int, updates: int, below: int) -> ConfigDict:
    """Returns the config of a smaller size, `below` levels below the full one."""
    smaller = config.copy_and_resolve_references()
    smaller.size, smaller.steps, smaller.pyramid.min_size = size, updates, 0
    smaller.content_loss.weight *= config.pyramid.content_factor**below
    # with style_size 0, the paintings follow `size`, and so would shrink with it
    if config.pyramid.style == "fixed" and not config.style_size:
        smaller.style_size = config.size
    elif config.pyramid.style == "scaled" and config.style_size:
        smaller.style_size = max(1, round(config.style_size * size / config.size))  # 0 would mean `size`
    return smaller


def sizes(size: int, factor: float, least: int) -> list[int]:
    """Returns size, size / f, size / f^2, ... down to `least`, rounded, smallest first.

    Args:
      size: size of the result, in pixels.
      factor: f > 1, the ratio of a size to the next smaller one.
      least: the smallest size, in pixels; 0, or more than `size`: the only size is `size`.

    Raises:
      UserError: the factor is so near 1 that two sizes are equal, or that there are more than `MOST` sizes.
    """
    result = [size]
    while least and (smaller := round(size / factor ** len(result))) >= least:
        if smaller >= result[0] or len(result) == MOST:
            raise UserError(
                f"pyramid.factor = {factor}: too near 1: sizes from {least} to {size} px repeat, or are more "
                f"than {MOST}; give a larger factor or pyramid.min_size"
            )
        result.insert(0, smaller)
    return result


def steps(updates: Sequence[int], last: int, count: int) -> list[int]:
    """Returns the number of updates at each size, smallest first.

    Args:
      updates: numbers for the smaller sizes; the last one is repeated; (): `last` for each size. If there are
        more numbers than sizes, the rest is not used, so that one config suits every size of the result.
      last: the number at the full size.
      count: the number of sizes.
    """
    updates = list(updates) or [last]
    return [updates[min(index, len(updates) - 1)] for index in range(count - 1)] + [last]


def carry(optimizer: Optimizer, inner: optax.OptState, height: int, width: int) -> optax.OptState | None:
    """Resamples the optimiser's state to another size.

    First moments (and traces) are resampled bicubically. Second moments (`nu`) are resampled bilinearly, so
    that they stay non-negative. Counts are kept, so that Adam's correction of the moments' bias continues.

    Args:
      optimizer: the static choices of the optimisation.
      inner: the state of the optimiser's method.
      height, width: the new size in pixels.

    Returns:
      The state at the new size; None for L-BFGS, whose pairs describe the loss at one size only.
    """
    rule = method(optimizer)
    if not rule.carries:
        return None

    def resample(path, leaf, like):
        if leaf.ndim != 4:  # a count; moments have the shape of the image
            return leaf
        second = any(getattr(key, "name", "") == "nu" for key in path)
        return jax.image.resize(leaf, like.shape, "linear" if second else "cubic", antialias=False)

    template = jax.eval_shape(rule.init, jnp.zeros((1, height, width, 3)))
    return jax.tree_util.tree_map_with_path(resample, inner, template)
