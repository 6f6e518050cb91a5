"""Whose numbers a row shows: measures are believed only with the point's config, its files and its judge."""

import json

import numpy as np
import pytest

from nst import images
from nst.metrics import instrument
from nst.sweeps import batched, identity, local, results
from tests.helpers.sweeping import config, enter, judge, launching, picture, request, vouched

MADE_UP = {"style": 0.25}


def run(workdir, made, launcher=local.run_points, retry=False, fixed=None):
    """Runs what is to be run, as the program does; returns {index: how it ended}."""
    launch, ended = launching(workdir)
    launch = launch._replace(instrument=fixed or judge())
    launcher(launch, local.pending(workdir, made, launch.instrument.name, retry))
    return dict(ended)


def row(workdir, index=0):
    return results.rows(workdir)[index]


def test_an_identity_has_the_files_of_the_manifest(tmp_path):
    for index, name in enumerate(
        ("a.png", "b.png", "c.png", "init.png", "normalize/x.png", "normalize/y.png")
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        images.write(tmp_path / name, picture(index, 24, 24))
    half = np.zeros((24, 24, 3), np.float32)
    half[:12] = 1
    images.write(tmp_path / "top.png", half)
    paths = {name: str(tmp_path / f"{name}.png") for name in ("a", "b", "c", "init", "top")}
    everything = {
        "content": paths["a"], "style": (paths["b"], paths["c"]), "size": 24, "init.kind": "image",
        "init.image": paths["init"], "guidance.content_masks": ("all", paths["top"]),
        "guidance.style_masks": ("all", paths["top"]), "weights.name": "random",
        "weights.normalize": str(tmp_path / "normalize"), "steps": 1,
    }  # fmt: skip
    (point,) = enter(tmp_path / "sweep", tmp_path, [{}], **everything)
    assert run(tmp_path / "sweep", [point]) == {0: "finished"}
    manifest = json.loads((tmp_path / "sweep/base/manifest.json").read_text())
    known = identity.expected(point.config)
    assert known["inputs"] == manifest["inputs"] and len(known["inputs"]) == 8
    assert local.pending(tmp_path / "sweep", [point], judge().name, False) == []


def test_a_point_of_another_photograph_of_the_same_name_is_run(tmp_path):
    for index, name in enumerate("ab"):
        (tmp_path / name).mkdir()
        images.write(tmp_path / name / "photo.png", picture(7 + index))
    tables = []
    for name in "ab":
        made = enter(tmp_path / "sweep", tmp_path, [{"content": str(tmp_path / name / "photo.png")}])
        assert run(tmp_path / "sweep", made) == {0: "finished"}
        tables.append(row(tmp_path / "sweep"))
    assert tables[0]["style"] != tables[1]["style"] and tables[0]["folder"] != tables[1]["folder"]


@pytest.mark.parametrize(
    "launcher", [local.run_points, pytest.param(batched.batched, marks=pytest.mark.slow)]
)
def test_a_painting_that_was_replaced_in_place_is_refused_and_its_numbers_are_not_shown(tmp_path, launcher):
    workdir = tmp_path / "sweep"
    made = enter(workdir, tmp_path, [{"seed": 0}, {"seed": 1}], **{"init.kind": "noise"})
    assert set(run(workdir, made, launcher).values()) == {"finished"}
    old, painting = row(workdir), (tmp_path / "style.png").read_bytes()
    picture_of_old = (workdir / "seed=0/result.png").read_bytes()
    images.write(tmp_path / "style.png", picture(9))
    made = enter(workdir, tmp_path, [{"seed": 0}, {"seed": 1}], **{"init.kind": "noise"})
    assert row(workdir)["status"] == "started"
    ended = run(workdir, made, launcher)
    assert "holds another run: style 0: another file than before" in ended[0]
    shown = row(workdir)
    assert shown["status"] == "failed" and "another file" in shown["error"]
    assert all(shown[name] is None for name in ("style", "content", "loss", "steps", "seconds", "instrument"))
    assert (workdir / "seed=0/result.png").read_bytes() == picture_of_old  # nothing that was made is lost
    (tmp_path / "style.png").write_bytes(painting)
    made = enter(workdir, tmp_path, [{"seed": 0}, {"seed": 1}], **{"init.kind": "noise"})
    assert row(workdir) == old and run(workdir, made, launcher) == {}


@pytest.mark.parametrize("change", [
    {"config_digest": "0"}, {"inputs": {}}, {"inputs": {"content": "0"}}, {"instrument": "nst2-vgg19-0"},
])  # fmt: skip
def test_measures_of_anything_else_are_not_believed(tmp_path, change):
    (point,) = enter(tmp_path / "sweep", tmp_path, [{}])
    path = vouched(tmp_path / "sweep", point, MADE_UP) / "measures.json"
    assert row(tmp_path / "sweep")["style"] == 0.25
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    found = row(tmp_path / "sweep")
    assert found["status"] != "finished" and found["style"] is found["instrument"] is None
    assert local.pending(tmp_path / "sweep", [point], judge().name, False) == [point]


def test_another_judge_measures_the_same_pictures_again(tmp_path):
    workdir = tmp_path / "sweep"
    made = enter(workdir, tmp_path, [{"seed": 0}, {"seed": 1}])
    run(workdir, made)
    first, small = results.rows(workdir), instrument.load("vgg19_slim")
    pictures = [(workdir / point.name / "result.png").read_bytes() for point in made]
    results.enter(workdir, request(network="vgg19_slim", instrument=small.name), config(tmp_path), made)
    assert [line["style"] for line in results.rows(workdir)] == [None, None]  # never two judges in a table
    assert run(workdir, made[:1], fixed=small) == {0: "finished"}
    assert [line["instrument"] for line in results.rows(workdir)] == [small.name, None]
    assert run(workdir, made, fixed=small) == {1: "finished"}
    assert all(a["style"] != b["style"] for a, b in zip(first, results.rows(workdir), strict=True))
    assert [(workdir / point.name / "result.png").read_bytes() for point in made] == pictures


def test_fewer_steps_than_were_made_are_refused_and_more_continue(tmp_path):
    workdir = tmp_path / "sweep"
    run(workdir, enter(workdir, tmp_path, [{}], steps=6))
    made = enter(workdir, tmp_path, [{}], steps=4)
    assert row(workdir)["style"] is None
    assert "this run is at step 6 already" in run(workdir, made)[0]
    made = enter(workdir, tmp_path, [{}], steps=8)
    assert run(workdir, made, retry=True) == {0: "finished"} and row(workdir)["steps"] == 8


def test_a_change_that_alters_no_picture_runs_nothing(tmp_path):
    run(tmp_path / "sweep", enter(tmp_path / "sweep", tmp_path, [{}]))
    made = enter(tmp_path / "sweep", tmp_path, [{}], **{"log.every": 1, "checkpoint.seconds": 9.0})
    assert run(tmp_path / "sweep", made) == {}
