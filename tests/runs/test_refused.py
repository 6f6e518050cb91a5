"""A command that is refused changes no byte of the folder."""

import json
import shutil
import sys

import pytest

from nst import images
from nst.errors import UserError
from nst.runs import fitting, folder
from tests.helpers.running import contents, picture, small, stop_after, stylize

REFUSED = [
    ({"steps": 2, "output.format": "tiff"}, "steps = 2: this run is at step 3"),
    ({"output.format": "tga"}, "output.format"),
    ({"output.format": "jpeg", "output.bits": 16}, "output.bits"),
    ({"tv.weight": 1.0, "steps": 9}, "tv.weight"), ({"seed": -1}, "seed"), ({"steps": 0}, "steps"),
    ({"content": "none.png", "steps": 9}, "none.png: no such file"),
    ({"weights.name": "none.npz"}, "none.npz"),
    ({"style_loss.layers": ("relu9_1",)}, "relu9_1"), ({"memory_limit_gb": 0.0001, "steps": 9}, "available"),
    ({"devices": 64, "steps": 9}, "devices"), ({"size": 2}, "too small"),
]  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("made")
    for index, name in enumerate(("content", "style")):
        images.write(root / f"{name}.png", picture(index))
    stylize(root / "content.png", root / "style.png", small(), workdir=root / "run", stop=stop_after(3))
    return root


@pytest.fixture
def workdir(made, tmp_path):
    return shutil.copytree(made, tmp_path / "copy") / "run"


@pytest.fixture
def pictures(workdir):
    return [str(workdir.parent / f"{name}.png") for name in ("content", "style")]


@pytest.mark.parametrize("changes, message", REFUSED, ids=lambda value: str(value)[:40])
def test_a_wrong_setting_changes_nothing(pictures, workdir, changes, message):
    before = contents(workdir)
    config = small(**{"content": pictures[0], "style": (pictures[1],)} | changes)
    with pytest.raises(UserError, match=message):
        stylize(None, None, config, workdir=workdir)
    assert contents(workdir) == before


def damage_checkpoint(workdir):
    data = bytearray((workdir / "checkpoint.npz").read_bytes())
    data[len(data) // 2] ^= 1
    (workdir / "checkpoint.npz").write_bytes(data)


def lower_version(workdir):
    manifest = json.loads((workdir / "manifest.json").read_text())
    (workdir / "manifest.json").write_text(json.dumps(manifest | {"sessions": [{}]}))


@pytest.mark.parametrize("damage, message", [
    (damage_checkpoint, "checkpoint.npz: damaged"),
    (lambda path: (path / "checkpoint.npz").write_bytes(b""), "checkpoint.npz: damaged"),
    (lambda path: (path / "config.json").write_text("[]"), "config.json: damaged"),
    (lambda path: (path / "manifest.json").write_text("{"), "manifest.json: damaged"),
    (lambda path: (path / "metrics.jsonl").write_text("3\n"), "metrics.jsonl, line 1: damaged"),
    (lower_version, "manifest.json: damaged"),
])  # fmt: skip
def test_a_damaged_file_changes_nothing(pictures, workdir, damage, message):
    damage(workdir)
    before = contents(workdir)
    with pytest.raises(UserError, match=message):
        stylize(*pictures, small(steps=9), workdir=workdir)
    assert contents(workdir) == before


def test_a_changed_picture_changes_nothing(pictures, workdir):
    before = contents(workdir)
    images.write(pictures[1], picture(7))
    with pytest.raises(UserError, match="style 0"):
        stylize(*pictures, small(steps=9), workdir=workdir)
    assert contents(workdir) == before


def test_a_folder_in_use_is_not_changed(pictures, workdir):
    before = contents(workdir)
    with folder.locked(workdir), pytest.raises(UserError, match="another process"):
        stylize(*pictures, small(steps=9), workdir=workdir)
    assert contents(workdir) == before


def test_a_missing_package_changes_nothing(pictures, workdir, monkeypatch):
    before = contents(workdir)
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(UserError, match="tensorboardX"):
        stylize(*pictures, small(**{"steps": 9, "log.tensorboard": True}), workdir=workdir)
    assert contents(workdir) == before


@pytest.mark.parametrize("changes", [{}, {"pyramid.min_size": 16, "pyramid.steps": (2,)}])
def test_a_full_size_that_does_not_fit_is_refused_before_a_smaller_size_is_made(
    pictures, tmp_path, monkeypatch, changes
):
    def refuse(*rest):
        raise UserError("it needs more memory")

    monkeypatch.setattr(fitting, "check_memory", refuse)
    with pytest.raises(UserError, match="more memory"):
        stylize(*pictures, small(**changes), workdir=tmp_path / "run")
    assert not contents(tmp_path / "run")
