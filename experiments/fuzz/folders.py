"""Folders of runs and sweeps whose files were edited, damaged, removed, or taken from another run."""

import json
import os
import shutil
from functools import partial
from pathlib import Path

import numpy as np
from ml_collections import ConfigDict

import nst
from experiments.fuzz import configs, harness
from experiments.fuzz.cases import Case, Wrong, check, damage, pick
from nst import images, report
from nst.errors import UserError
from nst.metrics import instrument
from nst.sweeps import export, launchers, local, progress, results
from nst.sweeps.points import Point, make_points

_FILES = ("config.json", "manifest.json", "metrics.jsonl", "checkpoint.npz", "result.png")
_POINT_FILES = (
    "measures.json",
    "config.json",
    "manifest.json",
    "metrics.jsonl",
    "failed.json",
    "checkpoint.npz",
)
_SWEEP = [{"seed": 0}, {"seed": 1, "style_loss.weight": 2.0}]
_ODD = (
    *(None, True, False, 0, -1, 1, 2, 1e308, -1e308, 2**31, 2**63, 2**70, 0.5, float("nan"), float("inf")),
    *("", "x", "../..", "/", "a\0b", "x" * 10**5, "\ud800", [], {}, [[]], [None], {"": None}, [1, "a"], "1"),
)


def prepare(shared: Path) -> None:
    """Makes two finished runs of the same shapes, one that was stopped, and a sweep; and the right results.

    Args:
      shared: the folder for them.
    """
    configs.prepare(shared)
    harness.in_child(partial(_prepare, shared))


def _prepare(shared: Path) -> None:
    quiet = {"log": lambda line: None}
    noise = np.random.default_rng(8).random((4, 4, 3), np.float32)
    images.write(shared / "other.png", np.clip(images.resize(noise, 30, 44, "bilinear"), 0, 1))
    nst.stylize(None, None, _config(shared), shared / "finished", **quiet)
    nst.stylize(None, None, _config(shared, steps=3), shared / "longer", **quiet)
    nst.stylize(None, shared / "other.png", _config(shared), shared / "other", **quiet)
    calls = iter(range(3))  # one for the smaller size, and the first step of the full one
    nst.stylize(
        None, None, _config(shared), shared / "stopped", stop=lambda: next(calls, None) is None, **quiet
    )
    judge, points = instrument.load("vgg19_slim"), _points(shared)
    results.enter(shared / "sweep", _request(judge.name), _config(shared), points)
    launch = local.Launch(
        shared / "sweep", judge, lambda: False, lambda line: None, lambda point, status: None
    )
    launchers.LAUNCHERS["local"].run(launch, points, launchers.Options("vgg19_slim"))


def _request(instrument: str) -> results.Request:
    return results.Request("sweep.py", ["sweep"], "local", "vgg19_slim", instrument)


def _config(shared: Path, steps: int = 2) -> ConfigDict:
    config = configs.base(shared)
    changes = {
        "steps": steps,
        "pyramid.min_size": 16,
        "optimizer.name": "adam",
        "optimizer.learning_rate": 0.02,
    }
    changes |= {"style_loss.layers": ("relu1_1",), "content_loss.layers": ("relu1_1",)}
    config.update_from_flattened_dict(changes)
    return config


def _points(shared: Path) -> list[Point]:
    return make_points(_config(shared), _SWEEP)


def make(rng: np.random.Generator, number: int, folder: Path, shared: Path) -> Case:
    """Makes a case: a copy of a run or a sweep with one to three edits.

    Args:
      rng: of this case.
      number: of this case; consecutive cases are of different sorts.
      folder: an empty folder for the copy.
      shared: from `prepare`.
    """
    name, workdir = ("finished", "sweep", "stopped", "sweep")[number % 4], folder / "run"
    shutil.copytree(shared / name, workdir)
    done = [_edit(rng, name, workdir, shared) for _ in range(pick(rng, (1, 1, 1, 2, 3)))]
    label = f"{name}: {'; '.join(f'{file} {what}' for file, what in done)}"
    if name == "sweep":
        return Case(label, partial(_read_sweep, workdir, shared, done))
    steps = 3 if rng.random() < 0.2 else 2
    return Case(f"{label}; {steps} steps", partial(_continue, workdir, shared, steps))


def _continue(workdir: Path, shared: Path, steps: int) -> None:
    """Continues a run, whose result must be that of a run that nobody touched."""
    nst.stylize(None, None, _config(shared, steps), workdir, log=lambda line: None)
    right = shared / ("finished" if steps == 2 else "longer") / "result.png"
    check((workdir / "result.png").read_bytes() == right.read_bytes(), "another result in silence")


