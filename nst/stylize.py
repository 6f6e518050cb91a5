"""The main job: a config, a photograph and a painting in; the picture, and how it came about, out."""

import contextlib
import math
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from ml_collections import ConfigDict

from nst import config as configs
from nst import images, memory, optimize, runs
from nst.errors import UserError
from nst.optimize import State
from nst.prepare import Job, check_memory, compile_run, make, prepare
from nst.problem import Problem
from nst.recorder import Recorder

_CHUNK_SECONDS = 3.0  # of device work between looks at the host: how long a stop may have to wait


class Result(NamedTuple):
    """What a run leaves."""

    image: np.ndarray  # HxWx3, or HxWx4 if the photograph had alpha; float32 in [0, 1]
    metrics: list[dict]  # the records of metrics.jsonl
    config: dict  # every field, resolved
    step: int
    finished: bool  # False: stopped before config.steps


def stylize(
    content,
    style,
    config: ConfigDict,
    workdir: str | Path | None = None,
    *,
    stop: Callable[[], bool] = lambda: False,
    say: Callable[[str], None] = print,
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

    Raises:
      UserError: one line on what is wrong and what to do.
    """
    job = prepare(content, style, config)
    plain = configs.as_dict(config)
    digest = f"nst config {configs.digest(plain)}"
    workdir = Path(workdir) if workdir else None
    recorder = Recorder(workdir, config, job.optimizer, digest, say)
    try:
        with runs.locked(workdir) if workdir else contextlib.nullcontext(), contextlib.closing(recorder):
            if workdir:
                runs.enter(workdir, plain, job.inputs, job.notes)
            problem, state = None, _restore(recorder, job, config)
            if state is None or int(state.step) < config.steps:
                compiled = compile_run(job)
                limit = int(config.memory_limit_gb * 1e9) or memory.available(jax.devices()[0])
                _announce(job, config, check_memory(job, compiled, limit), say)
                problem, start = make(job)
                state = _optimize(job, compiled, problem, start, state or start, config, recorder, stop)
            finished = int(state.step) >= config.steps
            image = _picture(job, state)
            if workdir and finished:
                path = workdir / f"result.{config.output.format}"
                alpha = image[..., 3] if image.shape[-1] == 4 else None
                images.write(path, image[..., :3], alpha, bits=config.output.bits, description=digest)
                say(f"done: {path}")
    except OSError as error:
        raise recorder.explain(error) from error
    return Result(image, recorder.metrics, plain, int(state.step), finished)


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
    say(f"network: {net.architecture}, {net.pooling} pooling, {net.padding} padding, {net.dtype}")
    search = f", {opt.line_search} line search" if opt.name == "lbfgs" else ""
    say(f"optimiser: {opt.name}{search}, {config.steps} steps from {config.init.kind}")
    say(f"device: {device.device_kind} ({device.platform}), {count / 1e6:.1f} M parameters, "
        f"{memory.text(need)} needed")  # fmt: skip


def _optimize(
    job: Job,
    compiled: jax.stages.Compiled,
    problem: Problem,
    start: State,
    state: State,
    config: ConfigDict,
    recorder: Recorder,
    stop: Callable[[], bool],
) -> State:
    """Steps from `state` to config.steps in chunks; between chunks the host writes what is due."""
    step, pace = int(state.step), 0.0

    def terms(state: State) -> dict[str, float]:
        return {
            name: float(value)
            for name, value in optimize.measure(job.spec, job.optimizer, problem, state).items()
        }

    def settle(state: State, *, save: bool, log: bool) -> None:
        """Records and saves a state after making sure that its loss is finite."""
        found = terms(state)
        if not all(map(math.isfinite, found.values())):
            _rescue(job, compiled, problem, start, recorder, terms, int(state.step))
        if log:
            recorder.record(state, found, pace)
        if save:
            recorder.checkpoint(state)

    if not recorder.metrics:
        settle(state, save=False, log=True)
    while step < config.steps and not stop():
        count = _chunk(step, config, pace)
        began = time.perf_counter()
        # run donates its state: `start` may have to serve again
        state = jax.tree.map(jax.numpy.copy, state) if state is start else state
        state, loss = compiled(problem, state, np.int32(count))
        loss, step = float(loss), int(state.step)  # waits for the device
        seconds = time.perf_counter() - began
        pace = seconds / count
        if not math.isfinite(loss):
            _rescue(job, compiled, problem, start, recorder, terms, step - 1)
        recorder.advance(step, loss, seconds)
        log = step % config.log.every == 0 or step == config.steps
        save = recorder.due() or step == config.steps
        if log or save:
            settle(state, save=save, log=log)
        if config.log.preview_every and step % config.log.preview_every == 0:
            recorder.preview(state)
    if step < config.steps:
        settle(state, save=True, log=False)
        recorder.preview(state)
    return state


def _chunk(step: int, config: ConfigDict, pace: float) -> int:
    """Steps until the next thing to write, the end, or the next look at the host.

    The compiled loop takes any count, so chunks of another length, as after a resume, change no byte.
    """
    marks = [config.steps]
    for every in (config.log.every, config.log.preview_every):
        marks += [(step // every + 1) * every] if every else []
    patience = max(1, int(_CHUNK_SECONDS / pace)) if pace else 1
    return min(min(marks) - step, patience)


def _rescue(job, compiled, problem, start, recorder: Recorder, terms, bad_step: int) -> None:
    """Steps again from the last checkpoint to just before `bad_step`, saves that, and raises UserError."""
    advice = "lower optimizer.learning_rate, the weights, or use a line search"
    if bad_step == 0:
        broken = _broken(terms(start))
        raise UserError(f"the loss of the initial image is not finite ({broken}); check weights and init")
    good = recorder.last_good(start)
    good, _ = compiled(problem, jax.tree.map(jax.numpy.copy, good), np.int32(bad_step - 1 - int(good.step)))
    recorder.checkpoint(good)
    where = ""
    if recorder.workdir:
        path = recorder.workdir / "last_finite.png"
        image = _picture(job, good)
        alpha = image[..., 3] if image.shape[-1] == 4 else None
        images.write(path, image[..., :3], alpha, description=recorder.description)
        where = f"; the image of step {bad_step - 1} is {path}"
    bad, _ = compiled(problem, jax.tree.map(jax.numpy.copy, good), np.int32(1))
    broken = _broken(terms(bad)) or "not so when repeated: a fault of the machine? run again"
    raise UserError(f"the loss is not finite at step {bad_step} ({broken}){where}; {advice}")


def _broken(terms: dict[str, float]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in terms.items() if not math.isfinite(value))


def _picture(job: Job, state: State) -> np.ndarray:
    """The picture of a state, clipped to [0, 1], with the photograph's alpha."""
    rgb = np.clip(np.asarray(optimize.image(job.optimizer, state)[0]), 0, 1)
    alpha = job.content.alpha_HxW
    return rgb if alpha is None else np.concatenate([rgb, alpha[..., None]], axis=-1)
