"""Regions end to end: mask files in, each region in the style of its painting; what is wrong with a mask."""

import json

import jax
import numpy as np
import pytest

from nst import images
from nst.errors import UserError
from nst.losses import problem
from nst.metrics import measures
from nst.runs.job import make_problem, prepare
from nst.sweeps import batched, local, results, space
from nst.sweeps.points import make_points
from tests.helpers.running import picture, small, stop_after, stylize
from tests.helpers.sweeping import launching, near, request, table
from tests.runs.test_pyramid import ADAM

terms = jax.jit(problem.terms, static_argnums=0)
RED, BLUE = np.array([0.9, 0.1, 0.1]), np.array([0.1, 0.1, 0.9])


@pytest.fixture
def files(tmp_path):
    """A photograph, a red and a blue painting, and masks of its left and right."""

    def save(name, array):
        images.write(tmp_path / name, np.asarray(array, np.float32))
        return str(tmp_path / name)

    left = np.zeros((40, 56, 1))
    left[:, :28] = 1
    grey = np.ones(3)
    return {
        "content": save("photo.png", picture(0)),
        "red": save("red.png", 0.5 * picture(1) * RED + 0.5 * RED),
        "blue": save("blue.png", 0.5 * picture(2, 48, 40) * BLUE + 0.5 * BLUE),
        "left": save("left.png", left * grey), "right": save("right.png", (1 - left) * grey),
        "black": save("black.png", 0 * left * grey), "colored": save("colored.png", left * RED),
        "tall": save("tall.png", np.ones((60, 20, 3))),
        "large": save("large.png", left.repeat(3, 0).repeat(3, 1) * grey),
    }  # fmt: skip


def guided(files, content=("left", "right"), **changes):
    masks = tuple(files.get(name, name) for name in content)
    settings = {
        "content": files["content"], "style": (files["red"], files["blue"]), "guidance.content_masks": masks,
        "content_loss.weight": 0.0, "style_loss.weight": 1.0, "style_loss.normalization": "relative",
        "style_loss.layers": ("relu1_1",), "weights.name": "vgg19_slim", "steps": 40,
    }  # fmt: skip
    return small(**(settings | changes))


def run(config, **options):
    return stylize(None, None, config, **options)


# every propagation, and a mask of another size than the photograph's
CASES = [("simple", "left"), ("inside", "left"), ("all", "left"), ("simple", "large")]


@pytest.mark.parametrize("propagation, left_mask", CASES)
def test_each_region_takes_its_paintings_colours(files, propagation, left_mask):
    masks = left_mask, "right"
    result, _ = run(guided(files, masks, **{"guidance.propagation": propagation}))
    left, right = result.image[:, :14].mean((0, 1)), result.image[:, 18:].mean((0, 1))
    assert left[0] - left[2] > 0.3 and right[2] - right[0] > 0.3, (left, right)
    swapped, _ = run(
        guided(files, masks, **{"guidance.styles": ("1", "0"), "guidance.propagation": propagation})
    )
    left, right = swapped.image[:, :14].mean((0, 1)), swapped.image[:, 18:].mean((0, 1))
    assert left[2] - left[0] > 0.3 and right[0] - right[2] > 0.3, (left, right)
    assert {name.rsplit("/", 1)[1] for name in result.metrics[0] if name.startswith("style/")} == {
        "region 0",
        "region 1",
    }


def test_where_no_region_is_nothing_changes(files):
    config = guided(files, ("left",), **{"style": (files["red"],), "content_loss.weight": 0.0})
    result, lines = run(config)
    before = prepare(None, None, config).content.rgb_HxWx3
    assert np.abs(result.image[:, 18:] - before[:, 18:]).max() < 1e-4
    assert np.abs(result.image[:, :15] - before[:, :15]).max() > 0.1
    assert any("50 % of the photograph is in no region" in line for line in lines)


