"""The report of a sweep: the folder that Python writes, and its program."""

import argparse
import json
import os
import re
import shlex
import shutil
import sys

import numpy as np
import pytest
from PIL import Image

from nst import images, report
from nst.cli import arguments
from nst.cli import report as program
from nst.errors import UserError
from nst.files import read_json, write_json
from nst.report import commands, curves, fields, pictures
from nst.runs import settings
from tests.helpers.reporting import EVIL, IDENTITY, INSTRUMENT, base, colour, contents, grid, loss_lines, make


def addresses(found):
    for run in found["runs"]:
        yield from (run["curves"], *((run["picture"] or {}).get(name) for name in ("full", "thumbnail")))
    yield from (shown["thumbnail"] for shown in found["inputs"])


def files(folder):
    return {
        path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file() and path.name != ".lock"
    }


def picture_of(path):
    with Image.open(path) as image:
        return np.asarray(image)


# --- the folder


def test_the_folder_holds_all_that_the_page_shows(tmp_path):
    sweep, rows = grid(tmp_path / "poolings")
    path = report.write(tmp_path / "poolings", sweep, rows)
    assert path == tmp_path / "poolings" / "report" / "index.html"
    moved = shutil.move(path.parent, tmp_path / "elsewhere")
    found = contents(moved / "index.html")
    used = {address for address in addresses(found) if address}
    on_disk = {str(path.relative_to(moved)) for path in files(moved)} - {"index.html"}
    assert used == on_disk
    assert [run["row"] for run in found["runs"]] == rows and found["columns"] == list(rows[0])
    assert found["fields"] == ["config.network.pooling", "config.style_loss.weight", "config.seed"]
    assert [run["picture"] is None for run in found["runs"]] == [i == 8 for i in range(len(rows))]
    assert {run["picture"]["label"] for run in found["runs"] if run["picture"]} == {"", "step 50"}
    assert [(shown["role"], shown["name"], bool(shown["thumbnail"])) for shown in found["inputs"]] == [
        ("photograph", "cat.jpg", True), ("painting", "swirls.jpg", True), ("painting", "gone.jpg", False),
    ]  # fmt: skip


def test_the_page_names_no_address_but_its_own(tmp_path):
    sweep, rows = grid(tmp_path)
    page = report.write(tmp_path, sweep, rows).read_text()
    assert set(re.findall(r"\w+://[^\s\"'`]+", page)) == {
        "http://www.w3.org/2000/svg"
    }  # a name, not an address
    assert "<img src=x" not in page and page.count("</script>") == 2


def test_thumbnails_are_small_and_true(tmp_path):
    sweep, rows = make(tmp_path, [{}, {}])
    rng = np.random.default_rng(0)
    large = images.resize(rng.random((5, 10, 3), np.float32), 300, 600, "bicubic")
    images.write(tmp_path / "point 0" / "result.png", large)
    found = contents(report.write(tmp_path, sweep, rows))["runs"]
    first, second = (picture_of(tmp_path / "report" / run["picture"]["thumbnail"]) for run in found)
    assert first.shape == (128, 256, 3) and second.shape == (40, 60, 3)
    image = Image.fromarray(np.uint8(large * 255)).resize((256, 128), Image.Resampling.LANCZOS)
    assert np.abs(first / 255 - np.asarray(image) / 255).mean() < 0.03
    assert np.abs(second / 255 - colour(1)).max() < 0.03
    assert [(run["picture"]["width"], run["picture"]["height"]) for run in found] == [(600, 300), (60, 40)]
    copied = tmp_path / "report" / found[0]["picture"]["full"]
    assert copied.read_bytes() == (tmp_path / "point 0" / "result.png").read_bytes()


def test_what_a_browser_cannot_show_becomes_png(tmp_path):
    sweep, rows = make(tmp_path, [{}])
    (tmp_path / "point 0" / "result.png").unlink()
    rgb, alpha = np.random.default_rng(0).random((2, 20, 30, 3), np.float32)
    images.write(tmp_path / "point 0" / "result.tiff", rgb, alpha[..., 0], bits=16)
    shown = contents(report.write(tmp_path, sweep, rows))["runs"][0]["picture"]
    array = picture_of(tmp_path / "report" / shown["full"])
    assert shown["full"].endswith(".png") and array.shape == (20, 30, 4)
    assert np.abs(array / 255 - np.dstack([rgb, alpha[..., :1]])).max() <= 0.51 / 255
    assert picture_of(tmp_path / "report" / shown["thumbnail"]).shape == (20, 30, 4)


