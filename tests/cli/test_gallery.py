"""nst photos/ paintings/: names, order, failures, contact sheet; the same bytes as single pictures."""

import os
import re
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nst import images
from nst.cli import gallery, making, pairs
from nst.configs import default
from nst.runs import compiling, settings
from tests.helpers.painting import QUICK, refused
from tests.helpers.programs import launch, wait_for
from tests.helpers.running import picture

pytestmark = pytest.mark.usefixtures("here")
SHAPES = ((40, 56), (56, 40), (48, 48), (32, 64))


@pytest.fixture
def photos(here):
    """Makes photographs of so many shapes, in turn, with names that mix them."""

    def make(count, shapes=SHAPES, folder="photos"):
        Path(folder).mkdir()
        for index in range(count):
            images.write(f"{folder}/{index:02d}.png", picture(index, *shapes[index % len(shapes)]))

    return make


def compiled_while(work):
    """How many loops were compiled, and what the work returned."""
    before = compiling._compiled.cache_info().misses
    result = work()
    return compiling._compiled.cache_info().misses - before, result


def test_each_photograph_is_painted_as_it_would_be_alone_with_one_program_a_shape(nst, here, photos):
    photos(4, SHAPES[:2])
    compiling._compiled.cache_clear()
    programs, (status, out, _) = compiled_while(lambda: nst("photos/", "painting.png", *QUICK))
    assert status == 0 and programs == 2
    made = here / "photos_painting"
    assert sorted(os.listdir(made)) == [*(f"{n:02d}_painting.png" for n in range(4)), "sheet.png"]
    lines = out.splitlines()
    assert lines[0] == "4 pictures: 0 finished already, 4 to be made: 32 px, vgg19 with random weights"
    # those of one shape follow each other
    form = r"(\d)/4 photos_painting/(\d\d)_painting.png: \d+(?:\.\d)? s"
    made_in_order = [re.fullmatch(form, line).groups() for line in lines[1:5]]
    assert made_in_order == [("1", "00"), ("2", "02"), ("3", "01"), ("4", "03")]
    assert lines[5] == "photos_painting/sheet.png: 4 pictures"
    nst("photos/01.png", "painting.png", *QUICK, "-o", "alone.png")
    assert (here / "alone.png").read_bytes() == (made / "01_painting.png").read_bytes()
    programs, (status, out, _) = compiled_while(lambda: nst("photos/", "painting.png", *QUICK))
    assert (status, programs, out) == (0, 0, "4 pictures: 4 finished already, 0 to be made\n")
    # a sheet that is older than a picture, as when the process was killed between them, is written again
    before = (made / "sheet.png").stat().st_mtime_ns
    os.utime(made / "sheet.png", ns=(0, 0))
    assert nst("photos/", "painting.png", *QUICK)[1].endswith("sheet.png: 4 pictures\n")
    assert (made / "sheet.png").stat().st_mtime_ns >= before


def test_bad_pictures_are_named_at_once_and_at_the_end_and_the_others_are_made(nst, here, photos):
    photos(2, SHAPES[:1])
    (here / "photos/05.png").write_bytes((here / "photos/00.png").read_bytes()[:400])
    images.write("photos/06.png", np.random.default_rng(0).random((1100, 1000, 3)))
    images.write("photos/07.png", picture(0, 4, 300))
    words = "photos/", "painting.png", *QUICK, "--config.max_megapixels=1"
    status, out, _ = nst(*words)
    assert status == 1
    lines = out.splitlines()
    assert lines[1].startswith("failed: photos/05.png: truncated or damaged image")
    assert lines[2].startswith("failed: photos/06.png: 2 megapixels, more than max_megapixels = 1")
    assert [line for line in lines[3:6] if "failed: photos_painting/07_painting.png: content: 32x" in line]
    assert lines[-4] == "3 of 5 pictures failed:"
    assert [line.split(": ")[0].strip() for line in lines[-3:]] == [
        f"photos_painting/{name}_painting.png" for name in ("05", "06", "07")
    ]
    assert sorted(os.listdir("photos_painting")) == ["00_painting.png", "01_painting.png", "sheet.png"]
    images.write("photos/05.png", picture(5))
    os.remove("photos/06.png"), os.remove("photos/07.png")
    status, out, _ = nst(*words)
    assert (
        status == 0
        and out.splitlines()[0]
        == "3 pictures: 2 finished already, 1 to be made: 32 px, vgg19 with random weights"
    )


