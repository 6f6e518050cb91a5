"""Several runs as one compiled program: arrays are stacked, and the network and the choices are shared."""

import math
import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from nst.devices import memory
from nst.errors import UserError
from nst.losses import problem as loss_problem
from nst.losses.problem import Loss, Problem
from nst.losses.spec import Spec
from nst.optimizers import steps
from nst.optimizers.steps import State
from nst.optimizers.table import Optimizer
from nst.runs.job import Job

Each = Callable  # `side_by_side` or `in_turn`, which apply a function of one run to stacked arrays


@partial(jax.jit, static_argnums=(0, 1, 2), donate_argnums=5)
def run(
    each: Each,
    spec: Spec,
    optimizer: Optimizer,
    variables: dict,
    problems: Problem,
    states: State,
    counts: jax.Array,
) -> tuple[State, jax.Array]:
    """Applies `optimizers.steps.run` to N runs, each with its own number of steps.

    Args:
      each: `side_by_side` or `in_turn`.
      spec, optimizer: the static choices, which all runs share.
      variables: the variables of the network, which all runs share.
      problems: the problems, stacked along a new first axis, without variables.
      states: the states, stacked; they are donated.
      counts: the number of steps of each run, int32 of shape N; 0 leaves a run as it is.

    Returns:
      The states, and the loss at the start of each run's last step.
    """

    def one(problem, state, count):
        return steps.run(Loss(spec), optimizer, problem.replace(variables=variables), state, count)

    return each(one, problems, states, counts)


@partial(jax.jit, static_argnums=(0, 1, 2))
def measure(
    each: Each, spec: Spec, optimizer: Optimizer, variables: dict, problems: Problem, states: State
) -> dict[str, jax.Array]:
    """Computes the weighted terms of the loss of N runs, as `losses.problem.measure` does.

    Args:
      each, spec, optimizer, variables, problems, states: as for `run`; nothing is donated.

    Returns:
      {term: values of shape N}.
    """

    def one(problem, state):
        whole = problem.replace(variables=variables)
        return loss_problem.measure(spec, whole, state.pixels, state.step, optimizer.pixel_range)

    return each(one, problems, states)


def side_by_side(function: Callable, *stacked):
    """Applies a function of one run to all runs at once.

    Args:
      function: function of the arrays of one run.
      stacked: the arguments of all runs, stacked along a new first axis.
    """
    return jax.vmap(function)(*stacked)


def in_turn(function: Callable, *stacked):
    """Applies a function of one run to the runs one after another.

    Args:
      function: function of the arrays of one run.
      stacked: the arguments of all runs, stacked along a new first axis.
    """
    return jax.lax.map(lambda arguments: function(*arguments), stacked)


def fastest() -> Each:
    """Returns `in_turn` on a single CPU, where `side_by_side` was 3 times slower; else `side_by_side`."""
    return in_turn if jax.default_backend() == "cpu" and len(jax.devices()) == 1 else side_by_side


class Program(NamedTuple):
    """The compiled loop of a batch of runs."""

    compiled: jax.stages.Compiled  # `run`, compiled
    each: Each
    size: int  # number of runs
    facts: dict  # facts for the manifest of each run


def layouts() -> tuple[NamedSharding, NamedSharding]:
    """Returns the layouts of arrays on the devices.

    Returns:
      The layout of stacked arrays, which are divided by runs, and the layout of arrays that every device
      holds whole.
    """
    mesh = Mesh(np.array(jax.devices()), ("points",))
    return NamedSharding(mesh, PartitionSpec("points")), NamedSharding(mesh, PartitionSpec())


def compile_batch(job: Job, problem: Problem, state: State, count: int, each: Each, limit: int) -> Program:
    """Compiles the loop of a batch, or of a smaller batch if the memory is too small for it.

    Args:
      job: the job of one of the runs.
      problem: the targets of that run, without variables.
      state: the state of that run.
      count: the number of runs; it is rounded up to a multiple of the number of devices.
      each: `side_by_side` or `in_turn`.
      limit: bytes that the program may use on each device.

    Raises:
      UserError: the memory is too small even for one run on each device.
    """
    split, whole = layouts()
    devices = split.mesh.size
    variables = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=whole), job.variables
    )
    shared = sum(leaf.nbytes for leaf in jax.tree.leaves(job.variables))
    while True:
        size = math.ceil(count / devices) * devices
        stacked = jax.tree.map(
            lambda leaf, size=size: jax.ShapeDtypeStruct((size, *leaf.shape), leaf.dtype, sharding=split),
            (problem, state, jnp.int32(0)),
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
        # all but the network grows with the number of runs; each try has at least one run per device fewer
        fitting = int((limit - shared) / (need - shared) * size)
        count = max(1, min(fitting, size - devices))
