"""Wrong input is refused before a network is downloaded or announced, and before a file of its name."""

import os
import socket

import pytest

from nst import images
from nst.cli import arguments
from nst.metrics import instrument
from nst.networks import checkpoints
from nst.sweeps import results
from nst.sweeps.points import make_points
from tests.helpers.painting import FREE, refused
from tests.helpers.running import picture

PAIR = "photo.png", "painting.png"


@pytest.fixture
def nothing_loaded(here, monkeypatch):
    """Makes every search for VGG-19, and every instrument, an error other than those that are expected."""

    def find(*rest):
        raise AssertionError("a network was searched for")

    monkeypatch.setattr(checkpoints, "find", find)
    monkeypatch.setattr(instrument, "load", find)
    images.write("narrow.png", picture(2, 40, 4))
    images.write("wide.png", picture(3, 20, 400))
    (here / "file").write_bytes(b"")


WRONG = [
    (["none.png", "painting.png"], "none.png: no such file"),
    (["photo.png", "none.png"], "none.png: no such file"),
    ([*PAIR, "-o", "file/x.png"], "file: cannot write there", "file is not a folder"),
    ([*PAIR, "--size=8"], "content: 8x6 px is too small for relu5_1", "raise --size"),
    (["narrow.png", "painting.png"], "content: 4x40 px is too small for relu5_1", "give a larger picture"),
    (["photo.png", "narrow.png"], "style 0: 4x40 px is too small for relu5_1", "give a larger picture"),
    (["wide.png", "painting.png"], "content: 32x2 px is too small for relu5_1", "raise --size or style_size"),
    ([*PAIR, "--size=200000"], "content: 200000x142857 px needs at least", "smaller size"),
    ([*PAIR, "--config.pyramid.min_size=8", "--config.pyramid.factor=1.0001"], "pyramid.factor = 1.0001"),
    ([*PAIR, "--config.guidance.content_masks=no.png"], "no.png: no such file"),
    ([*PAIR, "--config.optimizer.options=x=1"], "optimizer.options"),
    ([*PAIR, "--network=vgg99"], "--network = 'vgg99': did you mean 'vgg19'?"),
    ([*PAIR, "--network=nin"], "nst networks lists", "docs/networks.md"),
]


@pytest.mark.parametrize("words, parts", [(words, parts) for words, *parts in WRONG])
def test_a_wrong_input_is_refused_before_a_network_is_searched_for(nst, nothing_loaded, words, parts):
    size = () if any(word.startswith("--size") for word in words) else ("--size=32",)
    end = nst(*words, *size)
    refused(end, *parts)
    assert end[1] == ""


def test_a_file_of_that_name_does_not_hide_a_wrong_option(nst, nothing_loaded):
    images.write("photo_painting.png", picture(7))
    for word, *parts in (("--size=8", "too small"), ("--network=vgg99", "did you mean"), ("--pooling=l3",)):
        refused(nst(*PAIR, word), *parts)
    refused(nst(*PAIR, "--size=32"), "photo_painting.png: there already")


def test_pictures_that_all_fail_need_no_network(nst, nothing_loaded):
    os.mkdir("photos")
    for name in "ab":
        images.write(f"photos/{name}.png", picture(0, 4, 40))
    status, out, _ = nst("photos", "painting.png", "--size=32")
    assert status == 1 and "small network" not in out and out.count("give a larger picture") == 4


def test_other_commands_refuse_before_they_search_for_a_network(nst, nothing_loaded):
    pictures = "--config.content=photo.png", "--config.style=painting.png", "--config.size=32"
    sweep = "sweep", "--config=sweeps/weights", "--instrument=vgg19"
    for words, *parts in (
        (["stylize", *pictures, "--workdir=file"], "file: cannot write there"),
        (["stylize", *pictures, "--config.size=8", "--workdir=run"], "too small"),
        ([*sweep, "--workdir=file/x"], "file/x: cannot write there"),
        ([*sweep], "give a folder for the sweep: --workdir=runs/pooling"),
        ([*sweep, "--config.size=8", "--workdir=new"], "no point can be run; ", "too small"),
        (["visualize", "maps", *pictures, "--workdir=file"], "file: cannot write there"),
        (["visualize", "maps", *pictures, "--workdir=new", "--channels=x"], "--channels: x: give whole"),
        (["measure", "--content=photo.png", "--style=painting.png", "none.png"], "none.png: no such file"),
    ):
        refused(nst(*words), *parts)
    assert not os.path.exists("new") and not os.path.exists("run")


def test_a_dry_run_needs_no_folder(nst, nothing_loaded):
    status, out, _ = nst("sweep", "--config=sweeps/weights", "--dry-run")
    assert status == 0 and "waiting" in out and " to run; the time is known after the first point" in out
    assert sorted(os.listdir()) == ["file", "narrow.png", "painting.png", "photo.png", "wide.png"]


def test_a_dry_run_of_another_base_is_refused_like_the_sweep(nst, here):
    base = arguments.load(["--config=sweeps/weights"], "default").config
    asked = results.Request("sweeps/weights", ["sweep"], "local", "random", "nst2-random")
    results.enter(here / "sweep", asked, base, make_points(base, [{}]))
    words = "sweep", "--config=sweeps/weights", "--workdir=sweep", "--config.size=64"
    for more in ((), ("--dry-run",)):
        refused(nst(*words, *more), "sweep holds a sweep of another base", "size")


def test_why_a_download_failed_is_said_in_words(nst, here, monkeypatch):
    def fail(*rest, **more):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    monkeypatch.setenv("NST_WEIGHTS_URL", "http://weights.invalid")
    _, out, _ = nst(*PAIR, *FREE)
    assert "VGG-19 cannot be downloaded (no connection, or no such server): see nst doctor" in out
    monkeypatch.delenv("NST_WEIGHTS_URL")
    end = nst("measure", "--content=photo.png", "--style=painting.png", "photo.png")
    refused(end, "(no connection, or no such server)", "fetch it by other means", "--network=vgg19_slim")
    assert end[2].count("https://") == 1
