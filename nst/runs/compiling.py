"""Compiling of the loop of a run, from shapes alone: jobs with equal choices and shapes share one program."""

from concurrent.futures import Future
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
    loop = _begin_loop(job, size).result()
    memory.release()
    return loop


def compile_all(job: Job) -> jax.stages.Compiled:
    """Compiles the programs of a job side by side, and returns that of the loop, as `compile_run` does.

    Args:
      job: from `prepare`.
    """
    loop = _begin_loop(job, None)  # first, since it takes longest
    for program in (loop, *([] if job.mesh else _begin_others(job))):
        program.result()
    memory.release()
    return loop.result()


def _begin_others(job: Job) -> list[Future[jax.stages.Compiled]]:
    """Begins to compile the statistics of the pictures and the terms of the loss, if they will be kept."""
    spec, shapes = job.spec, _shapes(job)
    photo_1xHxWx3, *paintings = (each.rgb_HxWx3[None] for each in (job.content, *job.styles))
    described = problem.describe(
        spec, job.variables, photo_1xHxWx3, paintings, job.regions, job.seed, call=programs.prepare
    )
    image_1xHxWx3 = jax.ShapeDtypeStruct((1, *shapes.content, 3), jnp.float32)
    state = image_1xHxWx3, jax.ShapeDtypeStruct((), jnp.int32)
    terms = programs.prepare(problem.measure, spec, _problem(spec, shapes), *state, job.optimizer.pixel_range)
    return jax.tree.leaves((described, terms))


def _begin_loop(job: Job, size: Size | None) -> Future[jax.stages.Compiled]:
    shapes = _shapes(job, size)
    # targets such as Gram matrices have the same shapes for paintings of all sizes
    leaves, structure = jax.tree.flatten(_problem(job.spec, shapes))
    return _begin_once(job.spec, job.optimizer, job.mesh, shapes.content, structure, tuple(leaves))


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
def _begin_once(
    spec: Spec, optimizer: Optimizer, mesh: Mesh | None, size: Size, structure: Any, leaves: tuple
) -> Future[jax.stages.Compiled]:
    made = structure.unflatten(leaves)
    start_1xHxWx3 = jax.ShapeDtypeStruct((1, *size, 3), jnp.float32)
    state = jax.eval_shape(partial(steps.init, optimizer), start_1xHxWx3)
    count = jax.ShapeDtypeStruct((), jnp.int32)
    if mesh is None:
        return programs.begin(steps.run, Loss(spec), optimizer, made, state, count)
    made, state, count = (
        sharding.problem(mesh, made),
        sharding.state(mesh, state),
        device_mesh.sharded(mesh, count),
    )
    # the state is returned in the layout of the argument, so that it can be passed in again
    results = device_mesh.shardings((state, device_mesh.sharded(mesh, count)))
    run = jax.jit(partial(steps.run, Loss(spec), optimizer), donate_argnums=1, out_shardings=results)
    return programs.in_thread(run.lower(made, state, count).compile)


def drop_programs() -> None:
    """Drops all compiled programs from memory, but not those on disk (nst/devices/compilation_cache.py)."""
    jax.clear_caches()
    _begin_once.cache_clear()
    programs.drop()
