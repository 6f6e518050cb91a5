"""The batched launcher: the numbers of the local one, one program a group, no point in the way of another."""

import json

import jax
import numpy as np
import pytest

from nst import images
from nst.metrics import instrument, measures
from nst.runs import checkpoint, folder, forecast
from nst.runs.folder import read_metrics
from nst.sweeps import batched as sweep_batched
from nst.sweeps import local as sweep_local
from nst.sweeps.stacked import in_turn, side_by_side
from tests.helpers import sharding
from tests.helpers.sweeping import break_start, enter, file, judge, launching, near, picture, program, table

NUMBERS = (*measures.NAMES, "loss")
LBFGS = {"optimizer.name": "lbfgs", "optimizer.learning_rate": 1.0, "optimizer.memory": 3, "steps": 20}
ADAM = {"steps": 20}
# of one program: everything that varies is an array
MANY = [
    {"style_loss.weight": 3.0}, {"content_loss.weight": 2.0}, {"seed": 1, "init.kind": "noise"},
    {"tv.weight": 1.0, "init.kind": "style"}, {"steps": 7},
]  # fmt: skip


@pytest.fixture
def compiled(caplog):
    """Calls work, and says how many loops were compiled meanwhile."""

    def count(work):
        caplog.clear()
        with jax.log_compiles():
            work()
        return sum("Finished XLA compilation of jit(run)" in line for line in caplog.messages)

    return count


def both(tmp_path, overrides, each=None, most=64, **changes):
    """The tables of a sweep by the batched launcher, and by the local one."""
    tables = []
    for name, run in (
        ("batched", lambda *rest: sweep_batched.batched(*rest, most, each)),
        ("local", sweep_local.run_points),
    ):
        made = enter(tmp_path / name, tmp_path, overrides, **changes)
        launcher, told = launching(tmp_path / name)
        run(launcher, made)
        assert sorted(told) == [(point.index, "finished") for point in made]
        tables.append(table(tmp_path / name))
    return tables


def manifest(workdir, name):
    return json.loads((workdir / name / "manifest.json").read_text())["sessions"][-1]


@pytest.mark.slow
@pytest.mark.parametrize("each, changes",
                         [(in_turn, LBFGS), (side_by_side, ADAM)],
                         ids=["lbfgs_in_turn", "adam_side_by_side"])  # fmt: skip
def test_equal_to_the_local_launcher_in_every_number(tmp_path, each, changes):
    batched, local = both(tmp_path, MANY, each, **changes)
    near(batched, local, NUMBERS)
    assert [row["steps"] for row in batched] == [20, 20, 20, 20, 7]
    for row, twin in zip(batched, local, strict=True):
        assert (row["status"], row["evaluations"], list(row)) == ("finished", twin["evaluations"], list(twin))
    assert len({row["loss"] for row in batched}) == 5  # that each has its own
    for row in batched:
        lines = read_metrics(tmp_path / "batched" / row["name"])
        twins = read_metrics(tmp_path / "local" / row["name"])
        assert [line["step"] for line in lines] == [line["step"] for line in twins]
        assert lines[0]["loss"] == pytest.approx(twins[0]["loss"], rel=1e-5)
        assert lines[0]["seconds"] == 0 and lines[-1]["seconds"] > 0
        facts = manifest(tmp_path / "batched", row["name"])
        assert facts["batch"] == 5 and facts["memory_bytes"] > 0 and facts["compile_seconds"] > 0


@pytest.mark.slow
def test_one_compile_a_group_and_batches_of_at_most_so_many(tmp_path, compiled):
    overrides = [{"style_loss.weight": float(w), "network.padding": p} for w in range(1, 4)
                 for p in ("zero", "reflect")]  # fmt: skip
    made = enter(tmp_path / "sweep", tmp_path, overrides)
    launcher, told = launching(tmp_path / "sweep")
    assert compiled(lambda: sweep_batched.batched(launcher, made, most=2)) == 2
    assert sorted(told) == [(index, "finished") for index in range(6)]
    assert {manifest(tmp_path / "sweep", point.name)["batch"] for point in made} == {2}


@pytest.mark.slow
def test_networks_of_other_seeds_are_not_mixed(tmp_path, compiled):
    overrides = [{"seed": seed, "tv.weight": weight} for seed in (0, 1) for weight in (0.0, 1.0)]
    batched, local = both(tmp_path, overrides, **{"weights.name": "random", "init.kind": "style"})
    near(batched, local, NUMBERS)
    assert len({row["loss"] for row in batched}) == 4