def test_a_soft_mask_is_a_gradient_of_strength(files, tmp_path):
    ramp = np.linspace(0, 1, 56)[None, :, None].repeat(40, 0) * np.ones(3)
    images.write(tmp_path / "ramp.png", ramp.astype(np.float32))
    changes = {"style": (files["red"],), "content_loss.weight": 1.0, "content_loss.layers": ("relu1_1",),
               "content_loss.normalization": "relative", "style_loss.weight": 0.3}  # fmt: skip
    config = guided(files, (str(tmp_path / "ramp.png"),), **changes)
    result, _ = run(config)
    before = prepare(None, None, config).content.rgb_HxWx3
    moved = np.abs(result.image - before).mean((0, 2))
    assert moved[:8].mean() < 0.3 * moved[-8:].mean()
    assert np.corrcoef(moved, np.arange(32))[0, 1] > 0.8


def test_everywhere_is_the_same_as_no_guidance(files):
    config = guided(files, ("all",), style=(files["red"],))
    plain = guided(files, (), style=(files["red"],))
    np.testing.assert_array_equal(run(config)[0].image, run(plain)[0].image)


def test_a_region_may_blend_paintings_and_a_style_mask_choose_part_of_one(files):
    both, _ = run(guided(files, ("all",), **{"guidance.styles": ("0+1",)}))
    plain, _ = run(guided(files, ()))
    np.testing.assert_array_equal(both.image, plain.image)
    half = np.concatenate([np.full((40, 28, 3), RED), np.full((40, 28, 3), BLUE)], 1).astype(np.float32)
    images.write(files["red"], half)  # now red on its left, blue on its right
    settings = {"style": (files["red"],), "guidance.styles": ("0",), "guidance.propagation": "inside"}
    for mask, channel in (("left", 0), ("right", 2)):
        result, _ = run(guided(files, ("all",), **settings, **{"guidance.style_masks": (files[mask],)}))
        assert result.image.mean((0, 1)).argmax() == channel


def test_a_weight_of_nothing_is_no_region(files):
    few = {"steps": 10}  # L-BFGS lets the last bit, in which the two programs differ, grow with every step
    config = guided(files, ("left", "right"), **{"guidance.weights": (1.0, 0.0)} | few)
    alone = guided(files, ("left",), **{"style": (files["red"],)} | few)
    assert np.abs(run(config)[0].image - run(alone)[0].image).max() < 1e-3


def test_terms_of_regions_add_up(files):
    config = guided(files, ("left", "right"), **{"guidance.weights": (2.0, 3.0)})
    job = prepare(None, None, config)
    made = make_problem(job)
    found = terms(job.spec, made, job.start)
    for region, (mask, style, weight) in enumerate((("left", "red", 2.0), ("right", "blue", 3.0))):
        alone = prepare(None, None, guided(files, (mask,), style=(files[style],)))
        expected = weight * float(terms(alone.spec, make_problem(alone), alone.start)["style/relu1_1"])
        assert float(found[f"style/relu1_1/region {region}"]) == pytest.approx(expected, rel=1e-5)


def test_a_size_at_which_nothing_is_left_of_a_region_is_left_out(files, tmp_path):
    narrow = np.zeros((40, 56, 3))
    narrow[:, 21:33] = 1
    images.write(tmp_path / "narrow.png", narrow.astype(np.float32))
    config = guided(files, (str(tmp_path / "narrow.png"),), **{
        "style": (files["red"],), "guidance.propagation": "inside", "pyramid.min_size": 8, "steps": 1,
    })  # fmt: skip
    _, lines = run(config, workdir=tmp_path / "run")
    assert [line.split(":")[0] for line in lines if "left out" in line] == ["8 px is left out"]
    assert "at 16 px" in lines and not (tmp_path / "run/size_8").exists()


@pytest.mark.slow
def test_masks_that_fit_at_the_full_size_fit_at_smaller_ones(files, tmp_path):
    wide = np.zeros((40, 56, 3))
    wide[:, 28:] = 1
    wide[::8, 27] = 1  # more than white on 0.2 % of the photograph, and at 14 px on 4 %
    images.write(tmp_path / "wide.png", wide.astype(np.float32))
    config = guided(files, ("left", str(tmp_path / "wide.png")), **{"size": 56, "steps": 1})
    config.update_from_flattened_dict(ADAM | {"pyramid.min_size": 14, "pyramid.steps": (1,)})
    _, lines = run(config)
    assert [f"at {size} px" in lines for size in (14, 28)] == [True] * 2


