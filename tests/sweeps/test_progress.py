"""What a user is told: the list of points with its estimate, how points end, and the exit status."""

import csv

import pytest

from nst.errors import UserError
from nst.runs import folder as run_folder
from nst.sweeps import progress, results
from nst.sweeps.space import load_sweep
from tests.helpers.sweeping import enter, file, judge, points, vouched

OVERRIDES = [{"seed": 0}, {"seed": 1}, {"size": 24}, {"content": "none.png"}]


@pytest.fixture
def workdir(tmp_path):
    return tmp_path / "sweep"


def finish(workdir, point, seconds):
    """A run folder that looks finished after so many seconds."""
    folder = vouched(workdir, point, {})
    for step in (0, point.config.steps):
        part = step / point.config.steps
        run_folder.append_metrics(
            folder, {"step": step, "evaluations": step, "seconds": part * seconds, "loss": 1.0}
        )


def test_points_are_listed_with_their_program_and_errors(tmp_path, workdir):
    lines = progress.list_points(workdir, points(tmp_path, OVERRIDES), "")
    assert [line.split()[:2] for line in lines[1:5]] == [["0", "0"], ["1", "0"], ["2", "1"], ["3", "2"]]
    assert lines[5].startswith("will fail: 3: none.png: ")
    assert lines[6:] == ["4 to run; the time is known after the first point"] and not workdir.exists()


def test_the_time_is_estimated_from_finished_points(tmp_path, workdir):
    made = enter(workdir, tmp_path, [*OVERRIDES[:3], {"seed": 9, "steps": 8}, {"size": 20}])
    finish(workdir, made[0], 240.0)  # 4 steps: a minute each
    # 4 + 4 + 8 + 4 steps
    assert progress.list_points(workdir, made, judge().name)[-1] == "4 to run, about 20 minutes"
    finish(workdir, made[2], 1200.0)  # of another program: 5 minutes each
    # 4 + 8 steps at one minute, of the first program; 4 at the mean of both, which has no program of its own
    assert progress.list_points(workdir, made, judge().name)[-1] == "3 to run, about 24 minutes"
    assert progress.list_points(workdir, made[:1], judge().name)[-1] == "0 to run"


def test_each_end_is_told_and_the_table_is_written_now_and_then(tmp_path, workdir, monkeypatch):
    made, lines = enter(workdir, tmp_path, OVERRIDES), []
    on_end = progress.reporter(workdir, 2, lines.append)
    on_end(made[1], "finished")
    assert not (workdir / "results.csv").exists()
    monkeypatch.setattr(progress, "_TABLE_SECONDS", -1.0)
    on_end(made[0], "failed: no memory")
    assert lines == ["[1/2] 1 seed=1: finished", "[2/2] 0 seed=0: failed: no memory"]
    with open(workdir / "results.csv", newline="") as opened:
        assert len(list(csv.DictReader(opened))) == len(made)


def test_the_exit_status_says_what_became_of_the_points(tmp_path, workdir):
    made, lines = enter(workdir, tmp_path, OVERRIDES), []
    finish(workdir, made[0], 1.0)
    results.record_failure(workdir / made[1].name, made[1].config, UserError("bad"))
    assert progress.conclude(workdir, made[:1], lines.append) == 0
    assert progress.conclude(workdir, made[:2], lines.append) == 1
    assert progress.conclude(workdir, made, lines.append, 15) == 128 + 15
    table = workdir / "results.csv"
    assert lines == [
        f"1 finished: {table}",
        f"1 finished, 1 failed: {table}",
        "run the same command with --retry-failed to try the failed points again",
        f"1 finished, 1 failed, 2 waiting: {table}",
        "stopped; the same command continues",
    ]


def test_a_sweep_is_read_from_its_file(tmp_path):
    assert load_sweep(str(file(tmp_path, OVERRIDES))) == OVERRIDES
    with pytest.raises(UserError, match=r"configs/default.py: has no sweep\(\)"):
        load_sweep("configs/default.py")