@pytest.mark.slow
@pytest.mark.processes
def test_several_devices_share_a_batch(tmp_path):
    config = file(tmp_path, MANY, steps=20)
    status, output = program(config, tmp_path / "four", "--launcher=batched", XLA_FLAGS=sharding.flags(4))
    assert status == 0, output
    made = enter(tmp_path / "local", tmp_path, MANY, steps=20)
    launch = launching(tmp_path / "local")[0]._replace(instrument=instrument.load("random"))  # the program's
    sweep_local.run_points(launch, made)
    near(table(tmp_path / "four"), table(tmp_path / "local"), NUMBERS)
    facts = manifest(tmp_path / "four", made[0].name)
    assert facts["device"]["count"] == 4 and facts["batch"] == 8  # two a device


# --- bad points


DESCENT = {"optimizer.name": "gradient_descent", "optimizer.learning_rate": 1e-4, "steps": 20}


@pytest.mark.parametrize("each", [in_turn, pytest.param(side_by_side, marks=pytest.mark.slow)])
def test_a_failing_point_does_not_touch_the_others(tmp_path, monkeypatch, each):
    overrides = [
        {}, {"style_loss.weight": 3e38}, {"style_loss.weight": 1e3}, {"seed": 7},
        {"content": str(tmp_path / "none.png")}, {"style_loss.weight": 20.0},
    ]  # fmt: skip
    break_start(monkeypatch, "by zero")
    made = enter(tmp_path / "sweep", tmp_path, overrides, **DESCENT)
    launcher, told = launching(tmp_path / "sweep")
    sweep_batched.batched(launcher, made, each=each)
    rows = table(tmp_path / "sweep")
    assert [row["status"] for row in rows] == ["finished", *["failed"] * 4, "finished"]
    assert sorted(index for index, _ in told) == list(range(6))  # each once
    assert "the loss is not finite (" in rows[1]["error"]
    assert (
        "the loss is not finite" in rows[2]["error"]
        and rows[2]["steps"] >= 2
        and "learning_rate" in rows[2]["error"]
    )
    assert rows[3]["error"] == "ZeroDivisionError: by zero" and "none.png: no such" in rows[4]["error"]
    assert all(np.isfinite(line["loss"]) for line in read_metrics(tmp_path / "sweep" / rows[2]["name"]))
    good = enter(tmp_path / "local", tmp_path, [{}, {"style_loss.weight": 20.0}], **DESCENT)
    sweep_local.run_points(launching(tmp_path / "local")[0], good)
    near([rows[0], rows[5]], table(tmp_path / "local"), NUMBERS)


def test_a_point_that_another_process_works_on_is_skipped(tmp_path):
    made = enter(tmp_path / "sweep", tmp_path, MANY)
    launcher, told = launching(tmp_path / "sweep")
    with folder.locked(tmp_path / "sweep" / made[1].name):
        sweep_batched.batched(launcher, made)
    assert dict(told)[1].startswith("skipped: ") and len(told) == 5
    statuses = [row["status"] for row in table(tmp_path / "sweep")]
    assert statuses == ["finished", "waiting", *["finished"] * 3]


def test_a_disk_that_fails_for_one_point_fails_only_that(tmp_path, monkeypatch):
    made = enter(tmp_path / "sweep", tmp_path, MANY)
    save = checkpoint.save

    def broken(workdir, *rest):
        if workdir.name == made[2].name:
            raise OSError(28, "No space left on device")
        save(workdir, *rest)

    monkeypatch.setattr(checkpoint, "save", broken)
    launcher, told = launching(tmp_path / "sweep")
    sweep_batched.batched(launcher, made)
    rows = table(tmp_path / "sweep")
    assert [row["status"] for row in rows] == ["finished", "finished", "failed", "finished", "finished"]
    assert "No space left" in rows[2]["error"] and len(told) == 5
    monkeypatch.setattr(checkpoint, "save", save)
    sweep_batched.batched(launcher, sweep_local.pending(tmp_path / "sweep", made, judge().name, True))
    assert table(tmp_path / "sweep")[2]["status"] == "finished"


# --- memory


@pytest.fixture
def no_forecast(monkeypatch):
    """Lets limits pass that hold the arrays of a few points, but not a whole process."""
    monkeypatch.setattr(forecast, "make_check", lambda *given: lambda role, height, width: None)


