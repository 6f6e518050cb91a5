"""The folder of a sweep, and the table of its results, one row for each point.

sweep.json        the base config, the points and the command
<point>/          a run folder (nst/runs/folder.py), which also holds
  measures.json   the measures of the result, written when the run is finished, and the identity of the point
  failed.json     the error that ended the last attempt, and a digest of the config and files of that attempt
results.csv       the table; also results.parquet, if pyarrow is installed
"""

import re
import traceback
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ml_collections import ConfigDict

from nst.errors import UserError
from nst.files import read_json, write_json
from nst.metrics.instrument import Instrument, judge_files
from nst.metrics.instrument import columns as measure_columns
from nst.outputs import check_writable
from nst.runs import folder as run_folder
from nst.runs import settings
from nst.runs.pictures import sources
from nst.sweeps import entropy
from nst.sweeps.course import NONE, Course, columns, read_course
from nst.sweeps.identity import IDENTITY, attempt, digest, expected
from nst.sweeps.points import Point, field_names, get_field, varied_fields

FINISHED, FAILED, STARTED, WAITING = "finished", "failed", "started", "waiting"
# schemas of the files (nst/files.py)
SWEEP = {
    "config": str, "command": [str], "launcher": str, "target_loss": float,
    "network": str, "instrument": str,
    "base": {"steps": int, "content": str, "style": [str]},
    "points": [{"index": int, "name": str, "overrides": dict, "identity": (IDENTITY, None)}],
}  # fmt: skip
MEASURES = IDENTITY | {"instrument": str, "measures": {str: float}}
FAILURE = {"error": str, "type": str, "traceback": str, "attempt?": str}
# the columns that depend on the clock and the machine; all others have the same bytes after any number of
# interruptions
TIMINGS = ("seconds", "seconds_per_evaluation", "compile_seconds", "memory_bytes", "seconds_to_loss")


class Request(NamedTuple):
    """The command with which a sweep was started."""

    config: str  # the path of the config file with sweep()
    command: Sequence[str]  # the words of the command line
    launcher: str  # a key of nst.sweeps.launchers.LAUNCHERS
    network: str  # network of the instrument that measures the images, a value of `weights.name`
    instrument: str  # name of the instrument
    target_loss: float = 0.0  # the table has the seconds until this loss was reached; 0: it does not


def enter(workdir: Path, request: Request, base: ConfigDict, points: Sequence[Point]) -> None:
    """Begins or continues the sweep of a folder: creates the folder and writes sweep.json.

    Args:
      workdir: the sweep's folder.
      request: the command with which the sweep was started.
      base: the config to which the overrides are applied.
      points: all points of the sweep; a sweep may be continued with more of them.

    Raises:
      UserError: the folder holds a sweep of another base config (the error names every field that differs),
        or a run, or cannot be written.
    """
    check(workdir, base)
    listed = [
        {"index": point.index, "name": point.name, "overrides": point.overrides}
        | {"identity": expected(point.config)}
        for point in points
    ]
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        plain = settings.as_dict(settings.resolve(base))
        write_json(workdir / run_folder.SWEEP, request._asdict() | {"base": plain, "points": listed})
    except OSError as error:
        raise UserError(f"{workdir}: cannot write there ({error.strerror}); use another folder") from error


def check(workdir: Path, base: ConfigDict) -> None:
    """Checks, without changing anything, that a sweep can be begun or continued in a folder.

    Args:
      workdir: the sweep's folder; it need not exist.
      base: the config to which the overrides are applied.

    Raises:
      UserError: as from `enter`.
    """
    check_writable(workdir)
    if run_folder.begun(workdir):
        raise UserError(f"{workdir} holds a run: {run_folder.ELSEWHERE}")
    old, plain = read_json(workdir / run_folder.SWEEP, SWEEP), settings.as_dict(settings.resolve(base))
    if old is None:
        return
    differences = settings.differences(old["base"], plain)
    # `differences` leaves out the pictures, which a run compares by their content
    differences += [
        f"{field}: {old['base'][field]!r} -> {plain[field]!r}"
        for field in ("content", "style")
        if old["base"][field] != plain[field]
    ]
    if differences:
        raise UserError(
            f"{workdir} holds a sweep of another base: {'; '.join(differences)}; use another --workdir"
        )


def read_sweep(workdir: Path) -> dict:
    """Reads sweep.json.

    Args:
      workdir: the sweep's folder.

    Returns:
      The content, which has the schema `SWEEP`.

    Raises:
      UserError: the folder has no sweep.json, or it cannot be read.
    """
    path = Path(workdir) / run_folder.SWEEP
    sweep = read_json(path, SWEEP)
    if sweep is None:
        raise UserError(f"{workdir}: no sweep there; make one with nst sweep")
    fields = set(field_names(sweep["base"]))
    for position, point in enumerate(sweep["points"]):
        # a name becomes a path, which must not leave the folder
        right = point["index"] == position and re.fullmatch(r"[^/\\\0]*[^/\\\0.]", point["name"])
        if not right or not point["overrides"].keys() <= fields:
            raise UserError(f"{path}: damaged (points[{position}]); move it away or use another folder")
    return sweep


class State(NamedTuple):
    """The state of a point, from those files in its folder that belong to it."""

    status: str  # FINISHED, FAILED, STARTED or WAITING
    error: str | None = None  # the error, if it has failed
    measured: dict[str, float] = {}  # the measures, if it is finished
    course: Course = NONE


