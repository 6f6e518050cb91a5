"""Times points of a sweep that are stacked in one program, and the same points one after another."""

import statistics
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from experiments.benchmarks.contestants import LOOPS, job_of, timed
from nst.cli.tables import markdown
from nst.losses.problem import Loss
from nst.optimizers import steps
from nst.runs.job import make_problem
from nst.sweeps import stacked


def measure(config: ConfigDict, size: int, points: int, count: int, rounds: int) -> dict[str, float]:
    """Times `count` steps of Adam at each of `points` equal points, and prints a table.

    Args:
      config: of the loss.
      size: edge of the pictures in pixels.
      points: of the sweep.
      count: steps of each point in one timing.
      rounds: timed rounds, after one that is not counted.

    Returns:
      {"stacked": median of the seconds, "in sequence": the same}.
    """
    job = job_of(config, size, LOOPS["Adam"])
    targets, start = make_problem(job), steps.init(job.optimizer, job.start)
    alone = steps.run.lower(Loss(job.spec), job.optimizer, targets, start, np.int32(0)).compile()
    copy = partial(jax.tree.map, jnp.copy)
    repeat = partial(jax.tree.map, lambda leaf: jnp.stack([leaf] * points))
    problems, states = repeat(targets.replace(variables={})), repeat(start)
    counts = np.full(points, count, np.int32)
    together = stacked.run.lower(
        stacked.side_by_side, job.spec, job.optimizer, targets.variables, problems, states, counts
    ).compile()

    def in_sequence(starts):
        return [alone(targets, state, np.int32(count)) for state in starts]

    times = {"stacked": [], "in sequence": []}
    for _ in range(rounds + 1):
        # copied, since both programs take over the memory of the states that they are given
        begin = copy(states)
        times["stacked"].append(timed(partial(together, targets.variables, problems, begin, counts)))
        starts = [copy(start) for _ in range(points)]
        times["in sequence"].append(timed(partial(in_sequence, starts)))
    medians = {name: statistics.median(seconds[1:]) for name, seconds in times.items()}
    rows = [[name, f"{value:.3f}", f"{points * count / value:.1f}"] for name, value in medians.items()]
    print("\n" + markdown([f"{points} points, {count} steps", "s", "steps / s"], rows))
    return medians
