"""Whole runs at a few pixels: pictures, a small config, and the call."""

import json
from pathlib import Path

import nst
from nst.configs import classic
from tests.helpers import sweeping


def picture(seed, height=40, width=56):
    return sweeping.picture(seed, height, width, pace=0.3)


def small(**changes):
    config = classic.get_config()
    flat = {
        "weights.name": "random", "size": 32, "steps": 6, "content_loss.layers": ("relu2_1",),
        "style_loss.layers": ("relu1_1", "relu2_1"), "style_loss.weight": 100.0,
        "style_loss.normalization": "hw_mse", "optimizer.memory": 3, "log.every": 2,
        "log.preview_every": 3, "checkpoint.seconds": 0.0,
    }  # fmt: skip
    config.update_from_flattened_dict(flat | changes)
    return config


def stylize(*arguments, **options):
    lines = []
    return nst.stylize(*arguments, log=lines.append, **options), lines


def records(workdir):
    """metrics.jsonl without the clock."""
    lines = [json.loads(line) for line in (Path(workdir) / "metrics.jsonl").read_text().splitlines()]
    for line in lines:
        assert line.pop("seconds") >= 0
    return lines


def contents(workdir):
    """The bytes of every file in a folder, without the lock."""
    return {path: path.read_bytes() for path in workdir.rglob("*") if path.is_file() and path.name != ".lock"}


def stop_after(steps):
    """Returns a `stop` that is False for the first `steps` calls, and then True."""
    left = iter(range(steps))
    return lambda: next(left, None) is None
