"""The benchmark of quality: pairs, recipes at equal work, kept results, comparison, pages, program."""

import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from experiments.benchmarks.quality import comparison, judging, pairs, recipes, results, sheets, tables
from experiments.benchmarks.quality.comparison import Point
from experiments.benchmarks.quality.judging import Judge
from experiments.benchmarks.quality.pairs import Pair
from experiments.benchmarks.quality.results import Task
from nst import images
from nst.errors import UserError
from nst.metrics import measures
from tests.helpers import sweeping
from tests.helpers.programs import ROOT, check_one_line_errors, finish, run_each

QUALITY = ROOT / "experiments/benchmarks/quality"
BASE = str(ROOT / "configs/classic.py")

# --- pairs


def test_pairs_are_read_by_line(tmp_path):
    (tmp_path / "pairs.txt").write_text("# one\n\ncat swirls   animal; strokes # a remark\n12 b-c night\n")
    found = pairs.read(tmp_path / "pairs.txt")
    assert found == [Pair("cat", "swirls", "animal; strokes"), Pair("12", "b-c", "night")]
    assert found[0].name == "cat+swirls"


@pytest.mark.parametrize("text, message", [
    ("cat swirls strokes\ncat swirls\n", r"pairs.txt:2: write a photograph, a painting and their kind"),
    ("a b x\nc d x\na b y\n", r"pairs.txt:3: a b is there twice"),
    ("# nothing\n", "there are no pairs in it"),
])  # fmt: skip
def test_pairs_that_cannot_be_read_are_named(tmp_path, text, message):
    (tmp_path / "pairs.txt").write_text(text)
    with pytest.raises(UserError, match=message):
        pairs.read(tmp_path / "pairs.txt")
    (tmp_path / "latin.txt").write_bytes("für b x\n".encode("latin-1"))
    for name in ("none.txt", "latin.txt"):
        with pytest.raises(UserError, match=f"{name}: cannot read it"):
            pairs.read(tmp_path / name)