def _read_sweep(workdir: Path, shared: Path, done: list[tuple[str, str]]) -> None:
    """Reads a sweep in all the ways in which the programs do."""
    try:
        sweep = results.read_sweep(workdir)
        rows = results.rows(workdir, sweep)
        check(len(rows) == len(sweep["points"]), f"{len(rows)} rows")
        export.write(workdir, rows)
        report.write(workdir, sweep, rows)
        points = _points(shared)
        progress.list_points(workdir, points, sweep["instrument"])
        local.pending(workdir, points, sweep["instrument"], False)
        results.enter(workdir, _request(sweep["instrument"]), _config(shared), points)
    except UserError as error:
        if not any(file == "sweep.json" for file, _ in done):
            raise Wrong(f"a file of one point stops the whole sweep: {error}") from error
        raise
    if all(what in _WHOLE for _, what in done):  # what is left was written by nst, if for another point
        good = results.rows(shared / "sweep")
        for row, right in zip(rows, good, strict=True):
            # the records of the course are a log, which vouches for nothing
            names = row.keys() - {"status", "error", "steps", "evaluations", "loss", *results.TIMINGS}
            wrong = [name for name in names if row[name] not in (None, right[name])]
            check(row["status"] != results.FINISHED or not wrong, f"{row['name']}: another run's {wrong}")


# --- edits


def _edit(rng: np.random.Generator, name: str, workdir: Path, shared: Path) -> tuple[str, str]:
    """Edits a file; returns its name and what was done."""
    folder, other, file = workdir, shared / "other", pick(rng, _FILES)
    if name == "sweep":
        own, another = rng.permutation([point.name for point in _points(shared)]).tolist()
        folder, other, file = workdir / own, shared / "sweep" / another, pick(rng, _POINT_FILES)
        if rng.random() < 0.2:
            folder, file = workdir, "sweep.json"
    if rng.random() < 0.25 and file != "sweep.json":
        folder, other = folder / "size_16", other / "size_16"
        file = pick(rng, _FILES)
    path, what = folder / file, pick(rng, sorted(_EDITS | _WHOLE))
    if file.endswith(".json") and rng.random() < 0.6:
        what = "edited"
    if not path.is_file() and os.path.lexists(path):  # what an edit before has put there
        _remove(path)
    if path.is_file() or what not in ("edited", "damaged", "lines changed", "swapped"):
        (_EDITS | _WHOLE)[what](rng, path, other / file)
    return str(path.relative_to(workdir)), what


def _edited(rng, path, other):
    """A value anywhere in the JSON becomes another, or is gone."""
    lines = path.read_bytes().splitlines() if path.suffix == ".jsonl" else [path.read_bytes()]
    try:
        values = [json.loads(line) for line in lines]
    except ValueError:
        return _damaged(rng, path, other)
    if not values:
        return None
    index = int(rng.integers(len(values)))
    holder, key = _place(rng, values, index)
    if rng.random() < 0.2 and holder is not values:
        del holder[key]
    else:
        holder[key] = pick(rng, _ODD)
    if rng.random() < 0.1 and isinstance(holder, dict):
        holder["more"] = pick(rng, _ODD)
    path.write_text("\n".join(map(json.dumps, values)) + "\n")
    return None


def _place(rng, holder, key):
    """Returns a random place in a value: what holds it, and the key or index there."""
    while isinstance(holder[key], dict | list) and holder[key] and rng.random() < 0.8:
        holder = holder[key]
        key = pick(rng, sorted(holder)) if isinstance(holder, dict) else int(rng.integers(len(holder)))
    return holder, key


def _damaged(rng, path, other):
    path.write_bytes(damage(rng, path.read_bytes())[1])


def _lines(rng, path, other):
    lines = path.read_bytes().splitlines(keepends=True)
    order = rng.integers(len(lines), size=len(lines) + int(rng.integers(3))) if lines else ()
    path.write_bytes(b"".join(lines[index] for index in order).rstrip(pick(rng, (b"", b"\n", b"}\n"))))


def _odd_text(rng, path, other):
    texts = (
        b"",
        b"null",
        b"[]",
        b"{}",
        b"3",
        b"\xff\xfe",
        b"[" * 10**5,
        b'{"a":' * 10**5,
        b"NaN",
        b"9" * 10**5,
    )
    path.write_bytes(pick(rng, (*texts, b" " * 10**6, b'{"a": 1, "a": 2}', b"\xef\xbb\xbf{}", b"\n\n\n")))


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _removed(rng, path, other):
    _remove(path)


def _a_folder(rng, path, other):
    _remove(path)
    path.mkdir(parents=True)


def _a_pipe(rng, path, other):
    _remove(path)
    os.mkfifo(path)


def _a_circle(rng, path, other):
    _remove(path)
    path.symlink_to(path.name)


def _swapped(rng, path, other):
    """The file of another run of the same shapes."""
    if other.exists():
        shutil.copyfile(other, path)


def _part(rng, path, other):
    """What a killed process leaves beside a file."""
    (path.parent / f".{path.name}.x1y2z3.part").write_bytes(rng.bytes(100))


_EDITS = {
    "damaged": _damaged,
    "edited": _edited,
    "is a circle of links": _a_circle,
    "is a folder": _a_folder,
    "is a pipe": _a_pipe,
    "is odd": _odd_text,
    "lines changed": _lines,
}
_WHOLE = {"has a half-written twin": _part, "removed": _removed, "swapped": _swapped}
