"""nst photo.jpg painting.jpg: one picture, its identity, what is refused, and the choice of the network."""

import json
import os
import re
import signal

import numpy as np
import pytest
from PIL import Image

from nst import images
from nst.cli import making
from nst.runs import folder
from tests.helpers import weight_files
from tests.helpers.painting import FREE, QUICK, refused
from tests.helpers.running import picture

pytestmark = pytest.mark.usefixtures("here")

# --- one picture


def test_a_picture_lies_beside_its_photograph_and_nothing_else_is_left(nst, here):
    assert nst("photo.png", "painting.png", *QUICK)[0] == 0
    assert sorted(os.listdir()) == ["painting.png", "photo.png", "photo_painting.png"]
    with Image.open("photo_painting.png") as made:
        assert made.size == (32, 23)
    assert not np.array_equal(
        images.read("photo_painting.png").rgb_HxWx3,
        images.resize(images.read("photo.png").rgb_HxWx3, 23, 32, "lanczos"),
    )


def test_the_same_command_says_that_it_is_finished_and_computes_nothing(nst, here, monkeypatch):
    nst("photo.png", "painting.png", *QUICK)
    before = (here / "photo_painting.png").read_bytes()
    monkeypatch.setattr(making, "stylize", None)
    os.rename("photo.png", "b.png")  # the picture says what it was made from, not where that lay
    for words in (("b.png", "painting.png"), (str(here / "b.png"), "./painting.png", "--overwrite")):
        status, out, _ = nst(*words, *QUICK, "-o", "photo_painting.png")
        assert status == 0 and out == "photo_painting.png: finished already\n"
    assert (here / "photo_painting.png").read_bytes() == before


@pytest.mark.parametrize("change", ["steps", "painting", "file"])
def test_another_picture_of_that_name_is_refused_before_anything_is_computed(nst, here, monkeypatch, change):
    nst("photo.png", "painting.png", *QUICK)
    words = [*QUICK, "--steps=4"] if change == "steps" else QUICK
    if change == "painting":
        images.write("painting.png", picture(5))
    if change == "file":
        images.write("photo_painting.png", picture(6))
    before = (here / "photo_painting.png").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(making, "stylize", None)
        refused(
            nst("photo.png", "painting.png", *words), "photo_painting.png: there already", "-o", "--overwrite"
        )
    assert (here / "photo_painting.png").read_bytes() == before
    assert nst("photo.png", "painting.png", *words, "--overwrite")[0] == 0
    assert (here / "photo_painting.png").read_bytes() != before
    assert nst("photo.png", "painting.png", *words)[1].endswith("finished already\n")


@pytest.mark.parametrize("suffix", ["jpg", "webp", "tiff"])
def test_the_suffix_of_the_output_chooses_the_format_which_keeps_the_identity(nst, suffix):
    name = f"new/out.{suffix}"
    assert nst("photo.png", "painting.png", *QUICK, "-o", name)[0] == 0
    assert nst("photo.png", "painting.png", *QUICK, "-o", name)[1] == f"{name}: finished already\n"
    with Image.open(name) as made:
        assert made.format == images.SUFFIXES[f".{suffix}"].upper()


def test_16_bits_and_a_folder_for_the_output(nst):
    words = *QUICK, "--config.output.bits=16", "-o", "out/"
    assert nst("photo.png", "painting.png", *words)[0] == 0
    assert nst("photo.png", "painting.png", *words)[1] == "out/photo_painting.png: finished already\n"


def test_options_and_fields_are_mixed_and_must_not_contradict_each_other(nst, here):
    options = ("--style-weight=2", "--strokes=0.5", "--seed", "7", "--pooling=l2", "--init=blend")
    words = *QUICK, "--config.size=32", "--keep", "--keep_colors", *options
    assert nst("photo.png", "painting.png", *words)[0] == 0
    config = json.loads((here / "photo_painting.nst/config.json").read_text())
    assert (config["size"], config["steps"], config["seed"]) == (32, 3, 7)
    assert config["log"]["preview_every"] == 5  # for a film of what is kept
    assert (config["style_loss"]["weight"], config["style_scale"]) == (2.0, [0.5])
    assert (config["network"]["pooling"], config["init"]["kind"]) == ("l2", "blend")
    assert (config["color"]["mode"], config["color"]["space"]) == ("luminance", "yiq")
    for words, *parts in (
        (["--size=32", "--config.size=33"], "--size=32 and --config.size=33 contradict each other"),
        (["--keep-colors", "--config.color.space=lab"], "--keep-colors and --config.color.space=lab"),
        (["-o", "a.jpg", "--config.output.format=png"], "-o a.jpg and --config.output.format=png"),
        (["--strokes=2", "--config.style_scale=1,2"], "--strokes=2 and --config.style_scale=1"),
        (["--config.content=b.png"], "photo.png and --config.content both name the photograph"),
        (["--config.style=b.png"], "painting.png and --config.style both name the painting"),
    ):
        refused(nst("photo.png", "painting.png", *words), *parts)


