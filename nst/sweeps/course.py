"""The course of a point's run: its progress, and the time and memory that it took."""

import statistics
from pathlib import Path
from typing import NamedTuple

from nst.files import read_json
from nst.runs import folder as run_folder

RECORD = run_folder.RECORD | {"evaluations": int, "loss": float}


class Course(NamedTuple):
    """The records in a run folder of the course of its run."""

    records: list[dict]  # the records of metrics.jsonl
    smaller: list[dict]  # the last record of each smaller size of a pyramid
    sessions: list[dict]  # the sessions in manifest.json


NONE = Course([], [], [])


def read_course(folder: Path, identity: dict | None) -> Course:
    """Reads the course of a point's run; returns `NONE` if the folder's run has other pictures or weights.

    Args:
      folder: the run folder.
      identity: identity of the point, as for `results.state`.

    Raises:
      UserError: a file cannot be read, or is damaged.
    """
    manifest = read_json(folder / "manifest.json", run_folder.MANIFEST)
    if manifest is None or identity is None or manifest["inputs"] != identity["inputs"]:
        return NONE
    return Course(
        records=run_folder.read_metrics(folder, RECORD),
        smaller=[record for path in folder.glob("size_*") for record in run_folder.read_metrics(path)[-1:]],
        sessions=manifest["sessions"],
    )


def columns(course: Course, target_loss: float) -> dict:
    """Returns the columns of the table that describe the course of a run.

    Args:
      course: from `read_course`.
      target_loss: the column `seconds_to_loss` is the time until this loss was reached; with 0 it is None.
    """
    records, compiled = course.records, [entry for entry in course.sessions if "compile_seconds" in entry]
    last = records[-1] if records else {}
    # the time between the first records may include the start of a program, which does not affect the median
    paces = [
        (b["seconds"] - a["seconds"]) / (b["evaluations"] - a["evaluations"])
        for a, b in zip(records, records[1:], strict=False)
        if b["evaluations"] > a["evaluations"]
    ]
    reached = [record["seconds"] for record in records if target_loss and record["loss"] <= target_loss]
    seconds = last["seconds"] + sum(record["seconds"] for record in course.smaller) if last else None
    return {
        "steps": last.get("step"),
        "evaluations": last.get("evaluations"),
        "loss": last.get("loss"),
        "seconds": seconds,
        "seconds_per_evaluation": statistics.median(paces) if paces else None,
        "compile_seconds": compiled[0].get("compile_seconds") if compiled else None,
        "memory_bytes": compiled[0].get("memory_bytes") if compiled else None,
        "seconds_to_loss": reached[0] if reached else None,
    }
