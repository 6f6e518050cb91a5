"""The files of the table of a sweep: results.csv, and results.parquet if pyarrow is installed."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from nst.files import replacing

_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # the first characters of a formula


def write(workdir: Path, table: Sequence[dict]) -> None:
    """Writes results.csv, and results.parquet if pyarrow is installed.

    In the CSV file, a text that a spreadsheet would run as a formula gets an apostrophe before it.

    Args:
      workdir: the sweep's folder.
      table: rows from `results.rows`, at least one.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, list(table[0]), lineterminator="\n")
    writer.writeheader()
    plain = [{name: _cell(value) for name, value in row.items()} for row in table]
    writer.writerows({name: _inert(value) for name, value in row.items()} for row in plain)
    with replacing(workdir / "results.csv") as file:
        file.write(text.getvalue().encode())
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        return
    buffer = io.BytesIO()
    columns = {name: _column([row[name] for row in plain]) for name in plain[0]}
    parquet.write_table(pyarrow.table(columns), buffer)
    with replacing(workdir / "results.parquet") as file:
        file.write(buffer.getvalue())


def _cell(value):
    """Returns a value as a cell; bytes of a path that are not text become escapes."""
    text = "+".join(map(str, value)) if isinstance(value, list | tuple) else value
    return text.encode("utf-8", "backslashreplace").decode() if isinstance(text, str) else text


def _inert(value):
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _column(values: list) -> list:
    """Returns values of a single type, which a column of Parquet needs; mixed types become text."""
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int, float} or len(kinds) <= 1:
        return [float(value) if float in kinds and value is not None else value for value in values]
    return [None if value is None else str(value) for value in values]
