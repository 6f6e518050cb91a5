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
from nst.runs.stylize import run_sizes
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
class Member:
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
            members = []
            while waiting and len(members) < (program.size if program else 1):
                point = waiting.pop(0)
                attempt(launch, point, lambda: _open(launch, point, load, stack, members))  # noqa: B023
                if members and program is None:
                    try:
                        program = _compile(members[0], min(most, 1 + len(waiting)), each)
                    except UserError as error:
                        for failing in (point, *waiting):
                            attempt(launch, failing, partial(_fail, error))
                        return
            if members:
                _drive(launch, program, members)


def _fail(error: UserError):
    raise error


def _open(
    launch: Launch, point: Point, load: LoadNetwork, stack: contextlib.ExitStack, members: list[Member]
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
        last = run_sizes(None, None, smaller, hooks=hooks)
        if last is not None and not last.finished:
            return False
        run = follow(run, last)
    state = first_state(run.job) if run.state is None else run.state
    if ended(run.job, config, state):
        return _end(launch, point, run, state)
    problem = make_problem(run.job).replace(variables={})
    members.append(Member(point, run, problem, state, int(state.step)))
    return False


def _end(launch: Launch, point: Point, run: Run, state: State) -> bool:
    """Writes the result of a point and measures it."""
    finish(run, state)
    results.measure(folder(launch.workdir, point), point, launch.instrument)
    return True


def _compile(member: Member, count: int, each: Each) -> Program:
    """Compiles the program for `count` points like this one, or for as many as fit into memory."""
    limit = memory.limit(member.run.config.memory_limit_gb)
    return stacked.compile_batch(member.run.job, member.problem, member.state, count, each, limit)


def _stack(program: Program, members: Sequence[Member]) -> tuple[dict, Problem, State]:
    """Returns the arrays of a batch on the devices: (variables, stacked problems, stacked states)."""
    split, whole = stacked.layouts()
    # the program runs a fixed number of points; unused places repeat the last point and make no steps
    padded = [members[min(index, len(members) - 1)] for index in range(program.size)]
    stack = partial(jax.tree.map, lambda *leaves: jnp.stack(leaves))
    problems = jax.device_put(stack(*(member.problem for member in padded)), split)
    states = jax.device_put(stack(*(member.state for member in padded)), split)
    for member in members:
        member.problem = member.state = None
    return jax.device_put(members[0].run.job.variables, whole), problems, states


def _drive(launch: Launch, program: Program, members: list[Member]) -> None:
    """Runs a batch to its end or until `launch.stop()`, and writes the files of its points when due."""
    job, (split, _) = members[0].run.job, stacked.layouts()
    variables, problems, states = _stack(program, members)
    for member in members:
        _try(launch, member, partial(_note, member, program.facts))

    def terms_of(states):
        # the terms of all points are computed at the first call, and so at most once after each chunk
        return cache(
            lambda: jax.device_get(
                stacked.measure(program.each, job.spec, job.optimizer, variables, problems, states)
            )
        )

    terms, pace = terms_of(states), 0.0
    states = states.replace(scale=jax.device_put(states.scale * _scales(program, members, terms()), split))
    for index, member in enumerate(members):
        if not member.run.recorder.metrics:
            _try(
                launch, member, partial(_first, member, _slice(states, index), partial(_finite, terms, index))
            )
    total = sum(member.run.config.steps for member in members)
    with tqdm(total=total, initial=sum(member.step for member in members), unit="step", disable=None) as bar:
        while any(member.active for member in members) and not launch.stop():
            counts = _counts(program, members, pace)
            began = time.perf_counter()
            states, losses = program.compiled(variables, problems, states, jax.device_put(counts, split))
            losses = np.asarray(losses)  # waits for the device
            seconds = time.perf_counter() - began
            pace, terms = seconds / counts.max(), terms_of(states)
            share = seconds / np.count_nonzero(counts)  # the time of each point that made steps
            for index, member in enumerate(members):
                if member.active:
                    arrived = partial(_arrive, launch, member, losses[index], share, pace)
                    _try(
                        launch,
                        member,
                        partial(arrived, _slice(states, index), partial(_finite, terms, index)),
                    )
            bar.update(int(counts.sum()))
    for index, member in enumerate(members):
        if member.active:
            _try(
                launch, member, partial(_pause, member, _slice(states, index), partial(_finite, terms, index))
            )


def _scales(program: Program, members: Sequence[Member], terms: dict[str, np.ndarray]) -> np.ndarray:
    """Returns the factor on the loss with which each place of the program begins."""
    scales = np.ones(program.size, np.float32)
    for index, member in enumerate(members):
        values = {name: float(values[index]) for name, values in terms.items()}
        scales[index] = loop.start_scale(member.run, values)
    return scales


def _counts(program: Program, members: Sequence[Member], pace: float) -> np.ndarray:
    """Returns the number of steps that each place of the program makes next."""
    counts = np.zeros(program.size, np.int32)
    for index, member in enumerate(members):
        if member.active:
            counts[index] = loop.chunk(member.step, member.run.config, pace)
    return counts


def _try(launch: Launch, member: Member, work: Callable[[], bool]) -> None:
    """Calls `work` for a point; an error removes only that point from the batch."""
    member.active = attempt(launch, member.point, work) and member.active


def _slice(states: State, index: int) -> State:
    return jax.tree.map(lambda leaf: leaf[index], states)


def _finite(terms: Callable[[], dict], index: int) -> dict[str, float]:
    """Returns the terms of one point; raises UserError if one is not finite."""
    values = {name: float(values[index]) for name, values in terms().items()}
    if broken := loop.not_finite(values):
        raise UserError(f"the loss is not finite ({broken}); {_ADVICE}")
    return values


def _note(member: Member, facts: dict) -> bool:
    member.run.recorder.note(**facts)
    return False


def _first(member: Member, state: State, terms: Callable) -> bool:
    """Records the start of a point."""
    member.run.recorder.record(state, terms(), 0.0)
    return False


def _arrive(
    launch: Launch, member: Member, loss: float, seconds: float, pace: float, state: State, terms: Callable
) -> bool:
    """Writes the files of a point that are due after a chunk of steps; returns True if it is finished."""
    member.step = int(state.step)
    if not math.isfinite(loss):
        raise UserError(f"the loss is not finite at step {member.step - 1}; {_ADVICE}")
    member.run.recorder.seconds += seconds
    loop.keep(member.run, state, terms, pace)
    if not ended(member.run.job, member.run.config, state):
        return False
    member.active = False
    return _end(launch, member.point, member.run, state)


def _pause(member: Member, state: State, terms: Callable) -> bool:
    """Saves a point that was stopped before its end."""
    loop.pause(member.run.recorder, state, terms)
    return False
