"""The local launcher: what is run, what a bad point does to the others, and what they share."""

import json

import jax
import numpy as np
import pytest

import nst
from nst import images
from nst.errors import UserError
from nst.networks import checkpoints
from nst.runs import compiling, job, pictures
from nst.runs import folder as run_folder
from nst.runs.network import cached_loader
from nst.sweeps import local as sweep_local
from nst.sweeps import results
from nst.sweeps.local import Shared, drop_other_programs, group_by_program, pending, run_points
from tests.helpers import sweeping
from tests.helpers.sweeping import break_start, config, enter, judge, launching, points, settings, table

SEEDS = [{"seed": seed} for seed in range(3)]
NOISE = {"init.kind": "noise"}
EXPLODES = {"optimizer.name": "gradient_descent", "optimizer.learning_rate": 1e6, "steps": 40}


@pytest.fixture
def workdir(tmp_path):
    return tmp_path / "sweep"


def statuses(workdir):
    return [row["status"] for row in results.rows(workdir)]


def compiled_while(work):
    """How many programs were compiled."""
    before = compiling._compiled.cache_info().misses
    work()
    return compiling._compiled.cache_info().misses - before


# --- what is run


def test_a_sweep_is_so_many_ordinary_runs(tmp_path, workdir):
    made = enter(workdir, tmp_path, SEEDS, **NOISE)
    launcher, ended = launching(workdir)
    run_points(launcher, made)
    assert ended == [(0, "finished"), (1, "finished"), (2, "finished")]
    for point in made:
        alone = nst.stylize(None, None, point.config, tmp_path / "alone" / point.name, log=lambda line: None)
        folder = workdir / point.name
        for name in ("result.png", "config.json"):
            assert (folder / name).read_bytes() == (tmp_path / "alone" / point.name / name).read_bytes()
        row = results.rows(workdir)[point.index]
        assert row["loss"] == alone.metrics[-1]["loss"] and row["steps"] == 4
        judged = launcher.instrument.judge(
            images.read(folder / "result.png").rgb_HxWx3,
            *(images.read(path).rgb_HxWx3 for path in (point.config.content,)),
            [images.read(path).rgb_HxWx3 for path in point.config.style],
        )
        assert {name: row[name] for name in judged} == judged


def test_what_is_finished_is_skipped_and_what_failed_only_on_request(tmp_path, workdir):
    made = enter(workdir, tmp_path, SEEDS)
    run_points(launching(workdir)[0], made[:1])
    results.record_failure(workdir / made[1].name, made[1].config, UserError("bad"))
    assert [point.index for point in pending(workdir, made, judge().name, False)] == [2]
    assert [point.index for point in pending(workdir, made, judge().name, True)] == [1, 2]
    # what has failed with another config, or another limit of memory, or another file, is tried again
    longer = enter(workdir, tmp_path, SEEDS, steps=6)
    assert [point.index for point in pending(workdir, longer, judge().name, False)] == [0, 1, 2]
    roomier = enter(workdir, tmp_path, SEEDS, memory_limit_gb=9.0)
    assert [point.index for point in pending(workdir, roomier, judge().name, False)] == [1, 2]
    content = tmp_path / "content.png"
    before = content.read_bytes()
    images.write(content, sweeping.picture(7))
    assert [point.index for point in pending(workdir, made, judge().name, False)] == [0, 1, 2]
    content.write_bytes(before)
    assert [point.index for point in pending(workdir, made, judge().name, False)] == [2]
    launcher, ended = launching(workdir)
    run_points(launcher, pending(workdir, longer, judge().name, True))
    assert sorted(ended) == [(index, "finished") for index in range(3)]
    assert [row["steps"] for row in results.rows(workdir)] == [6, 6, 6]
    assert pending(workdir, longer, judge().name, True) == []


