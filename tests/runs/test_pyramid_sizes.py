"""The sizes of a pyramid: those of a photograph at its own size, and those that are left out."""

import numpy as np
import pytest

from nst import images
from nst.errors import UserError
from nst.runs import pictures as run_pictures
from nst.runs import pyramid, settings
from tests.helpers.running import picture, records, small, stop_after, stylize
from tests.runs.test_pyramid import ADAM, THREE

# --- the photograph's own size


@pytest.mark.parametrize("mode, sizes", [("long", [14, 28]), ("short", [10, 20]), ("area", [12, 24])])
def test_size_0_is_the_photographs_own(pictures, tmp_path, mode, sizes):
    config = small(**(THREE | {"size": 0, "size_mode": mode, "pyramid.factor": 2.0, "pyramid.min_size": 10}))
    result, _ = stylize(*pictures, config, workdir=tmp_path)
    assert result.image.shape == (40, 56, 3) and result.config["size"] == 0
    assert [tmp_path / f"size_{size}" for size in sizes] == sorted(tmp_path.glob("size_*"))
    found = [images.read(tmp_path / f"size_{size}/result.png").rgb_HxWx3.shape for size in sizes]
    assert found == [(10, 14, 3), (20, 28, 3)]


@pytest.mark.parametrize("kind", [{"init.kind": "noise"}, ADAM], ids=["lbfgs", "adam"])
def test_size_0_and_the_same_in_pixels_give_the_same_bytes(pictures, kind):
    changes = THREE | kind | {"pyramid.min_size": 20, "pyramid.factor": 2.0}
    own, _ = stylize(*pictures, small(**(changes | {"size": 0})))
    given, _ = stylize(*pictures, small(**(changes | {"size": 56})))
    np.testing.assert_array_equal(own.image, given.image)


@pytest.mark.parametrize("style, expected", [("scaled", [(10, 6), (20, 12)]), ("fixed", [(40, 24)] * 2)])
def test_where_size_is_0_the_paintings_own_sizes_scale(pictures, style, expected):
    config = settings.resolve(small(**{"size": 0, "pyramid.min_size": 12, "pyramid.style": style}))
    shapes = [(48, 40), (40, 24), (12, 96)]
    *levels, full = pyramid.plan(config, None, shapes)
    assert [level.config.size for level in levels] == [12, 24] and full.config == config
    found = []
    for level in levels:
        first, second = run_pictures.style_sizes(level.config, 2)
        found.append(run_pictures.fitted((40, 24), first, level.config))
        assert second == (96 if style == "fixed" else 2 * level.config.size)
    assert found == expected


def test_a_picture_without_a_photograph_has_the_paintings_own_size(pictures):
    texture = {"content": "", "content_loss.layers": (), "init.kind": "noise", "size": 0}
    result, lines = stylize(None, pictures[1], small(**texture, **{"pyramid.min_size": 20}))
    assert result.image.shape == (40, 56, 3) and "at 28 px" in lines


