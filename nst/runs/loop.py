"""The loop on the host, which runs chunks of steps on the device and writes files between them."""

import math
import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple, NoReturn

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from nst import images
from nst.devices import memory, processes, programs
from nst.errors import UserError
from nst.losses.problem import Problem, measure
from nst.optimizers import steps
from nst.optimizers.steps import State
from nst.runs.hooks import Hooks, Progress
from nst.runs.job import Job, ended, first_state, shown
from nst.runs.log import Detail
from nst.runs.recorder import Recorder
from nst.runs.run import Run

_LARGEST = float(np.finfo(np.float32).max)
_CHUNK_SECONDS = 3.0  # seconds of device work in one chunk, which is about the longest delay of a stop


class Program(NamedTuple):
    """The compiled loop of a run, and the targets that it is called with."""

    compiled: jax.stages.Compiled  # optimizers.steps.run, compiled
    problem: Problem


def drive(run: Run, program: Program, hooks: Hooks) -> State:
    """Makes steps until a run has ended or `stop()` returns True, and writes files between chunks of steps.

    Args:
      run: from `opened`.
      program: the program of the same job.
      hooks: the functions of the caller, which are called between chunks of steps. If `stop()` returns True,
        a checkpoint is saved and the loop ends.

    Raises:
      UserError: the loss is not finite; the last finite state and its image are saved.
    """
    config, recorder = run.config, run.recorder
    state = first_state(run.job) if run.state is None else run.state
    step, pace = int(state.step), 0.0  # pace: seconds per step
    evaluations, stuck = int(state.evaluations), False
    if not recorder.metrics:
        terms = _finite_terms(run, program, state)
        recorder.record(state, terms, pace)
        state = state.replace(scale=state.scale * np.float32(start_scale(run, terms)))
    memory.release()  # memory that is left from compiling the programs of the targets and of the record
    _report(run, hooks, state, recorder.metrics[-1]["loss"])
    while not ended(run.job, config, state) and not processes.any_process(hooks.stop()):
        count = chunk(step, config, pace)
        began = time.perf_counter()
        state, loss = program.compiled(program.problem, state, np.int32(count))
        loss, made = float(loss), int(state.step) - step  # waits for the device
        seconds, step = time.perf_counter() - began, step + made
        if not math.isfinite(loss):
            _rescue(run, program, step - 1)  # `loss` is the loss at the start of the last step
        # processes that chose chunks of different lengths would wait for each other forever
        pace = processes.broadcast(seconds / made)
        recorder.seconds += seconds
        _report(run, hooks, state, loss)
        evaluations, before = int(state.evaluations), evaluations
        if evaluations == before and not stuck:
            stuck = True
            recorder.log(Detail("the loss cannot be lowered further: the image stays as it is"))
        keep(run, state, partial(_finite_terms, run, program, state), pace)
    if not ended(run.job, config, state):
        pause(recorder, state, partial(_finite_terms, run, program, state))
    elif not stuck:
        _note_no_descent(recorder)
    return state


def _report(run: Run, hooks: Hooks, state: State, loss: float) -> None:
    """Tells the caller how far the run has come."""
    if hooks.progress is not None:
        height, width = run.job.start.shape[1:3]
        image = partial(run.recorder.show, state)
        hooks.progress(Progress(int(state.step), run.config.steps, height, width, loss, image))


def _note_no_descent(recorder: Recorder) -> None:
    """Logs a line if the loss has risen or has hardly fallen in a run."""
    first, last = (recorder.metrics[index]["loss"] for index in (0, -1))
    name, change = recorder.config.optimizer.name, f"from {first:.6g} to {last:.6g}"
    if last > 1.001 * first > 0:
        recorder.log(f"the loss has risen, {change}: with {name}, lower optimizer.learning_rate")
    elif last > 0.999 * first > 0:
        recorder.log(
            f"the loss has hardly fallen, {change}: with {name}, raise the weights of the loss or "
            "optimizer.learning_rate"
        )


def start_scale(run: Run, terms: dict[str, float]) -> float:
    """Returns the factor on `State.scale` with which a run begins.

    Args:
      run: from `opened`.
      terms: terms of the loss at the first state.

    Returns:
      The factor; 1 if the run is continued or takes over the state of an optimiser, since it then keeps the
      scale of that state.
    """
    if run.state is not None or run.job.carried is not None:
        return 1.0
    return steps.scale(run.job.optimizer, sum(terms.values()))


