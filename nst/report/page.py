"""The page of a report: everything that is known about a sweep, on a page that works offline."""

from pathlib import Path

import filelock
import jinja2

from nst.errors import UserError
from nst.files import read_json, replacing
from nst.report import commands, curves, fields, pictures
from nst.report.assets import Assets, remove_unused
from nst.sweeps.points import varied_fields

HERE = Path(__file__).parent
# in the order in which the browser runs them: each script uses definitions of those before it
SCRIPTS = (
    "dom.js", "runs.js", "cards.js", "grid.js", "axes.js", "scatter.js", "table.js", "curves.js",
    "compare.js", "main.js",
)  # fmt: skip


def write(workdir: str | Path, sweep: dict, rows: list[dict]) -> Path:
    """Writes the report of a sweep, finished or running, into `<workdir>/report`.

    Args:
      workdir: the sweep's folder, as the user has written it.
      sweep: the content of sweep.json.
      rows: the table from nst.sweeps.results.rows, in the order of the sweep's points.

    Returns:
      The path of the page, index.html.

    Raises:
      UserError: the folder cannot be written.
    """
    folder = Path(workdir) / "report"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(folder / ".lock"):  # two writers would remove each other's files
            assets = Assets(folder, set())
            page = render(contents(assets, Path(workdir), sweep, rows))
            with replacing(folder / "index.html") as file:
                file.write(page)
            remove_unused(assets)  # after the page is written, so that it never refers to a removed file
    except OSError as error:
        raise UserError(
            f"{folder}: cannot write the report ({error.strerror or error}); free some space, or repair the "
            "folder, and run the same command again"
        ) from error
    return folder / "index.html"


def contents(assets: Assets, workdir: Path, sweep: dict, rows: list[dict]) -> dict:
    """Returns the data of the page as JSON values, and writes the files beside the page."""
    names, varied = fields.columns(rows), varied_fields(point["overrides"] for point in sweep["points"])
    field_columns = [f"config.{field}" for field in varied]  # as nst/sweeps/results.py names them
    base = fields.flatten(sweep["base"])
    data = {
        "title": Path(workdir).resolve().name,
        "config": sweep["config"],
        "launcher": sweep.get("launcher", ""),
        "fields": field_columns,
        "columns": names,
        "measures": fields.measures(names, field_columns),
        "base": base,
        "inputs": _inputs(assets, base, varied),
        "runs": [
            _run(assets, workdir, sweep, point, row) for point, row in zip(sweep["points"], rows, strict=True)
        ],
    }
    return fields.json_value(data)


def render(data: dict) -> bytes:
    """Returns the page with its style, scripts and data in it."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        trim_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    page = environment.get_template("page.html").render(
        data=data,
        style=(HERE / "style.css").read_text(),
        script="\n".join((HERE / name).read_text() for name in SCRIPTS),
    )
    return page.encode("utf-8", "replace")  # the name of a folder may hold bytes that are not text


def _run(assets: Assets, workdir: Path, sweep: dict, point: dict, row: dict) -> dict:
    """Returns the data of one run."""
    folder = workdir / (row.get("folder") or point["name"])
    name = f"{point['index']:04}_{point['name']}"
    return {
        "row": row,
        "picture": pictures.write(assets, name, folder),
        "key": name,  # under which its script stores the curves
        "curves": curves.write(assets, name, folder),
        "changes": _changes(sweep, point, folder),
        "commands": {
            "sweep": commands.sweep_command(sweep, str(workdir), row),
            "stylize": commands.stylize_command(sweep, str(workdir), point),
        },
    }


def _changes(sweep: dict, point: dict, folder: Path) -> dict:
    """Returns {field: value} of the fields in which a run, begun or not, differs from the base config."""
    base = fields.flatten(sweep["base"])
    try:
        saved = read_json(folder / "config.json", dict)
    except UserError:  # the point's row says what is wrong with its folder
        saved = None
    config = base | point["overrides"] if saved is None else fields.flatten(saved)
    return {field: value for field, value in config.items() if field not in base or base[field] != value}


def _inputs(assets: Assets, base: dict, varied: list[str]) -> list[dict]:
    """Returns the photograph and the paintings that are the same for all runs."""
    inputs = [("photograph", "content", base.get("content"))]
    inputs += [("painting", "style", path) for path in base.get("style") or ()]
    shown = []
    for role, field, path in inputs:
        if path and field not in varied:
            thumbnail = pictures.write_thumbnail(assets, role, Path(path))
            shown.append({"role": role, "name": Path(path).name, "thumbnail": thumbnail})
    return shown
