"""The fixed instrument, and the program that judges any pictures with it."""

import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import h5py
import jax
import numpy as np
import pytest
from PIL import Image
from skimage.metrics import structural_similarity

from nst import images
from nst.cli import measure
from nst.cli.main import make_parser
from nst.cli.tables import markdown
from nst.devices import memory
from nst.errors import UserError
from nst.files import digest
from nst.metrics import instrument
from nst.metrics import measures as metric_measures
from nst.metrics.artefacts import checkerboard
from nst.networks import checkpoints, formats
from nst.networks.network import PREPROCESSING, Network
from tests.helpers import sweeping
from tests.helpers.frozen import features, freeze
from tests.helpers.narrow import narrow as narrow_vgg
from tests.helpers.programs import check_one_line_errors, run_each
from tests.metrics.test_structure import naive_cfsd

ROOT = Path(__file__).parents[2]
STYLE = metric_measures.STYLE
oklab = jax.jit(metric_measures.oklab)


def picture(seed, height=32, width=40):
    return sweeping.picture(seed, height, width, pace=0.3)


@pytest.fixture
def narrow(monkeypatch):
    """A VGG-19 of few channels."""
    narrow_vgg(monkeypatch, (4, 4, 5, 5, 6))


@cache
def loaded():
    return instrument.load("random")


@pytest.fixture
def fixed(narrow):
    """An instrument of few channels; one for all tests, so that a size is compiled once."""
    return loaded()


# --- its numbers


def naive(rgb, photo, paintings, reader, variables):
    """The network's measures of pictures that have their sizes already."""
    layers = (*STYLE, "relu4_2")

    def activations(image):
        found = features(reader, variables, image[None], layers)
        return {name: np.asarray(array[0], np.float64) for name, array in found.items()}

    def gram(F):
        F = F.reshape(-1, F.shape[-1])
        return F.T @ F / len(F)

    def moments(F):
        return np.stack([F.mean((0, 1)), F.std((0, 1))])

    def relative(S, T):
        return ((S - T) ** 2).sum() / (T**2).sum()

    image, original = activations(rgb), activations(photo)
    found = {"content": relative(image["relu4_2"], original["relu4_2"])}
    found["cfsd"] = naive_cfsd(image["relu3_1"], original["relu3_1"])
    for kind, statistics in (("style", gram), ("moments", moments)):
        for layer in STYLE:
            distances = [
                relative(statistics(image[layer]), statistics(activations(painting)[layer]))
                for painting in paintings
            ]
            found[f"{kind}/{layer}"] = np.mean(distances)
        found[kind] = np.mean([found[f"{kind}/{layer}"] for layer in STYLE])
    return found


def lanczos(rgb, height, width):
    planes = [Image.fromarray(plane).resize((width, height), Image.Resampling.LANCZOS)
              for plane in np.moveaxis(rgb, -1, 0)]  # fmt: skip
    return np.stack([np.asarray(plane) for plane in planes], -1).clip(0, 1)


def test_every_measure_at_the_sizes_of_the_rule(fixed):
    image, photo, paintings = picture(0), picture(1, 64, 80), [picture(2, 30, 90), picture(3, 50, 20)]
    image = np.rint(image * 255).astype(np.float32) / 255
    found = fixed.judge(image, photo, paintings)
    assert tuple(found) == metric_measures.NAMES and all(type(value) is float for value in found.values())

    resized = lanczos(photo, 32, 40)
    # 40x13 would be too small for relu5_1
    long = [lanczos(paintings[0], 16, 48), lanczos(paintings[1], 40, 16)]
    reader = Network(preprocessing=PREPROCESSING["torchvision"])
    variables = freeze(checkpoints.load("random", "vgg19", metric_measures.LAYERS).params)
    expected = naive(image, resized, long, reader, variables)
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-3)

    a, b = (rgb.astype(float) @ (0.2126, 0.7152, 0.0722) for rgb in (image, resized))
    options = dict(gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1.0)
    assert found["ssim"] == pytest.approx(structural_similarity(a, b, **options), abs=1e-4)
    assert found["psnr"] == pytest.approx(-10 * np.log10(np.mean((a - b) ** 2)), abs=1e-3)
    grid = checkerboard(a)
    assert {name: found[name] for name in grid} == pytest.approx(grid, abs=1e-3)
    down, right = np.abs(np.diff(image, axis=0)), np.abs(np.diff(image, axis=1))
    assert found["tv"] == pytest.approx((down.sum() + right.sum()) / (down.size + right.size), rel=1e-4)
    lab, *others = (np.asarray(oklab(rgb), float).reshape(-1, 3) for rgb in (image, *long))
    means = [np.linalg.norm(lab.mean(0) - other.mean(0)) for other in others]
    spreads = [np.linalg.norm(np.cov(lab.T, ddof=0) - np.cov(other.T, ddof=0)) for other in others]
    assert found["color_mean"] == pytest.approx(np.mean(means), abs=1e-5)
    assert found["color_covariance"] == pytest.approx(np.mean(spreads), abs=1e-5)


