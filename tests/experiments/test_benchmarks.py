"""The benchmarks run; what they time is not checked."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.benchmarks import accelerator_rows

pytestmark = [pytest.mark.processes, pytest.mark.slow]


def run(program, *options):
    """What a program prints."""
    command = [sys.executable, "-m", f"experiments.{program}", *options]
    return subprocess.run(
        command, cwd=Path(__file__).parents[2], check=True, capture_output=True, text=True
    ).stdout


def test_the_overhead_of_a_sweep_is_tabulated():
    output = run("benchmarks.sweep", "--points=4", "--steps=1")
    for name in ("local launcher", "stylize, no folder", "bare"):
        assert re.search(rf"^\| {name} \| [\d.]+ \| -?[\d.]+ \|$", output, re.M), output
    assert re.search(r"after 1 points: \d+, 2 points: \d+, 3 points: \d+, 4 points: \d+", output)


def test_the_memory_of_a_run_is_tabulated_beside_its_forecast():
    output = run("benchmarks.memory", "--settings=adam,slim", "--size=64", "--steps=1")
    for name in ("adam", "slim"):
        row = rf"^\| {name}, 64 px \| [\d.]+ [GM]B \| [\d.]+ [GM]B \| [\d.]+ \| [\d.]+ \|$"
        assert re.search(row, output, re.M), output


def test_evaluations_are_tabulated(tmp_path):
    """With memory, the ratio to the forward pass, and the rate of a matrix product; also as JSON."""
    options = "--sizes=32", "--rounds=1", "--steps=1", "--match=Adam", f"--json={tmp_path / 'found.json'}"
    output = run(
        "benchmarks.speed",
        "--config=configs/benchmark.py",
        "--config.weights.name=vgg19_slim",
        "--peaks",
        *options,
    )
    row = r"^\| Adam \| [\d.]+ \| [\d.]+ \|  \| [\d.]+ s \| [\d.]+ MB \| [\d.]+ [GM]B \|$"
    assert re.search(row, output, re.M), output
    assert re.search(r"Forward: \d+ GFLOP if directly convolved, \d+ GFLOP/s, against \d+", output)
    found = json.loads((tmp_path / "found.json").read_text())["speed"]["32"]
    assert set(found["medians"]) == {"forward", "Adam"} and len(found["rounds"]) == 1
    assert found["forward_flop"] == pytest.approx(FORWARD_32, rel=1e-12)


# twice the products of VGG-19's convolutions to conv5_1 for 32 x 32 pixels, and of the Gram matrices of
# relu1_1 .. relu5_1, by hand: block by block, edge^2 * 9 * (in * out + ...), then edge^2 * channels^2
FORWARD_32 = 2 * (
    32**2 * 9 * (3 * 64 + 64 * 64)
    + 16**2 * 9 * (64 * 128 + 128 * 128)
    + 8**2 * 9 * (128 * 256 + 3 * 256 * 256)
    + 4**2 * 9 * (256 * 512 + 3 * 512 * 512)
    + 2**2 * 9 * 512 * 512
    + 32**2 * 64**2 + 16**2 * 128**2 + 8**2 * 256**2 + 4**2 * 512**2 + 2**2 * 512**2
)  # fmt: skip


@pytest.mark.parametrize("program, options, message", [
    ("speed", ["--config=configs/benchmark.py", "--parts=bach"], "parts = 'bach': did you mean 'batch'"),
    ("memory", ["--settings=slim,adma"], "settings = 'adma': did you mean 'adam'"),
])  # fmt: skip
def test_a_name_that_does_not_exist_is_said_before_anything_is_measured(program, options, message):
    command = [sys.executable, "-m", f"experiments.benchmarks.{program}", *options]
    ended = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert ended.returncode == 1 and ended.stdout == ""
    assert ended.stderr.startswith(f"error: {message}") and ended.stderr.count("\n") == 1


def test_the_seconds_of_a_picture_are_tabulated():
    output = run("benchmarks.picture", "--size=32", "--steps=1", "--networks=vgg19_slim")
    assert re.search(r"^\| vgg19_slim \| \d+ s \| \d+ s \|$", output, re.M), output


def test_a_batch_is_tabulated():
    options = "--parts=batch", "--points=2", "--rounds=1", "--steps=1", "--batch_size=32"
    output = run(
        "benchmarks.speed", "--config=configs/benchmark.py", "--config.weights.name=vgg19_slim", *options
    )
    for name in ("stacked", "in sequence"):
        assert re.search(rf"^\| {name} \| [\d.]+ \| [\d.]+ \|$", output, re.M), output


def test_the_seconds_to_a_rivals_loss_are_tabulated(tmp_path):
    """Of two rivals and three ways; the second time with the programs of the first."""
    pytest.importorskip("torch")
    config = "--config=configs/benchmark.py", "--config.size=64"
    few = "--config.pyramid.min_size=32", "--config.pyramid.steps=20", "--config.steps=40", "--rival_steps=5"
    output = run("benchmarks.time_to_loss", *config, *few, f"--quality_json={tmp_path / 'found.json'}")
    ways = "20 at 32 px + 40 at 64 px", "20 at 32 px + 40 at 64 px, again", "6 at 64 px"
    for way in ways:
        assert len(re.findall(rf"^\| PyTorch .* \| {re.escape(way)} \| ", output, re.M)) == 2, output
    found = json.loads((tmp_path / "found.json").read_text())["quality"]
    first, again = (found[f"{way}, PyTorch L-BFGS, 5 evaluations"] for way in ways[:2])
    assert again["seconds"] > 0 and again["evaluations"] == first["evaluations"]


def test_schedules_are_compared_at_one_loss(tmp_path):
    one = "configs/default.py;pyramid.min_size=0;steps"
    output = run(
        "benchmarks.schedules", f"--recipe=first={one}=3", f"--recipe=more={one}=9", f"--recipe=less={one}=1",
        "--size=64", "--pairs=cat+swirls", f"--out={tmp_path}",
    )  # fmt: skip
    found = json.loads((tmp_path / "results.json").read_text())["cat+swirls"]
    # the same updates, so the same work and picture at that loss; and one update does not reach it
    assert found["more"] == found["first"] and found["less"]["work to 1"] is None
    assert found["less"]["loss"] > found["first"]["loss"]
    assert re.search(r"^\| more( \| 1\.00 \(1\.00\)){3} \|.* 0\.\d+ \(\+0\.000\) \|$", output, re.M), output
    assert (tmp_path / "more/cat+swirls.png").exists() and (tmp_path / "sheet_1.png").exists()


def test_the_rows_of_an_accelerator_are_tabulated():
    """In small, on any device; a row that fails would have text in place of its numbers."""
    output = run("benchmarks.accelerator", "--tiny", "--parts=start,evaluation,memory", "--minutes=30")
    names = "nst's, 32 px", "level 4, XLA's default, 32 px"
    for name, states in zip(names, [("empty", "filled", "another empty")] * 2, strict=True):
        digests = set()
        for state in states:
            row = re.search(
                rf"^\| {name} \| {state} \| [\d.]+ \| [\d.]+ \| [\d.]+ \| (\w{{8}}) \|$", output, re.M
            )
            assert row, output
            digests.add(row[1])
        assert len(digests) == 1
    for name in accelerator_rows.OURS:
        assert re.search(rf"^\| {name}, 32 px \| [\d.]+ \|", output, re.M), output
    for name in ("48 px", "64 px, bfloat16", "auto, of 96 px"):
        assert re.search(rf"^\| {name} \| [\d.]+ [GM]B \|  \| [\d.]+ \| [\d.]+ \| \d+x\d+ \|$", output, re.M)


def test_networks_and_convolutions_are_tabulated():
    options = (
        "--config=configs/default.py",
        "--networks=squeezenet1_1",
        "--of=ResNet-50",
        "--size=64",
        "--rounds=1",
        "--steps=1",
    )
    output = run("benchmarks.networks", *options)
    assert re.search(
        r"^\| squeezenet1_1 \|( [\d.]+ \|){2} [\d.]+ s \| [\d.]+ MB \| 0.7 M \|$", output, re.M
    ), output
    assert re.search(r"^\| ResNet-50, conv1 \|( [\d.]+ \|){4}$", output, re.M), output
