"""Compares the loss and its gradient in the config's network.dtype with those in float32.

    python -m experiments.benchmarks.dtypes --config=default --config.weights.name=vgg19 \
        --config.size=128 --config.network.dtype=bfloat16

Both are evaluated at points of a run in float32. The last line compares, by their loss in float32, the images
of two runs of --updates, one in each dtype.
"""

from functools import partial

import jax
import numpy as np
from absl import flags
from ml_collections import ConfigDict

from experiments import cli
from experiments.benchmarks import tables
from nst.cli.tables import markdown
from nst.losses.problem import Loss
from nst.optimizers import steps
from nst.runs.job import Job, make_problem, prepare

UPDATES = flags.DEFINE_list("updates", ["0", "20", "100", "200"], "Numbers of updates at which to compare.")


def compare(config: ConfigDict, updates: list[int]) -> list[list[str]]:
    """Returns the rows of the table.

    Args:
      config: with the dtype that is compared with float32.
      updates: in increasing order.
    """
    config = config.copy_and_resolve_references()
    config.pyramid.min_size, config.network.convolution = 0, "direct"
    other = prepare(None, None, config)
    config.network.dtype = "float32"
    full = prepare(None, None, config)
    evaluate_full, evaluate_other = _evaluation(full), _evaluation(other)
    state, made, rows = steps.init(full.optimizer, full.start), 0, []
    for count in updates:
        state = _run(full, state, count - made)
        made, image = count, steps.image(full.optimizer, state)
        (loss, gradient), (near, leaning) = evaluate_full(image), evaluate_other(image)
        a, b = (np.asarray(each, np.float64).ravel() for each in (gradient, leaning))
        cosine = a @ b / (np.linalg.norm(a) * np.linalg.norm(b))
        rows.append([str(count), f"{loss:.5g}", f"{(near - loss) / loss:.1e}", f"{cosine:.4f}"])
    ended = _run(other, steps.init(other.optimizer, other.start), updates[-1])
    reached = evaluate_full(steps.image(other.optimizer, ended))[0]
    name = f"{updates[-1]}, all in {other.spec.network.dtype}"
    return [*rows, [name, f"{reached:.5g}", f"{(reached - loss) / loss:.1e}", ""]]


def _evaluation(job: Job):
    return jax.jit(partial(jax.value_and_grad(Loss(job.spec), argnums=1), make_problem(job)))


def _run(job: Job, state: steps.State, count: int) -> steps.State:
    return steps.run(Loss(job.spec), job.optimizer, make_problem(job), state, np.int32(count))[0]


def main(argv) -> None:
    """Prints the table."""
    del argv
    print(tables.environment_line() + "\n")
    head = ["updates", "loss in float32", "difference", "cosine of the gradients"]
    print(markdown(head, compare(cli.CONFIG.value, list(map(int, UPDATES.value)))))


if __name__ == "__main__":
    cli.run(main)