def test_a_picture_is_nothing_from_itself(fixed):
    rgb = np.rint(picture(4) * 255).astype(np.float32) / 255
    found = fixed.judge(rgb, rgb, [rgb])
    assert found["ssim"] == pytest.approx(1) and found["psnr"] == pytest.approx(100)
    others = ("ssim", "psnr", "tv", "checkerboard")
    zero = [value for name, value in found.items() if name.split("/")[0] not in others]
    assert max(zero) < 1e-6 and found["tv"] > 0


def test_several_paintings_count_the_same(fixed):
    image, photo, a, b = (picture(seed) for seed in range(4))
    one, other, both, turned = (fixed.judge(image, photo, styles) for styles in ([a], [b], [a, b], [b, a]))
    assert one["style"] != pytest.approx(other["style"], rel=0.01)
    mean = {name: (one[name] + other[name]) / 2 for name in one}
    assert both == pytest.approx(mean, rel=1e-5) and both == pytest.approx(turned, rel=1e-5)


def test_the_pair_is_looked_at_once_and_a_size_compiled_once(narrow, monkeypatch):
    traced = []
    statistics = metric_measures.statistics
    monkeypatch.setattr(
        metric_measures, "statistics", lambda *a: traced.append(a[-1].shape) or statistics(*a)
    )
    fresh = instrument.load("random")
    a, b, photo, painting, other = (picture(seed) for seed in range(5))
    results = [fresh.judge(rgb, photo.copy(), [painting.copy()]) for rgb in (a, b, a)]
    assert traced == [(1, 32, 40, 3)]
    fresh.judge(picture(0, 32, 32), photo, [painting])  # the painting's long edge: 32
    assert traced == [(1, 32, 40, 3), (1, 32, 32, 3), (1, 26, 32, 3)]
    assert results[0] == results[2] != results[1]
    # what is remembered of one pair is not taken for another's
    assert fresh.judge(a, photo, [other]) == instrument.load("random").judge(a, photo, [other])
    assert fresh.judge(a, other, [painting]) == instrument.load("random").judge(a, other, [painting])
    changed = photo.copy()
    changed[0, 0] = 1 - changed[0, 0]
    assert fresh.judge(a, changed, [painting])["psnr"] != results[0]["psnr"]


def test_no_more_than_the_last_pictures_are_remembered():
    calls = []
    remembered = instrument._cached(lambda rgb: calls.append(rgb.shape) or rgb.sum(), 2)
    a, b, c = (picture(seed, 20, 20) for seed in range(3))
    for rgb in (a, b, a, b, a):
        assert remembered(rgb, (20, 20)) == rgb.sum()
    assert len(calls) == 2
    remembered(c, (20, 20))  # b, used the longest ago, is forgotten
    remembered(a, (20, 20))
    assert len(calls) == 3
    remembered(b, (20, 20))
    remembered(b, (10, 10))
    assert calls[3:] == [(20, 20, 3), (10, 10, 3)]


def test_more_paintings_than_are_remembered(fixed):
    image, photo = picture(0), picture(1)
    paintings = [picture(seed) for seed in range(2, 20)]
    found = [fixed.judge(image, photo, [painting])["style"] for painting in paintings]
    assert fixed.judge(image, photo, paintings)["style"] == pytest.approx(np.mean(found), rel=1e-5)


# --- the values of files


