"""The table of a sweep: what a row says of a point in every state, its files, and whose folder it is."""

import csv
import json
import math
import sys
from pathlib import Path

import pytest

from nst.errors import UserError
from nst.metrics import measures
from nst.sweeps import export, identity, local, results
from nst.sweeps.points import make_points
from tests.helpers.sweeping import config, enter, launching, points, vouched

OVERRIDES = [{"seed": seed} for seed in range(5)]


def put(workdir, point, **files):
    """Files of a run folder; text, or JSON."""
    folder = workdir / point.name
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        stem, suffix = name.rsplit("_", 1)
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / f"{stem}.{suffix}").write_text(text)


def lines(*values):
    """metrics.jsonl of (step, evaluations, seconds, loss)."""
    names = ("step", "evaluations", "seconds", "loss")
    return "".join(json.dumps(dict(zip(names, value, strict=True))) + "\n" for value in values)


def measured(**values):
    return {name: 0.5 for name in measures.NAMES} | values


@pytest.fixture
def made(tmp_path):
    """A sweep of five points: finished, failed, started, waiting, and one whose record is half written."""
    workdir = tmp_path / "sweep"
    made = enter(workdir, tmp_path, OVERRIDES, target_loss=3.0)
    course = lines((0, 0, 0.0, 8.0), (2, 3, 7.0, 4.0), (4, 7, 8.0, 3.0), (6, 9, 9.0, 2.0))
    plain = {"versions": {"jax": "0.10.0"}, "device": {"kind": "cpu"}}
    session, later = ({"compile_seconds": a, "memory_bytes": b} | plain for a, b in ((1.5, 1000), (9.0, 1)))
    for point in (made[1], made[4]):
        vouched(workdir, point, None)
    vouched(workdir, made[0], measured(style=0.25), [plain, session, later])
    put(workdir, made[0], metrics_jsonl=course)
    put(workdir, made[1], failed_json={"error": "too, bad", "type": "UserError", "traceback": "..."},
        metrics_jsonl=lines((0, 0, 0.0, 8.0)))  # fmt: skip
    put(workdir, made[2], checkpoint_npz="")
    put(workdir, made[4], metrics_jsonl=lines((0, 0, 0.0, 8.0), (2, 3, 7.0, 4.0)) + '{"step": 4, "lo')
    return workdir


def test_a_row_of_each_state(made):
    rows = results.rows(made)
    assert [row["status"] for row in rows] == ["finished", "failed", "started", "waiting", "started"]
    assert [row["error"] for row in rows] == [None, "too, bad", None, None, None]
    assert [row["config.seed"] for row in rows] == [0, 1, 2, 3, 4]
    assert [row["style"] for row in rows] == [0.25, None, None, None, None]
    assert rows[0]["content"] == 0.5 and rows[0]["instrument"] == "nst2-random-seed0"
    assert len({tuple(row) for row in rows}) == 1
    head = ["index", "name", "status", "error", "config.seed", *measures.NAMES]
    tail = ["steps", "evaluations", "loss", "seconds", "seconds_per_evaluation", "compile_seconds",
            "memory_bytes", "seconds_to_loss", "folder", "instrument"]  # fmt: skip
    assert list(rows[0]) == head + tail
    waiting = {name: value for name, value in rows[3].items() if value is not None}
    assert waiting == {
        "index": 3,
        "name": "seed=3",
        "status": "waiting",
        "config.seed": 3,
        "folder": "seed=3",
    }


def test_the_entropies_of_all_points_are_columns_of_each(made):
    path = made / "seed=0/measures.json"
    entropies = {"entropy": 0.5} | {f"entropy/{index}": index / 10 for index in (1, 2, 10)}
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"measures": content["measures"] | entropies}))
    rows = results.rows(made)
    names = [name for name in rows[0] if name.startswith("entropy")]
    assert names == ["entropy", "entropy/1", "entropy/2", "entropy/10"]
    assert [rows[0][name] for name in names] == [0.5, 0.1, 0.2, 1.0]
    assert [rows[3][name] for name in names] == [None] * 4


def test_how_far_a_run_is_and_what_it_took(made):
    row = results.rows(made)[0]
    assert (row["steps"], row["evaluations"], row["loss"], row["seconds"]) == (6, 9, 2.0, 9.0)
    # 7/3, 1/4 and 1/2 seconds: the median is not moved by the first, which holds what warms up
    assert row["seconds_per_evaluation"] == pytest.approx(1 / 2)
    assert row["seconds_to_loss"] == 8.0  # the first record at the loss or below it
    assert (row["compile_seconds"], row["memory_bytes"]) == (1.5, 1000)


