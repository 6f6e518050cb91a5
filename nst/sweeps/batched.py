"""The batched launcher: points that share a compiled program, stacked and run as one.

`vmap` over all that is not part of the program: weights, targets and starts (so pictures, seeds and inits),
and the number of steps. Each point keeps a run folder of its own, as if it had run alone, and its numbers are
those of the local launcher to rounding (which L-BFGS lets grow, as it does any other). With several devices
the points are divided among them. A single CPU takes one point after the other, in the same program: side by
side was 3 times slower there.
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
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from tqdm import tqdm

from nst.devices import memory
from nst.errors import UserError
from nst.losses import problem as loss_problem
from nst.losses.problem import Loss, Problem
from nst.losses.spec import Spec
from nst.optimizers import steps
from nst.optimizers.steps import State
from nst.optimizers.table import Optimizer
from nst.runs import loop
from nst.runs.job import LoadNetwork, first_state, make_problem
from nst.runs.stylize import Begun, begin, finish
from nst.sweeps import results
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

MOST = 64  # points in one program


@partial(jax.jit, static_argnums=(0, 1, 2), donate_argnums=5)
def run(
    each: Callable,
    spec: Spec,
    optimizer: Optimizer,
    variables: dict,
    problems: Problem,
    states: State,
    counts: jax.Array,
) -> tuple[State, jax.Array]:
    """`steps.run` of N points, each by its own count.

    Args:
      each: `side_by_side` or `in_turn`.
      spec, optimizer: static choices.
      variables: the network, of all points.
      problems, states: stacked; problems without variables.
      counts: steps, N.
    """

    def one(problem, state, count):
        return steps.run(Loss(spec), optimizer, problem.replace(variables=variables), state, count)

    return each(one, problems, states, counts)


@partial(jax.jit, static_argnums=(0, 1, 2))
def measure(
    each: Callable, spec: Spec, optimizer: Optimizer, variables: dict, problems: Problem, states: State
) -> dict[str, jax.Array]:
    """`losses.problem.measure` of N points."""

    def one(problem, state):
        whole = problem.replace(variables=variables)
        return loss_problem.measure(spec, whole, state.pixels, state.step, optimizer.pixel_range)

    return each(one, problems, states)


def side_by_side(function: Callable, *stacked):
    """A function of one point for all at once."""
    return jax.vmap(function)(*stacked)


def in_turn(function: Callable, *stacked):
    """A function of one point for one after the other."""
    return jax.lax.map(lambda arguments: function(*arguments), stacked)


def best() -> Callable:
    """How points are best taken on what this machine has."""
    return in_turn if jax.default_backend() == "cpu" and len(jax.devices()) == 1 else side_by_side


@dataclass
class Lane:
    """A point on its way through a batch."""

    point: Point
    begun: Begun
    problem: Problem  # without variables
    start: State
    step: int
    active: bool = True


@dataclass
class Program:
    """A compiled batch."""

    compiled: jax.stages.Compiled
    each: Callable  # side_by_side or in_turn
    size: int  # points
    facts: dict  # for the manifest, a point's share


def batched(launch: Launch, points: Sequence[Point], most: int = MOST, each: Callable | None = None) -> None:
    """Runs points in batches of those that share a program, as many at once as the memory holds.

    Raises:
      UserError: a point's picture is to be divided among devices.
    """
    if any(point.config.devices != 1 for point in points):
        raise UserError("devices: the batched launcher divides points among devices, not pictures; set 1")
    shared = Shared()
    for group in group_by_program(points):
        drop_other_programs(shared, group.key, (*PROGRAMS, run, measure))
        if group.key is None:  # an error, which each point records for itself
            for point in group.points:
                attempt(launch, point, lambda point=point: run_point(launch, point, shared.load))
        else:
            _run_group(launch, group.points, shared.load, most, each or best())


def _run_group(launch: Launch, points: Sequence[Point], load: LoadNetwork, most: int, each: Callable) -> None:
    waiting, program = list(points), None
    while waiting and not launch.stop():
        with contextlib.ExitStack() as stack:
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
    """Adds a point to the batch; True if it was at its end already."""
    begun = stack.enter_context(
        begin(
            None, None, point.config, folder(launch.workdir, point),
            stop=launch.stop, log=lambda line: None, load=load, bar=False,
        )
    )  # fmt: skip
    if begun.stopped:
        return False
    state = first_state(begun.job) if begun.state is None else begun.state
    if int(state.step) >= point.config.steps:
        return _end(launch, point, begun, state)
    problem = make_problem(begun.job).replace(variables={})
    lanes.append(Lane(point, begun, problem, state, int(state.step)))
    return False


def _end(launch: Launch, point: Point, begun: Begun, state: State) -> bool:
    finish(begun, state)
    results.measure(folder(launch.workdir, point), point, launch.instrument)
    return True


def _shardings() -> tuple[NamedSharding, NamedSharding]:
    """(one point after another over the devices, all of it on every device)."""
    mesh = Mesh(np.array(jax.devices()), ("points",))
    return NamedSharding(mesh, PartitionSpec("points")), NamedSharding(mesh, PartitionSpec())


def _compile(lane: Lane, count: int, each: Callable) -> Program:
    """The program of `count` points like this one, or of as many as the memory holds.

    Raises:
      UserError: not even of one for each device.
    """
    job, config, devices = lane.begun.job, lane.point.config, len(jax.devices())
    limit = memory.limit(config.memory_limit_gb)
    split, whole = _shardings()
    variables = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=whole),
                             job.variables)  # fmt: skip
    fixed = sum(leaf.nbytes for leaf in jax.tree.leaves(job.variables))
    while True:
        size = math.ceil(count / devices) * devices
        stacked = jax.tree.map(
            lambda leaf, size=size: jax.ShapeDtypeStruct((size, *leaf.shape), leaf.dtype, sharding=split),
            (lane.problem, lane.start, jnp.int32(0)),
        )
        began = time.perf_counter()
        compiled = run.lower(each, job.spec, job.optimizer, variables, *stacked).compile()
        seconds, need = time.perf_counter() - began, memory.program_bytes(compiled)
        if need <= limit:
            facts = {"memory_bytes": need // size, "compile_seconds": round(seconds, 3), "batch": size}
            return Program(compiled, each, size, facts)
        if size == devices:
            raise UserError(
                f"{memory.format_bytes(need)} are needed, and {memory.format_bytes(limit)} are available: "
                "lower size or optimizer.memory"
            )
        fitting = int((limit - fixed) / (need - fixed) * size)
        count = max(1, min(fitting, size - devices))


def _drive(launch: Launch, program: Program, lanes: list[Lane]) -> None:
    """Runs a batch to its end, or until `launch.stop()`; the host writes what is due for each point."""
    job = lanes[0].begun.job
    split, whole = _shardings()
    padded = [lanes[min(index, len(lanes) - 1)] for index in range(program.size)]  # never stepped
    stack = partial(jax.tree.map, lambda *leaves: jnp.stack(leaves))
    problems = jax.device_put(stack(*(lane.problem for lane in padded)), split)
    states = jax.device_put(stack(*(lane.start for lane in padded)), split)
    variables = jax.device_put(job.variables, whole)
    for lane in lanes:
        lane.problem = lane.start = None  # stacked now
        _try(launch, lane, partial(_note, lane, program.facts))

    def terms_of(states):
        return cache(
            lambda: jax.device_get(
                measure(program.each, job.spec, job.optimizer, variables, problems, states)
            )
        )

    terms, pace = terms_of(states), 0.0
    for index, lane in enumerate(lanes):
        if not lane.begun.recorder.metrics:
            _try(launch, lane, partial(_first, lane, _slice(states, index), partial(_finite, terms, index)))
    total = sum(lane.point.config.steps for lane in lanes)
    with tqdm(total=total, initial=sum(lane.step for lane in lanes), unit="step", disable=None) as bar:
        while any(lane.active for lane in lanes) and not launch.stop():
            counts = np.zeros(program.size, np.int32)
            for index, lane in enumerate(lanes):
                counts[index] = loop.chunk(lane.step, lane.point.config, pace) if lane.active else 0
            began = time.perf_counter()
            states, losses = program.compiled(variables, problems, states, jax.device_put(counts, split))
            losses = np.asarray(losses)  # waits for the device
            seconds = time.perf_counter() - began
            pace = seconds / counts.max()
            share, terms = seconds / np.count_nonzero(counts), terms_of(states)
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


def _try(launch: Launch, lane: Lane, work) -> None:
    lane.active = attempt(launch, lane.point, work) and lane.active


def _slice(states: State, index: int) -> State:
    return jax.tree.map(lambda leaf: leaf[index], states)


def _finite(terms, index: int) -> dict[str, float]:
    """The terms of one point; raises UserError if one is not finite."""
    found = {name: float(values[index]) for name, values in terms().items()}
    if broken := loop.broken(found):
        raise UserError(f"the loss is not finite ({broken}); {_ADVICE}")
    return found


_ADVICE = (
    "lower optimizer.learning_rate, the weights, or use a line search; the local launcher saves the last "
    "finite image"
)


def _note(lane: Lane, facts: dict) -> bool:
    lane.begun.recorder.note(**facts)
    return False


def _first(lane: Lane, state: State, terms) -> bool:
    lane.begun.recorder.record(state, terms(), 0.0)
    return False


def _arrive(
    launch: Launch, lane: Lane, loss: float, seconds: float, pace: float, state: State, terms
) -> bool:
    """What follows a chunk of steps for one point; True if it is at its end."""
    config, recorder = lane.point.config, lane.begun.recorder
    lane.step = int(state.step)
    if not math.isfinite(loss):
        raise UserError(f"the loss is not finite at step {lane.step - 1}; {_ADVICE}")
    recorder.advance(lane.step, float(loss), seconds)
    loop.keep(recorder, config, state, terms, pace)
    if lane.step < config.steps:
        return False
    lane.active = False
    return _end(launch, lane.point, lane.begun, state)


def _pause(lane: Lane, state: State, terms) -> bool:
    loop.pause(lane.begun.recorder, state, terms)
    return False