@pytest.mark.parametrize("suffix, bits", [(".png", 8), (".png", 16), (".tiff", 16)])
def test_a_picture_and_its_file_have_the_same_numbers(fixed, tmp_path, suffix, bits):
    rgb = 1.4 * picture(0) - 0.2  # beyond what a file holds
    assert rgb.min() < 0 and rgb.max() > 1
    images.write(tmp_path / f"x{suffix}", rgb, bits=bits)
    images.write(tmp_path / "photo.png", picture(1))
    images.write(tmp_path / "paint.png", picture(2))
    photo, paint = (images.read(tmp_path / f"{name}.png").rgb_HxWx3 for name in ("photo", "paint"))
    sources = [tmp_path / f"x{suffix}", tmp_path / "photo.png", tmp_path / "paint.png"]
    by_file = instrument.judge_files(fixed, *sources)
    assert by_file == fixed.judge(rgb, photo, [paint])
    assert by_file == instrument.judge_files(fixed, str(sources[0]), photo, [paint])  # or what read takes


def test_alpha_is_not_looked_at(fixed, tmp_path):
    rgb, alpha = picture(0), picture(5)[..., 0]
    images.write(tmp_path / "opaque.png", rgb)
    images.write(tmp_path / "alpha.png", rgb, alpha)
    assert images.read(tmp_path / "alpha.png").alpha_HxW is not None
    opaque, through = (
        instrument.judge_files(fixed, tmp_path / f"{name}.png", picture(1), picture(2))
        for name in ("opaque", "alpha")
    )
    assert opaque == through


# --- its limits


@pytest.mark.parametrize("height, width", [(16, 16), (17, 90), pytest.param(32, 21, marks=pytest.mark.slow)])
def test_small_pictures_are_judged(fixed, height, width):
    found = fixed.judge(picture(0, height, width), picture(1, 200, 150), [picture(2, 7, 5)])
    assert all(np.isfinite(list(found.values())))


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_constant_pictures_give_numbers(fixed, value):
    flat, rgb = np.full((32, 40, 3), value), picture(0)
    for image, photo, painting in ((flat, rgb, rgb), (rgb, flat, rgb), (rgb, rgb, flat), (flat, flat, flat)):
        assert all(np.isfinite(list(fixed.judge(image, photo, [painting]).values())))


def test_what_cannot_be_judged_is_refused(fixed, tmp_path):
    rgb = picture(0)
    with pytest.raises(UserError, match="the picture: 40x15 px is too small to judge; it needs 16 px"):
        fixed.judge(picture(0, 15, 40), rgb, [rgb])
    with pytest.raises(UserError, match=r"the photograph: shape \(32, 40\) is not HxWx3"):
        fixed.judge(rgb, rgb[..., 0], [rgb])
    with pytest.raises(UserError, match="the picture: give finite floating values in .0, 1., not uint8"):
        fixed.judge((255 * rgb).astype(np.uint8), rgb, [rgb])
    with pytest.raises(UserError, match="the painting: give finite"):
        fixed.judge(rgb, rgb, [rgb, np.where(rgb > 0.5, np.nan, rgb)])
    with pytest.raises(UserError, match="at least one painting"):
        fixed.judge(rgb, rgb, [])
    images.write(tmp_path / "tiny.png", picture(0, 8, 8))
    with pytest.raises(UserError, match="tiny.png: the picture: 8x8 px is too small"):
        instrument.judge_files(fixed, tmp_path / "tiny.png", rgb, rgb)
    with pytest.raises(UserError, match="none.png: no such file"):
        instrument.judge_files(fixed, rgb, tmp_path / "none.png", rgb)


def test_memory_is_asked_for_first(fixed, monkeypatch):
    monkeypatch.setattr(memory, "available", lambda device: 1000)
    with pytest.raises(UserError, match=r"57x33 px needs \d.* to judge, and 0.0 MB are available"):
        fixed.judge(picture(0, 33, 57), picture(1), [picture(2)])


# --- its names