def test_wrong_values_name_the_option_that_was_typed(nst, here):
    other = "from ml_collections import ConfigDict\ndef get_config(): return ConfigDict({'seed': 0})\n"
    (here / "other.py").write_text(other)
    for word, *parts in (
        ("--size=big", "--size = 'big': give pixels, 0 for the photograph's own size, or auto"),
        ("--style-weight=-1", "--style-weight = '-1': give a finite number, at least 0"),
        ("--steps=1.5", "--steps = '1.5': give a whole number from 1"),
        ("--strokes=0", "--strokes = '0': give values"),
        ("--pooling=maxx", "--pooling = 'maxx': did you mean 'max'? allowed: max, average"),
        ("--strokes=1,2", "--strokes = (1.0, 2.0): 2 numbers for one painting; give one"),
        ("--config=other.py", "--config=other.py: not the config of a run"),
        ("--config=sweeps/pooling", "--config=sweeps/pooling is a sweep: run nst sweep"),
        ("--init=nosie", "--init = 'nosie': did you mean 'noise'?"),
        ("--seed=-1", "--seed = '-1'"),
        ("--stpes=4", "there is no option --stpes; did you mean --steps?"),
        ("--network=vgg91", "--network = 'vgg91': did you mean 'vgg19'?"),
    ):
        refused(nst("photo.png", "painting.png", word), *parts)


def test_pictures_that_are_missing_or_too_many_are_said_with_the_right_form(nst, here):
    for words, *parts in (
        (["photo.png"], "give a painting as well: nst photo.jpg painting.jpg"),
        (["--size=32"], "give a photograph and a painting: nst photo.jpg painting.jpg"),
        (["photo.png", "painting.png", "b.png"], "3 pictures", "'photos/*.jpg' painting.jpg"),
        (["none.png", "painting.png"], "none.png: no such file"),
        (["photo.png", "https://a.org/b.jpg"], "not fetched from URLs"),
        (["photo.png", "*.gif"], "*.gif: there is no picture of such a name"),
        (["photo.png", "painting.png", "-o", ""], "-o is empty"),
        (["photo.png", "painting.png", "-o", "x" * 252 + ".png"], "xxx...: a name of 256 bytes", "-o"),
        (["y" * 300 + ".png", "painting.png"], f"'{'y' * 300}"[:9], "File name too long"),
        (["photo.png", "painting.png", "-o", "out"], "-o out: give a name that ends in .png", "folder: out/"),
        (["photo.png", "painting.png", "-o", "photo.png", "--overwrite"], "replace a picture that it is"),
        ([".", "painting.png", "-o", "."], "it holds the pictures to be made from"),
        ([".", "painting.png", "-o", "a.png"], "several pictures need a folder, such as -o out/"),
    ):  # fmt: skip
        refused(nst(*words), *parts)
    assert sorted(os.listdir()) == ["painting.png", "photo.png"]


def test_any_name_of_a_picture_can_be_given(nst, here):
    images.write("-dash.png", picture(2))
    os.rename("photo.png", "sweep")
    assert nst(*QUICK, "--", "-dash.png", "painting.png")[0] == 0 and (here / "-dash_painting.png").exists()
    refused(nst("sweep", "painting.png", *QUICK), "give a config", "; the file of that name is ./sweep")
    for words in (
        ("./sweep", "painting.png", *QUICK),
        (*QUICK, "--seed=3", "--overwrite", "--", "sweep", "painting.png"),
    ):
        assert nst(*words)[0] == 0 and (here / "sweep_painting.png").exists()
    longest = "x" * 251 + ".png"
    assert nst("sweep", *QUICK)[0] == 1 and nst("./sweep", "painting.png", *QUICK, "-o", longest)[0] == 0
    assert os.path.exists(longest)


