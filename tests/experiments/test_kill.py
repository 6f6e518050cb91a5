"""The kill program: its comparison notices every kind of difference, and a few kills leave none."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from experiments.kill import compare
from nst import images
from nst.files import write_json

ROOT = Path(__file__).parents[2]


@pytest.fixture
def two(tmp_path):
    """Two equal folders of a run, made by hand."""
    right = tmp_path / "right"
    (right / "previews").mkdir(parents=True)
    images.write(right / "result.png", np.full((4, 4, 3), 0.5))
    images.write(right / "previews/step_000002.jpg", np.full((4, 4, 3), 0.4))
    write_json(right / "config.json", {"steps": 2})
    write_json(right / "manifest.json", {"config_digest": "0", "seed": 0, "inputs": {}, "sessions": []})
    records = [{"step": step, "seconds": 0.1, "loss": 1.0} for step in range(2)]
    (right / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    np.savez(right / "checkpoint.npz", pixels=np.ones(3), seconds=np.float64(1.0))
    shutil.copytree(right, tmp_path / "left")
    return tmp_path / "left", right


def replace(path, old, new):
    path.write_text(path.read_text().replace(old, new))


EDITS = {
    "nothing": (lambda left: None, []),
    "the clock": (lambda left: replace(left / "metrics.jsonl", "0.1", "0.2"), []),
    "a session": (lambda left: replace(left / "manifest.json", "[]", "[{}]"), []),
    "a picture": (
        lambda left: images.write(left / "result.png", np.zeros((4, 4, 3))),
        ["result.png differs"],
    ),
    "a record": (lambda left: replace(left / "metrics.jsonl", "1.0", "1.1"), ["metrics.jsonl differs"]),
    "a torn record": (
        lambda left: replace(left / "metrics.jsonl", "1.0}", ""),
        ["metrics.jsonl cannot be read"],
    ),
    "a state": (
        lambda left: np.savez(left / "checkpoint.npz", pixels=np.zeros(3), seconds=1.0),
        ["checkpoint.npz differs"],
    ),
    "an input": (lambda left: replace(left / "manifest.json", "{}", '{"a": "b"}'), ["manifest.json differs"]),
    "a lost preview": (
        lambda left: (left / "previews/step_000002.jpg").unlink(),
        ["previews/step_000002.jpg is missing"],
    ),
    "a part": (lambda left: (left / ".result.png.x.part").touch(), [".result.png.x.part is left over"]),
    "a preview more": (
        lambda left: shutil.copy(left / "previews/step_000002.jpg", left / "previews/step_000001.jpg"),
        ["previews/step_000001.jpg is left over"],
    ),
}


@pytest.mark.parametrize("name", EDITS)
def test_every_difference_is_found(name, two):
    left, right = two
    edit, expected = EDITS[name]
    edit(left)
    found = compare.differences(left, right, stopped=False)
    assert len(found) == len(expected), found
    assert all(line.startswith(start) for line, start in zip(found, expected, strict=True)), found


def test_a_stop_leaves_the_picture_of_its_step(two):
    left, right = two
    shutil.copy(left / "previews/step_000002.jpg", left / "previews/step_000001.jpg")
    assert not compare.differences(left, right, stopped=True)


def test_a_damaged_file_is_found(two):
    left, _ = two
    assert not list(compare.damage(left))
    (left / "checkpoint.npz").write_bytes((left / "checkpoint.npz").read_bytes()[:-30])
    replace(left / "config.json", "}", "")
    found = sorted(compare.damage(left))
    assert len(found) == 2 and found[0].startswith("checkpoint.npz was left damaged"), found
    assert found[1].startswith("config.json was left damaged"), found


@pytest.mark.slow
@pytest.mark.processes
def test_a_few_kills_of_runs_sweeps_and_pictures(monkeypatch):
    monkeypatch.delenv("NST_COMPILATION_CACHE", raising=False)  # the program has a cache of its own
    command = [sys.executable, "-m", "experiments.kill", "--kills=3", "--seed=2"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(f"| {name} |" in done.stdout for name in ("run", "sweep", "pictures"))
