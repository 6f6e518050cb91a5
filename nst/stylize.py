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

from nst import config as configs
from nst import images, memory, optimize, runs
from nst.errors import UserError
from nst.loop import Run, drive, picture
from nst.optimize import State
from nst.prepare import Job, Load, check_memory, compile_run, freeze, make_problem, prepare
from nst.recorder import Recorder


class Result(NamedTuple):
    """What a run leaves."""

    image: np.ndarray  # HxWx3, or HxWx4 if the photograph had alpha; float32 in [0, 1]
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
    say: Callable[[str], None] = print,
    load: Load = freeze,
) -> Result:
    """Finds the image whose content is `content`'s and whose style is `style`'s.

    Args:
      content: path, PIL image or array (nst.images.read); None: `config.content`.
      style: one or several of the same, in a list; None: `config.style`.
      config: from a file of configs/, changed at will.
      workdir: the run folder; one that holds the same run is continued, to the same bytes. None: nothing
        is written.
      stop: asked between chunks; True ends the run early, with a checkpoint.
      say: receives lines for people.
      load: prepare.freeze, or one that remembers, so that many runs in one process share the network.

    Raises:
      UserError: one line on what is wrong and what to do.
    """
    with begin(content, style, config, workdir, stop=stop, say=say, load=load) as begun:
        job, state, recorder = begun.job, begun.state, begun.recorder
        if not begun.stopped and (state is None or int(state.step) < config.steps):
            began = time.perf_counter()
            compiled = compile_run(job)
            seconds = time.perf_counter() - began
            limit = memory.limit(config.memory_limit_gb)
            need = check_memory(job, compiled, limit)
            _announce(job, config, need, say)
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
    say: Callable[[str], None],
    load: Load = freeze,
    bar: bool = True,
) -> Iterator[Begun]:
    """Reads, checks and opens all that a run needs; arguments as for `stylize`, `bar` on a terminal."""
    job = prepare(content, style, config, load)
    plain = configs.as_dict(config)
    workdir = Path(workdir) if workdir else None
    recorder = Recorder(workdir, config, job.optimizer, _description(plain), say, bar)
    try:
        with runs.locked(workdir) if workdir else contextlib.nullcontext(), contextlib.closing(recorder):
            for warning in runs.enter(workdir, plain, job.inputs, job.notes) if workdir else ():
                say(warning)
            stopped = False
            if config.coarse_steps and not (workdir and (workdir / "checkpoint.npz").exists()):
                coarse = _coarse(content, style, config, workdir, stop, say, load)
                job, stopped = job._replace(start=_enlarge(coarse.image, job.start)), not coarse.finished
            yield Begun(job, config, recorder, _restore(recorder, job, config), stopped)
    except OSError as error:
        raise recorder.explain(error) from error


def finish(begun: Begun, state: State | None) -> Result:
    """Writes the picture if the run has come to its end."""
    job, config, recorder = begun.job, begun.config, begun.recorder
    plain = configs.as_dict(config)
    state = optimize.init(job.optimizer, job.start) if state is None else state
    finished = int(state.step) >= config.steps
    image, alpha = picture(job, state)
    if recorder.workdir and finished:
        path = recorder.workdir / f"result.{config.output.format}"
        images.write(path, image, alpha, bits=config.output.bits, description=_description(plain))
        recorder.say(f"done: {path}")
    if alpha is not None:
        image = np.concatenate([image, alpha[..., None]], axis=-1)
    return Result(image, recorder.metrics, plain, int(state.step), finished)


def _description(plain: dict) -> str:
    return f"nst config {configs.digest(plain)}"


def _coarse(content, style, config: ConfigDict, workdir: Path | None, stop, say, load) -> Result:
    """The same picture at half the size, in a folder of its own: from it the full size starts."""
    half = config.copy_and_resolve_references()
    half.size, half.style_size = config.size // 2, config.style_size // 2
    half.steps, half.coarse_steps = config.coarse_steps, 0
    say("first at half the size")
    result = stylize(content, style, half, workdir and workdir / "coarse", stop=stop, say=say, load=load)
    say("now at the full size")
    return result


def _enlarge(image_HxWxC: np.ndarray, like_1xHxWx3: np.ndarray) -> np.ndarray:
    return images.resize(image_HxWxC[..., :3], *like_1xHxWx3.shape[1:3], "lanczos")[None]


def _restore(recorder: Recorder, job: Job, config: ConfigDict) -> State | None:
    """The state of the folder's checkpoint, or None; readies the recorder either way."""
    template = jax.eval_shape(partial(optimize.init, job.optimizer), job.start)
    found = runs.load_checkpoint(recorder.workdir, template) if recorder.workdir else None
    state, seconds = found or (None, 0.0)
    step = int(state.step) if found else -1
    if step > config.steps:
        raise UserError(f"steps = {config.steps}: this run is at step {step} already; raise steps")
    recorder.begin(step, seconds)
    if found:
        recorder.say(f"continuing from step {step}")
    return state


def _announce(job: Job, config: ConfigDict, need: int, say) -> None:
    """Says what will be done, before the first step."""
    device = jax.devices()[0]
    spec, net, opt = job.spec, job.spec.network, job.optimizer
    count = sum(leaf.size for leaf in jax.tree.leaves(job.variables["params"]))
    for note in job.notes:
        say(note)
    say(f"content: {' '.join(spec.content_layers) or 'none'}, {spec.content_normalization}")
    styled = f"{spec.representation}, {spec.style_normalization}"
    say(f"style: {' '.join(spec.style_layers) or 'none'}, {styled}")
    slim = ", slim" if net.widths else ""
    say(f"network: {net.architecture}{slim}, {net.pooling} pooling, {net.padding} padding, {net.dtype}")
    search = f", {opt.line_search} line search" if opt.name == "lbfgs" else ""
    say(f"optimiser: {opt.name}{search}, {config.steps} steps from {config.init.kind}")
    say(f"device: {device.device_kind} ({device.platform}), {count / 1e6:.1f} M parameters, "
        f"{memory.text(need)} needed")  # fmt: skip