def test_of_an_option_that_is_repeated_the_last_counts_and_that_is_said(nst, here):
    status, _, error = nst(
        "photo.png", "painting.png", *QUICK, "--size", "33", "--config.seed=1", "--config.seed=2"
    )
    assert status == 0 and images.read("photo_painting.png").rgb_HxWx3.shape[1] == 33
    assert error.splitlines() == [
        f"note: {option} is given more than once: the last one counts"
        for option in ("--size", "--config.seed")
    ]


def test_a_config_may_name_the_pictures(nst, here):
    words = "--config.content=photo.png", "--config.style=painting.png"
    assert nst(*words, *QUICK)[0] == 0 and nst("photo.png", words[1], *QUICK)[1].endswith("already\n")
    blend = "--config.style=painting.png,photo.png"
    assert nst("photo.png", blend, *QUICK)[0] == 0 and (here / "photo_painting+photo.png").exists()
    texture = "--config.content_loss.layers=", "--config.content_loss.layer_weights="
    refused(nst(words[1], *QUICK[:4], *texture), "painting.png: it would replace a picture")
    assert (
        nst(words[1], *QUICK[:4], *texture, "-o", "texture.png")[0] == 0 and (here / "texture.png").exists()
    )


# --- stopped, continued, kept


def test_a_stopped_picture_is_continued_to_the_same_bytes(nst, here, stops):
    nst("photo.png", "painting.png", *QUICK, "-o", "whole.png")
    stops(1)
    status, out, _ = nst("photo.png", "painting.png", *QUICK)
    assert status == 128 + signal.SIGINT
    assert "the picture as it is: photo_painting.nst/previews/" in out and out.endswith(
        "the same command continues it\n"
    )
    assert (
        not (here / "photo_painting.png").exists() and (here / "photo_painting.nst/checkpoint.npz").exists()
    )
    refused(
        nst("photo.png", "painting.png", *QUICK, "--seed=3"),
        "photo_painting.nst holds another run: seed: 0 -> 3; give another name with -o", "--overwrite",
    )  # fmt: skip
    stops(None)
    status, out, _ = nst("photo.png", "painting.png", *QUICK)
    assert status == 0 and "continuing from step 1" in out
    assert (here / "photo_painting.png").read_bytes() == (here / "whole.png").read_bytes()
    assert not (here / "photo_painting.nst").exists()


def test_overwrite_begins_an_unfinished_picture_again(nst, here, stops):
    stops(1)
    nst("photo.png", "painting.png", *QUICK)
    (here / "photo_painting.nst/notes.txt").write_text("the user's own")
    stops(None)
    assert nst("photo.png", "painting.png", *QUICK, "--seed=3", "--overwrite")[0] == 0
    assert os.listdir("photo_painting.nst") == ["notes.txt"]


def test_a_kept_run_makes_more_steps(nst, here):
    nst("photo.png", "painting.png", *QUICK, "--steps=5", "-o", "whole.png")
    nst("photo.png", "painting.png", *QUICK, "--keep")
    assert (here / "photo_painting.nst/result.png").exists()
    more = "photo.png", "painting.png", *QUICK, "--steps=5", "--keep"
    refused(nst(*more), "with more --steps and nothing else, --overwrite continues the kept run")
    assert "continuing from step 3" in nst(*more, "--overwrite")[1]
    assert (here / "photo_painting.png").read_bytes() == (here / "whole.png").read_bytes()
    nst("photo.png", "painting.png", *QUICK, "--steps=4", "--overwrite")  # a step back: it begins again
    assert not (here / "photo_painting.nst").exists()


def test_a_result_that_cannot_be_written_stays_in_the_run_folder(nst, here, monkeypatch):
    def full(*rest, **more):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(making.images, "write", lambda path, *rest, **more: (
            full() if str(path) == "photo_painting.png" else images.io.write(path, *rest, **more)
        ))  # fmt: skip
        refused(
            nst("photo.png", "painting.png", *QUICK), "No space left on device", "photo_painting.nst keeps it"
        )
    assert (here / "photo_painting.nst/result.png").exists()
    assert "step 0/3" not in nst("photo.png", "painting.png", *QUICK, "-v")[1]
    assert (here / "photo_painting.png").exists() and not (here / "photo_painting.nst").exists()