def test_a_second_report_makes_only_what_changed(tmp_path, monkeypatch):
    sweep, rows = grid(tmp_path)
    found = contents(report.write(tmp_path, sweep, rows))
    before, made, thumbnail = files(tmp_path / "report"), [], pictures._thumbnail
    monkeypatch.setattr(pictures, "_thumbnail", lambda path: made.append(path) or thumbnail(path))
    same = contents(report.write(tmp_path, sweep, rows))
    after = files(tmp_path / "report")
    assert same == found and not made
    assert {path for path in after if before.get(path) != after[path]} == {tmp_path / "report" / "index.html"}

    images.write(tmp_path / "point 2" / "result.png", np.zeros((40, 60, 3)))
    changed = contents(report.write(tmp_path, sweep, rows))
    assert made == [tmp_path / "point 2" / "result.png"]
    assert [a["picture"] != b["picture"] for a, b in zip(found["runs"], changed["runs"], strict=True)] == [
        index == 2 for index in range(len(rows))
    ]
    assert not (tmp_path / "report" / found["runs"][2]["picture"]["thumbnail"]).exists()


def test_files_of_points_that_are_gone_go(tmp_path):
    sweep, rows = grid(tmp_path)
    report.write(tmp_path, sweep, rows)
    (tmp_path / "report" / "curves" / ".old.js.x.part").write_text("left by a crash")
    (tmp_path / "report" / "notes.txt").write_text("mine")
    path = report.write(tmp_path, sweep | {"points": sweep["points"][:2]}, rows[:2])
    used = {address for address in addresses(contents(path)) if address}
    on_disk = {str(path.relative_to(tmp_path / "report")) for path in files(tmp_path / "report")}
    assert on_disk == used | {"index.html", "notes.txt"} and len(used) == 2 * 3 + 2


def test_a_damaged_picture_is_said_and_the_others_are_shown(tmp_path):
    sweep, rows = make(tmp_path, [{}, {}])
    (tmp_path / "point 0" / "result.png").write_bytes(b"no picture")
    found = contents(report.write(tmp_path, sweep, rows))["runs"]
    assert "not an image" in found[0]["picture"]["problem"] and found[1]["picture"]["full"]


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are text there")
def test_a_folder_whose_name_is_no_text(tmp_path):
    workdir = tmp_path / os.fsdecode(b"caf\xe9 & co")
    sweep, rows = make(workdir, [{}])
    path = report.write(workdir, sweep, rows)
    assert "<h1>caf? &amp; co</h1>" in path.read_text() and contents(path)["title"] == workdir.name


def test_nothing_is_there_yet(tmp_path):
    sweep, rows = make(tmp_path, [{"seed": 0}, {"seed": 1}], dict.fromkeys((0, 1), "waiting"))
    found = contents(report.write(tmp_path, sweep, rows))["runs"]
    assert [(run["picture"], run["curves"]) for run in found] == [(None, None)] * 2
    assert [run["changes"] for run in found] == [{}, {"seed": 1}]


def test_changes_are_those_of_the_run_that_was_made(tmp_path):
    sweep, rows = make(tmp_path, [{"seed": 3, "style_loss.layers": ["relu1_1"]}])
    made = read_json(tmp_path / "point 0" / "config.json", dict) | {"steps": 7}
    write_json(tmp_path / "point 0" / "config.json", made)
    changes = contents(report.write(tmp_path, sweep, rows))["runs"][0]["changes"]
    assert changes == {"seed": 3, "style_loss.layers": ["relu1_1"], "steps": 7}


def test_numbers_that_json_lacks_are_missing(tmp_path):
    sweep, rows = make(
        tmp_path, [{}], measures=lambda index: {"style": float("nan"), "loss": float("inf"), "ssim": 1}
    )
    row = contents(report.write(tmp_path, sweep, rows))["runs"][0]["row"]
    assert (row["style"], row["loss"], row["ssim"]) == (None, None, 1)


