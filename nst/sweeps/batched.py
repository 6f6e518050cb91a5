"""The batched launcher: points that share a compiled program are stacked and run as one.

Everything that is not part of the program may vary within a batch: weights, targets and starts (and so
pictures, seeds and kinds of initial image), and the number of steps. Each point has its own run folder, as if
it had run alone, and its numbers are the same as with the local launcher up to rounding, which L-BFGS
amplifies. With several devices, the points are divided among them.
"""

import contextlib
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from nst.devices import memory
from nst.errors import UserError
from nst.losses.problem import Problem
from nst.optimizers.steps import State
from nst.runs import fitting, loop, pyramid, settings
from nst.runs.hooks import Hooks
from nst.runs.job import ended, first_state, make_problem, prepare
from nst.runs.network import LoadNetwork
from nst.runs.run import Run, begin, finish, follow, opened
from nst.runs.stylize import climb
from nst.sweeps import results, stacked
from nst.sweeps.local import (
    PROGRAMS,
    Launch,
    Shared,
    attempt,
    drop_other_programs,
    folder,
    group_by_program,
    run_point,
)
from nst.sweeps.points import Point
from nst.sweeps.stacked import Each, Program

MOST = 64  # most points in one program
_ADVICE = (
    "lower optimizer.learning_rate, the weights, or use a line search; the local launcher saves the last "
    "finite image"
)


@dataclass
class Lane:
    """A point that is being run in a batch."""

    point: Point
    run: Run
    problem: Problem | None  # without variables; None: it is already in the batch's stacked arrays
    state: State | None  # the state at the start; None: it is already in the batch's stacked arrays
    step: int
    active: bool = True


def batched(launch: Launch, points: Sequence[Point], most: int = MOST, each: Each | None = None) -> None:
    """Runs points in batches that share a program; each batch is as large as the memory allows.

    Args:
      launch: the settings of the sweep.
      points: the points to run.
      most: the largest number of points in a batch.
      each: `stacked.side_by_side` or `stacked.in_turn`; None: the one that is faster on this machine.

    Raises:
      UserError: a config divides the image over several devices.
    """
    if any(point.config.devices != 1 for point in points):
        raise UserError(
            "devices: the batched launcher divides points among devices, not pictures; set devices = 1"
        )
    shared = Shared()
    for group in group_by_program(points):
        drop_other_programs(shared, group.key, (*PROGRAMS, stacked.run, stacked.measure))
        if group.key is None:  # the configs have an error, which each point records by itself
            for point in group.points:
                attempt(launch, point, lambda point=point: run_point(launch, point, shared.load))
        else:
            _run_group(launch, group.points, shared.load, most, each or stacked.fastest())


def _run_group(launch: Launch, points: Sequence[Point], load: LoadNetwork, most: int, each: Each) -> None:
    """Runs points that share a program; the memory for the first point determines the size of the batches."""
    waiting, program = list(points), None
    while waiting and not launch.stop():
        with contextlib.ExitStack() as stack:  # holds the folders of the batch
            lanes = []
            while waiting and len(lanes) < (program.size if program else 1):
                point = waiting.pop(0)
                attempt(launch, point, lambda: _open(launch, point, load, stack, lanes))  # noqa: B023
                if lanes and program is None:
                    try:
                        program = _compile(lanes[0], min(most, 1 + len(waiting)), each)
                    except UserError as error:
                        for failing in (point, *waiting):
                            attempt(launch, failing, partial(_fail, error))
                        return
            if lanes:
                _drive(launch, program, lanes)


def _fail(error: UserError):
    raise error


def _open(
    launch: Launch, point: Point, load: LoadNetwork, stack: contextlib.ExitStack, lanes: list[Lane]
) -> bool:
    """Runs a point's smaller sizes and adds it to the batch; returns True if it was already finished."""
    workdir, hooks = folder(launch.workdir, point), Hooks(launch.stop, lambda line: None, load)
    config = settings.resolve(point.config)
    config = fitting.choose_size(None, None, config, workdir, log=hooks.log, load=load)
    job = prepare(None, None, config, load)
    *smaller, full = pyramid.plan(config, workdir, job.originals, job.inputs)
    run = stack.enter_context(opened(job, full, hooks, smaller))
    begin(run)
    if run.state is None:
        last = climb(None, None, smaller, hooks=hooks)
        if last is not None and not last.finished:
            return False
        run = follow(run, last)
    state = first_state(run.job) if run.state is None else run.state
    if ended(run.job, config, state):
        return _end(launch, point, run, state)
    problem = make_problem(run.job).replace(variables={})
    lanes.append(Lane(point, run, problem, state, int(state.step)))
    return False


def _end(launch: Launch, point: Point, run: Run, state: State) -> bool:
    """Writes the result of a point and measures it."""
    finish(run, state)
    results.measure(folder(launch.workdir, point), point, launch.instrument)
    return True


def _compile(lane: Lane, count: int, each: Each) -> Program:
    """Compiles the program for `count` points like this one, or for as many as fit into memory."""
    limit = memory.limit(lane.run.config.memory_limit_gb)
    return stacked.compile_batch(lane.run.job, lane.problem, lane.state, count, each, limit)


