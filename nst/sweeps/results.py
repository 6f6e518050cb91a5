"""The folder of a sweep, and the table of its results, one row for each point.

sweep.json        the base config, the points and the command
<point>/          a run folder (nst/runs/folder.py), which also holds
  measures.json   the measures of the result, once the run is finished
  failed.json     the error that ended the last attempt
results.csv       the table; also results.parquet, where pyarrow is installed
"""

import statistics
import traceback
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ml_collections import ConfigDict

from nst.errors import UserError
from nst.files import read_json, write_json
from nst.metrics import measures
from nst.metrics.instrument import Instrument, judge_files
from nst.runs import folder as run_folder
from nst.runs import settings
from nst.runs.pictures import sources
from nst.sweeps.points import Point, get_field, varied_fields

FINISHED, FAILED, STARTED, WAITING = "finished", "failed", "started", "waiting"
# what the files hold (nst/files.py says how it is written)
SWEEP = {
    "config": str, "command": [str], "launcher": str, "target_loss": float,
    "base": {"steps": int, "content": str, "style": [str]},
    "points": [{"index": int, "name": str, "overrides": dict}],
}  # fmt: skip
MEASURES = {"instrument": str, "step": int, "measures": {str: float}}
FAILURE = {"error": str, "type": str, "traceback": str}
COURSE = run_folder.RECORD | {"evaluations": int, "loss": float}
# the columns that depend on the clock and the machine; the others are the same to the byte, however often a
# sweep was interrupted
TIMINGS = ("seconds", "seconds_per_evaluation", "compile_seconds", "memory_bytes", "seconds_to_loss")


def enter(
    workdir: Path,
    config_file: str,
    command: Sequence[str],
    launcher: str,
    base: ConfigDict,
    points: Sequence[Point],
    target_loss: float,
) -> None:
    """Begins or continues the sweep of a folder: creates the folder and writes sweep.json.

    Args:
      workdir: the sweep's folder.
      config_file: the path of the config file with sweep().
      command: the words of the command line.
      launcher: its name, a key of nst.sweeps.launchers.LAUNCHERS.
      base: the config that the overrides are applied to.
      points: all points of the sweep; a sweep may be continued with more of them.
      target_loss: the table shows the seconds until this loss was reached; 0: it does not.

    Raises:
      UserError: the folder holds a sweep of another base config (the error names every field that differs),
        or cannot be written.
    """
    plain = settings.as_dict(settings.resolve(base))
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        _check_base(workdir, plain)
        write_json(
            workdir / "sweep.json",
            {
                "config": config_file,
                "command": list(command),
                "launcher": launcher,
                "target_loss": target_loss,
                "base": plain,
                "points": [
                    {"index": point.index, "name": point.name, "overrides": point.overrides}
                    for point in points
                ],
            },
        )
    except OSError as error:
        raise UserError(f"{workdir}: cannot write there ({error.strerror}); use another folder") from error