EVERYTHING = ADAM | {
    "style_loss.representation": "gram+moments", "pyramid.min_size": 16,
    "pyramid.steps": (3,), "style_loss.layers": ("relu1_1", "relu2_1"), "content_loss.weight": 1.0,
    "color.mode": "luminance", "color.space": "oklab", "laplacian.weight": 1.0, "steps": 4,
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("chunks", [1, 3])
def test_pyramid_masks_colour_two_styles_and_moments_resume_to_the_same_bytes(files, tmp_path, chunks):
    config = guided(files, **EVERYTHING)
    whole, _ = run(config, workdir=tmp_path / "whole")
    assert any(name.startswith("style/moments/relu2_1/region 1") for name in whole.metrics[0])
    cut, _ = run(config, workdir=tmp_path / "cut", stop=stop_after(chunks))
    assert not cut.finished
    run(config, workdir=tmp_path / "cut")
    assert (tmp_path / "cut/result.png").read_bytes() == (tmp_path / "whole/result.png").read_bytes()
    inputs = json.loads((tmp_path / "whole/manifest.json").read_text())["inputs"]
    assert {"content mask 0", "content mask 1"} <= set(inputs)
    images.write(files["left"], np.full((40, 56, 3), 0.5, np.float32))
    images.write(files["right"], np.full((40, 56, 3), 0.5, np.float32))
    with pytest.raises(UserError, match="content mask 0"):
        run(config, workdir=tmp_path / "whole")


@pytest.mark.slow
def test_all_of_it_sweeps_and_a_batch_gives_the_same(files, tmp_path):
    base = guided(files, **EVERYTHING)
    overrides = space.chain(
        space.grid({"style_loss.weight": (0.5, 2.0)}), space.grid({"color.mode": ("none", "match")}),
        [{"guidance.styles": ("1", "0")}, {"guidance.content_masks": ("all", "none.png")}],
    )  # fmt: skip
    made = make_points(base, overrides)
    for name, launcher in (("local", local.run_points), ("batched", batched.batched)):
        results.enter(tmp_path / name, request(launcher=name), base, made)
        launcher(launching(tmp_path / name)[0], made)
    tables = table(tmp_path / "local"), table(tmp_path / "batched")
    for rows in tables:
        assert [row["status"] for row in rows] == ["finished"] * 5 + ["failed"]
        assert "none.png" in rows[5]["error"]
    near(tables[0][:5], tables[1][:5], (*measures.NAMES, "loss"), 1e-3)


@pytest.mark.parametrize("content, changes, message", [
    (("left", "black"), {}, "guidance.content_masks: .*black.png is black everywhere"),
    (("left", "colored"), {}, "colored.png has colours"),
    (("left", "tall"), {}, "tall.png is 20x60, of another shape"), (("left", "none.png"), {}, "none.png"),
    (("left", "left"), {}, "they add up to more than white on 50 % of the picture"),
    (("left",), {"guidance.styles": ("2",)}, "region 0 needs painting 2, and the last one is 1"),
    (("left", "right"), {"guidance.styles": ("0",)}, "2 content_masks, 2 style_masks, 1 styles"),
    (("left", "right"), {"guidance.style_masks": ("all",)}, "2 content_masks, 1 style_masks"),
    (("left", "right"), {"guidance.styles": ("sky", "land")}, "guidance.styles = .*number of each region"),
    ((), {"guidance.style_masks": ("all",)}, "guidance.content_masks: give a mask"),
    (("left", "right"), {"guidance.weights": (1.0, 2.0, 3.0)}, "guidance.weights = .* 3 weights for 2"),
    (("left", "right"), {"guidance.propagation": "some"}, "guidance.propagation = 'some'"),
    (("left", "right"), {"guidance.weights": (-1.0,)}, "guidance.weights"),
])  # fmt: skip
def test_wrong_regions_are_one_line(files, content, changes, message):
    with pytest.raises(UserError, match=message) as error:
        run(guided(files, content, **changes))
    assert "\n" not in str(error.value)


def test_a_region_with_several_paintings_takes_no_mask_of_one(files):
    changes = {"guidance.styles": ("0+1",), "guidance.style_masks": (files["left"],)}
    with pytest.raises(UserError, match="region 0 has several paintings"):
        run(guided(files, ("left",), **changes))
