"""A sweep's folder as a table: one row a point.

sweep.json        the base config, the points, the command
<point>/          a run folder (nst/runs/folder.py), and in it
  measures.json   the picture judged, when the run is finished
  failed.json     what stopped the last try
results.csv       the table (and results.parquet, where pyarrow is installed)
"""

import csv
import io
import statistics
import traceback
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from nst.errors import UserError
from nst.files import replacing
from nst.metrics import measures
from nst.metrics.instrument import Instrument, judge_files
from nst.runs import folder as run_folder
from nst.runs import settings
from nst.runs.pictures import named_by
from nst.sweeps.points import Point, get_field, varied_fields

FINISHED, FAILED, STARTED, WAITING = "finished", "failed", "started", "waiting"
# what the clock and the machine have to do with; everything else is the same to the byte, however often a
# sweep was interrupted
TIMINGS = ("seconds", "seconds_per_evaluation", "compile_seconds", "memory_bytes", "seconds_to_loss")


def enter(
    workdir: Path, config_file: str, command: Sequence[str], launcher: str, base, points, target_loss: float
):
    """Begins or continues the sweep of a folder: writes sweep.json.

    Raises:
      UserError: the folder holds a sweep of another base config; names every field that differs.
    """
    plain = settings.as_dict(base)
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        _check_base(workdir, plain)
        run_folder.write_json(
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
    old = run_folder.read_json(workdir / "sweep.json")
    if old is None:
        return
    found = settings.differences(old["base"], plain)
    found += [
        f"{field}: {old['base'][field]!r} -> {plain[field]!r}"
        for field in ("content", "style")
        if old["base"][field] != plain[field]
    ]
    if found:
        raise UserError(f"{workdir} holds a sweep of another base: {'; '.join(found)}; use another --workdir")


def read_sweep(workdir: Path) -> dict:
    """sweep.json; raises UserError if there is none."""
    found = run_folder.read_json(Path(workdir) / "sweep.json")
    if found is None:
        raise UserError(f"{workdir}: no sweep there; make one with python -m experiments.sweep")
    return found


def status(folder: Path, steps: int) -> str:
    """Of a point whose run has `steps`."""
    return _status(folder, steps, run_folder.read_json(folder / "measures.json"))


def _status(folder: Path, steps: int, measured: dict | None) -> str:
    if measured and measured["step"] >= steps:
        return FINISHED
    if (folder / "failed.json").exists():
        return FAILED
    begun = any((folder / name).exists() for name in ("checkpoint.npz", "metrics.jsonl"))
    begun |= any(folder.glob("size_*"))
    return STARTED if begun else WAITING


def measure(folder: Path, point: Point, instrument: Instrument) -> None:
    """Judges a finished point's picture as it was saved; forgets that an earlier try failed."""
    config = point.config
    picture = folder / f"result.{config.output.format}"
    found = judge_files(instrument, picture, *named_by(None, None, config))
    content = {"instrument": instrument.name, "step": config.steps, "measures": found}
    run_folder.write_json(folder / "measures.json", content)
    (folder / "failed.json").unlink(missing_ok=True)


def summary(table: Sequence[dict]) -> str:
    """How many rows are in which state: "12 finished, 1 failed"."""
    return ", ".join(f"{count} {state}" for state, count in Counter(row["status"] for row in table).items())


def record_failure(folder: Path, error: Exception) -> str:
    """Writes what stopped a point; returns it as one line."""
    line = " ".join(str(error).split()) or type(error).__name__
    if not isinstance(error, UserError):
        line = f"{type(error).__name__}: {line}"
    folder.mkdir(parents=True, exist_ok=True)
    text = "".join(traceback.format_exception(error))
    run_folder.write_json(
        folder / "failed.json", {"error": line, "type": type(error).__name__, "traceback": text}
    )
    return line


def rows(workdir: Path, found: dict | None = None) -> list[dict]:
    """The table: a dict a point, with the same keys in the same order.

    index, name, status, error; config.X for each swept field X; each measure (nst.metrics.measures.NAMES);
    how far the run is and what it took (`seconds` of optimisation, compiling apart); folder, instrument. None
    where there is nothing yet.

    Args:
      workdir: the sweep's folder.
      found: sweep.json, read already.
    """
    workdir = Path(workdir)
    found = read_sweep(workdir) if found is None else found
    fields = varied_fields(point["overrides"] for point in found["points"])
    return [row(workdir, found, point, fields) for point in found["points"]]


def row(workdir: Path, found: dict, point: dict, fields: Sequence[str]) -> dict:
    folder, overrides = workdir / point["name"], point["overrides"]
    steps = overrides.get("steps", found["base"]["steps"])
    measured = run_folder.read_json(folder / "measures.json") or {}
    failure = run_folder.read_json(folder / "failed.json") or {}
    state = _status(folder, steps, measured)
    # with the name of its flag, since some fields are called as measures are
    values = {
        f"config.{field}": overrides[field] if field in overrides else get_field(found["base"], field)
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
        | _course(folder, found.get("target_loss"))
        | {"folder": point["name"], "instrument": measured.get("instrument")}
    )


def _course(folder: Path, target_loss: float | None) -> dict:
    """How far a run is, and what it took."""
    lines = run_folder.read_metrics(folder)
    last = lines[-1] if lines else {}
    manifest = run_folder.read_json(folder / "manifest.json") or {"sessions": []}
    made = [session for session in manifest["sessions"] if "compile_seconds" in session]
    evaluations = last.get("evaluations")
    # the first records may hold what a program needs to warm up: the pace is the median between records
    paces = [
        (b["seconds"] - a["seconds"]) / (b["evaluations"] - a["evaluations"])
        for a, b in zip(lines, lines[1:], strict=False)
        if b["evaluations"] > a["evaluations"]
    ]
    reached = [line["seconds"] for line in lines if target_loss and line["loss"] <= target_loss]
    return {
        "steps": last.get("step"),
        "evaluations": evaluations,
        "loss": last.get("loss"),
        "seconds": _seconds(folder, last),
        "seconds_per_evaluation": statistics.median(paces) if paces else None,
        "compile_seconds": made[0]["compile_seconds"] if made else None,
        "memory_bytes": made[0]["memory_bytes"] if made else None,
        "seconds_to_loss": reached[0] if reached else None,
    }


def _seconds(folder: Path, last: dict) -> float | None:
    """Of optimisation, those at smaller sizes included."""
    if "seconds" not in last:
        return None
    smaller = [run_folder.read_metrics(path)[-1:] for path in folder.glob("size_*")]
    return last["seconds"] + sum(line["seconds"] for lines in smaller for line in lines)


def write(workdir: Path, table: Sequence[dict]) -> None:
    """results.csv, and results.parquet if pyarrow is there."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(table[0]), lineterminator="\n")
    writer.writeheader()
    plain = [{name: _cell(value) for name, value in line.items()} for line in table]
    writer.writerows(plain)
    with replacing(workdir / "results.csv") as file:
        file.write(text.getvalue().encode())
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        return
    buffer = io.BytesIO()
    columns = {name: _column([line[name] for line in plain]) for name in plain[0]}
    parquet.write_table(pyarrow.table(columns), buffer)
    with replacing(workdir / "results.parquet") as file:
        file.write(buffer.getvalue())


def _cell(value):
    return "+".join(map(str, value)) if isinstance(value, list | tuple) else value


def _column(values: list) -> list:
    """Values of one type, as a column needs."""
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int, float} or len(kinds) <= 1:
        return [float(value) if float in kinds and value is not None else value for value in values]
    return [None if value is None else str(value) for value in values]
