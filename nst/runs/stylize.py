"""The main job: a config, a photograph and a painting in; the picture, and how it came about, out."""

import contextlib
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from ml_collections import ConfigDict

from nst import images
from nst.devices import memory, mesh, processes
from nst.errors import UserError, choose
from nst.networks import vgg
from nst.optimizers import steps as optimizer_steps
from nst.optimizers.steps import State
from nst.runs import fitting, pyramid, settings, sharding
from nst.runs import folder as run_folder
from nst.runs.job import (
    Job,
    LoadNetwork,
    cached_loader,
    check_memory,
    compile_run,
    first_state,
    make_problem,
    prepare,
)
from nst.runs.loop import Run, drive, picture
from nst.runs.recorder import Recorder


class Result(NamedTuple):
    """What a run leaves."""

    image: np.ndarray  # HxWx3, or HxWx4 if the photograph had alpha; float32 in [0, 1]
    state: State  # of the optimisation
    metrics: list[dict]  # the records of metrics.jsonl
    config: dict  # every field, resolved
    step: int
    finished: bool  # False: stopped before config.steps


class Begun(NamedTuple):
    """A run that is ready for its next step, its folder held."""

    job: Job
    config: ConfigDict
    recorder: Recorder
    state: State | None  # of the checkpoint; None: not begun
    stopped: bool  # while still at half the size


def stylize(
    content,
    style,
    config: ConfigDict,
    workdir: str | Path | None = None,
    *,
    stop: Callable[[], bool] = lambda: False,
    log: Callable[[str], None] = print,
    load: LoadNetwork | None = None,
    start: Result | None = None,
) -> Result:
    """Finds the image whose content is `content`'s and whose style is `style`'s.

    Args:
      content: path, PIL image or array (nst.images.read); None: `config.content`.
      style: one or several of the same, in a list; None: `config.style`.
      config: from a file of configs/, changed at will.
      workdir: the run folder; one that holds the same run is continued, to the same bytes. None: nothing
        is written.
      stop: asked between chunks; True ends the run early, with a checkpoint.
      log: receives lines for people.
      load: from prepare.cached_loader, so that many runs in one process share the network; None: its own.
      start: a run at another size, to begin where it has ended in place of config.init.

    Raises:
      UserError: one line on what is wrong and what to do.
    """
    log = processes.log_on_primary(log)
    with begin(content, style, config, workdir, stop=stop, log=log, load=load, start=start) as begun:
        job, config, recorder, state = begun[:4]
        if not begun.stopped and (state is None or int(state.step) < config.steps):
            began = time.perf_counter()
            compiled = compile_run(job)
            seconds = time.perf_counter() - began
            limit = processes.broadcast(memory.limit(config.memory_limit_gb))
            need = check_memory(job, compiled, limit)
            _announce(job, config, compiled, need, log)
            recorder.note(memory_bytes=need, compile_seconds=round(seconds, 3))
            state = drive(Run(job, config, compiled, make_problem(job), recorder), state, stop)
        return finish(begun, state)


@contextlib.contextmanager
def begin(
    content,
    style,
    config: ConfigDict,
    workdir: str | Path | None,
    *,
    stop: Callable[[], bool],
    log: Callable[[str], None],
    load: LoadNetwork | None = None,
    start: Result | None = None,
    bar: bool = True,
) -> Iterator[Begun]:
    """Reads, checks and opens all that a run needs; arguments as for `stylize`, `bar` on a terminal."""
    workdir = Path(workdir) if workdir else None
    load = load or cached_loader()  # for all sizes
    config = fitting.resolved(content, style, config, workdir, log, load)
    job = prepare(content, style, config, load)
    if start is not None:
        job = _follow(job, start, config)
    plain = settings.as_dict(config)
    recorder = Recorder(workdir, config, lambda state: picture(job, state)[0], _description(plain), log, bar)
    try:
        with (
            run_folder.locked(workdir) if workdir else contextlib.nullcontext(),
            contextlib.closing(recorder),
        ):
            entered = (plain, job.inputs, job.notes, job.mesh.size if job.mesh else 1)
            for warning in workdir and run_folder.enter(workdir, *entered) or ():
                log(warning)
            stopped = False
            if config.pyramid.min_size and not (workdir and (workdir / "checkpoint.npz").exists()):
                job, stopped = _climb(job, content, style, config, workdir, stop, log, load)
            yield Begun(job, config, recorder, _restore(recorder, job, config), stopped)
    except OSError as error:
        raise recorder.explain(error) from error