def test_raised_steps_continue_to_the_same_table(tmp_path, workdir):
    run_points(launching(workdir)[0], enter(workdir, tmp_path, SEEDS, **NOISE))
    run_points(launching(workdir)[0], enter(workdir, tmp_path, SEEDS, steps=6, **NOISE))
    run_points(launching(tmp_path / "b")[0], enter(tmp_path / "b", tmp_path, SEEDS, steps=6, **NOISE))
    assert table(workdir) == table(tmp_path / "b")


@pytest.mark.slow
@pytest.mark.parametrize("chunks", [1, 4, 7])
def test_stopped_at_any_chunk_and_continued_to_the_same_table(tmp_path, workdir, chunks):
    overrides = [*SEEDS, {"seed": 0, "pyramid.min_size": 16, "pyramid.steps": (2,), "size": 32}]
    whole = enter(tmp_path / "whole", tmp_path, overrides, **NOISE)
    run_points(launching(tmp_path / "whole")[0], whole)
    assert statuses(tmp_path / "whole") == ["finished"] * 4
    made = enter(workdir, tmp_path, overrides, **NOISE)
    left = iter(range(chunks))
    launcher, ended = launching(workdir, stop=lambda: next(left, None) is None)
    run_points(launcher, made)
    assert len(ended) < 4 and set(statuses(workdir)) > {"waiting"} - {"waiting"}
    launcher, rest = launching(workdir)
    run_points(launcher, pending(workdir, made, judge().name, False))
    assert sorted(ended + rest) == [(index, "finished") for index in range(4)]
    assert table(workdir) == table(tmp_path / "whole")


# --- bad points


def test_bad_points_are_recorded_and_the_others_finish(tmp_path, workdir, monkeypatch):
    overrides = [
        {"style_loss.layers": ("relu1_9",)}, EXPLODES, {"seed": 7}, {"content": str(tmp_path / "none.png")},
        {"style_scale": (1e308,)}, {},
    ]  # fmt: skip
    made = enter(workdir, tmp_path, overrides)
    init = break_start(monkeypatch, "by\nzero")
    launcher, ended = launching(workdir)
    run_points(launcher, made)
    assert statuses(workdir) == ["failed"] * 5 + ["finished"]
    errors = [row["error"] for row in results.rows(workdir)]
    assert errors[0].startswith("style_loss.layers") and "did you mean 'relu1_" in errors[0]
    assert "the loss is not finite at step" in errors[1] and "learning_rate" in errors[1]
    assert errors[2] == "ZeroDivisionError: by zero"
    assert "none.png: no such file" in errors[3] and errors[4].startswith("style_scale") and errors[5] is None
    assert dict(ended) == {index: f"failed: {error}" for index, error in enumerate(errors[:5])} | {
        5: "finished"
    }
    for point, error in zip(made[:5], errors, strict=False):
        failed = json.loads((workdir / point.name / "failed.json").read_text())
        assert "\n" not in error and failed["error"] == error and failed["traceback"].startswith("Traceback")
    assert (workdir / made[1].name / "last_finite.png").exists()
    assert [point.index for point in pending(workdir, made, judge().name, False)] == []
    monkeypatch.setattr(pictures, "initial_image", init)
    launcher, ended = launching(workdir)
    run_points(launcher, pending(workdir, made, judge().name, True))
    assert dict(ended)[2] == "finished" and statuses(workdir) == ["failed"] * 2 + ["finished"] + [
        "failed"
    ] * 2 + ["finished"]


def test_a_point_that_another_process_works_on_is_skipped_and_has_not_failed(tmp_path, workdir):
    made = enter(workdir, tmp_path, SEEDS)
    launcher, ended = launching(workdir)
    with run_folder.locked(workdir / made[1].name):
        run_points(launcher, made)
    assert [index for index, _ in ended] == [0, 1, 2] and ended[1][1].startswith("skipped: ")
    assert "another process" in ended[1][1]
    assert statuses(workdir) == ["finished", "waiting", "finished"]
    assert not (workdir / made[1].name / "failed.json").exists()


def test_a_picture_that_cannot_be_judged_fails_its_point_alone(tmp_path, workdir):
    made = enter(workdir, tmp_path, [{"size": 12}, {}])
    launcher, ended = launching(workdir)
    run_points(launcher, made)
    assert statuses(workdir) == ["failed", "finished"]
    assert "too small to judge" in results.rows(workdir)[0]["error"]