def test_what_a_kill_leaves_goes_when_the_picture_is_finished(nst, here):
    nst("photo.png", "painting.png", *QUICK)
    (here / ".photo_painting.png.x1y2.part").write_bytes(b"half")
    assert nst("photo.png", "painting.png", *QUICK, "--seed=4", "--overwrite")[0] == 0
    assert sorted(os.listdir()) == ["painting.png", "photo.png", "photo_painting.png"]
    nst("photo.png", "painting.png", *QUICK, "--overwrite")
    (here / "photo_painting.nst/previews").mkdir(parents=True)
    (here / "photo_painting.nst/config.json").write_text("{}")
    with folder.locked(here / "photo_painting.nst"):  # another process has begun there
        assert nst("photo.png", "painting.png", *QUICK)[0] == 0
    assert (here / "photo_painting.nst/config.json").exists()
    assert nst("photo.png", "painting.png", *QUICK)[0] == 0 and not (here / "photo_painting.nst").exists()


# --- the network


@pytest.fixture
def find_vgg19(here, monkeypatch):
    """Puts a file into NST_WEIGHTS_DIR that passes for VGG-19: its first layers, with random weights."""

    def find():
        (here / "weights").mkdir()
        weight_files.write_h5(here / "weights/vgg19_first.h5", weight_files.make_params())
        monkeypatch.setenv("NST_WEIGHTS_DIR", str(here / "weights"))

    return find


def network_of(run_folder):
    return json.loads((run_folder / "config.json").read_text())["weights"]["name"]


def test_without_vgg19_and_a_network_the_small_one_is_used_and_said(nst, here):
    status, out, _ = nst("photo.png", "painting.png", *FREE, "--keep")
    first, second, third = out.splitlines()
    assert status == 0 and first.startswith("using the small network, since VGG-19 cannot be downloaded (")
    assert first.endswith("Connection refused): see nst doctor")
    assert second == "photo.png in the style of painting.png: 32 px, the small network, vgg19_slim"
    assert re.fullmatch(r"photo_painting.png: \d+(\.\d)? s", third)
    assert network_of(here / "photo_painting.nst") == "vgg19_slim"
    assert nst("photo.png", "painting.png", *FREE)[1] == "photo_painting.png: finished already\n"
    chosen = "photo.png", "painting.png", *FREE, "-o", "b.png"
    small = "or use the small network: --network=vgg19_slim"
    refused(nst(*chosen, "--network=vgg19"), "vgg19: cannot download", "set NST_WEIGHTS_DIR", small)
    refused(nst(*chosen, "--config=classic"), "vgg19: cannot download", small)
    small = "or use the small network: --config.weights.name=vgg19_slim"
    refused(nst(*chosen, "--config.weights.name=vgg19"), "vgg19: cannot download", small)
    pictures = "--config.content=photo.png", "--config.style=painting.png"
    refused(nst("stylize", *pictures, "--workdir=run"), "vgg19: cannot download", small)
    measured = "measure", "--content=photo.png", "--style=painting.png", "photo.png"
    refused(nst(*measured), "vgg19: cannot download", "or use the small network: --network=vgg19_slim")
    refused(nst(*measured, "--network=vgg91"), "--network = 'vgg91': did you mean 'vgg19'?")
    assert nst(*chosen, "--network=vgg19_slim")[0] == 0
    assert (here / "b.png").read_bytes() == (here / "photo_painting.png").read_bytes()


def test_a_picture_is_continued_with_the_network_that_it_was_begun_with(nst, here, stops, find_vgg19):
    nst("photo.png", "painting.png", *FREE, "-o", "whole.png")
    stops(1)
    nst("photo.png", "painting.png", *FREE)
    stops(None)
    find_vgg19()
    assert nst("photo.png", "painting.png", *FREE, "-o", "whole.png")[1] == "whole.png: finished already\n"
    status, out, _ = nst("photo.png", "painting.png", *FREE)
    assert "using the small network, with which this was begun; for VGG-19" in out
    assert (here / "photo_painting.png").read_bytes() == (here / "whole.png").read_bytes()
    assert nst("photo.png", "painting.png", *FREE, "--network=vgg19", "--overwrite", "--keep")[0] == 0
    assert network_of(here / "photo_painting.nst") == "vgg19"
    assert (here / "photo_painting.png").read_bytes() != (here / "whole.png").read_bytes()


def test_vgg19_is_used_without_a_word_where_it_is_found(nst, here, find_vgg19):
    find_vgg19()
    status, out, _ = nst("photo.png", "painting.png", *FREE, "--keep")
    assert status == 0 and "small network" not in out and network_of(here / "photo_painting.nst") == "vgg19"


def test_a_network_that_is_to_be_had_but_not_stored_is_an_error(nst, here, monkeypatch):
    (here / "cache").write_bytes(b"")  # where the folder should be
    refused(nst("photo.png", "painting.png", *FREE), "vgg19: cannot write", "set NST_CACHE_DIR")