def finish(begun: Begun, state: State | None) -> Result:
    """Writes the picture if the run has come to its end."""
    job, config, recorder = begun.job, begun.config, begun.recorder
    plain = settings.as_dict(config)
    state = first_state(job) if state is None else state
    finished = int(state.step) >= config.steps
    image, alpha = picture(job, state)
    if recorder.workdir and finished:
        path = recorder.workdir / f"result.{config.output.format}"
        processes.on_primary(images.write)(
            path, image, alpha, bits=config.output.bits, description=_description(plain)
        )
        recorder.log(f"done: {path}")
    if alpha is not None:
        image = np.concatenate([image, alpha[..., None]], axis=-1)
    return Result(image, state, recorder.metrics, plain, int(state.step), finished)


def _description(plain: dict) -> str:
    return f"nst config {settings.digest(plain)}"


def _climb(
    job: Job, content, style, config: ConfigDict, workdir: Path | None, stop, log, load
) -> tuple[Job, bool]:
    """The job, starting from the same picture at the smaller sizes; whether it was stopped at one of these.

    Each size is a run in a folder of its own.
    """
    choose("pyramid.style", config.pyramid.style, ("scaled", "fixed"))
    sizes = pyramid.sizes(config.size, config.pyramid.factor, config.pyramid.min_size)
    steps = pyramid.steps(config.pyramid.steps, config.steps, len(sizes))
    start = None
    for level, (size, count) in enumerate(zip(sizes[:-1], steps[:-1], strict=True)):
        smaller = config.copy_and_resolve_references()
        smaller.size, smaller.steps, smaller.pyramid.min_size = size, count, 0
        smaller.content_loss.weight *= config.pyramid.content_factor ** (len(sizes) - 1 - level)
        if config.pyramid.style == "fixed" and not config.style_size:
            smaller.style_size = config.size
        elif config.pyramid.style == "scaled" and config.style_size:
            smaller.style_size = round(config.style_size * size / config.size)
        log(f"first at {size} px")
        folder = workdir and workdir / f"size_{size}"
        result = stylize(content, style, smaller, folder, stop=stop, log=log, load=load, start=start)
        if not result.finished:
            return job, True
        start = result
    return (_follow(job, start, config) if start else job), False


def _follow(job: Job, result: Result, config: ConfigDict) -> Job:
    """The job, starting where a run at another size has ended."""
    height, width = job.start.shape[1:3]
    last = np.clip(
        processes.gather(optimizer_steps.image(job.optimizer, result.state))[0], 0, 1
    )  # not as it is shown
    image = images.resize(last, height, width, config.resize_filter)[None]
    carried = None
    if config.pyramid.carry:
        carried = pyramid.carry(job.optimizer, result.state.optimizer, height, width)
    return job._replace(start=image, carried=carried)


def _restore(recorder: Recorder, job: Job, config: ConfigDict) -> State | None:
    """The state of the folder's checkpoint, or None; readies the recorder either way."""
    template = sharding.state(
        job.mesh, jax.eval_shape(partial(optimizer_steps.init, job.optimizer), job.start)
    )
    found = run_folder.load_checkpoint(recorder.workdir, template) if recorder.workdir else None
    state, seconds = found or (None, 0.0)
    step = int(state.step) if found else -1
    if step > config.steps:
        raise UserError(f"steps = {config.steps}: this run is at step {step} already; raise steps")
    recorder.begin(step, seconds)
    if found:
        recorder.log(f"continuing from step {step}")
    return state


def _announce(job: Job, config: ConfigDict, compiled: jax.stages.Compiled, need: int, log) -> None:
    """Says what will be done, before the first step."""
    device, count = jax.devices()[0], job.mesh.size if job.mesh else 1
    spec, net, opt = job.spec, job.spec.network, job.optimizer
    parameters = vgg.parameters(job.variables)
    for note in job.notes:
        log(note)
    log(f"content: {' '.join(spec.content_layers) or 'none'}, {spec.content_normalization}")
    styled = f"{spec.representation}, {spec.style_normalization}"
    log(f"style: {' '.join(spec.style_layers) or 'none'}, {styled}")
    slim = ", slim" if net.widths else ""
    log(f"network: {net.architecture}{slim}, {net.pooling} pooling, {net.padding} padding, {net.dtype}")
    search = f", {opt.line_search} line search" if opt.name == "lbfgs" else ""
    log(f"optimiser: {opt.name}{search}, {config.steps} steps from {config.init.kind}")
    where = f"device: {device.device_kind} ({device.platform})"
    share = f" on each of {count}, which share the height" if count > 1 else ""
    log(f"{where}, {parameters / 1e6:.1f} M parameters, {memory.format_bytes(need)} needed{share}")
    if job.mesh and mesh.gathers(compiled):
        log("devices: whole layers are gathered on each of them, whose memory bounds the size")
