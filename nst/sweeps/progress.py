"""The messages of a sweep: the list of its points, how each point ended, and a summary at the end."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from nst.sweeps import export, results
from nst.sweeps.identity import expected
from nst.sweeps.local import Group, folder, group_by_program
from nst.sweeps.points import Point

_TABLE_SECONDS = 10.0  # least seconds between two writes of the table, which take time with many points


def list_points(workdir: Path | None, points: Sequence[Point], instrument: str) -> list[str]:
    """Returns the points as lines of a table, the errors of their configs, and an estimate of the time.

    Args:
      workdir: the sweep's folder; it need not exist; None: all points are new.
      points: the points to list.
      instrument: the name of the sweep's instrument.

    Returns:
      A head; a line for each point with its index, the number of the program that it shares with others, its
      status and its name; a line for each error of a config; and the number of points that are still to run.
    """
    groups = group_by_program(points)
    programs = {point.index: number for number, group in enumerate(groups) for point in group.points}
    states = {
        point.index: results.state(folder(workdir, point), expected(point.config), instrument)
        if workdir
        else results.State(results.WAITING)
        for point in points
    }
    lines = ["index  program  status    name"]
    for point in points:
        status = states[point.index].status
        lines.append(f"{point.index:5}  {programs[point.index]:>7}  {status:8}  {point.name}")
    for group in groups:
        if group.error:
            indices = ", ".join(str(point.index) for point in group.points)
            lines.append(f"will fail: {indices}: {group.error}")
    unfinished = [point for point in points if states[point.index].status != results.FINISHED]
    seconds = _estimate(groups, states)
    if not unfinished:
        estimate = ""
    elif seconds is None:
        estimate = "; the time is known after the first point"
    else:
        estimate = f", about {seconds / 60:.0f} minutes"
    return [*lines, f"{len(unfinished)} to run{estimate}"]


def _estimate(groups: Iterable[Group], states: Mapping[int, results.State]) -> float | None:
    """Returns the seconds that the unfinished points will take, or None if no point has finished.

    The time of a step is estimated from the finished points of the same program, or else from all finished
    points.
    """
    paces, steps = [], []
    for group in groups:
        own, left = [], 0  # seconds per step of the group's finished points; steps of the others
        for point in group.points:
            state = states[point.index]
            if state.status != results.FINISHED:
                left += point.config.steps
            elif state.course.records:
                own.append(state.course.records[-1]["seconds"] / point.config.steps)
        steps.append((left, sum(own) / len(own) if own else None))
        paces += own
    if not paces:
        return None
    mean = sum(paces) / len(paces)
    return sum(left * (mean if pace is None else pace) for left, pace in steps)


def reporter(workdir: Path, count: int, log: Callable[[str], None]) -> Callable[[Point, str], None]:
    """Returns a function for `Launch.on_end` that logs how each point ended and updates the table.

    Args:
      workdir: the sweep's folder.
      count: the number of points that are run.
      log: receives the lines.
    """
    ended, written = 0, time.monotonic()

    def on_end(point: Point, status: str) -> None:
        nonlocal ended, written
        ended += 1
        log(f"[{ended}/{count}] {point.index} {point.name}: {status}")
        if time.monotonic() - written > _TABLE_SECONDS:
            export.write(workdir, results.rows(workdir))
            written = time.monotonic()

    return on_end


def conclude(
    workdir: Path, points: Iterable[Point], log: Callable[[str], None], signal_number: int | None = None
) -> int:
    """Writes the table of a sweep, and logs how many of its points have each status.

    Args:
      workdir: the sweep's folder.
      points: the points that were selected to run.
      log: receives the lines.
      signal_number: number of the signal that stopped the sweep; None: it was not stopped.

    Returns:
      The exit status of the program: 0 if all these points are finished, 128 + `signal_number` if the sweep
      was stopped, else 1.
    """
    table = results.rows(workdir)
    export.write(workdir, table)
    indices = {point.index for point in points}
    asked = [row for row in table if row["index"] in indices]
    statuses = {row["status"] for row in asked}
    log(f"{results.summary(asked)}: {workdir / 'results.csv'}")
    if signal_number is not None:
        log("stopped; the same command continues")
        return 128 + signal_number
    if results.FAILED in statuses:
        log("run the same command with --retry-failed to try the failed points again")
    return 0 if statuses <= {results.FINISHED} else 1