def pause(recorder: Recorder, state: State, terms: Callable[[], dict[str, float]]) -> None:
    """Saves a checkpoint and a preview of a run that was stopped before its end, and logs a line about it.

    Args:
      recorder: the recorder of the run.
      state: the state at which the run was stopped.
      terms: returns the terms of the loss at that state. It raises UserError if one is not finite; the state
        is then not saved.
    """
    terms()
    path, (height, width, _) = recorder.preview(state), recorder.show(state).shape
    recorder.checkpoint(state)
    where = f"; the picture as it is: {path}" if path else ""
    recorder.log(f"stopped at step {int(state.step)} of {recorder.config.steps}, {width}x{height} px{where}")


def keep(run: Run, state: State, terms: Callable[[], dict[str, float]], pace: float) -> None:
    """Writes the record, the preview and the checkpoint of a state, each if it is due.

    The checkpoint is written last, since a run that continues from it does not write the other two again.

    Args:
      run: from `opened`.
      state: the state after a chunk of steps.
      terms: as for `pause`; called only if the terms are needed, since computing them takes a forward pass.
      pace: seconds per step.
    """
    _, config, recorder, _ = run
    step, last = int(state.step), bool(ended(run.job, config, state))
    record = step % config.log.every == 0 or last
    save = recorder.due() or last
    values = terms() if record or save else {}
    if record:
        recorder.record(state, values, pace)
    if config.log.preview_every and step % config.log.preview_every == 0:
        recorder.preview(state)
    if save:
        recorder.checkpoint(state)


def chunk(step: int, config: ConfigDict, pace: float) -> int:
    """Returns the number of steps in the next chunk.

    A chunk ends at the next record or preview, or earlier, so that the loop can stop within a few seconds.
    The division of the steps into chunks does not change any byte of the result.

    Args:
      step: the number of steps made.
      config: the config of the run.
      pace: seconds per step; 0: not known yet.
    """
    marks = [config.steps]
    for every in (config.log.every, config.log.preview_every):
        marks += [(step // every + 1) * every] if every else []
    patience = max(1, int(_CHUNK_SECONDS / pace)) if pace else 1
    return min(min(marks) - step, patience)


def _terms(job: Job, program: Program, state: State) -> dict[str, float]:
    given = program.problem, state.pixels, state.step, job.optimizer.pixel_range
    return {name: float(value) for name, value in programs.call(measure, job.spec, *given).items()}


def _finite_terms(run: Run, program: Program, state: State) -> dict[str, float]:
    """Returns the terms of a state that is to be recorded or saved; raises UserError if one is not finite."""
    terms = _terms(run.job, program, state)
    if not_finite(terms):
        _rescue(run, program, int(state.step))
    return terms


def _rescue(run: Run, program: Program, bad_step: int) -> NoReturn:
    """Repeats the steps from the last checkpoint to just before `bad_step`, saves, and raises UserError."""

    def again(state: State, count: int) -> State:
        copy = jax.tree.map(jnp.copy, state)  # the compiled loop donates the state's buffers
        return program.compiled(program.problem, copy, np.int32(count))[0]

    recorder, start = run.recorder, first_state(run.job)
    terms = _terms(run.job, program, start)
    if bad_step == 0:
        raise UserError(
            f"the loss of the initial image is not finite ({not_finite(terms)}); check weights and init"
        )
    start = start.replace(scale=start.scale * np.float32(start_scale(run, terms)))
    good = recorder.last_good(start)
    good = again(good, bad_step - 1 - int(good.step))
    where = ""
    if recorder.workdir:
        path = recorder.workdir / "last_finite.png"
        image = shown(run.job, good)
        processes.on_primary(images.write)(path, *image, description=recorder.description)
        where = f"; the image of step {bad_step - 1} is {path}"
    recorder.checkpoint(good)
    terms = not_finite(_terms(run.job, program, again(good, 1)))
    terms = terms or "it was finite when repeated: the machine may be faulty; run again"
    raise UserError(
        f"the loss is not finite at step {bad_step} ({terms}){where}; "
        "lower optimizer.learning_rate, the weights, or use a line search"
    )


def not_finite(terms: dict[str, float]) -> str:
    """Returns a text that names the terms that are not finite, or whose sum overflows float32; else "".

    Args:
      terms: {name: value}.
    """
    bad = {name: value for name, value in terms.items() if not math.isfinite(value)}
    if bad or sum(terms.values()) <= _LARGEST:
        return ", ".join(f"{name} = {value}" for name, value in bad.items())
    largest = sorted(terms, key=terms.get, reverse=True)[:3]
    listed = ", ".join(f"{name} = {terms[name]:.3g}" for name in largest)
    return f"the sum of its terms is more than {_LARGEST:.3g}; the largest are {listed}"
