"""Sweeps made by hand, for the tests of their report: folders, rows, and what the page holds of them."""

import itertools
import json
import re
from pathlib import Path

import numpy as np

from nst import images
from nst.configs import classic
from nst.files import read_json, write_json
from nst.report import fields
from nst.runs import settings

EVIL = 'it\'s "<img src=x onerror=alert(1)>" & 漢字 </script>'
MEASURES = ("style", "style/relu1_1", "style/relu5_1", "content", "ssim", "psnr")
INSTRUMENT, IDENTITY = "nst2-vgg19-0123abcd", {"config_digest": "0", "inputs": {"content": "1"}}
TIMINGS = ("seconds", "evaluations", "steps", "loss")


def base():
    config = classic.get_config()
    config.content, config.style = "nst/data/images/cat.jpg", ("nst/data/images/swirls.jpg", "gone.jpg")
    return json.loads(json.dumps(settings.as_dict(config)))


def colour(index):
    """The colour of a point's picture; those of different points are far apart."""
    return np.array([(index * 53 + 40) % 200, (index * 101 + 90) % 250, (index * 29 + 120) % 220]) / 255


def loss_lines(index):
    for step in range(0, 60, 10):
        terms = {
            "content/relu4_2": 1.5 + index - 2.0**-step,
            "style/relu1_1": 10.0 ** (3 - step / 10),
            "tv": 0.0,
        }
        head = {"step": step, "evaluations": 2 * step + 1, "seconds": 0.5 * step, "loss": sum(terms.values())}
        yield head | terms


def begin(folder, index, plain):
    """Makes the run folder of a run that is at step 50; returns its picture."""
    (folder / "previews").mkdir(parents=True)
    write_json(folder / "config.json", plain)
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in loss_lines(index)))
    picture = np.broadcast_to(np.float32(colour(index)), (40, 60, 3))
    images.write(folder / "previews" / "step_000050.jpg", picture)
    return picture


def make(workdir, overrides, states=None, measures=None, pictures=True):
    """A sweep's folder, sweep.json and rows, made by hand; a point is finished unless `states` says."""
    plain = base()
    flat, names = fields.flatten(plain), list(dict.fromkeys(name for point in overrides for name in point))
    points, rows = [], []
    for index, point in enumerate(overrides):
        name, state = f"point {index}", (states or {}).get(index, "finished")
        points.append({"index": index, "name": name, "overrides": point, "identity": IDENTITY})
        folder = workdir / name
        if state != "waiting" and pictures:
            picture = begin(folder, index, read_json(write_overridden(workdir, plain, point), dict))
            if state == "finished":
                images.write(folder / "result.png", picture)
        found = (measures or made_up)(index) if state == "finished" else {}
        rows.append(
            {"index": index, "name": name, "status": state, "error": None}
            | {f"config.{field}": point.get(field, flat[field]) for field in names}
            | {measure: found.get(measure) for measure in (*MEASURES, *TIMINGS)}
            | {"folder": name, "instrument": INSTRUMENT if found else None}
        )
    sweep = {
        "config": "configs/sweeps/pooling.py", "launcher": "local", "target_loss": 0.0, "base": plain,
        "network": "vgg19", "instrument": INSTRUMENT,
        "points": points,
        "command": ["sweep.py", "--config=configs/sweeps/pooling.py", "--config.size=96", "--jobs=2"],
    }  # fmt: skip
    return sweep, rows


def write_overridden(workdir, plain, overrides):
    """The config of a point, as its run folder holds it."""
    made = json.loads(json.dumps(plain))
    for field, value in overrides.items():
        *groups, last = field.split(".")
        group = made
        for name in groups:
            group = group[name]
        group[last] = value
    workdir.mkdir(parents=True, exist_ok=True)
    write_json(workdir / "config.part", made)
    return workdir / "config.part"


def made_up(index):
    rng = np.random.default_rng(index)
    found = {name: float(rng.uniform(0.01, 1)) for name in (*MEASURES, *TIMINGS)}
    return found | {"evaluations": 101 + index, "steps": 50}


GRID = [
    {"network.pooling": pooling, "style_loss.weight": weight, "seed": seed}
    for pooling, weight, seed in itertools.product(("max", EVIL, "average"), (1000.0, 5.0, 20.0), (0, 1))
]
STATES = {3: "failed", 8: "waiting", 11: "started"}
ERROR = f"the loss is not a number;\nlower optimizer.learning_rate {EVIL}"


def grid(workdir):
    sweep, rows = make(workdir, GRID, STATES)
    rows[3]["error"] = ERROR
    with open(workdir / "point 11" / "metrics.jsonl", "a") as file:
        file.write('{"step": 60, "evalua')
    return sweep, rows


def contents(index_html):
    """The data of a page, read as a browser does: up to the first end tag."""
    page = Path(index_html).read_text()
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)[1])
