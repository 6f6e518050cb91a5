"""Compiling of the loop of a run, from shapes alone: jobs with equal choices and shapes share one program."""

from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from nst.devices import memory, programs
from nst.devices import mesh as device_mesh
from nst.losses import problem
from nst.losses.guidance import Regions
from nst.losses.problem import Loss, Problem
from nst.losses.spec import Spec
from nst.optimizers import steps
from nst.optimizers.table import Optimizer
from nst.runs import masks, sharding
from nst.runs.job import Job

Size = tuple[int, int]  # height and width


class _Shapes(NamedTuple):
    """The shapes of a job's arrays; hashable."""

    content: Size
    styles: tuple[Size, ...]
    guided: tuple[bool, ...]  # for each region: whether it is only a part of the photograph
    style_guided: tuple[tuple[int, ...], ...]  # for each region: the paintings of which only a part counts
    structure: Any  # structure of the tree of the network's variables and the weights of the loss
    leaves: tuple  # (shape, dtype) of each leaf of that tree


def compile_run(job: Job, size: Size | None = None) -> jax.stages.Compiled:
    """Returns the compiled loop (`optimizers.steps.run`) of a job.

    Args:
      job: from `prepare`.
      size: height and width of the image; None: the job's size.
    """
    shapes = _shapes(job, size)
    # targets such as Gram matrices have the same shapes for paintings of all sizes
    leaves, structure = jax.tree.flatten(_problem(job.spec, shapes))
    return _compiled(job.spec, job.optimizer, job.mesh, shapes.content, structure, tuple(leaves))


def check(job: Job) -> None:
    """Checks, by shapes alone, that the loss can be computed for pictures of these sizes.

    Args:
      job: from `prepare`.

    Raises:
      TooSmall: a layer has too few positions for the representation of style, or the image too few pixels.
    """
    shapes = _shapes(job)
    image_1xHxWx3 = jax.ShapeDtypeStruct((1, *shapes.content, 3), jnp.float32)
    programs.shapes(problem.loss, job.spec, _problem(job.spec, shapes), image_1xHxWx3)


def _shapes(job: Job, size: Size | None = None) -> _Shapes:
    leaves, structure = jax.tree.flatten((job.variables, job.loss_weights))
    return _Shapes(
        content=size or job.content.rgb_HxWx3.shape[:2],
        styles=tuple(style.rgb_HxWx3.shape[:2] for style in job.styles),
        guided=tuple(map(bool, job.regions.guides)),
        style_guided=tuple(tuple(guides) for guides in job.regions.style_guides),
        structure=structure,
        leaves=tuple((leaf.shape, leaf.dtype) for leaf in leaves),
    )


def _problem(spec: Spec, shapes: _Shapes) -> Problem:
    """Returns the shapes of a job's targets, weights and variables."""
    content, *styles = (
        jax.ShapeDtypeStruct((1, *size, 3), jnp.float32) for size in (shapes.content, *shapes.styles)
    )
    variables, loss_weights = shapes.structure.unflatten(
        jax.ShapeDtypeStruct(*leaf) for leaf in shapes.leaves
    )
    guides = [masks.guide_like(spec, shapes.content) if guided else {} for guided in shapes.guided]
    style_guides = [
        {number: masks.guide_like(spec, shapes.styles[number]) for number in numbers}
        for numbers in shapes.style_guided
    ]
    regions = Regions(guides, style_guides)
    return programs.shapes(problem.make_problem, spec, variables, content, styles, loss_weights, regions)


@lru_cache(maxsize=16)  # most pyramids have fewer sizes
def _compiled(
    spec: Spec, optimizer: Optimizer, mesh: Mesh | None, size: Size, structure: Any, leaves: tuple
) -> jax.stages.Compiled:
    made = structure.unflatten(leaves)
    start_1xHxWx3 = jax.ShapeDtypeStruct((1, *size, 3), jnp.float32)
    state = jax.eval_shape(partial(steps.init, optimizer), start_1xHxWx3)
    count = jax.ShapeDtypeStruct((), jnp.int32)
    if mesh is None:
        compiled = programs.compiled(steps.run, Loss(spec), optimizer, made, state, count)
    else:
        made, state, count = (
            sharding.problem(mesh, made),
            sharding.state(mesh, state),
            device_mesh.sharded(mesh, count),
        )
        # the state is returned in the layout of the argument, so that it can be passed in again
        results = device_mesh.shardings((state, device_mesh.sharded(mesh, count)))
        run = jax.jit(partial(steps.run, Loss(spec), optimizer), donate_argnums=1, out_shardings=results)
        compiled = run.lower(made, state, count).compile()
    memory.release()
    return compiled


def drop_programs() -> None:
    """Drops all compiled programs from memory, but not those on disk (nst/devices/compilation_cache.py)."""
    jax.clear_caches()
    _compiled.cache_clear()
    programs.drop()