def test_the_name_says_version_network_and_weights(narrow, tmp_path):
    assert instrument.load("random").name == "nst2-random-seed0"
    with h5py.File(tmp_path / "mine.h5", "w") as file:
        for conv, part in checkpoints.load("random", "vgg19", metric_measures.LAYERS, 5).params.items():
            name = f"block{conv[4]}_conv{conv[6]}"
            file[f"{name}/{name}_W_1:0"], file[f"{name}/{name}_b_1:0"] = part["kernel"], part["bias"]
    assert instrument.load(str(tmp_path / "mine.h5")).name == f"nst2-mine-{digest(tmp_path / 'mine.h5')[:8]}"


def test_the_small_network_is_read_in_vggs_own_channels():
    fixed = instrument.load("vgg19_slim")
    path = checkpoints.find("vgg19_slim")
    assert fixed.name == f"nst2-vgg19_slim-{digest(path)[:8]}"
    rgb, photo, painting = (np.rint(picture(seed) * 255).astype(np.float32) / 255 for seed in range(3))
    found = fixed.judge(rgb, photo, [painting])
    reader = Network(
        widths=formats.slim_widths(path), frame="vgg", preprocessing=PREPROCESSING["torchvision"]
    )
    variables = freeze(checkpoints.load("vgg19_slim", "vgg19", metric_measures.LAYERS).params, frame="vgg")
    expected = naive(rgb, photo, [painting], reader, variables)
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-3)


def test_a_network_that_is_not_there_is_named():
    with pytest.raises(UserError, match="'vgg19_slin': did you mean 'vgg19_slim'"):
        instrument.load("vgg19_slin")


# --- the program


@pytest.fixture
def program(fixed, tmp_path, monkeypatch):
    """Runs measure.run in a folder of pictures; returns its status and the JSON."""
    for name, rgb in (
        ("photo", picture(0, 64, 80)), ("a", picture(1)), ("b", picture(2)), ("x", picture(3)),
        ("y|z", picture(4, 64, 80)), ("square", picture(5, 40, 40)), ("tiny", picture(6, 8, 10)),
    ):  # fmt: skip
        images.write(tmp_path / f"{name}.png", rgb)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(instrument, "load", lambda network: fixed)

    def call(*positional, **values):
        values = dict(content="photo.png", style="a.png,b.png", images="", network="random", json="") | values
        flags = [f"--{name}={value}" for name, value in values.items()]
        status = measure.run(make_parser("measure", measure).parse_args([*positional, *flags]))
        return status, json.loads(Path(values["json"]).read_text()) if values["json"] else None

    return call