@pytest.mark.slow
def test_memory_that_holds_fewer_points_divides_the_batch(tmp_path, compiled, no_forecast):
    overrides = [{"style_loss.weight": float(weight)} for weight in range(1, 7)]

    def need(name, most, **changes):
        """(bytes of a batch, its points) of the sweep's program."""
        made = enter(tmp_path / name, tmp_path, overrides, **changes)
        launcher, told = launching(tmp_path / name)
        sweep_batched.batched(launcher, made, most)
        assert sorted(told) == [(index, "finished") for index in range(6)]
        facts = manifest(tmp_path / name, made[0].name)
        return facts["memory_bytes"] * facts["batch"], facts["batch"]

    (one, _), (six, size) = need("one", 1), need("six", 6)
    assert size == 6
    limit = one + 2.5 * (six - one) / 5
    used, size = need("few", 6, memory_limit_gb=limit / 1e9)
    assert used <= limit and size in (2, 3)
    near(table(tmp_path / "few"), table(tmp_path / "six"), NUMBERS)


def test_memory_that_does_not_hold_one_point_is_said_for_each(tmp_path, no_forecast):
    made = enter(tmp_path / "sweep", tmp_path, MANY, memory_limit_gb=1e-5)
    launcher, told = launching(tmp_path / "sweep")
    sweep_batched.batched(launcher, made)
    assert len(told) == 5 and all("failed: " in line and "are needed" in line for _, line in told)
    assert {row["status"] for row in table(tmp_path / "sweep")} == {"failed"}


# --- stop and continue


@pytest.mark.slow
@pytest.mark.parametrize("chunks", [1, 3, 6])
def test_stopped_and_continued_to_the_same_numbers(tmp_path, chunks):
    changes = {"steps": 8, "checkpoint.seconds": 60.0}
    overrides = [*MANY[:4], {"steps": 3}]
    made = enter(tmp_path / "sweep", tmp_path, overrides, **changes)
    left = iter(range(chunks))
    launcher, told = launching(tmp_path / "sweep", stop=lambda: next(left, None) is None)
    sweep_batched.batched(launcher, made, most=3)
    assert len(told) < 5
    launcher, rest = launching(tmp_path / "sweep")
    left = sweep_local.pending(tmp_path / "sweep", made, judge().name, False)
    sweep_batched.batched(launcher, left, most=4)
    assert sorted(told + rest) == [(index, "finished") for index in range(5)]
    whole = enter(tmp_path / "whole", tmp_path, overrides, **changes)
    sweep_local.run_points(launching(tmp_path / "whole")[0], whole)
    near(table(tmp_path / "sweep"), table(tmp_path / "whole"), NUMBERS)
    for point in made:
        found, expected = (read_metrics(tmp_path / name / point.name) for name in ("sweep", "whole"))
        assert [line["step"] for line in found] == [line["step"] for line in expected]


def test_what_ended_before_it_was_judged_is_only_judged(tmp_path, compiled):
    made = enter(tmp_path / "sweep", tmp_path, MANY)
    sweep_batched.batched(launching(tmp_path / "sweep")[0], made)
    before = table(tmp_path / "sweep")
    for point in made:
        (tmp_path / "sweep" / point.name / "measures.json").unlink()
    launcher, told = launching(tmp_path / "sweep")
    assert compiled(lambda: sweep_batched.batched(launcher, made)) == 0
    assert len(told) == 5 and table(tmp_path / "sweep") == before


def test_coarse_points_go_on_at_the_full_size(tmp_path):
    overrides = [{"pyramid.steps": (3,)}, {"pyramid.steps": (2,)}]
    batched, local = both(tmp_path, overrides, size=32, steps=4, **{"pyramid.min_size": 16})
    near(batched, local, NUMBERS)
    assert (tmp_path / "batched" / batched[0]["name"] / "size_16/result.png").exists()


@pytest.mark.slow
def test_coarse_points_have_the_sizes_of_their_own_photographs(tmp_path):
    photos = [str(tmp_path / name) for name in ("wide.png", "thin.png", "again.png")]
    for seed, (path, shape) in enumerate(zip(photos, ((24, 40), (16, 64), (24, 40)), strict=True)):
        images.write(path, picture(seed, *shape))
    small = {"pyramid.min_size": 16, "pyramid.steps": (2,), "laplacian.weight": 1.0, "laplacian.pool": 8}
    changes = {"size": 0, **small}
    tables = both(tmp_path, [{"content": path} for path in photos], **changes)
    near(*tables, ("loss",))
    for name, rows in zip(("batched", "local"), tables, strict=True):
        found = [[path.name for path in (tmp_path / name / row["name"]).glob("size_*")] for row in rows]
        assert found == [["size_20"], ["size_32"], ["size_20"]]  # 16x4 px of thin.png are less than 8x8