# --- what is shared


def test_points_of_one_program_are_run_together_and_compile_it_once(tmp_path, workdir):
    overrides = [
        {"style_loss.weight": weight, "network.padding": padding}
        for weight in (1.0, 2.0)
        for padding in ("zero", "reflect")
    ]
    made = enter(workdir, tmp_path, overrides, **{"network.pooling_p": 2.5})
    launcher, ended = launching(workdir)
    assert compiled_while(lambda: run_points(launcher, made)) == 2
    assert [index for index, _ in ended] == [0, 2, 1, 3]
    groups = group_by_program(made)
    assert [[point.index for point in group.points] for group in groups] == [[0, 2], [1, 3]]


@pytest.mark.parametrize("changes, count", [
    ([{"style_loss.weight": 1.0}, {"tv.weight": 1.0}, {"init.kind": "noise"}, {"steps": 9}], 1),
    ([{"size": 16}, {"size": 24}], 2), ([{"style_scale": (1.0,)}, {"style_scale": (2.0,)}], 2),
    ([{"optimizer.memory": 2}, {"optimizer.memory": 3}], 2), ([{"seed": 0}, {"seed": 1}], 1),
    ([{"weights.name": "random", "seed": 0}, {"weights.name": "random", "seed": 1}], 2),
    ([{"content_loss.layers": ("relu1_1",)}, {"content_loss.layers": ("relu1_2",)}], 2),
    ([{"optimizer.learning_rate": 1.0}, {"optimizer.learning_rate": 2.0}], 2),
    ([{"log.every": 1}, {"checkpoint.seconds": 5.0}, {"output.format": "jpeg"}], 1),
])  # fmt: skip
def test_what_makes_another_program(tmp_path, changes, count):
    assert len(group_by_program(points(tmp_path, changes))) == count


def test_pictures_of_another_shape_make_another_program(tmp_path):
    images.write(tmp_path / "wide.png", np.zeros((10, 20, 3), np.float32))
    other = [{"content": str(tmp_path / "wide.png")}, {"style": (str(tmp_path / "wide.png"),)}, {}]
    assert len(group_by_program(points(tmp_path, other))) == 3
    twice = [{"style": (settings(tmp_path)["style"] * 2)}, {}]
    assert len(group_by_program(points(tmp_path, twice))) == 2


def test_programs_are_dropped_with_their_key_and_everything_now_and_then(monkeypatch):
    cleared, program = [], jax.jit(lambda x: x)
    monkeypatch.setattr(jax, "clear_caches", lambda: cleared.append(True))
    shared = Shared()

    def compiled_after(key):
        drop_other_programs(shared, key, [program])
        before = program._cache_size()
        program(1.0)
        return before

    assert [compiled_after(key) for key in "aabba"] == [0, 1, 0, 1, 0]
    assert shared.keys == ["a", "b", "a"] and not cleared
    for number in range(sweep_local._MAX_KEYS - 3):
        compiled_after(number)
    assert not cleared and len(shared.keys) == sweep_local._MAX_KEYS
    compiled_after("z")
    assert cleared == [True] and shared.keys == ["z"]


def test_the_last_network_is_kept_and_only_that(tmp_path, monkeypatch):
    read = []
    load = checkpoints.load
    monkeypatch.setattr(checkpoints, "load", lambda *rest: read.append(rest[-1]) or load(*rest))
    remembered = cached_loader()

    def ask(**changes):
        job.prepare(None, None, config(tmp_path, **{"weights.name": "random"} | changes), remembered)

    for seed in (0, 0, 1, 1, 0):
        ask(seed=seed)
    assert read == [0, 1, 0]
    ask(**{"network.padding": "reflect"})  # its variables may be made for another Network
    ask(**{"style_loss.weight": 3.0, "network.padding": "reflect"})
    assert read == [0, 1, 0, 0]
