"""Style transfer from a config and two pictures to a result: the method of the paper, in its order.

An image is optimised until its activations in a frozen network have the content of the photograph and the
style of the painting (Gatys et al. 2015). The loss is defined in nst/losses, and the optimisers that minimise
it in nst/optimizers.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
from ml_collections import ConfigDict

from nst.devices import memory, mesh, processes
from nst.errors import TooSmall
from nst.images import Source
from nst.runs import compiling, display, fitting, folder, interrupt, pyramid, settings
from nst.runs.hooks import Hooks, Progress
from nst.runs.job import description, ended, make_problem, prepare
from nst.runs.log import Detail, above_bars, once
from nst.runs.loop import Program, drive
from nst.runs.network import LoadNetwork, cached_loader
from nst.runs.pyramid import Level
from nst.runs.run import Result, Run, begin, finish, follow, opened

__all__ = ["Result", "run_sizes", "stylize"]


class _Compiled(NamedTuple):
    loop: jax.stages.Compiled  # optimizers.steps.run, compiled
    seconds: float  # seconds that compiling took
    memory_bytes: int  # bytes that the run needs


def stylize(
    content: Source | None,
    style: Source | Sequence[Source] | None,
    config: ConfigDict,
    workdir: str | Path | None = None,
    *,
    stop: Callable[[], bool] = lambda: False,
    log: Callable[[str], None] = print,
    progress: Callable[[Progress], None] | bool | None = None,
    load: LoadNetwork | None = None,
) -> Result:
    """Finds the image with the content of one picture and the style of another.

    Args:
      content: the photograph: a path, a PIL image or an array; None: `config.content`.
      style: the painting, or several in a list; None: `config.style`.
      config: from `get_config` of a config, such as `nst.configs.default`; any field may be changed.
      workdir: the run folder. If it already holds the same run, that run is continued, and its result has the
        same bytes as without the interruption. None: nothing is written.
      stop: called after every few steps; if it returns True, the run saves a checkpoint and a preview, and
        ends early. The first Ctrl-C has the same effect, unless the program handles that signal itself.
      log: receives one line of text at a time; lines that only describe the run are of type
        `nst.runs.log.Detail`.
      progress: called at the start of each size and after every few steps (a few seconds at most) with a
        `Progress`: the step, the loss, the image's size, and a function that fetches the image. It does not
        change the result. If it raises an exception, the run saves a checkpoint and a preview before the
        exception is raised. None: a bar in a terminal, a bar and the picture in a notebook, and a line of the
        log at each record anywhere else; False: a line of the log at each record.
      load: a function from `cached_loader`, so that several calls share one network; None: this call loads
        its own network.

    Returns:
      The image and the record of the run. If the run was stopped, `finished` is False, and the image is the
      one at which it was stopped, enlarged if that was at a smaller size. Otherwise `reason` says why the run
      has ended.

    Raises:
      UserError: an input is invalid; the message is one line that says what is wrong and what to do. The
        files that the folder held are then unchanged.
    """
    log = processes.log_on_primary(above_bars(log))
    load = load or cached_loader()  # shared by all sizes of this run
    workdir = Path(workdir) if workdir else None
    config = settings.resolve(config)
    if workdir:
        folder.check_writable(workdir)
    config = fitting.choose_size(content, style, config, workdir, log=log, load=load)
    # the full size is prepared first, so that its errors are reported before any step is made
    job = prepare(content, style, config, load)
    *smaller, full = pyramid.plan(config, workdir, job.originals, job.inputs)
    with display.following(progress) as (show, failed):
        lines = show is None or callable(progress)
        hooks = Hooks(stop, log, load, show, lines, describe=once(log))
        with opened(job, full, hooks, smaller) as run:
            compiled = _begin(run)
            with interrupt.deferred() as interrupted:
                hooks = hooks._replace(stop=lambda: stop() or failed() or interrupted())
                if run.state is None:
                    last = run_sizes(content, style, smaller, hooks=hooks)
                    run = follow(run, last)
                    if last is not None and not last.finished:  # stopped before the full size made a step
                        return finish(run, None)
                return _optimize(run, compiled, hooks)


def run_sizes(
    content: Source | None,
    style: Source | Sequence[Source] | None,
    levels: Sequence[Level],
    start: Result | None = None,
    *,
    hooks: Hooks,
) -> Result | None:
    """Optimises one size after the other; each size starts from the result of the size before.

    A size that has too few pixels for the config is left out.

    Args:
      content, style: as for `stylize`.
      levels: the smaller sizes from `pyramid.plan`.
      start: the result from which the first size starts; None: it starts from `config.init`.
      hooks: the functions of the caller.

    Returns:
      The result of the last size, or of the size at which the run was stopped; `start` if all sizes are left
      out.
    """
    for level in levels:
        try:
            job = prepare(content, style, level.config, hooks.load)
            compiling.check(job)
        except TooSmall as error:
            hooks.log(Detail(f"{level.config.size} px is left out: {error}"))
            continue
        hooks.log(Detail(f"at {level.config.size} px"))
        with opened(job, level, hooks) as run:
            start = _optimize(follow(run, start), _begin(run), hooks)
        if not start.finished:  # it was stopped
            break
    return start


def _begin(run: Run) -> _Compiled | None:
    """Compiles and checks a run, then begins it; returns its loop, or None if no step is left to be made."""
    finished = run.state is not None and ended(run.job, run.config, run.state)
    compiled = None if finished else _compile(run)
    begin(run)
    if compiled:
        run.recorder.note(memory_bytes=compiled.memory_bytes, compile_seconds=compiled.seconds)
    return compiled


def _compile(run: Run) -> _Compiled:
    """Compiles the loop of a run, and checks that it fits into memory."""
    began = time.perf_counter()
    loop = compiling.compile_run(run.job)
    seconds = time.perf_counter() - began
    # processes that disagreed on the limit would wait for each other forever
    limit = processes.broadcast(memory.limit(run.config.memory_limit_gb))
    return _Compiled(loop, round(seconds, 3), fitting.check_memory(run.job, loop, limit))


def _optimize(run: Run, compiled: _Compiled | None, hooks: Hooks) -> Result:
    """Makes the remaining steps of a run, and writes its result."""
    if compiled is None:
        return finish(run, run.state)
    job, log = run.job, run.recorder.log
    for line in [*description(job, run.config), fitting.description(job, compiled.memory_bytes)]:
        hooks.describe(line)
    if job.mesh and mesh.gathers(compiled.loop):
        log("devices: whole layers are gathered on each device, so the memory of one device limits the size")
    return finish(run, drive(run, Program(compiled.loop, make_problem(job)), hooks))