def test_an_error_of_any_kind_fails_one_picture_only(nst, here, photos, monkeypatch):
    photos(3, SHAPES[:1])
    stylize = making.stylize

    def fail(content, style, config, *rest, **more):
        if "01" in config.content:
            raise RuntimeError("out of memory")
        return stylize(content, style, config, *rest, **more)

    monkeypatch.setattr(making, "stylize", fail)
    status, out, _ = nst("photos/*.png", "painting.png", *QUICK, "-o", "out/")
    assert status == 1 and out.count("out/01_painting.png: RuntimeError: out of memory") == 2
    assert sorted(os.listdir("out")) == ["00_painting.png", "02_painting.png", "sheet.png"]


def test_a_stop_says_how_far_it_came_and_the_same_command_continues(nst, here, photos, monkeypatch):
    photos(3, SHAPES[:1])
    made, make = [], making.make

    def make_and_interrupt(*rest):
        made.append(make(*rest))
        if len(made) == 2:
            signal.raise_signal(signal.SIGTERM)
        return made[-1]

    with monkeypatch.context() as patch:
        patch.setattr(making, "make", make_and_interrupt)
        status, out, _ = nst("photos/", "painting.png", *QUICK)
    assert status == 128 + signal.SIGTERM
    assert out.endswith("stopped: 2 of 3 pictures finished; the same command continues\n")
    status, out, _ = nst("photos/", "painting.png", *QUICK)
    assert status == 0 and out.startswith(
        "3 pictures: 2 finished already, 1 to be made: 32 px, vgg19 with random weights\n"
    )


def test_paintings_of_other_sizes_share_the_program_and_stand_in_a_sheet(nst, here, photos):
    photos(2, SHAPES[:1])
    photos(3, SHAPES[1:], "paintings")
    compiling._compiled.cache_clear()
    programs, (status, _, _) = compiled_while(lambda: nst("photos", "paintings", *QUICK, "-o", "out"))
    assert status == 0 and programs == 1
    names = [f"0{photo}_0{painting}.png" for photo in range(2) for painting in range(3)]
    assert sorted(os.listdir("out")) == [*names, "sheet.png"]
    with Image.open("out/sheet.png") as sheet:
        pixels = np.asarray(sheet)
    # four columns; the paintings, whose labels stand under them, and two rows of a photograph and results
    assert pixels.shape[1] == 6 + 4 * 262 and pixels.shape[0] - sum((256, 183, 183)) in range(70, 90)
    empty = [(pixels[:256, left + 6 : left + 256] == 255).all() for left in range(0, 4 * 262, 262)]
    assert empty == [True, False, False, False]


def test_one_photograph_in_every_painting(nst, here, photos):
    photos(2, SHAPES[:1], "paintings")
    assert nst("photo.png", "paintings", *QUICK)[0] == 0
    assert sorted(os.listdir("photo_paintings")) == ["photo_00.png", "photo_01.png", "sheet.png"]


def test_a_file_that_would_be_replaced_stops_everything(nst, here, photos):
    photos(2, SHAPES[:1])
    (here / "out").mkdir()
    images.write("out/01_painting.png", picture(7))
    refused(nst("photos", "painting.png", *QUICK, "-o", "out"), "out/01_painting.png: there already", "-o")
    os.rename("out/01_painting.png", "out/sheet.png")
    refused(nst("photos", "painting.png", *QUICK, "-o", "out"), "out/sheet.png: there already, and no")
    assert os.listdir("out") == ["sheet.png"]
    assert nst("photos", "painting.png", *QUICK, "-o", "out", "--overwrite")[0] == 0
    assert len(os.listdir("out")) == 3


# --- names


def found(*words, output=None, **fields):
    config = default.get_config()
    config.update_from_flattened_dict(fields)
    return [str(pair.output) for pair in pairs.find(words, output, {}, settings.resolve(config)).pairs]


