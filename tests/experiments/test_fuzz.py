"""The fuzz program: its harness notices every kind of fault, and a part of its cases, all without a fault."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from experiments.fuzz import images, pickles, weights
from nst.networks import formats

ROOT = Path(__file__).parents[2]


def program(*arguments):
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900)


@pytest.mark.processes
def test_every_planted_fault_is_found(tmp_path):
    done = program("tests.helpers.planted", str(tmp_path))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found) == 12
    for name, (verdict, label, detail) in found.items():
        assert verdict == name.split()[0] and label == name, (name, verdict, detail)
    assert "IndexError" in found["traceback"][2] and "mistaken" in found["wrong"][2]
    assert "MemoryError" in found["traceback without memory"][2]
    assert "in _verdict" in found["hang"][2], "a hang says where it was"
    assert not any(tmp_path.iterdir()), "the folders of the cases are removed"


@pytest.mark.parametrize("make", [images.make, weights.make])
def test_the_same_seed_makes_the_same_files(make, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # which `weights.make` changes
    for number in range(30):
        made = []
        for attempt in ("first", "second"):
            folder = tmp_path / f"{number}_{attempt}"
            folder.mkdir()
            label = make(np.random.default_rng(number), number, folder, tmp_path).label
            files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
            made.append((label, {name: data for name, data in files.items() if not name.endswith(".h5")}))
        assert made[0] == made[1]


@pytest.mark.parametrize("old", [False, True])
def test_sound_checkpoints_of_the_generator_are_read(old, tmp_path):
    arrays = {"features.0.weight": np.arange(54, dtype="f4").reshape(2, 3, 3, 3), "b": np.ones(2, "f8")}
    path = tmp_path / "weights.pth"
    path.write_bytes(pickles.sound(arrays, old))
    with formats.opened(path, arrays) as stored:
        found = {name: array.read() for name, array in stored.items()}
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
