"""Measures the overhead of a sweep: milliseconds per point, and memory as points accumulate.

python -m experiments.benchmarks.sweep --points=200

Each point is a picture of 32 px, made in a few steps with the slim network and measured. It is made three
times, in turn, so that a machine whose speed drifts favours none:
- by the local launcher, which gives it a run folder (manifest, checkpoint, records, pictures, measures);
- by `stylize` without a folder;
- bare: only by the compiled steps and the instrument, with pictures and targets prepared beforehand.

The output has medians, and the memory of the process after each quarter of the points.
"""

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
from absl import flags

from experiments import cli
from experiments.benchmarks import tables
from nst import images
from nst.cli.tables import markdown
from nst.configs import trial
from nst.losses.problem import Loss
from nst.metrics import instrument
from nst.optimizers import steps as optimizer_steps
from nst.runs.job import make_problem, prepare, shown
from nst.runs.stylize import stylize
from nst.sweeps import export, local, results, space
from nst.sweeps.points import Point, make_points

POINTS = flags.DEFINE_integer("points", 200, "Points of the sweep.", lower_bound=4)
STEPS = flags.DEFINE_integer("steps", 3, "Steps of each point.", lower_bound=1)
INSTRUMENT = flags.DEFINE_string(
    "instrument", "vgg19_slim", "The network that measures the images: a value of weights.name."
)


def contestants(workdir: Path, judge: instrument.Instrument, points: list[Point]):
    """Returns the three ways of making a point.

    Args:
      workdir: folder of the sweep.
      judge: the instrument, which measures all pictures.
      points: of the sweep, all of one shape.

    Returns:
      {name: function that makes and measures a point}.
    """
    shared = local.Shared()

    def silent(*_):
        pass

    launch = local.Launch(workdir, judge, stop=lambda: False, log=silent, on_end=silent)
    job = prepare(None, None, points[0].config, shared.load)
    problem, state = make_problem(job), optimizer_steps.init(job.optimizer, job.start)
    steps = optimizer_steps.run.lower(Loss(job.spec), job.optimizer, problem, state, np.int32(0)).compile()
    photo, painting = (
        images.read(path).rgb_HxWx3 for path in (points[0].config.content, *points[0].config.style)
    )

    def bare(point):
        start = optimizer_steps.init(job.optimizer, job.start)
        state, _ = steps(problem, start, np.int32(point.config.steps))
        return judge.judge(shown(job, state)[0], photo, [painting])

    def in_memory(point):
        result = stylize(None, None, point.config, log=silent, load=shared.load)
        return judge.judge(result.image, photo, [painting])

    return {
        "local launcher": lambda point: local.run_points(launch, [point], shared),
        "stylize, no folder": in_memory,
        "bare": bare,
    }


def main(argv):
    """Measures and prints a table."""
    del argv
    config = trial.get_config()
    config.size, config.pyramid.min_size, config.steps = 32, 0, STEPS.value
    points = make_points(config, space.grid({"style_loss.weight": np.geomspace(1, 1e4, POINTS.value)}))
    judge = instrument.load(INSTRUMENT.value)
    process = psutil.Process()
    with tempfile.TemporaryDirectory() as folder:
        workdir = Path(folder)
        results.enter(workdir, results.Request("", [], "local", INSTRUMENT.value, judge.name), config, points)
        entered, times, memories = contestants(workdir, judge, points), [], []
        for point in points:
            times.append({})
            for name, run in entered.items():
                began = time.perf_counter()
                run(point)
                times[-1][name] = time.perf_counter() - began
            memories.append(process.memory_info().rss / 1e6)
        began = time.perf_counter()
        table = results.rows(workdir)
        export.write(workdir, table)
        tabulating = time.perf_counter() - began
    assert all(row["status"] == results.FINISHED for row in table)
    warm = times[1:]  # the first compiles
    medians = {name: statistics.median(seconds[name] for seconds in warm) for name in entered}
    print(tables.environment_line(f"{len(points)} points", "medians") + "\n")
    rows = [
        (name, f"{1e3 * seconds:.1f}", f"{1e3 * (seconds - medians['bare']):.1f}")
        for name, seconds in medians.items()
    ]
    print(markdown(("per point", "ms", "more than bare"), rows))
    print(f"\ntabulating: {1e3 * tabulating / len(points):.1f} ms per point")
    quarters = [round(len(points) * part / 4) for part in range(1, 5)]
    print(
        "memory of the process, MB, after",
        ", ".join(f"{at} points: {memories[at - 1]:.0f}" for at in quarters),
    )


if __name__ == "__main__":
    cli.run(main, config=False)