def test_names_say_which_pictures_a_result_is_made_of_and_no_two_are_equal(here):
    for path in (
        "a/x.png",
        "a/x.jpg",
        "a/X.gif",
        "a/y.b.png",
        "b/x.png",
        "b/c.png",
        "a/.hidden.png",
        "a/notes.txt",
    ):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        Path(path).write_bytes(b"")
    assert found("a", "b/c.png") == [
        f"a_c/{name}_c.png" for name in ("X-gif", "x-jpg", "x-png", "y.b")
    ]  # fmt: skip
    assert found("*/x.png", "b/c.png", output="out") == ["out/x-png_c.png", "out/x-png_c_2.png"]
    assert found("a/*.jpg", "b", **{"output.format": "tiff"}) == ["a_b/x_c.tiff", "a_b/x_x.tiff"]
    assert found("a/x.png", "b/c.png") == ["a/x_c.png"]
    assert found("a/x.png", "b/c.png", output="b") == ["b/x_c.png"]
    assert found("a/x.png", "b/c.png", output="new/") == ["new/x_c.png"]
    os.makedirs("p_q"), os.makedirs("s")
    for path in ("p_q/a_b.png", "p_q/a.png", "s/c.png", "s/b_c.png"):
        Path(path).write_bytes(b"")
    assert sorted(found("p_q", "s")) == [f"p_q_s/{n}.png" for n in ("a_b_b_c", "a_b_c", "a_b_c_2", "a_c")]
    os.chdir("a")
    assert (
        found("*.jpg", "../b/c.png") == ["a_c/x_c.png"] and found(".", "../b/c.png")[0] == "a_c/X-gif_c.png"
    )


def test_a_folder_without_pictures_is_one_line(nst, here):
    (here / "empty").mkdir()
    refused(nst("empty", "painting.png"), "error: empty: no pictures there")


# --- at length


@pytest.mark.slow
@pytest.mark.processes
def test_twenty_photographs_of_four_shapes_survive_a_kill_and_a_corrupt_one(nst, here, photos, monkeypatch):
    photos(20)
    good = (here / "photos/07.png").read_bytes()
    (here / "photos/07.png").write_bytes(good[: len(good) // 2])
    words = "photos", "painting.png", *QUICK, "--steps=40", "--config.checkpoint.seconds=0"
    elsewhere = str(here / "photos"), str(here / "painting.png"), *words[2:]
    process = launch([sys.executable, "-m", "nst", *elsewhere])
    wait_for(here / "photos_painting/08_painting.nst/checkpoint.npz", process)
    process.kill()
    process.communicate()
    finished = {path.name: path.stat().st_mtime_ns for path in (here / "photos_painting").glob("*.png")}
    assert 2 <= len(finished) < 19 and (here / "photos_painting/08_painting.nst").exists()
    compiling._compiled.cache_clear()
    programs, (status, out, _) = compiled_while(lambda: nst(*words))
    assert status == 1 and f"20 pictures: {len(finished)} finished already" in out and programs <= 4
    assert out.splitlines()[-2] == "1 of 20 pictures failed:" and "photos/07.png: truncated" in out
    for name, changed in finished.items():
        assert (here / "photos_painting" / name).stat().st_mtime_ns == changed
    (here / "photos/07.png").write_bytes(good)
    assert nst(*words)[0] == 0
    compiling._compiled.cache_clear()
    programs, (status, *_) = compiled_while(lambda: nst(*words, "-o", "whole"))
    assert status == 0 and programs == 4
    assert set(os.listdir("whole")) == set(os.listdir("photos_painting")) and len(os.listdir("whole")) == 21
    for index in range(20):
        name = f"{index:02d}_painting.png"
        made = (here / "photos_painting" / name).read_bytes()
        assert made == (here / "whole" / name).read_bytes()
        if index % 3 == 0:
            nst(f"photos/{index:02d}.png", *words[1:], "-o", "alone.png", "--overwrite")
            assert made == (here / "alone.png").read_bytes()
    assert gallery.SHEET == images.read_description("whole/sheet.png")


def test_pictures_that_nst_made_are_no_photographs_of_a_folder(nst, here, photos):
    photos(2, SHAPES[:1])
    nst("photos/00.png", "painting.png", *QUICK, "--keep", "--config.log.preview_every=1")
    nst("animate", "photos/00_painting.nst")
    assert sorted(os.listdir("photos"))[1:] == [
        "00_painting.gif",
        "00_painting.nst",
        "00_painting.png",
        "01.png",
    ]
    status, out, err = nst("photos/", "painting.png", *QUICK)
    assert status == 0 and "photos: 2 pictures made by nst left out" in out + err
    assert sorted(os.listdir(here / "photos_painting")) == ["00_painting.png", "01_painting.png", "sheet.png"]
    # unless there are no others
    assert nst("photos_painting/", "painting.png", *QUICK)[1].startswith("3 pictures: 0 finished already")
