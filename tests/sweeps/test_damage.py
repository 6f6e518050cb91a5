"""Bad files in the folder of a sweep: one line for one point, never a traceback."""

import json

import pytest

from nst import report
from nst.errors import UserError
from nst.sweeps import judge as judges
from nst.sweeps import local, progress, results
from tests.helpers.sweeping import enter, judge, launching, vouched

SEEDS = [{"seed": seed} for seed in range(3)]
RECORD = '{"step": 4, "evaluations": 4, "seconds": 1.0, "loss": 2.0}\n'
TYPES = {
    "instrument": 1, "inputs": [], "measures": {"style": "0.1"}, "sessions": {}, "error": 0,
    "config_digest": None, "step": "4", "evaluations": None, "seconds": "x", "loss": True,
}  # fmt: skip
WRONG = (
    "[]", "null", '"measures"', "", '{"sessions": [', "NaN", "[" * 100_000, "{}", b"\xff\xfe\x00\n",
    '{"a": 1, "a": 2}', json.dumps(TYPES),
)  # fmt: skip
FILES = ("measures.json", "failed.json", "manifest.json", "metrics.jsonl")


@pytest.fixture
def made(tmp_path):
    """A sweep of three points that look finished."""
    made = enter(tmp_path / "sweep", tmp_path, SEEDS)
    for point in made:
        folder = vouched(tmp_path / "sweep", point, {"style": 0.5})
        (folder / "metrics.jsonl").write_text(RECORD)
        (folder / "config.json").write_text("{}")
    return made


def damage(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode() + b"\n")


@pytest.mark.parametrize("name", FILES)
def test_a_bad_file_of_a_point_is_a_failed_row_and_the_others_stand(tmp_path, made, name):
    workdir = tmp_path / "sweep"
    for content in WRONG:
        damage(workdir / "seed=1" / name, content)
        table = results.rows(workdir)
        assert [row["status"] for row in table] == ["finished", "failed", "finished"], content
        error = table[1]["error"]
        assert str(workdir / "seed=1" / name) in error and "\n" not in error and "damaged (" in error
        assert [row["style"] for row in table] == [0.5, None, 0.5] and table[1]["loss"] is None
    # a failure that was recorded is not tried again, whatever its file holds
    left = [point.index for point in local.pending(workdir, made, judge().name, False)]
    assert left == ([] if name == "failed.json" else [1])
    assert progress.list_points(workdir, made, judge().name)[2].split()[2] == "failed"
    report.write(workdir, results.read_sweep(workdir), table)


def test_a_bad_config_of_a_point_is_left_out_of_the_report(tmp_path, made):
    for content in WRONG[:3]:
        damage(tmp_path / "sweep/seed=1/config.json", content)
        table = results.rows(tmp_path / "sweep")
        report.write(tmp_path / "sweep", results.read_sweep(tmp_path / "sweep"), table)


def change(**values):
    return lambda sweep: sweep | values


SWEEPS = {
    "no points": lambda sweep: {name: sweep[name] for name in sweep if name != "points"},
    "points of text": change(points=["a"]), "base of text": change(base="x"), "no base": change(base={}),
    "loss of text": change(target_loss="1"), "command": change(command="sweep"),
    "up": lambda sweep: sweep | {"points": [sweep["points"][0] | {"name": "../seed=0"}]},
    "dots": lambda sweep: sweep | {"points": [sweep["points"][0] | {"name": ".."}]},
    "no byte": lambda sweep: sweep | {"points": [sweep["points"][0] | {"name": "a\0b"}]},
    "index": lambda sweep: sweep | {"points": sweep["points"][1:]},
    "field": lambda sweep: sweep | {"points": [sweep["points"][0] | {"overrides": {"no.such": 1}}]},
    "identity": lambda sweep: sweep | {"points": [sweep["points"][0] | {"identity": {"inputs": {}}}]},
}  # fmt: skip


def test_a_sweep_json_that_is_not_ours_is_one_line_for_sweep_and_report(tmp_path, made):
    path = tmp_path / "sweep/sweep.json"
    ours = json.loads(path.read_text())
    for make in SWEEPS.values():
        path.write_text(json.dumps(make(ours)))
        with pytest.raises(UserError, match="sweep.json: damaged") as error:
            results.rows(tmp_path / "sweep")
        assert "\n" not in str(error.value)
    for content in WRONG:
        damage(path, content)
        for work in (
            lambda: results.rows(tmp_path / "sweep"), lambda: enter(tmp_path / "sweep", tmp_path, SEEDS),
            lambda: judges.load("", tmp_path / "sweep", made, print),
        ):  # fmt: skip
            with pytest.raises(UserError, match="sweep.json: damaged"):
                work()


def test_a_folder_in_the_place_of_a_file_is_not_called_damaged(tmp_path, made):
    for name in FILES:
        path, aside = tmp_path / "sweep/seed=1" / name, tmp_path / "aside"
        if path.exists():
            path.rename(aside)
        path.mkdir()
        error = results.rows(tmp_path / "sweep")[1]["error"]
        assert f"{name}: a folder, where a file is expected" in error and "delete" not in error
        path.rmdir()
        if aside.exists():
            aside.rename(path)


def test_a_sweep_mends_what_it_can_and_fails_what_it_cannot(tmp_path):
    workdir, made = tmp_path / "sweep", enter(tmp_path / "sweep", tmp_path, SEEDS)
    local.run_points(launching(workdir)[0], made)
    before = results.rows(workdir)
    damage(workdir / "seed=0/measures.json", "[]")
    damage(workdir / "seed=1/manifest.json", "[]")
    left = local.pending(workdir, made, judge().name, False)
    assert [point.index for point in left] == [0, 1]
    launcher, ended = launching(workdir)
    local.run_points(launcher, left)
    after, ends = results.rows(workdir), dict(ended)
    assert after[0] == before[0] and after[2] == before[2] and ends[0] == "finished"
    assert "manifest.json: damaged" in ends[1] and after[1]["status"] == "failed"
    assert (workdir / "seed=1/result.png").exists()


def test_a_failure_that_cannot_be_recorded_does_not_end_the_others(tmp_path):
    workdir, made = tmp_path / "sweep", enter(tmp_path / "sweep", tmp_path, SEEDS[:2])
    (workdir / "seed=0").write_text("a file where the folder should be")
    launcher, ended = launching(workdir)
    local.run_points(launcher, made)
    assert "failed.json cannot be written" in dict(ended)[0] and dict(ended)[1] == "finished"
    assert [row["status"] for row in results.rows(workdir)] == ["failed", "finished"]