@pytest.mark.parametrize("chunks", [1, 5])
def test_with_size_0_a_run_stopped_at_a_smaller_size_goes_on_to_the_same_bytes(pictures, tmp_path, chunks):
    config = small(**(THREE | {"size": 0}), **{"init.kind": "noise"})
    stylize(*pictures, config, workdir=tmp_path / "whole")
    stopped, _ = stylize(*pictures, config, workdir=tmp_path / "cut", stop=stop_after(chunks))
    assert not stopped.finished and not (tmp_path / "cut/checkpoint.npz").exists()
    stylize(*pictures, config, workdir=tmp_path / "cut")
    again, lines = stylize(*pictures, config, workdir=tmp_path / "cut")  # finished: nothing is left to do
    assert again.finished and not any(line.startswith("at ") for line in lines)
    files = sorted(path.relative_to(tmp_path / "whole") for path in (tmp_path / "whole").rglob("result.png"))
    assert len(files) == 3
    for file in files:
        assert (tmp_path / "cut" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()


@pytest.mark.parametrize("size", [0, 48])
def test_a_photograph_is_read_once_for_each_size(pictures, monkeypatch, size):
    read, original = [], images.read
    monkeypatch.setattr(images, "read", lambda source, *most: read.append(source) or original(source, *most))
    stylize(*pictures, small(**(THREE | {"size": size, "pyramid.factor": 2.0, "pyramid.steps": (1,)})))
    assert len(read) == 2 * 2


# --- sizes that are left out


def left_out(lines):
    return [line.split(":")[0] for line in lines if " px is left out: " in line]


def test_sizes_that_are_too_small_are_left_out_and_change_nothing(tmp_path):
    pair = picture(0, 8, 64), picture(1)  # relu3_1 needs 4 px
    deep = ADAM | {"size": 64, "steps": 2, "style_loss.layers": ("relu1_1", "relu3_1"), "pyramid.steps": (3,)}
    made, lines = stylize(*pair, small(**deep, **{"pyramid.min_size": 8}), workdir=tmp_path)
    assert left_out(lines) == ["8 px is left out", "16 px is left out"] and "at 32 px" in lines
    assert any("16 px is left out: content: 16x2 px is too small for relu3_1" in line for line in lines)
    assert [path.name for path in tmp_path.glob("size_*")] == ["size_32"]
    fewer, lines = stylize(*pair, small(**deep, **{"pyramid.min_size": 32}))
    assert not left_out(lines)
    np.testing.assert_array_equal(made.image, fewer.image)


def test_a_pyramid_of_sizes_that_are_all_left_out_is_no_pyramid(tmp_path):
    pair = picture(0, 4, 64), picture(1)
    deep = ADAM | {"size": 64, "steps": 2, "style_loss.layers": ("relu1_1", "relu3_1")}
    made, lines = stylize(*pair, small(**deep, **{"pyramid.min_size": 16, "pyramid.steps": (9, 8)}), tmp_path)
    plain, _ = stylize(*pair, small(**deep))
    assert len(left_out(lines)) == 2 and not [*tmp_path.glob("size_*")]
    np.testing.assert_array_equal(made.image, plain.image)


@pytest.mark.parametrize("changes", [{"pyramid.steps": (300,)}, {"pyramid.steps": ()}])
def test_a_smallest_size_above_the_size_is_no_pyramid(pictures, changes):
    made, lines = stylize(*pictures, small(**changes, **{"pyramid.min_size": 256}))
    assert not left_out(lines) and not any(line.startswith("at ") for line in lines)
    np.testing.assert_array_equal(made.image, stylize(*pictures, small())[0].image)


@pytest.mark.parametrize("pyramid_of", [{}, {"pyramid.min_size": 8}])
def test_a_full_size_that_is_too_small_is_the_same_error(pyramid_of):
    deep = {"size": 64, "style_loss.layers": ("relu1_1", "relu3_1")}
    with pytest.raises(UserError, match="^content: 64x2 px is too small for relu3_1, which needs 4"):
        stylize(picture(0, 2, 64), picture(1), small(**deep, **pyramid_of))


def test_a_size_keeps_its_number_of_steps_if_a_smaller_one_is_left_out(tmp_path):
    deep = ADAM | {"size": 64, "steps": 1, "style_loss.layers": ("relu1_1", "relu3_1")}
    sizes = {"pyramid.min_size": 8, "pyramid.steps": (4, 3, 2)}
    stylize(picture(0, 8, 64), picture(1), small(**deep, **sizes), workdir=tmp_path)
    assert records(tmp_path / "size_32")[-1]["step"] == 2


@pytest.mark.parametrize("changes, message", [
    ({"style_loss.representation": "gram_long", "style_loss.options": "shifts=(0,4)"}, "shifts"),
    ({"style_loss.representation": "mrf"}, "no 3x3 patch"),
    ({"laplacian.weight": 1.0, "laplacian.pool": 8}, "laplacian.pool = 8"),
    ({"photorealism.weight": 1.0}, "photorealism.weight"),
    ({"style_scale": (0.02,), "style_size": 200}, "style 0: 1x1 px is too small"),
])  # fmt: skip
def test_what_needs_more_pixels_than_a_size_has_leaves_it_out(changes, message, tmp_path):
    pair = picture(0, 20, 56), picture(1, 56, 56)
    base = ADAM | {
        "size": 28, "steps": 1, "pyramid.min_size": 6, "pyramid.factor": 4.0, "pyramid.steps": (1,),
        "style_loss.layers": ("relu2_1",), "style_loss.normalization": "relative",
    }  # fmt: skip
    _, lines = stylize(*pair, small(**(base | changes)), workdir=tmp_path)
    said = [line for line in lines if line.startswith("7 px is left out: ")]
    assert len(said) == 1 and message in said[0] and not (tmp_path / "size_7").exists()
    assert np.isfinite(records(tmp_path)[-1]["loss"])