def test_a_half_written_record_is_left_out(made):
    row = results.rows(made)[4]
    assert (row["steps"], row["loss"]) == (2, 4.0)
    (made / "seed=4/metrics.jsonl").write_text('{"step')
    row = results.rows(made)[4]
    assert row["status"] == "started" and row["steps"] is None and row["seconds_per_evaluation"] is None


def test_no_stated_loss_no_time_to_it(tmp_path, made):
    enter(made, tmp_path, OVERRIDES)
    assert results.rows(made)[0]["seconds_to_loss"] is None


def test_every_point_has_every_swept_field(tmp_path):
    enter(tmp_path / "sweep", tmp_path, [{"tv.weight": 1.0}, {"seed": 3}, {}])
    rows = results.rows(tmp_path / "sweep")
    assert [(row["config.tv.weight"], row["config.seed"]) for row in rows] == [(1.0, 0), (0.0, 3), (0.0, 0)]


def test_a_field_called_as_a_measure_does_not_hide_it(tmp_path):
    fields = [{"content": str(tmp_path / "content.png")}]
    (point,) = enter(tmp_path / "sweep", tmp_path, fields)
    vouched(tmp_path / "sweep", point, measured(content=0.125))
    (row,) = results.rows(tmp_path / "sweep")
    assert row["config.content"] == str(tmp_path / "content.png") and row["content"] == 0.125


def test_raised_steps_make_a_finished_point_started_again(tmp_path, made):
    enter(made, tmp_path, OVERRIDES, steps=6)
    assert results.rows(made)[0]["status"] == "started"
    enter(made, tmp_path, OVERRIDES, steps=4)
    assert results.rows(made)[0]["status"] == "finished"


def test_a_later_success_forgets_the_failure(tmp_path):
    workdir = tmp_path / "sweep"
    (point,) = enter(workdir, tmp_path, [{}])
    line = results.record_failure(workdir / point.name, point.config, ZeroDivisionError("one\n  two"))
    (row,) = results.rows(workdir)
    assert line == f"failed: {row['error']}" == "failed: ZeroDivisionError: one two"
    assert row["status"] == "failed"
    launcher, ended = launching(workdir)
    local.run_points(launcher, [point])
    (row,) = results.rows(workdir)
    assert ended == [(0, "finished")] and row["status"] == "finished" and row["error"] is None
    assert all(math.isfinite(row[name]) for name in measures.NAMES) and row["steps"] == 4


def test_an_error_without_words_is_named(tmp_path):
    where = tmp_path / "point", config(tmp_path)
    assert results.record_failure(*where, MemoryError()) == "failed: MemoryError: MemoryError"
    assert results.record_failure(*where, UserError("a\nb")) == "failed: a b"
    failed = json.loads((tmp_path / "point/failed.json").read_text())
    assert failed["type"] == "UserError" and failed["traceback"].endswith("UserError: a\nb\n")


# --- the files


MIXED = [
    {"index": 0, "name": "a,b", "status": 'say "no"', "error": None, "config.x": ("relu1_1", "relu2_1"),
     "config.y": 1, "config.z": True, "style": 0.1 + 0.2, "empty": None},
    {"index": 1, "name": "two\nlines", "status": "ok", "error": "bad, very", "config.x": "relu1_1",
     "config.y": 0.5, "config.z": False, "style": None, "empty": None},
]  # fmt: skip


def test_csv_keeps_commas_quotes_and_all_digits(tmp_path):
    export.write(tmp_path, MIXED)
    with open(tmp_path / "results.csv", newline="") as file:
        first, second = list(csv.DictReader(file))
    assert first["name"] == "a,b" and first["status"] == 'say "no"' and first["config.x"] == "relu1_1+relu2_1"
    assert float(first["style"]) == 0.1 + 0.2 and first["error"] == first["empty"] == ""
    assert second["name"] == "two\nlines" and second["style"] == "" and second["error"] == "bad, very"