def test_a_failure_leaves_the_page_that_was_there(tmp_path, monkeypatch):
    sweep, rows = make(tmp_path, [{}, {}])
    path = report.write(tmp_path, sweep, rows)
    before = path.read_bytes(), [address for address in addresses(contents(path)) if address]
    images.write(tmp_path / "point 1" / "result.png", np.ones((40, 60, 3)))
    monkeypatch.setattr(report.page, "render", lambda found: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        report.write(tmp_path, sweep, rows)
    assert path.read_bytes() == before[0] and all((path.parent / address).exists() for address in before[1])


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    sweep, rows = make(tmp_path, [{}])
    (tmp_path / "report").write_text("a file")
    with pytest.raises(UserError, match="report: cannot write the report"):
        report.write(tmp_path, sweep, rows)


# --- curves


def test_curves_are_the_records_that_are_whole(tmp_path):
    lines = list(loss_lines(2))
    text = "".join(json.dumps(line) + "\n" for line in lines)
    text += '{"step": 60, "seconds": 1}\n{"step": 70, "evaluat'
    (tmp_path / "metrics.jsonl").write_bytes(text.encode() + b"\xff")
    found = curves.read(tmp_path)
    assert found["step"] == [0, 10, 20, 30, 40, 50, 60]
    for name in ("loss", "evaluations", "content/relu4_2", "tv"):
        assert found[name][:6] == pytest.approx([line[name] for line in lines], rel=1e-6)
        assert found[name][6] is None
    (tmp_path / "metrics.jsonl").write_text(text.replace('"step": 60', '"step": "x"'))
    assert curves.read(tmp_path) == {}


def test_long_curves_keep_their_ends_and_their_course(tmp_path):
    lines = [{"step": step, "seconds": 1.0, "loss": 1 / (1 + step)} for step in range(5003)]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    steps = curves.read(tmp_path)["step"]
    assert len(steps) == curves.POINTS and (steps[0], steps[-1]) == (0, 5002)
    assert set(np.diff(steps)) <= {12, 13}


# --- commands


def parse_config(words):
    """The config of flags, as the commands read them."""
    return settings.as_dict(arguments.load(words, "default").config)


@pytest.mark.parametrize(
    "field, value",
    [
        ("network.pooling", EVIL), ("weights.name", ""), ("style_loss.layers", ["relu1_1"]), ("seed", 7),
        ("content_loss.layers", []), ("style_loss.layer_weights", [0.1, 1 / 3, 1.0, 2.0, 1e-9]),
        ("style_loss.weight", 1e-7), ("tv.weight", 3), ("optimizer.clamp", True), ("log.tensorboard", False),
        ("optimizer.options", "b1=0.9,b2=0.99"),
    ],
)  # fmt: skip
def test_the_stylize_command_gives_the_values_of_the_point(field, value):
    sweep = {"base": base(), "config": "configs/default.py", "command": []}
    point = {"index": 0, "name": "a point", "overrides": {field: value}}
    words = shlex.split(commands.stylize_command(sweep, "runs/x/", point))
    assert words[:3] == ["nst", "stylize", "--config=configs/default.py"]
    assert words[-1] == "--workdir=runs/x_again/a point"
    config = fields.flatten(parse_config(words[3:-1]))
    assert config[field] == value and type(config[field]) in (type(value), float)


@pytest.mark.parametrize(
    "field, value",
    [("seed", 0.5), ("seed", "1"), ("seed", True), ("optimizer.clamp", 1), ("init.center", [[1], [2], [3]]),
     ("network.pooling", ["max"]), ("network.pooling", None), ("no.such", 1), ("network", {"a": 1})],
)  # fmt: skip
def test_no_stylize_command_where_a_flag_would_not_be_exact(field, value):
    sweep = {"base": base(), "config": "configs/default.py", "command": []}
    point = {"index": 0, "name": "p", "overrides": {"steps": 3, field: value}}
    assert commands.stylize_command(sweep, "runs/x", point) is None


def test_the_sweep_command_repeats_the_flags_of_the_sweep():
    argv = [
        "sweep.py", "--config=a b.py", "--config.size=64", "--config.steps", "5",
        "--noconfig.optimizer.clamp", "--config.log.tensorboard", "-config.seed=3", "--workdir=runs/x",
        "--only=1,2", "--jobs", "3", "--instrument", "vgg19_slim",
    ]  # fmt: skip
    sweep = {"base": base(), "config": "a b.py", "command": argv}
    row = {"index": 12, "status": "finished"}
    expected = [
        "nst", "sweep", "--config=a b.py", "--config.size=64", "--config.steps=5",
        "--noconfig.optimizer.clamp", "--config.log.tensorboard", "--config.seed=3",
        "--instrument=vgg19_slim", "--workdir=runs/x", "--only=12",
    ]  # fmt: skip
    assert shlex.split(commands.sweep_command(sweep, "runs/x", row)) == expected
    failed = commands.sweep_command(sweep, "runs/x", row | {"status": "failed"})
    assert shlex.split(failed) == [*expected, "--retry-failed"]


# --- the program


@pytest.mark.parametrize(
    "state, says", [("finished", "2 finished, 1 waiting"), ("failed", "2 failed, 1 waiting")]
)
def test_the_program_reports_a_sweep(tmp_path, capsys, state, says):
    sweep, _ = make(tmp_path, [{"seed": seed} for seed in range(3)], {2: "waiting"})
    write_json(tmp_path / "sweep.json", sweep)
    for index in range(2):
        folder = tmp_path / f"point {index}"
        if state == "failed":
            write_json(folder / "failed.json", {"error": "no memory", "type": "UserError", "traceback": ""})
        else:
            found = IDENTITY | {"instrument": INSTRUMENT, "measures": {"style": 0.1 + index, "content": 0.5}}
            write_json(folder / "measures.json", found)
    assert program.run(argparse.Namespace(workdir=str(tmp_path))) == 0
    path = tmp_path / "report" / "index.html"
    assert capsys.readouterr().out == f"{path}: 3 points: {says}\n"
    rows = [run["row"] for run in contents(path)["runs"]]
    assert [row["style"] for row in rows] == ([0.1, 1.1, None] if state == "finished" else [None] * 3)
    assert [row["error"] for row in rows] == (
        [None] * 3 if state == "finished" else ["no memory"] * 2 + [None]
    )


def test_records_that_cannot_be_read_are_no_curves(tmp_path):
    assert curves.read(tmp_path) == {}
    (tmp_path / "metrics.jsonl").mkdir()
    assert curves.read(tmp_path) == {}