def _stack(program: Program, lanes: Sequence[Lane]) -> tuple[dict, Problem, State]:
    """Returns the arrays of a batch on the devices: (variables, stacked problems, stacked states)."""
    split, whole = stacked.layouts()
    # the program runs a fixed number of points; unused places repeat the last point and make no steps
    padded = [lanes[min(index, len(lanes) - 1)] for index in range(program.size)]
    stack = partial(jax.tree.map, lambda *leaves: jnp.stack(leaves))
    problems = jax.device_put(stack(*(lane.problem for lane in padded)), split)
    states = jax.device_put(stack(*(lane.state for lane in padded)), split)
    for lane in lanes:
        lane.problem = lane.state = None
    return jax.device_put(lanes[0].run.job.variables, whole), problems, states


def _drive(launch: Launch, program: Program, lanes: list[Lane]) -> None:
    """Runs a batch to its end or until `launch.stop()`, and writes the files of its points when due."""
    job, (split, _) = lanes[0].run.job, stacked.layouts()
    variables, problems, states = _stack(program, lanes)
    for lane in lanes:
        _try(launch, lane, partial(_note, lane, program.facts))

    def terms_of(states):
        # the terms of all points are computed at the first call, and so at most once after each chunk
        return cache(
            lambda: jax.device_get(
                stacked.measure(program.each, job.spec, job.optimizer, variables, problems, states)
            )
        )

    terms, pace = terms_of(states), 0.0
    states = states.replace(scale=jax.device_put(states.scale * _scales(program, lanes, terms()), split))
    for index, lane in enumerate(lanes):
        if not lane.run.recorder.metrics:
            _try(launch, lane, partial(_first, lane, _slice(states, index), partial(_finite, terms, index)))
    total = sum(lane.run.config.steps for lane in lanes)
    with tqdm(total=total, initial=sum(lane.step for lane in lanes), unit="step", disable=None) as bar:
        while any(lane.active for lane in lanes) and not launch.stop():
            counts = _counts(program, lanes, pace)
            began = time.perf_counter()
            states, losses = program.compiled(variables, problems, states, jax.device_put(counts, split))
            losses = np.asarray(losses)  # waits for the device
            seconds = time.perf_counter() - began
            pace, terms = seconds / counts.max(), terms_of(states)
            share = seconds / np.count_nonzero(counts)  # the time of each point that made steps
            for index, lane in enumerate(lanes):
                if lane.active:
                    arrived = partial(_arrive, launch, lane, losses[index], share, pace)
                    _try(
                        launch, lane, partial(arrived, _slice(states, index), partial(_finite, terms, index))
                    )
            bar.update(int(counts.sum()))
    for index, lane in enumerate(lanes):
        if lane.active:
            _try(launch, lane, partial(_pause, lane, _slice(states, index), partial(_finite, terms, index)))


def _scales(program: Program, lanes: Sequence[Lane], terms: dict[str, np.ndarray]) -> np.ndarray:
    """Returns the factor on the loss with which each place of the program begins."""
    scales = np.ones(program.size, np.float32)
    for index, lane in enumerate(lanes):
        values = {name: float(values[index]) for name, values in terms.items()}
        scales[index] = loop.start_scale(lane.run, values)
    return scales


def _counts(program: Program, lanes: Sequence[Lane], pace: float) -> np.ndarray:
    """Returns the number of steps that each place of the program makes next."""
    counts = np.zeros(program.size, np.int32)
    for index, lane in enumerate(lanes):
        if lane.active:
            counts[index] = loop.chunk(lane.step, lane.run.config, pace)
    return counts


def _try(launch: Launch, lane: Lane, work: Callable[[], bool]) -> None:
    """Calls `work` for a point; an error removes only that point from the batch."""
    lane.active = attempt(launch, lane.point, work) and lane.active


def _slice(states: State, index: int) -> State:
    return jax.tree.map(lambda leaf: leaf[index], states)


def _finite(terms: Callable[[], dict], index: int) -> dict[str, float]:
    """Returns the terms of one point; raises UserError if one is not finite."""
    values = {name: float(values[index]) for name, values in terms().items()}
    if broken := loop.not_finite(values):
        raise UserError(f"the loss is not finite ({broken}); {_ADVICE}")
    return values


def _note(lane: Lane, facts: dict) -> bool:
    lane.run.recorder.note(**facts)
    return False


def _first(lane: Lane, state: State, terms: Callable) -> bool:
    """Records the start of a point."""
    lane.run.recorder.record(state, terms(), 0.0)
    return False


def _arrive(
    launch: Launch, lane: Lane, loss: float, seconds: float, pace: float, state: State, terms: Callable
) -> bool:
    """Writes the files of a point that are due after a chunk of steps; returns True if it is finished."""
    lane.step = int(state.step)
    if not math.isfinite(loss):
        raise UserError(f"the loss is not finite at step {lane.step - 1}; {_ADVICE}")
    lane.run.recorder.seconds += seconds
    loop.keep(lane.run, state, terms, pace)
    if not ended(lane.run.job, lane.run.config, state):
        return False
    lane.active = False
    return _end(launch, lane.point, lane.run, state)


def _pause(lane: Lane, state: State, terms: Callable) -> bool:
    """Saves a point that was stopped before its end."""
    loop.pause(lane.run.recorder, state, terms)
    return False