def test_pictures_are_found_in_subfolders(tmp_path):
    for name in ("photos/a.jpg", "paintings/old/b.png", "paintings/other.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        images.write(tmp_path / name, sweeping.picture(0))
    (tmp_path / "a.txt").write_text("not a picture")
    listed = [Pair("a", "b", "x"), Pair("a", "missing", "x")]
    found = pairs.find(tmp_path, listed)
    assert found == {"a": tmp_path / "photos/a.jpg", "b": tmp_path / "paintings/old/b.png"}
    images.write(tmp_path / "a.png", sweeping.picture(0))
    with pytest.raises(UserError, match="have one name"):
        pairs.find(tmp_path, listed)


def test_the_pairs_that_come_with_the_code():
    shipped = pairs.read(QUALITY / "shipped.txt")
    found = pairs.find(ROOT / "nst/data/images", shipped)
    assert all(pair.photo in found and pair.painting in found for pair in shipped)
    listed = pairs.read(QUALITY / "bsds.txt")
    assert len(listed) == len({p.photo for p in listed}) == len({p.painting for p in listed}) == 24


# --- recipes


def test_a_recipe_changes_fields_of_a_config():
    text = f"fine = {BASE}; steps=70; network.pooling=average; style_loss.layers=relu1_1,relu2_1;"
    recipe = recipes.parse(text + "pyramid.steps=(20, 30)", {"size": 64, "steps": 5})
    config = recipes.scaled(recipe.config, 0)
    assert recipe.name == "fine" and (config.size, config.steps) == (64, 70)
    assert config.network.pooling == "average" and config.pyramid.steps == (20, 30)
    assert config.style_loss.layers == ("relu1_1", "relu2_1")
    assert recipes.stronger(config, 0.5).style_loss.weight == 0.5 * config.style_loss.weight


def test_a_recipe_may_name_a_variant_of_its_file():
    file = ROOT / "configs/demystifying.py"
    variants = [recipes.parse(f"x={file}:{name}", {}).config.style_loss for name in ("linear", "moments")]
    assert variants[0] != variants[1]


@pytest.mark.parametrize("text, message", [
    (BASE, "write it as name=configs/default.py"),
    ("a/b=" + BASE, "write it as name=configs/default.py"),
    ("x=none.py", "there is no file none.py"),
    (f"x={BASE};stepz=3", "recipe x: 'stepz=3': there is no field stepz"),
    (f"x={BASE};steps", "recipe x: 'steps': write it as field=value"),
    (f"x={BASE};steps=many", "recipe x: 'steps=many': many is not a number"),
    (f"x={BASE};steps=1 1", "recipe x: 'steps=1 1': 1 1 is not a number"),
    (f"x={BASE}:word", "classic.py:word is no config: TypeError"),
    (f"x={ROOT / 'pyproject.toml'}", "pyproject.toml is no config"),
])  # fmt: skip
def test_a_recipe_that_cannot_be_read_is_named(text, message):
    with pytest.raises(UserError, match=message):
        recipes.parse(text, {})


def test_a_recipe_needs_a_size_in_pixels():
    with pytest.raises(UserError, match="size = 0: give the size of a recipe in pixels"):
        recipes.scaled(recipes.parse(f"x={BASE};size=0", {}).config, 0)


def at(**fields):
    config = recipes.parse(f"x={BASE}", {"size": 256} | fields).config
    return recipes.scaled(config, 0)


@pytest.mark.parametrize("fields, work, expected", [
    ({"steps": 500}, 100, [100]),
    ({"steps": 50}, 100, [100]),
    ({"steps": 100, "pyramid.min_size": 64}, 131.25, [100, 100, 100]),
    ({"steps": 200, "pyramid.min_size": 64, "pyramid.steps": (160, 80)}, 115, [80, 40, 100]),
    ({"steps": 10, "pyramid.min_size": 64, "pyramid.steps": (1000,)}, 2, [6, 6, 1]),
])  # fmt: skip
def test_all_sizes_are_scaled_to_the_work(fields, work, expected):
    config = at(**fields)
    found = recipes.scaled(config, work)
    assert [level.config.steps for level in recipes.levels(found)] == expected
    pixels = [level.config.size**2 / 256**2 for level in recipes.levels(found)]
    assert recipes.work_of(found) == pytest.approx(sum(np.multiply(pixels, expected)))
    assert abs(recipes.work_of(found) - work) <= 0.9


def test_no_work_leaves_the_steps():
    config = at(steps=123, **{"pyramid.min_size": 64, "pyramid.steps": (7,)})
    assert recipes.scaled(config, 0) == config


# --- results


@pytest.fixture
def task(tmp_path):
    """A result of a tiny recipe, at two sizes."""
    for name, seed in (("photo", 0), ("painting", 1)):
        images.write(tmp_path / f"{name}.png", sweeping.picture(seed, 40, 48))
    fields = sweeping.TINY | {"size": 32, "pyramid.min_size": 16, "pyramid.steps": (3,)}
    return Task(
        recipe="tiny", factor=2.0, pair=Pair("photo", "painting", "waves"),
        config=recipes.scaled(recipes.parse(f"x={BASE}", fields).config, 0),
        photo=tmp_path / "photo.png", painting=tmp_path / "painting.png",
    )  # fmt: skip


def counting():
    """Returns a judge that counts its pictures, and the list."""
    seen = []

    def measure(image, photo, painting):
        seen.append(image)
        return {"style": float(len(seen)), "content": 1.0}

    return Judge("fake", measure), seen


def obtain(task, out, judge, **options):
    options = {"load": results.shared_loader(), "stop": lambda: False} | options
    return results.obtain(task, out, judge, options["load"], options["stop"])


def never(*arguments):
    raise AssertionError("a result was made again")


def test_a_result_is_made_once(task, tmp_path):
    judge, seen = counting()
    out = tmp_path / "out"
    record = obtain(task, out, judge)
    assert (record["updates"], record["evaluations"]) == (3 + 4, 3 + 4)  # Adam evaluates once an update
    assert record["work"] == 3 / 4 + 4 and record["seconds"] > 0
    path = out / "tiny/2/photo+painting.png"
    assert images.read(path).rgb_HxWx3.shape == (27, 32, 3)
    assert json.loads(path.with_suffix(".json").read_text()) == record
    np.testing.assert_array_equal(seen[0], images.read(path).rgb_HxWx3)
    renamed = task._replace(pair=task.pair._replace(kind="other words"))
    again = obtain(renamed, out, judge, load=never)
    assert again == record | {"kind": "other words"} and len(seen) == 1


@pytest.mark.parametrize("change", ["config", "photo", "painting", "png", "json", "no png"])
def test_a_result_that_was_made_in_another_way_is_not_believed(task, tmp_path, change):
    judge, seen = counting()
    obtain(task, tmp_path / "out", judge)
    path = task.path(tmp_path / "out")
    good = path.read_bytes()
    if change == "config":
        task = task._replace(config=recipes.stronger(task.config, 2))
    elif change in ("photo", "painting"):
        images.write(getattr(task, change), sweeping.picture(5, 40, 48))
    elif change == "png":
        images.write(path, sweeping.picture(5, 27, 32))
    elif change == "json":
        path.with_suffix(".json").write_text('{"config": ')
    else:
        path.unlink()
    record = obtain(task, tmp_path / "out", judge)
    assert len(seen) == 2 and record["measures"]["style"] == 2
    if change in ("png", "json", "no png"):
        assert path.read_bytes() == good


def test_another_judge_measures_a_kept_picture(task, tmp_path):
    judge, seen = counting()
    obtain(task, tmp_path / "out", judge)
    record = obtain(task, tmp_path / "out", judge._replace(name="other"), load=never)
    assert len(seen) == 2 and record["judge"] == "other" and record["measures"]["style"] == 2


def test_a_result_that_was_stopped_is_not_kept(task, tmp_path):
    judge, _ = counting()
    assert obtain(task, tmp_path / "out", judge, stop=lambda: True) is None
    assert not list((tmp_path / "out").rglob("*.*"))


def test_a_result_that_fails_does_not_stop_the_others(task, tmp_path, capsys):
    broken = task.config.copy_and_resolve_references()
    broken.network.pooling = "maxx"
    after = task._replace(pair=Pair("photo", "painting", "the same again"), recipe="second")
    tasks = [task._replace(config=broken, recipe="broken"), task, after]
    kept, (judge, _) = [], counting()
    records, failed = results.obtain_all(
        tasks, tmp_path / "out", judge, stop=lambda: False, keep=lambda records: kept.append(len(records))
    )
    assert [record["recipe"] for record in records] == ["tiny", "second"]
    assert failed == 1 and kept == [1, 2]
    assert "error: pair 1, photo+painting, broken x 2: UserError: network.pooling" in capsys.readouterr().err


def test_a_size_that_is_too_small_is_left_out(task, tmp_path):
    config = task.config.copy_and_resolve_references()
    config.style_loss.layers = ("relu4_1",)  # needs 8 px
    config.pyramid.min_size = 8  # 7 px high
    judge, _ = counting()
    found = obtain(task._replace(config=config), tmp_path / "out", judge)
    assert found["updates"] == 3 + 4 and found["work"] == pytest.approx(3 / 4 + 4)
    config.size = 8
    with pytest.raises(UserError, match="size = 8: this recipe needs more pixels"):
        obtain(task._replace(config=config), tmp_path / "out", judge)


def test_a_network_is_loaded_once_for_recipes_that_take_turns(task, tmp_path, monkeypatch):
    loaded, load_network = [], results.load_network
    monkeypatch.setattr(
        results, "load_network", lambda *a: loaded.append(a[0].weights.name) or load_network(*a)
    )
    load, (judge, _) = results.shared_loader(), counting()
    other = task.config.copy_and_resolve_references()
    other.weights.name = "random"
    for number in range(2):
        for config in (task.config, other):
            changed = recipes.stronger(config, 1 + number)
            obtain(task._replace(factor=float(number), config=changed, recipe=config.weights.name),
                   tmp_path / "out", judge, load=load)  # fmt: skip
    assert loaded == ["vgg19_slim", "random"]


def test_every_measure_of_a_picture():
    judge = judging.load("vgg19_slim")
    photo, painting = sweeping.picture(0, 40, 48), sweeping.picture(1, 40, 48)
    same, other = (
        judge.measure(np.rint(rgb * 255).astype(np.float32) / 255, photo, painting)
        for rgb in (photo, painting)
    )
    assert {*measures.NAMES, *judging.COLUMNS} <= same.keys()
    assert all(map(math.isfinite, [*same.values(), *other.values()]))
    assert same["edges"] > 0.99 and same["matched_ssim"] > 0.99 and same["cfsd"] < 1e-5
    assert other["edges"] < 0.8 and other["matched_ssim"] < 0.8 and other["cfsd"] > 1e-4
    assert same["style"] > other["style"] and other["style"] < 1e-3


# --- comparison

B = [Point(style=0.4, content=0.1), Point(style=0.1, content=0.4)]


@pytest.mark.parametrize("a, expected", [
    # on B's curve, whose logarithms are on a line: style * content = 0.04
    (Point(0.2, 0.2), (1, 1, False, False, True)),
    # twice as good in style, which on this curve is twice as good in content
    (Point(0.1, 0.2), (2, 2, True, True, True)),
    (Point(0.3, 0.2), (2 / 3, 2 / 3, False, False, True)),
    # less content distance than B ever has, and less style distance than there: better both ways
    (Point(0.3, 0.05), (4 / 3, 8 / 3, True, True, False)),
    # outside, and worse in one: no win at equal content; at B's style it is better in content
    (Point(0.39, 0.01), (0.4 / 0.39, 0.04 / 0.39 / 0.01, True, True, False)),
    (Point(0.8, 0.05), (0.5, 2, False, False, False)),
    (Point(0.05, 0.9), (2, 4 / 9, False, False, False)),
])  # fmt: skip
def test_a_point_against_a_curve(a, expected):
    found = comparison.against(a, B)
    assert found[:2] == pytest.approx(expected[:2], rel=1e-12)
    if expected[:2] != (1, 1):  # on the curve, rounding decides
        assert found[2:] == expected[2:]
    assert comparison.against(a, B[::-1]) == found


def test_a_point_against_a_single_one():
    better, mixed = (
        comparison.against(Point(0.1, 0.1), [Point(0.2, 0.3)]),
        comparison.against(Point(0.1, 0.4), [Point(0.2, 0.3)]),
    )
    assert better == (pytest.approx(2), pytest.approx(3), True, True, False)
    assert mixed[2:] == (False, False, False)


def record(recipe, factor, photo, style, content, moments):
    others = dict.fromkeys(judging.COLUMNS, {"x": 0.5, "y": 0.6, "z": 0.9}[photo])
    return {
        "recipe": recipe, "factor": factor, "photo": photo, "painting": "p", "kind": "k", "seconds": 1.0,
        "evaluations": 12, "updates": 10,
        "measures": others | {"style": style, "content": content, "moments": moments},
    }  # fmt: skip


def some_records():
    found = []
    for photo, gain in (("x", 0.5), ("y", 2.0), ("z", 0.25)):
        for factor, style, content in ((0.5, 0.4, 0.1), (1.0, 0.2, 0.2), (2.0, 0.1, 0.4)):
            found += [
                record("b", factor, photo, style, content, moments=style),
                record("a", factor, photo, gain * style, content, moments=style / 2),
            ]
    return found


def test_recipes_are_compared_by_pair():
    found = comparison.verdicts(some_records(), "a", "b", 1.0)
    assert list(found) == ["x+p", "y+p", "z+p"]
    assert comparison.summary(list(found.values())) == {
        "pairs": 3, "both": 2, "one": 0, "none": 1, "style_ratio": pytest.approx(2),
        "content_ratio": pytest.approx(2), "outside": 1,
    }  # fmt: skip
    lacking = [r for r in some_records() if (r["recipe"], r["factor"], r["photo"]) != ("a", 1.0, "y")]
    assert list(comparison.verdicts(lacking, "a", "b", 1.0)) == ["x+p", "z+p"]


def test_the_tables():
    text = tables.document(some_records(), "a head", 1.0).splitlines()
    row = next(line for line in text if line.startswith("| a | 1 | 3 |"))
    # of SSIM the least is the worst, of the others the most
    assert (
        "| 0.1 (0.4) | 0.2 (0.2) | 0.6 (0.5) |" in row
        and "| 0.6 (0.9) |" in row
        and row.endswith("| 1 | 12 | 10 |")
    )
    assert "| a | b | style | 2 | 0 | 1 | 2 | 2 | 1 |" in text
    assert "| a | b | moments | 3 | 0 | 0 | 2 | 2 | 0 |" in text
    assert sum(line.startswith("| x | p | k |") for line in text) == 6
    alone = tables.document([r for r in some_records() if r["recipe"] == "a"], "a head", 1.0)
    assert "| A | B |" not in alone


# --- pages


def test_pages_of_pictures(tmp_path):
    for name, size in (("wide", (30, 60)), ("tall", (60, 30))):
        images.write(tmp_path / f"{name}.png", np.full((*size, 3), (1, 0, 0), np.float32))
    row = [
        sheets.Cell(tmp_path / "wide.png", "w"),
        sheets.Cell(tmp_path / "tall.png", "t"),
        sheets.Cell(None, ""),
    ]
    pages = sheets.write(tmp_path / "pages/x", "a title", ["a", "b", "c"], [row] * 8)
    assert [page.name for page in pages] == ["x_1.png", "x_2.png"]
    heights = []
    for page, rows in zip(pages, (6, 2), strict=True):
        with Image.open(page) as opened:
            pixels = np.asarray(opened)
        red = (pixels == (255, 0, 0)).all(-1).sum()
        assert red == rows * (256 * 128 + 128 * 256)
        heights.append(pixels.shape[0])
    assert heights[0] > 6 * 256 and heights[1] < 3 * 300


# --- the program

MODULE = "experiments.benchmarks.quality"
RECIPE = (
    f"--recipe=tiny={BASE};style_loss.layers=relu1_1;content_loss.layers=relu1_1;optimizer.name=adam;"
    "optimizer.learning_rate=0.02"
)


@pytest.mark.slow
@pytest.mark.processes
def test_the_program_makes_compares_and_continues(tmp_path):
    (tmp_path / "pairs.txt").write_text("cat swirls a\nmissing swirls b\ncoffee mosaic c\n")
    command = [
        sys.executable, "-m", MODULE, RECIPE, RECIPE.replace("tiny=", "small=") + ";pyramid.min_size=32",
        "--factors=1,3", "--size=64", "--work=2", "--weights=vgg19_slim", f"--pairs={tmp_path / 'pairs.txt'}",
        f"--out={tmp_path / 'out'}",
    ]  # fmt: skip
    status, output = finish(command)
    assert status == 1 and "there is no missing" in output  # the others are made
    lines = (tmp_path / "out/results.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in lines]
    assert len(found) == 8 and {r["photo"] for r in found} == {"cat", "coffee"}
    assert "| tiny | small |" in output and output.endswith((tmp_path / "out/results.md").read_text() + "\n")
    assert {p.name for p in Path(tmp_path / "out/sheets").iterdir()} == {
        "tiny_1.png", "small_1.png", "side_by_side_1.png"
    }  # fmt: skip
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*+*.*")}
    assert len(times) == 16
    (tmp_path / "out/tiny/3/coffee+mosaic.png").unlink()
    finish(command)
    changed = {path.stem for path, time in times.items() if path.stat().st_mtime_ns != time}
    assert changed == {"coffee+mosaic"}
    assert all(times[p] == p.stat().st_mtime_ns for p in times if "tiny/3" not in str(p))


@pytest.mark.processes
def test_wrong_flags_are_one_line(tmp_path):
    out = f"--out={tmp_path / 'out'}"
    cases = [
        ([RECIPE], "give a folder for the results"),
        ([out], "give recipes with different names"),
        ([out, RECIPE, RECIPE], "give recipes with different names"),
        ([out, RECIPE, "--factors=1,x"], "give numbers, such as 0.3,1,3"),
        ([out, RECIPE, "--factors=0"], "give positive numbers"),
        ([out, RECIPE, "--pairs=none.txt"], "none.txt: cannot read it"),
    ]
    check_one_line_errors(cases, run_each(MODULE, [flags for flags, _ in cases]))
