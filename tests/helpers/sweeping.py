"""Tiny sweeps for the tests: images of 16 px, a config with one layer, a random network as instrument."""

import os
import subprocess
import sys
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from nst import images
from nst.configs import classic
from nst.files import write_json
from nst.metrics.instrument import load  # the true one, although a test may replace it in its module
from nst.runs import pictures
from nst.sweeps import identity, results
from nst.sweeps.local import Launch
from nst.sweeps.points import make_points
from tests.helpers.narrow import narrow

ROOT = Path(__file__).parents[2]
TINY = {
    "weights.name": "vgg19_slim", "size": 16, "steps": 4, "content_loss.layers": ("relu1_1",),
    "style_loss.layers": ("relu1_1",), "style_loss.weight": 10.0, "optimizer.name": "adam",
    "optimizer.learning_rate": 0.02, "log.every": 2,
    "log.preview_every": 0, "checkpoint.seconds": 0.0,
}  # fmt: skip


@contextmanager
def _few_channels():
    with pytest.MonkeyPatch.context() as patch:
        narrow(patch, (4, 4, 5, 5, 6))
        yield


@cache
def judge():
    """Returns the random network as instrument, with few channels; in programs it has those of VGG-19."""
    with _few_channels():
        fixed = load("random")

    def measure(*pictures):
        with _few_channels():
            return fixed.judge(*pictures)

    return fixed._replace(judge=measure)


def picture(seed, height=16, width=16, pace=0.6):
    """Returns a smooth random image, `HxWx3` in [0, 1]: unlike noise, it has a structure to stylise."""
    y, x = np.mgrid[:height, :width]
    rng = np.random.default_rng(seed)
    waves = [np.sin(x * rng.normal(0, pace) + y * rng.normal(0, pace) + rng.uniform(0, 6)) for _ in range(9)]
    return (0.5 + 0.16 * np.stack([sum(waves[c::3]) for c in range(3)], -1)).clip(0, 1).astype(np.float32)


def break_start(monkeypatch, words):
    """Makes points with seed 7 raise an error other than UserError; returns the true function."""
    init = pictures.initial_image

    def broken(config, *given):
        if config.seed == 7:
            raise ZeroDivisionError(words)
        return init(config, *given)

    monkeypatch.setattr(pictures, "initial_image", broken)
    return init


def settings(folder, **changes):
    """Returns the dotted fields of a tiny config, and writes its pictures into the folder."""
    paths = [str(folder / name) for name in ("content.png", "style.png")]
    for seed, path in enumerate(paths):
        if not Path(path).exists():
            images.write(path, picture(seed))
    return TINY | {"content": paths[0], "style": (paths[1],)} | changes


def config(folder, **changes):
    made = classic.get_config()
    made.update_from_flattened_dict(settings(folder, **changes))
    return made


def points(folder, overrides, **changes):
    return make_points(config(folder, **changes), overrides)


def enter(workdir, folder, overrides, target_loss=0.0, **changes):
    """Begins a sweep as the program does; returns its points."""
    base = config(folder, **changes)
    made = make_points(base, overrides)
    results.enter(workdir, request(target_loss=target_loss), base, made)
    return made


def request(**changes):
    return results.Request("sweep.py", ["sweep"], "local", "random", judge().name)._replace(**changes)


def vouched(workdir, point, measures, sessions=()):
    """Writes the manifest of a point's run, and its measures unless they are None; returns its folder."""
    folder, known = Path(workdir) / point.name, identity.expected(point.config)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "manifest.json", known | {"sessions": list(sessions)})
    if measures is not None:
        content = known | {"instrument": judge().name, "measures": measures}
        write_json(folder / "measures.json", content)
    return folder


def launching(workdir, stop=lambda: False):
    """Returns a Launch, and the list of (index, status) to which it adds each point that ends."""
    ended = []

    def on_end(point, status):
        ended.append((point.index, status))

    return Launch(Path(workdir), judge(), stop, lambda line: None, on_end), ended


def table(workdir):
    """Returns the rows without the columns that depend on the clock."""
    return [
        {name: value for name, value in row.items() if name not in results.TIMINGS}
        for row in results.rows(workdir)
    ]


def near(table, other, names, tolerance=1e-4):
    """Asserts that columns of two tables agree to a relative tolerance."""
    for row, twin in zip(table, other, strict=True):
        for name in names:
            assert abs(row[name] - twin[name]) <= tolerance * max(abs(twin[name]), 1e-3), (row["name"], name)


def file(folder, overrides, name="tiny.py", **changes):
    """Writes a config file with a sweep()."""
    path = folder / name
    path.write_text(
        "from nst.configs import classic\n\n\ndef get_config():\n    config = classic.get_config()\n"
        f"    config.update_from_flattened_dict({settings(folder, **changes)!r})\n    return config\n\n\n"
        f"def sweep():\n    return {overrides!r}\n"
    )
    return path


def start(config_file, workdir, *flags, **environment):
    """Starts the program in a process of its own."""
    command = [sys.executable, "-m", "experiments.sweep", f"--config={config_file}", f"--workdir={workdir}"]
    return subprocess.Popen(
        [*command, "--instrument=random", *flags],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"} | environment, start_new_session=True,
    )  # fmt: skip


def program(config_file, workdir, *flags, **environment):
    """Runs the program; returns (exit status, output)."""
    process = start(config_file, workdir, *flags, **environment)
    output, _ = process.communicate()
    return process.returncode, output


def csv_without_timings(workdir):
    """Returns results.csv as lists of cells, without the columns that depend on the clock."""
    import csv

    with open(Path(workdir) / "results.csv", newline="") as opened:
        head, *lines = list(csv.reader(opened))
    keep = [index for index, name in enumerate(head) if name not in results.TIMINGS]
    return [[line[index] for index in keep] for line in (head, *lines)]
