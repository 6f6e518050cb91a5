"""The loss curves of a report: one script for each run, which the page loads when the run is opened."""

import json
import math
from pathlib import Path

from nst.errors import UserError
from nst.report.assets import Assets, add
from nst.runs.folder import read_metrics

POINTS = 400  # most points of a curve; more would not be visible in a plot of this width


def read(folder: Path) -> dict[str, list]:
    """Returns the columns of a run's metrics.jsonl: step, evaluations, seconds, loss and every term.

    Args:
      folder: the run folder.

    Returns:
      {name: values}, with a value for each of at most `POINTS` records, or None if the value is not a finite
      number. The dict is empty if there are no records.
    """
    try:
        records = read_metrics(folder)
    except UserError:  # the run's row says what is wrong with its folder
        return {}
    if len(records) > POINTS:  # evenly spaced, the first and the last included
        last = len(records) - 1
        records = [records[round(i * last / (POINTS - 1))] for i in range(POINTS)]
    names = dict.fromkeys(name for record in records for name in record)
    return {name: [_number(record.get(name)) for record in records] for name in names}


def write(assets: Assets, name: str, folder: Path) -> str | None:
    """Writes a run's curves beside the page.

    Args:
      assets: the files of the report.
      name: the name under which the page looks for the curves.
      folder: the run folder.

    Returns:
      The address of the script, relative to the page; None if the run has no records yet.
    """
    curves = read(folder)
    if not curves:
        return None
    # a page that was opened from the disk may load scripts, but not data
    script = f"addCurves({json.dumps(name)}, {json.dumps(curves, allow_nan=False)});\n"
    return add(assets, "curves", name, ".js", script.encode())


def _number(value) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(f"{value:.7g}")  # more digits than a plot can show