def tables(text):
    """{first cell: the others} of each Markdown table of the text, and their heads."""
    found, heads = [], []
    for block in text.strip().split("\n\n"):
        head, rule, *lines = (
            [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in block.split("\n")
        )
        assert rule == ["---"] * len(head) and all(len(line) == len(head) for line in lines)
        heads.append(head)
        found.append({name: [float(cell) for cell in cells] for name, *cells in lines})
    return found, heads


def test_the_program_prints_tables_and_writes_all_numbers(program, fixed, capsys):
    status, written = program("y|z.png", images="x.png", json="out.json")
    assert status == 0
    expected = {
        name: instrument.judge_files(fixed, name, "photo.png", ["a.png", "b.png"])
        for name in ("x.png", "y|z.png")
    }
    assert written == {
        "instrument": fixed.name, "content": "photo.png", "style": ["a.png", "b.png"],
        "images": [{"image": name, "measures": found} for name, found in expected.items()],
    }  # fmt: skip
    output = capsys.readouterr()
    assert fixed.name in output.err and "shape" not in output.err
    found, heads = tables(output.out)
    assert heads[0] == [
        f"picture, by {fixed.name}", "style", "moments", "content", "cfsd", "ssim", "psnr", "tv",
        "color_mean", "color_covariance", "checkerboard",
    ]  # fmt: skip
    by_layer = [f"{kind}/{layer}" for kind in ("style", "moments") for layer in STYLE]
    assert heads[1] == [heads[0][0], *by_layer, *(f"checkerboard/{period}" for period in (2, 4, 8, 16))]
    for rows, head in zip(found, heads, strict=True):
        assert list(rows) == ["x.png", "y\\|z.png"]
        for row, measures in zip(rows.values(), expected.values(), strict=True):
            assert row == pytest.approx([measures[name] for name in head[1:]], rel=1e-3)


def test_what_cannot_be_judged_does_not_stop_the_others(program, capsys):
    status, written = program(images="tiny.png,x.png,none.png", json="out.json")
    output = capsys.readouterr()
    assert status == 1
    assert [entry["image"] for entry in written["images"]] == ["x.png"]
    assert list(tables(output.out)[0][0]) == ["x.png"]
    assert "tiny.png: the picture: 10x8 px is too small" in output.err
    assert "none.png: no such file" in output.err


def test_a_hostile_name_is_only_a_name():
    numbers = dict.fromkeys(metric_measures.NAMES, 0.5)
    rows = [(name, numbers) for name in ("=1+1|\n.png", "<b>.png")]
    first = [line.split(" | ")[0] for line in measure.table(rows, "nst2-x").splitlines()]
    assert first[0] == "| picture, by nst2-x" and first[2:4] == ["| '=1+1\\| .png", "| &lt;b>.png"]


def test_nothing_to_print(program, capsys):
    assert program("none.png")[0] == 1
    assert capsys.readouterr().out == ""


def test_a_picture_of_another_shape_is_said(program, capsys):
    program("square.png", "x.png", "photo.png")
    lines = [line for line in capsys.readouterr().err.splitlines() if "shape" in line]
    assert len(lines) == 1 and lines[0].startswith("square.png: 40x40 px is not the photograph's shape")


@pytest.mark.parametrize("missing", [{"content": ""}, {"style": ""}, {}])
def test_the_program_asks_for_what_it_needs(program, missing):
    with pytest.raises(UserError, match="--content=photo.jpg --style=painting.jpg and pictures"):
        program(*(["x.png"] if missing else []), **missing)


def test_wrong_files_of_the_pair_and_of_the_numbers(program):
    with pytest.raises(UserError, match="none.png: no such file"):
        program("x.png", style="a.png,none.png")
    with pytest.raises(UserError, match=r"x.png: cannot write there \(.*x.png is not a folder\)"):
        program("none.png", json="x.png/out.json")
    assert program("x.png", json="new/out.json")[1]["images"][0]["image"] == "x.png"
    photo = Path("photo.png").read_bytes()
    with pytest.raises(UserError, match="photo.png: there already"):
        program("x.png", json="photo.png")
    assert Path("photo.png").read_bytes() == photo


def test_the_instrument_is_loaded_only_if_there_is_a_picture_to_measure(program, monkeypatch, capsys):
    monkeypatch.setattr(instrument, "load", None)
    assert program("none.png", "none_either.png")[0] == 1
    assert capsys.readouterr().err.count("no such file") == 2


def finish(*arguments):
    process = subprocess.run(
        [sys.executable, "-m", "experiments.measure", *arguments],
        cwd=ROOT, env=os.environ | {"JAX_PLATFORMS": "cpu"}, capture_output=True, text=True,
    )  # fmt: skip
    return process.returncode, process.stdout, process.stderr


@pytest.mark.processes
def test_the_command(tmp_path):
    for name, rgb in (("photo", picture(0)), ("paint", picture(1)), ("x", picture(2))):
        images.write(tmp_path / f"{name}.png", rgb)
    pair = (f"--content={tmp_path / 'photo.png'}", f"--style={tmp_path / 'paint.png'}")
    status, output, errors = finish(*pair, "--network=vgg19_slim", str(tmp_path / "x.png"))
    assert status == 0, errors
    found, _ = tables(output)
    expected = instrument.judge_files(
        instrument.load("vgg19_slim"), *(tmp_path / f"{name}.png" for name in ("x", "photo", "paint"))
    )
    row = found[0][str(tmp_path / "x.png")]
    assert row == pytest.approx([expected[name] for name in expected if "/" not in name], rel=1e-3)


@pytest.mark.processes
def test_wrong_commands_are_one_line():
    cases = [
        ([], "give --content=photo.jpg"),
        (["--config=configs/default.py"], "this command takes no --config"),
        (["--contents=x"], "there is no option --contents; did you mean --content?"),
    ]
    ends = run_each("experiments.measure", [flags for flags, _ in cases])
    check_one_line_errors(cases, ends)
    assert all(len(output.strip().splitlines()) == 1 for _, output in ends), ends


def test_a_table():
    assert markdown(("a", "b"), [("1", "2")]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"
