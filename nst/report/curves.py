"""The loss curves of a report: a script a run, which the page loads when the run is opened."""

import json
import math
from pathlib import Path

from nst.report.shelf import Shelf, keep
from nst.runs.folder import read_metrics

POINTS = 400  # of a curve at most; a plot is no wider


def read(folder: Path) -> dict[str, list]:
    """{name: its values, one a record} of metrics.jsonl: step, evaluations, seconds, loss, each term.

    A line that is half-written is left out, and what is not a finite number is None.
    """
    try:
        records = read_metrics(folder)
    except OSError:
        return {}
    if len(records) > POINTS:  # evenly, with the first and the last
        last = len(records) - 1
        records = [records[round(i * last / (POINTS - 1))] for i in range(POINTS)]
    names = dict.fromkeys(name for record in records for name in record)
    return {name: [_number(record.get(name)) for record in records] for name in names}


def put(shelf: Shelf, name: str, folder: Path) -> str | None:
    """Puts a run's curves on the shelf; None if it has none yet."""
    found = read(folder)
    if not found:
        return None
    # a page from the disk may load scripts, but not data
    script = f"addCurves({json.dumps(name)}, {json.dumps(found, allow_nan=False)});\n"
    return keep(shelf, "curves", name, ".js", script.encode())


def _number(value) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(f"{value:.7g}")  # more than a plot, or a table of it, can show
