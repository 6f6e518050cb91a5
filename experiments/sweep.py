"""Runs a sweep: the points of a config's sweep(), each an ordinary run folder, all judged by one instrument.

python -m experiments.sweep --config=configs/sweeps/pooling.py --workdir=runs/pooling
"""

import sys
import time
from pathlib import Path

from absl import flags
from ml_collections import config_flags

from experiments import cli
from nst.errors import choose
from nst.metrics import instrument
from nst.runs import folder
from nst.sweeps import batched, local, processes, ray, results, space
from nst.sweeps.local import Launch
from nst.sweeps.points import Point, make_points, select

LAUNCHERS = ("local", "batched", "ray")
LAUNCHER = flags.DEFINE_string("launcher", "local", "How points are run: local, batched, ray.")
JOBS = flags.DEFINE_integer("jobs", 1, "Processes of the local launcher.", lower_bound=1)
BATCH = flags.DEFINE_integer("batch", 64, "Points in one batch, at most.", lower_bound=1)
RAY_ADDRESS = flags.DEFINE_string("ray_address", "", "A Ray cluster to join; empty: this machine.")
ONLY = flags.DEFINE_string("only", "", "Indices of points to run: 3,7 or 3-7.")
DRY_RUN = flags.DEFINE_bool("dry_run", False, "List the points and run nothing.")
RETRY_FAILED = flags.DEFINE_bool("retry_failed", False, "Also run the points that have failed.")
INSTRUMENT = flags.DEFINE_string("instrument", "vgg19", "The network that judges: a value of weights.name.")
TARGET_LOSS = flags.DEFINE_float("target_loss", 0.0, "Tabulate the seconds until this loss.", lower_bound=0)

_SECONDS = 10.0  # between writes of the table, at least


def main(argv) -> int:
    del argv
    choose("launcher", LAUNCHER.value, LAUNCHERS)
    workdir, config = Path(cli.workdir("runs/pooling")), cli.CONFIG.value
    file = config_flags.get_config_filename(flags.FLAGS["config"])
    points = make_points(config, space.load_sweep(file))
    chosen = select(points, ONLY.value) if ONLY.value else points
    if DRY_RUN.value:
        print("\n".join(listing(workdir, chosen)))
        return 0
    if LAUNCHER.value == "ray":
        ray.start(RAY_ADDRESS.value)
    received = cli.signals()
    judge = instrument.load(INSTRUMENT.value)
    results.enter(workdir, file, sys.argv, LAUNCHER.value, config, points, TARGET_LOSS.value)
    due = local.pending(workdir, chosen, RETRY_FAILED.value)
    print(f"{len(due)} of {len(chosen)} points to run, judged by {judge.name}", flush=True)
    teller = Teller(workdir, len(due))
    run(Launch(workdir, judge, lambda: bool(received), say, teller.told), due)
    table = results.rows(workdir)
    results.write(workdir, table)
    return conclude(workdir, table, {point.index for point in chosen}, received)


def run(made: Launch, due: list[Point]) -> None:
    """Runs the points with the launcher of the flags."""
    if LAUNCHER.value == "batched":
        batched.batched(made, due, BATCH.value)
    elif LAUNCHER.value == "ray":
        ray.run_points(made, due, INSTRUMENT.value)
    elif JOBS.value > 1:
        processes.run_points(made, due, INSTRUMENT.value, JOBS.value)
    else:
        local.run_points(made, due)


def say(line: str) -> None:
    print(f"    {line}", flush=True)


class Teller:
    """Says how each point ended, and keeps the table on the disk up to date."""

    def __init__(self, workdir: Path, count: int):
        self.workdir, self.count, self.done, self._written = workdir, count, 0, time.monotonic()

    def told(self, point: Point, status: str) -> None:
        self.done += 1
        print(f"[{self.done}/{self.count}] {point.index} {point.name}: {status}", flush=True)
        if time.monotonic() - self._written > _SECONDS:
            results.write(self.workdir, results.rows(self.workdir))
            self._written = time.monotonic()


def listing(workdir: Path, points: list[Point]) -> list[str]:
    """The points as a table: index, program that they share, status, name; and an estimate of the time."""
    groups = local.group_by_program(points)
    numbers = {point.index: str(number) for number, group in enumerate(groups) for point in group.points}
    lines, states, paces = ["index  program  status    name"], {}, {}
    for point in points:
        state = results.status(local.folder(workdir, point), point.config.steps)
        states.setdefault(state, []).append(point)
        lines.append(f"{point.index:5}  {numbers[point.index]:>7}  {state:8}  {point.name}")
    for group in groups:
        if group.error:
            lines.append(f"will fail: {', '.join(str(point.index) for point in group.points)}: {group.error}")
    for point in states.get(results.FINISHED, []):
        lines_of = folder.read_metrics(local.folder(workdir, point))
        paces.setdefault(numbers[point.index], []).append(lines_of[-1]["seconds"] / point.config.steps)
    left = [point for state, found in states.items() if state != results.FINISHED for point in found]
    every = [pace for found in paces.values() for pace in found]
    if every and left:
        mean = sum(every) / len(every)
        own = {number: sum(found) / len(found) for number, found in paces.items()}
        seconds = sum(point.config.steps * own.get(numbers[point.index], mean) for point in left)
        lines.append(f"{len(left)} to run, about {seconds / 60:.0f} minutes")
    else:
        lines.append(f"{len(left)} to run" + "; how long is known after the first" * bool(left))
    return lines


def conclude(workdir: Path, table: list[dict], chosen: set[int], received: list[int]) -> int:
    """Says what became of the sweep; the exit status."""
    ran = [row for row in table if row["index"] in chosen]
    states = {row["status"] for row in ran}
    print(f"{results.summary(ran)}: {workdir / 'results.csv'}")
    if received:
        print("stopped; the same command continues")
        return 128 + received[0]
    if results.FAILED in states:
        print("the failed are tried again with --retry_failed")
    return 0 if states <= {results.FINISHED} else 1


if __name__ == "__main__":
    cli.run(main)
