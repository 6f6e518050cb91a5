"""The small commands: configs, doctor and animate."""

import numpy as np
import pytest
from PIL import Image

import nst
from nst import images
from nst.cli import catalogue, configs, doctor
from nst.cli.main import main
from nst.networks import checkpoints
from nst.networks.table import ARCHITECTURES
from nst.runs.fields import FIELDS


def test_every_config_is_listed_with_the_first_line_of_its_docstring(capsys):
    assert main(["configs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(catalogue.names())
    assert all(len(line.split()) > 3 for line in lines)


def test_a_config_shows_what_differs_from_the_default(capsys):
    assert main(["configs", "gatys2016"]) == 0
    shown = capsys.readouterr().out
    assert "network.pooling            = 'average'" in shown and "content_loss.weight" not in shown
    assert "--config.content=photo.jpg \\\n        --config.style" in shown
    assert main(["configs", "demystifying:linear"]) == 0
    assert "'mmd_linear'" in capsys.readouterr().out


def test_the_default_shows_every_field_with_its_meaning(capsys):
    assert main(["configs", "default"]) == 0
    lines = capsys.readouterr().out.splitlines()
    fields = [line.split(" = ")[0].strip() for line in lines if line.startswith("    ") and " = " in line]
    assert set(FIELDS) <= set(fields)
    meanings = configs._comments(catalogue.names()["default"])
    assert all(len(meanings[field]) > 5 for field in FIELDS)
    assert "0: only the full size" not in meanings["size"] and "pixels" in meanings["size"]


def test_a_config_that_does_not_exist_is_one_line(capsys):
    assert main(["configs", "gatys201"]) == 1
    assert "did you mean gatys201" in capsys.readouterr().err


def test_networks_are_listed_with_their_weights(capsys):
    assert main(["networks"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(ARCHITECTURES)
    assert all(name in "\n".join(lines) for name in checkpoints.NAMES)


def test_a_network_shows_its_layers(capsys):
    """Also by the name of its weights."""
    assert main(["networks", "vgg19_slim"]) == 0
    shown = capsys.readouterr().out
    assert "content_loss.layers = auto: relu2_1,relu3_1,relu4_2\n" in shown
    assert "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5" in shown
    rows = {line.split()[0]: line.split()[1:] for line in shown.splitlines() if line}
    assert rows["relu3_1"] == ["relu", "256", "4", "24", "conv3_1"]
    assert main(["networks", "resnet18"]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("layer2.0.add"))
    assert line.split() == ["layer2.0.add", "add", "128", "8", "67", "layer2.0.conv2,", "layer2.0.downsample"]
    assert main(["networks", "resnet"]) == 1
    assert "did you mean 'resnet" in capsys.readouterr().err


def test_the_doctor_finds_versions_devices_caches_and_weights(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("NST_CACHE_DIR", str(tmp_path))
    monkeypatch.delenv("NST_WEIGHTS_DIR", raising=False)
    assert main(["doctor"]) == 0
    shown = capsys.readouterr().out
    assert f"nst {nst.__version__}" in shown and "cpu:0" in shown
    assert "vgg19: not here (80 MB); downloaded" in shown and "vgg19_slim.safetensors" in shown
    (tmp_path / "weights").mkdir()
    file = tmp_path / "weights" / checkpoints.CHECKPOINTS["vgg19"].url.rpartition("/")[2]
    file.write_bytes(bytes(1000))
    assert main(["doctor"]) == 0
    assert f"vgg19: {file}" in capsys.readouterr().out


def test_the_doctor_names_what_is_broken_and_what_mends_it(capsys, monkeypatch):
    versions = {"jax": "0.10.2", "optax": ""}
    found = doctor._version
    monkeypatch.setattr(doctor, "_version", lambda name: versions.get(name, found(name)))
    assert main(["doctor"]) == 1
    shown = capsys.readouterr().out
    assert "pip install 'jax!=0.10.2'" in shown and "optax is missing: pip install optax" in shown


@pytest.fixture
def run_folder(tmp_path):
    """A run folder with previews at two sizes and a result, each of one grey level that grows."""
    level = iter(np.linspace(0.1, 0.9, 6))
    for folder, size, steps in (("size_16", 16, (3, 6)), ("", 33, (2, 4, 10))):
        previews = tmp_path / "run" / folder / "previews"
        previews.mkdir(parents=True)
        for step in steps:
            images.write(previews / f"step_{step:06d}.jpg", np.full((size - 5, size, 3), next(level)))
    images.write(tmp_path / "run" / "result.png", np.full((28, 33, 3), next(level)))
    return tmp_path / "run"


@pytest.mark.parametrize("suffix", ["gif", "webp"])
def test_a_film_has_every_preview_in_order_and_ends_with_the_result(run_folder, tmp_path, suffix, capsys):
    path = tmp_path / f"film.{suffix}"
    assert main(["animate", str(run_folder), "-o", str(path), "--seconds=5", "--hold=2"]) == 0
    assert "6 pictures, 7 s" in capsys.readouterr().out
    levels, durations = [], []
    with Image.open(path) as film:
        assert film.size == (32, 28) and film.n_frames == 6
        for index in range(6):
            film.seek(index)
            levels.append(np.asarray(film.convert("L")).mean() / 255)
            durations.append(film.info["duration"])
    np.testing.assert_allclose(levels, np.linspace(0.1, 0.9, 6), atol=0.03)
    assert durations == [1000] * 5 + [2000]


def test_a_film_as_mp4(run_folder, tmp_path):
    av = pytest.importorskip("av")
    path = tmp_path / "film.mp4"
    assert main(["animate", str(run_folder), "-o", str(path), "--seconds=1", "--hold=1", "--width=64"]) == 0
    with av.open(str(path)) as film:
        levels = [frame.to_ndarray(format="gray").mean() / 255 for frame in film.decode(video=0)]
        assert (film.streams.video[0].width, film.streams.video[0].height) == (64, 54)
    assert len(levels) == 60 and np.all(np.diff(levels) > -0.02) and levels[0] < 0.2 < 0.8 < levels[-1]


def test_films_that_cannot_be_made_are_one_line_each(run_folder, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    for words, message in (
        ([str(tmp_path / "none"), "-o", "x.gif"], "no such folder"),
        ([str(tmp_path / "empty"), "-o", "x.gif"], "--config.log.preview_every=5"),
        ([str(run_folder), "-o", "x.avi"], "suffix"),
        ([str(run_folder), "-o", str(run_folder / "result.png" / "x.gif")], "result.png is not a folder"),
        ([str(run_folder), "-o", "x.gif", "--seconds=0"], "give a number above 0"),
        ([str(run_folder), "-o", "x.gif", "--seconds=1e9"], "give at most 600 s"),
        ([str(run_folder), "-o", "x.webp", "--hold=1e300"], "give at most 600 s"),
        ([str(run_folder), "-o", "x.gif", "--width=100000"], "give at most 2048 px"),
        ([str(run_folder), "-o", str(run_folder)], "a folder"),
        ([str(run_folder), "-o", str(run_folder / "result.png")], "there already"),
    ):
        assert main(["animate", *words]) == 1
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1
    assert not list(tmp_path.glob("*.gif"))


def test_a_film_lies_beside_its_run_or_in_a_new_folder(run_folder, tmp_path, monkeypatch, capsys):
    kept = run_folder.rename(tmp_path / "photo_v1.5.nst")
    for folder, words, made in (
        (tmp_path, [kept.name], "photo_v1.5.gif"),
        (kept, ["."], str(tmp_path / "photo_v1.5.gif")),
        (tmp_path, [kept.name, "-o", "new/film.webp"], "new/film.webp"),
    ):
        monkeypatch.chdir(folder)
        assert main(["animate", *words, "--overwrite"]) == 0
        assert capsys.readouterr().out.startswith(f"{made}: 6 pictures") and (folder / made).exists()