def test_a_text_that_a_spreadsheet_would_run_is_quoted_and_a_number_is_not(tmp_path):
    texts = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "a=1", "", "\udcff.png", (-1, 2)]
    export.write(tmp_path, [{"text": text, "number": number} for text in texts for number in (-1.5, -2)])
    with open(tmp_path / "results.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["text"] for row in rows[::2]] == [
        "'=1+1", "'+1", "'-1", "'@SUM(A1)", "'\t=1", "a=1", "", "\\udcff.png", "'-1+2"
    ]  # fmt: skip
    assert {float(row["number"]) for row in rows} == {-1.5, -2.0}
    parquet = pytest.importorskip("pyarrow.parquet")
    assert parquet.read_table(tmp_path / "results.parquet").to_pylist()[0]["text"] == "=1+1"


def test_parquet_holds_the_same(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    export.write(tmp_path, MIXED)
    first, second = parquet.read_table(tmp_path / "results.parquet").to_pylist()
    assert list(first) == list(MIXED[0])
    assert first["style"] == 0.1 + 0.2 and second["style"] is None and second["empty"] is None
    assert (first["config.y"], second["config.y"]) == (1.0, 0.5)
    assert first["config.x"] == "relu1_1+relu2_1" and first["config.z"] is True
    mixed = [{"x": 1}, {"x": "one"}, {"x": None}, {"x": True}]
    export.write(tmp_path, mixed)
    found = parquet.read_table(tmp_path / "results.parquet").to_pylist()
    assert [row["x"] for row in found] == ["1", "one", None, "True"]


def test_csv_alone_without_pyarrow(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    export.write(tmp_path, MIXED)
    assert [path.name for path in tmp_path.iterdir()] == ["results.csv"]


def test_the_table_of_a_sweep_goes_to_disk(made):
    rows = results.rows(made)
    export.write(made, rows)
    with open(made / "results.csv", newline="") as file:
        found = list(csv.DictReader(file))
    assert [row["name"] for row in found] == [f"seed={seed}" for seed in range(5)]
    assert found[1]["error"] == "too, bad" and found[0]["style"] == "0.25" and found[1]["style"] == ""


# --- whose folder it is


def test_another_base_is_refused_and_named(tmp_path, made):
    before = (made / "sweep.json").read_bytes()
    with pytest.raises(UserError, match=r"sweep of another base: tv.weight: 0.0 -> 1.0.*--workdir"):
        enter(made, tmp_path, OVERRIDES, **{"tv.weight": 1.0})
    with pytest.raises(UserError, match=r"content: '.*content.png' -> 'other.png'"):
        enter(made, tmp_path, OVERRIDES, content="other.png")
    with pytest.raises(UserError, match=r"style: \['.*style.png'\] -> \['other.png'\]"):
        enter(made, tmp_path, OVERRIDES, style=("other.png",))
    assert (made / "sweep.json").read_bytes() == before


def test_a_sweep_may_be_extended(tmp_path, made):
    enter(made, tmp_path, [*OVERRIDES, {"seed": 9}], **{"steps": 4, "log.every": 1})
    rows = results.rows(made)
    assert [row["name"] for row in rows] == [f"seed={seed}" for seed in (0, 1, 2, 3, 4, 9)]
    assert [row["status"] for row in rows[::5]] == ["finished", "waiting"]


def test_a_folder_without_a_sweep_is_said(tmp_path):
    with pytest.raises(UserError, match="no sweep there"):
        results.rows(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write there"):
        enter(tmp_path / "file" / "sweep", tmp_path, OVERRIDES)
    (tmp_path / "sweep.json").write_text("{")
    with pytest.raises(UserError, match="sweep.json: damaged"):
        results.rows(tmp_path)


def test_sweep_json_says_how_to_make_it_again(tmp_path, made):
    found = json.loads((made / "sweep.json").read_text())
    assert found["command"] == ["sweep"] and found["launcher"] == "local" and found["config"] == "sweep.py"
    assert found["base"]["size"] == 16 and found["target_loss"] == 3.0
    known = identity.expected(points(tmp_path, OVERRIDES)[2].config)
    assert found["points"][2] == {"index": 2, "name": "seed=2", "overrides": {"seed": 2}, "identity": known}
    assert (found["network"], found["instrument"]) == ("random", "nst2-random-seed0")
    again = [point["overrides"] for point in found["points"]]
    same = make_points(config(tmp_path), again)
    assert [point.name for point in same] == [point.name for point in points(tmp_path, OVERRIDES)]
    assert Path(made / "results.csv").exists() is False
