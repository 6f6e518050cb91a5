"""The host's loop around the device's: chunks of steps, and what is written between them."""

import math
import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from nst import images
from nst.devices import memory, processes
from nst.errors import UserError
from nst.losses import problem as loss_problem
from nst.losses.problem import Problem
from nst.optimizers import steps
from nst.optimizers.steps import State
from nst.runs.job import Job, first_state
from nst.runs.recorder import Recorder

_CHUNK_SECONDS = 3.0  # of device work between looks at the host: how long a stop may have to wait


class Run(NamedTuple):
    """A job that is compiled and has its targets."""

    job: Job
    config: ConfigDict
    compiled: jax.stages.Compiled  # steps.run
    problem: Problem
    recorder: Recorder


def drive(run: Run, state: State | None, stop: Callable[[], bool]) -> State:
    """Steps from `state` (None: the start) to config.steps, or until `stop()`; the host writes what is due.

    Raises:
      UserError: the loss is not finite; the last finite state and image are saved.
    """
    config, recorder = run.config, run.recorder
    state = first_state(run.job) if state is None else state
    step, pace = int(state.step), 0.0
    if not recorder.metrics:
        recorder.record(state, _finite_terms(run, state), pace)
    memory.release()  # of what compiled the targets and the record
    while step < config.steps and not processes.any_process(stop()):
        count = chunk(step, config, pace)
        began = time.perf_counter()
        state, loss = run.compiled(run.problem, state, np.int32(count))
        loss, step = float(loss), int(state.step)  # waits for the device
        seconds = time.perf_counter() - began
        pace = processes.broadcast(seconds / count)
        if not math.isfinite(loss):
            _rescue(run, step - 1)
        recorder.advance(step, loss, seconds)
        keep(recorder, config, state, partial(_finite_terms, run, state), pace)
    if step < config.steps:
        pause(recorder, state, partial(_finite_terms, run, state))
    return state


def pause(recorder: Recorder, state: State, terms: Callable) -> None:
    """Saves a run that was stopped on its way; `terms` as for `keep`."""
    terms()
    recorder.checkpoint(state)
    recorder.preview(state)


def keep(recorder: Recorder, config: ConfigDict, state: State, terms: Callable, pace: float) -> None:
    """Writes what is due at a state; `terms()` gives its terms, and raises if one is not finite."""
    step = int(state.step)
    log = step % config.log.every == 0 or step == config.steps
    save = recorder.due() or step == config.steps
    if log or save:
        found = terms()
    if log:
        recorder.record(state, found, pace)
    if save:
        recorder.checkpoint(state)
    if config.log.preview_every and step % config.log.preview_every == 0:
        recorder.preview(state)


def chunk(step: int, config: ConfigDict, pace: float) -> int:
    """Steps until the next thing to write, the end, or the next look at the host.

    The compiled loop takes any count, so chunks of another length, as after a resume, change no byte.
    """
    marks = [config.steps]
    for every in (config.log.every, config.log.preview_every):
        marks += [(step // every + 1) * every] if every else []
    patience = max(1, int(_CHUNK_SECONDS / pace)) if pace else 1
    return min(min(marks) - step, patience)


def _terms(run: Run, state: State) -> dict[str, float]:
    pixel_range = run.job.optimizer.pixel_range
    found = loss_problem.measure(run.job.spec, run.problem, state.pixels, state.step, pixel_range)
    return {name: float(value) for name, value in found.items()}


def _finite_terms(run: Run, state: State) -> dict[str, float]:
    """The terms of a state about to be recorded or saved; raises UserError if one is not finite."""
    terms = _terms(run, state)
    if not all(map(math.isfinite, terms.values())):
        _rescue(run, int(state.step))
    return terms


def _rescue(run: Run, bad_step: int) -> None:
    """Steps again from the last checkpoint to just before `bad_step`, saves that, and raises UserError."""

    def again(state: State, count: int) -> State:
        copy = jax.tree.map(jnp.copy, state)  # the compiled loop consumes its state
        return run.compiled(run.problem, copy, np.int32(count))[0]

    recorder = run.recorder
    start = first_state(run.job)
    if bad_step == 0:
        found = broken(_terms(run, start))
        raise UserError(f"the loss of the initial image is not finite ({found}); check weights and init")
    good = recorder.last_good(start)
    good = again(good, bad_step - 1 - int(good.step))
    recorder.checkpoint(good)
    where = ""
    if recorder.workdir:
        path = recorder.workdir / "last_finite.png"
        shown = picture(run.job, good)
        processes.on_primary(images.write)(path, *shown, description=recorder.description)
        where = f"; the image of step {bad_step - 1} is {path}"
    found = broken(_terms(run, again(good, 1))) or "not so when repeated: a fault of the machine? run again"
    raise UserError(
        f"the loss is not finite at step {bad_step} ({found}){where}; "
        "lower optimizer.learning_rate, the weights, or use a line search"
    )


def broken(terms: dict[str, float]) -> str:
    """The terms that are not finite, as text; "" if all are."""
    return ", ".join(f"{name} = {value}" for name, value in terms.items() if not math.isfinite(value))


def picture(job: Job, state: State) -> tuple[np.ndarray, np.ndarray | None]:
    """The picture of a state as it is shown, `HxWx3` in [0, 1], and the photograph's alpha, `HxW` or None."""
    rgb = np.clip(processes.gather(steps.image(job.optimizer, state))[0], 0, 1)
    return np.clip(job.recolor(rgb), 0, 1), job.content.alpha_HxW
