"""The fuzz program: its harness notices every kind of fault, and a part of its cases, all without a fault."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from experiments.fuzz import images, weights
from nst.networks import checkpoints

ROOT = Path(__file__).parents[2]


def program(*arguments):
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900)


@pytest.mark.processes
def test_every_planted_fault_is_found(tmp_path):
    done = program("tests.helpers.planted", str(tmp_path))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found) == 13
    for name, (verdict, label, detail) in found.items():
        assert verdict == name.split()[0] and label == name, (name, verdict, detail)
    assert "IndexError" in found["traceback"][2] and "mistaken" in found["wrong"][2]
    assert "MemoryError" in found["traceback without memory"][2]
    assert "in _spin" in found["hang of a loop"][2], "a hang says where it was"
    assert not any(tmp_path.iterdir()), "the folders of the cases are removed"


@pytest.mark.processes
def test_hostile_images_and_weights(tmp_path):
    done = program("experiments.fuzz", "--kinds=images,weights", "--cases=25", "--seed=11")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "| images | 25 |" in done.stdout and "| weights | 25 |" in done.stdout


@pytest.mark.slow
@pytest.mark.processes
def test_hostile_configs_and_folders(tmp_path):
    done = program("experiments.fuzz", "--kinds=configs,folders", "--cases=30", "--seed=11")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "| configs | 30 |" in done.stdout and "| folders | 30 |" in done.stdout


@pytest.mark.parametrize("make", [images.make, weights.make])
def test_the_same_seed_makes_the_same_files(make, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # which `weights.make` changes
    for number in range(13):
        made = []
        for attempt in ("first", "second"):
            folder = tmp_path / f"{number}_{attempt}"
            folder.mkdir()
            label = make(np.random.default_rng(number), number, folder, tmp_path).label
            files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
            made.append((label, {name: data for name, data in files.items() if not name.endswith(".h5")}))
        assert made[0] == made[1]


@pytest.mark.parametrize("suffix", [".h5", ".npz", ".pth", ".safetensors"])
def test_the_generator_writes_sound_weights(suffix, tmp_path):
    for seed in range(4):  # both layouts of .pth, compressed and plain .npz
        arrays = weights.arrays(np.random.default_rng(seed), "relu1_1", suffix)
        path = tmp_path / f"{seed}{suffix}"
        path.write_bytes(weights.sound(np.random.default_rng(seed), arrays, suffix))
        (parts,) = checkpoints.load(str(path), "vgg19", ("relu1_1",)).params.values()
        bias, kernel = sorted(arrays.values(), key=np.ndim)
        np.testing.assert_array_equal(parts["bias"], bias)
        kernel = kernel.transpose(2, 3, 1, 0) if suffix == ".pth" else kernel
        np.testing.assert_array_equal(parts["kernel"], kernel)
