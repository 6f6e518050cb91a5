"""experiments.sweep from the outside: flags, exit status, and what kills and signals leave."""

import csv
import signal
import time

import numpy as np
import pytest

from tests.helpers.programs import check_one_line_errors, run_each
from tests.helpers.sweeping import csv_without_timings, file, program, start

pytestmark = pytest.mark.processes

# enough work per point that a kill hits it before its end; records and checkpoints at every step
LONG = {"steps": 60, "log.every": 1, "init.kind": "noise"}
SEEDS = [{"seed": seed} for seed in range(4)]


def wait_for(found, process):
    while not found():
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.005)


@pytest.mark.slow
def test_killed_twice_and_started_again_gives_the_table_to_the_byte(tmp_path):
    config = file(tmp_path, SEEDS, **LONG | {"steps": 120})
    status, output = program(config, tmp_path / "whole")
    assert status == 0 and "4 finished: " in output, output
    rng, parts = np.random.default_rng(int(time.time())), tmp_path / "parts"
    # anywhere; then within a point, a small part of the time from its first checkpoint to its last
    for name, longest in (("seed=0/checkpoint.npz", 0.3), ("seed=2/checkpoint.npz", 0.02)):
        process = start(config, parts)
        wait_for((parts / name).exists, process)
        time.sleep(rng.uniform(0, longest))
        assert process.poll() is None
        process.kill()
        process.communicate()
    assert not (parts / "seed=3/measures.json").exists()
    status, output = program(config, parts)
    assert status == 0 and "continuing from step" in output, output
    assert csv_without_timings(parts) == csv_without_timings(tmp_path / "whole")
    for seed in range(4):
        pictures = [(tmp_path / name / f"seed={seed}/result.png").read_bytes() for name in ("whole", "parts")]
        assert pictures[0] == pictures[1]
    status, output = program(config, parts)  # once more: there is nothing to do
    assert status == 0 and "0 of 4 points to run" in output and "4 finished: " in output


@pytest.mark.slow
def test_sigterm_stops_and_the_same_command_continues(tmp_path):
    config, workdir = file(tmp_path, SEEDS, **LONG), tmp_path / "sweep"
    process = start(config, workdir)
    wait_for((workdir / "seed=1/checkpoint.npz").exists, process)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate()
    assert process.returncode == 128 + signal.SIGTERM and "the same command continues" in output, output
    assert "Traceback" not in output
    with open(workdir / "results.csv", newline="") as opened:
        states = [row["status"] for row in csv.DictReader(opened)]
    assert states[0] == "finished" and states[2:] == ["waiting"] * 2
    status, output = program(config, workdir)
    assert status == 0 and "4 finished: " in output, output


@pytest.mark.slow
def test_failures_are_told_and_tried_again_on_request(tmp_path):
    overrides = [{"seed": 0}, {"style_loss.layers": ("relu1_9",)}, {"seed": 2}, {"seed": 3}]
    config, workdir = file(tmp_path, overrides), tmp_path / "sweep"
    status, output = program(config, workdir, "--only=0-2")
    assert status == 1 and "Traceback" not in output
    assert (
        "2 finished, 1 failed: " in output and "with --retry-failed to try the failed points again" in output
    )
    assert "[2/3] 1 layers=relu1_9: failed: style_loss.layers" in output or "relu1_9: failed: " in output
    assert not (workdir / "seed=3").exists()
    assert [line[2] for line in csv_without_timings(workdir)[1:]] == [
        "finished", "failed", "finished", "waiting",
    ]  # fmt: skip
    status, output = program(config, workdir, "--only=1", "--retry-failed")
    assert status == 1 and "no point can be run; " in output and "relu1_9" in output
    status, output = program(config, workdir, "--only=3", "--launcher=batched")
    assert status == 0 and "1 finished: " in output and (workdir / "seed=3/measures.json").exists()


@pytest.mark.slow
def test_dry_run_lists_and_writes_nothing(tmp_path):
    overrides = [{"tv.weight": 1.0}, {"size": 24}, {"content": "none.png"}, {"tv.weight": 2.0}]
    config, workdir = file(tmp_path, overrides), tmp_path / "sweep"
    before = sorted(path.name for path in tmp_path.iterdir())
    status, output = program(config, workdir, "--dry_run")
    assert status == 0, output
    cells = [line.split() for line in output.splitlines()[1:5]]
    assert [line[0] for line in cells] == ["0", "1", "2", "3"]
    assert [line[1] for line in cells] == ["0", "1", "2", "0"]
    assert all(line[2] == "waiting" for line in cells) and cells[1][3] == "size=24"
    assert (
        "will fail: 2: none.png" in output and "4 to run; the time is known after the first point" in output
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    status, output = program(config, workdir, "--dry_run", "--only=3")
    assert "size=24" not in output and "1 to run" in output


WRONG = [
    ([{"network.poling": "max"}], [], "no field network.poling; did you mean network.pooling?"),
    ([{"seed": "many"}], [], "seed = 'many'"), ([], [], "no points"),
    (SEEDS, ["--only=9"], "the points are 0 to 3"),
    (SEEDS, ["--launcher=lokal"], "launcher = 'lokal': did you mean 'local'"),
    (SEEDS, ["--instrument=vgg11"], "vgg11"), (SEEDS, ["--workdir="], "--workdir=runs/pooling"),
]  # fmt: skip


@pytest.mark.slow
def test_what_is_wrong_is_said_before_anything_runs(tmp_path):
    def flags(config):
        return [f"--config={config}", f"--workdir={tmp_path / 'sweep'}", "--instrument=random"]

    cases = [
        (flags(file(tmp_path, overrides, f"{index}.py")) + more, message)
        for index, (overrides, more, message) in enumerate(WRONG)
    ]
    cases.append((flags("configs/default.py"), "configs/default.py: has no sweep()"))
    check_one_line_errors(cases, run_each("experiments.sweep", [flags for flags, _ in cases]))
    assert not (tmp_path / "sweep").exists()


@pytest.mark.slow
def test_another_base_is_refused(tmp_path):
    config = file(tmp_path, SEEDS)
    assert program(config, tmp_path / "sweep", "--only=0")[0] == 0
    before = (tmp_path / "sweep/sweep.json").read_bytes()
    status, output = program(config, tmp_path / "sweep", "--config.tv.weight=1")
    assert status == 1 and "error: " in output and "tv.weight: 0.0 -> 1.0" in output
    assert (tmp_path / "sweep/sweep.json").read_bytes() == before