def state(folder: Path, identity: dict | None, instrument: str) -> State:
    """Returns the state of a point.

    Measures count only if they have the identity of the point and the name of the instrument; otherwise they
    belong to another config, to files that have changed since, or to another instrument.

    Args:
      folder: the point's run folder; it need not exist.
      identity: identity of the point, from `identity.expected`; None: the point cannot be finished.
      instrument: the name of the sweep's instrument.
    """
    try:
        measured = read_json(folder / "measures.json", MEASURES)
        failure = read_json(folder / "failed.json", FAILURE)
        course = read_course(folder, identity)
    except UserError as error:  # an error of one point does not stop the others
        return State(FAILED, str(error))
    if measured and identity and measured | identity | {"instrument": instrument} == measured:
        return State(FINISHED, None, measured["measures"], course)
    if failure:
        return State(FAILED, failure["error"], course=course)
    started = any((folder / name).exists() for name in ("checkpoint.npz", "metrics.jsonl"))
    started |= any(folder.glob("size_*"))  # a pyramid that is still at a smaller size
    return State(STARTED if started else WAITING, course=course)


def measure(folder: Path, point: Point, instrument: Instrument) -> None:
    """Measures the saved image of a finished point, writes measures.json and removes failed.json.

    Args:
      folder: the point's run folder.
      point: a point whose run is finished.
      instrument: the instrument of the sweep.
    """
    config = settings.resolve(point.config)
    image = folder / f"result.{config.output.format}"
    values = judge_files(instrument, image, *sources(None, None, config)) | entropy.measure(config)
    # the digests of the files that the run read, which may have changed since
    inputs = read_json(folder / "manifest.json", run_folder.MANIFEST)["inputs"]
    content = {"config_digest": digest(config), "inputs": inputs, "instrument": instrument.name}
    write_json(folder / "measures.json", content | {"measures": values})
    (folder / "failed.json").unlink(missing_ok=True)


def summary(table: Sequence[dict]) -> str:
    """Returns the number of rows with each status, such as "12 finished, 1 failed".

    Args:
      table: rows from `rows`.
    """
    counts = Counter(row["status"] for row in table)
    return ", ".join(f"{count} {status}" for status, count in counts.items())


def has_failed(folder: Path, config: ConfigDict) -> bool:
    """Returns whether a point has failed with this config and with the files that it reads now.

    Args:
      folder: the point's run folder; it need not exist.
      config: the config of the point.
    """
    try:
        failure = read_json(folder / "failed.json", FAILURE)
    except UserError:  # a damaged file also says that the point has failed
        return True
    return failure is not None and failure.get("attempt") in (None, attempt(config))


def record_failure(folder: Path, config: ConfigDict, error: Exception) -> str:
    """Writes failed.json, with the error that ended a point's run; returns a line for `Launch.on_end`.

    Args:
      folder: the point's run folder, which is created if it does not exist.
      config: the config of the point.
      error: the exception that was raised.
    """
    name = type(error).__name__
    line = " ".join(str(error).split()) or name
    line = line if isinstance(error, UserError) else f"{name}: {line}"
    text = "".join(traceback.format_exception(error))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        failure = {"error": line, "type": name, "traceback": text, "attempt": attempt(config)}
        write_json(folder / "failed.json", failure)
    except OSError as problem:  # for example a full disk, which must not end the other points
        return f"failed: {line} (failed.json cannot be written: {problem.strerror})"
    return f"failed: {line}"


def rows(workdir: Path, sweep: dict | None = None) -> list[dict]:
    """Returns the table of a sweep: a dict for each point, all with the same keys in the same order.

    The keys are index, name, status and error; config.X for each field X that varies; each measure; the
    progress of the run, and the time and memory that it took (`seconds` does not include compiling); folder
    and instrument. A value that does not exist yet is None.

    Args:
      workdir: the sweep's folder.
      sweep: from `read_sweep`; None: this function reads it.

    Raises:
      UserError: sweep.json is missing or damaged.
    """
    workdir = Path(workdir)
    sweep = read_sweep(workdir) if sweep is None else sweep
    fields = varied_fields(point["overrides"] for point in sweep["points"])
    states = [
        state(workdir / point["name"], point["identity"], sweep["instrument"]) for point in sweep["points"]
    ]
    # there is an entropy for each style layer, and the points may have different layers
    own = {name for found in states for name in found.measured if name.split("/")[0] == "entropy"}
    names = (*measure_columns(sweep["network"]), *sorted(own, key=lambda name: (len(name), name)))
    return [_row(sweep, *each, fields, names) for each in zip(sweep["points"], states, strict=True)]


def _row(sweep: dict, point: dict, found: State, fields: Sequence[str], names: Sequence[str]) -> dict:
    overrides, instrument = point["overrides"], sweep["instrument"]
    # a field has the name of its flag, since some fields, such as `content`, have the same name as a measure
    values = {
        f"config.{field}": overrides[field] if field in overrides else get_field(sweep["base"], field)
        for field in fields
    }
    return (
        {"index": point["index"], "name": point["name"], "status": found.status, "error": found.error}
        | values
        | {name: found.measured.get(name) for name in names}
        | columns(found.course, sweep["target_loss"])
        | {"folder": point["name"], "instrument": instrument if found.measured else None}
    )
