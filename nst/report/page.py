"""The page of a report: everything that is known of a sweep, in one file that needs no network."""

from pathlib import Path

import filelock
import jinja2

from nst.errors import UserError
from nst.files import replacing
from nst.report import commands, curves, fields, pictures
from nst.report.shelf import Shelf, tidy
from nst.runs import folder as run_folder
from nst.sweeps.points import varied_fields

HERE = Path(__file__).parent
# in the order in which the browser reads them
SCRIPTS = (
    "dom.js", "runs.js", "cards.js", "grid.js", "axes.js", "scatter.js", "table.js", "curves.js",
    "compare.js", "main.js",
)  # fmt: skip


def write(workdir: str | Path, sweep: dict, rows: list[dict]) -> Path:
    """Writes the report of a sweep, finished or running, into `<workdir>/report`; returns its index.html.

    Args:
      workdir: the sweep's folder, as the user names it.
      sweep: sweep.json.
      rows: one a point, in the order of points (nst/sweeps/results.py).

    Raises:
      UserError: the folder cannot be written.
    """
    folder = Path(workdir) / "report"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(folder / ".lock"):  # two at a time would throw away each other's files
            shelf = Shelf(folder, set())
            page = render(contents(shelf, Path(workdir), sweep, rows))
            with replacing(folder / "index.html") as file:
                file.write(page)
            tidy(shelf)
    except OSError as error:
        raise UserError(
            f"{folder}: cannot write the report ({error.strerror or error}); make room, or mend the folder, "
            "and run the same command again"
        ) from error
    return folder / "index.html"


def contents(shelf: Shelf, workdir: Path, sweep: dict, rows: list[dict]) -> dict:
    """All that the page shows, as JSON values; puts the files beside it on the shelf."""
    names, varied = fields.columns(rows), varied_fields(point["overrides"] for point in sweep["points"])
    field_columns = [f"config.{field}" for field in varied]  # as nst/sweeps/results.py calls them
    base = fields.flatten(sweep["base"])
    found = {
        "title": Path(workdir).resolve().name,
        "config": sweep["config"],
        "launcher": sweep.get("launcher", ""),
        "fields": field_columns,
        "columns": names,
        "measures": fields.measures(names, field_columns),
        "base": base,
        "inputs": _inputs(shelf, base, varied),
        "runs": [
            _run(shelf, workdir, sweep, point, row) for point, row in zip(sweep["points"], rows, strict=True)
        ],
    }
    return fields.plain(found)


def render(found: dict) -> bytes:
    """The page, with its style, scripts and data inside."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        trim_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    page = environment.get_template("page.html").render(
        data=found,
        style=(HERE / "style.css").read_text(),
        script="\n".join((HERE / name).read_text() for name in SCRIPTS),
    )
    return page.encode("utf-8", "replace")  # a folder's name may hold bytes that are no text


def _run(shelf: Shelf, workdir: Path, sweep: dict, point: dict, row: dict) -> dict:
    folder = workdir / (row.get("folder") or point["name"])
    name = f"{point['index']:04}_{point['name']}"
    return {
        "row": row,
        "picture": pictures.put(shelf, name, folder),
        "key": name,  # of its curves
        "curves": curves.put(shelf, name, folder),
        "changes": _changes(sweep, point, folder),
        "commands": {
            "sweep": commands.sweep_command(sweep, str(workdir), row),
            "stylize": commands.stylize_command(sweep, str(workdir), point),
        },
    }


def _changes(sweep: dict, point: dict, folder: Path) -> dict:
    """{field: value} of what differs from the base: as the run was made, or as it will be."""
    base = fields.flatten(sweep["base"])
    try:
        made = run_folder.read_json(folder / "config.json")
    except (UserError, OSError):
        made = None
    here = fields.flatten(made) if isinstance(made, dict) else base | point["overrides"]
    return {field: value for field, value in here.items() if field not in base or base[field] != value}


def _inputs(shelf: Shelf, base: dict, varied: list[str]) -> list[dict]:
    """The photograph and the paintings, where they are the same for all runs and can be read."""
    found = [("photograph", "content", base.get("content"))]
    found += [("painting", "style", path) for path in base.get("style") or ()]
    shown = []
    for role, field, path in found:
        if path and field not in varied:
            thumbnail = pictures.put_thumbnail(shelf, role, Path(path))
            shown.append({"role": role, "name": Path(path).name, "thumbnail": thumbnail})
    return shown