def _check_base(workdir: Path, plain: dict) -> None:
    """Raises UserError if the folder holds a sweep of another base config."""
    old = read_json(workdir / "sweep.json", SWEEP)
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
      Its content, of the schema `SWEEP`.

    Raises:
      UserError: the folder has no sweep.json, or it cannot be read.
    """
    sweep = read_json(Path(workdir) / "sweep.json", SWEEP)
    if sweep is None:
        raise UserError(f"{workdir}: no sweep there; make one with python -m experiments.sweep")
    return sweep


def status(folder: Path, steps: int) -> str:
    """Returns the status of a point: FINISHED, FAILED, STARTED or WAITING.

    Args:
      folder: the point's run folder; it need not exist.
      steps: the number of steps after which its run is finished.
    """
    return _status(folder, steps, read_json(folder / "measures.json", MEASURES))


def _status(folder: Path, steps: int, measured: dict | None) -> str:
    if measured and measured["step"] >= steps:
        return FINISHED
    if (folder / "failed.json").exists():
        return FAILED
    started = any((folder / name).exists() for name in ("checkpoint.npz", "metrics.jsonl"))
    started |= any(folder.glob("size_*"))  # a pyramid that is still at a smaller size
    return STARTED if started else WAITING


def measure(folder: Path, point: Point, instrument: Instrument) -> None:
    """Measures the image of a finished point, as it was saved, and writes measures.json; removes failed.json.

    Args:
      folder: the point's run folder.
      point: a point whose run is finished.
      instrument: of the sweep.
    """
    config = settings.resolve(point.config)
    image = folder / f"result.{config.output.format}"
    values = judge_files(instrument, image, *sources(None, None, config))
    content = {"instrument": instrument.name, "step": config.steps, "measures": values}
    write_json(folder / "measures.json", content)
    (folder / "failed.json").unlink(missing_ok=True)


def summary(table: Sequence[dict]) -> str:
    """Returns the number of rows with each status, such as "12 finished, 1 failed".

    Args:
      table: rows, as `rows` returns them.
    """
    counts = Counter(row["status"] for row in table)
    return ", ".join(f"{count} {status}" for status, count in counts.items())


def record_failure(folder: Path, error: Exception) -> str:
    """Writes failed.json, with the error that ended a point's run; returns the error as one line.

    Args:
      folder: the point's run folder, which is created if it does not exist.
      error: what was raised.
    """
    name = type(error).__name__
    line = " ".join(str(error).split()) or name
    line = line if isinstance(error, UserError) else f"{name}: {line}"
    folder.mkdir(parents=True, exist_ok=True)
    text = "".join(traceback.format_exception(error))
    write_json(folder / "failed.json", {"error": line, "type": name, "traceback": text})
    return line


def rows(workdir: Path, sweep: dict | None = None) -> list[dict]:
    """Returns the table of a sweep: a dict for each point, all with the same keys in the same order.

    The keys are index, name, status and error; config.X for each field X that varies; each measure; the
    progress of the run, and the time and memory that it took (`seconds` without compiling); folder and
    instrument. A value that does not exist yet is None.

    Args:
      workdir: the sweep's folder.
      sweep: from `read_sweep`; None: it is read.

    Raises:
      UserError: sweep.json is missing or damaged.
    """
    workdir = Path(workdir)
    sweep = read_sweep(workdir) if sweep is None else sweep
    fields = varied_fields(point["overrides"] for point in sweep["points"])
    return [_row(workdir, sweep, point, fields) for point in sweep["points"]]


def _row(workdir: Path, sweep: dict, point: dict, fields: Sequence[str]) -> dict:
    folder, overrides = workdir / point["name"], point["overrides"]
    steps = overrides.get("steps", sweep["base"]["steps"])
    measured = read_json(folder / "measures.json", MEASURES) or {}
    failure = read_json(folder / "failed.json", FAILURE) or {}
    state = _status(folder, steps, measured)
    # a field is named as its flag is, since some fields have the name of a measure, such as `content`
    values = {
        f"config.{field}": overrides[field] if field in overrides else get_field(sweep["base"], field)
        for field in fields
    }
    return (
        {
            "index": point["index"],
            "name": point["name"],
            "status": state,
            "error": failure.get("error") if state == FAILED else None,
        }
        | values
        | {name: measured.get("measures", {}).get(name) for name in measures.NAMES}
        | _course(folder, sweep.get("target_loss"))
        | {"folder": point["name"], "instrument": measured.get("instrument")}
    )


def _course(folder: Path, target_loss: float | None) -> dict:
    """Returns the columns with the progress of a run, and the time and memory that it took."""
    records = run_folder.read_metrics(folder, COURSE)
    last = records[-1] if records else {}
    manifest = read_json(folder / "manifest.json", run_folder.MANIFEST) or {"sessions": []}
    compiled = [session for session in manifest["sessions"] if "compile_seconds" in session]
    evaluations = last.get("evaluations")
    # the time between the first records may include a program's warming up, which the median leaves out
    paces = [
        (b["seconds"] - a["seconds"]) / (b["evaluations"] - a["evaluations"])
        for a, b in zip(records, records[1:], strict=False)
        if b["evaluations"] > a["evaluations"]
    ]
    reached = [record["seconds"] for record in records if target_loss and record["loss"] <= target_loss]
    return {
        "steps": last.get("step"),
        "evaluations": evaluations,
        "loss": last.get("loss"),
        "seconds": _seconds(folder, last),
        "seconds_per_evaluation": statistics.median(paces) if paces else None,
        "compile_seconds": compiled[0]["compile_seconds"] if compiled else None,
        "memory_bytes": compiled[0]["memory_bytes"] if compiled else None,
        "seconds_to_loss": reached[0] if reached else None,
    }


def _seconds(folder: Path, last: dict) -> float | None:
    """Returns the seconds of optimisation, those at the smaller sizes of a pyramid included."""
    if "seconds" not in last:
        return None
    smaller = [run_folder.read_metrics(path)[-1:] for path in folder.glob("size_*")]
    return last["seconds"] + sum(line["seconds"] for records in smaller for line in records)
