"""Transparent pictures, end to end: what nobody sees changes no byte of a result."""

import jax
import numpy as np
import pytest

from nst import images
from nst.losses import problem
from nst.losses.guidance import Regions
from nst.runs.job import make_problem, prepare
from tests.helpers.running import picture, small, stylize

terms = jax.jit(problem.terms, static_argnums=0)

MODES = {
    "none": {}, "match": {"color.mode": "match"},
    "after": {"color.mode": "after", "color.transform": "histogram"},
    "luminance": {"color.mode": "luminance", "color.space": "yiq"},
}  # fmt: skip


def with_hidden(seed, hidden, part=slice(20, None)):
    """A picture with a transparent part, which has the colour `hidden` in the file."""
    rgb = picture(seed).copy()
    alpha = np.ones((*rgb.shape[:2], 1), np.float32)
    alpha[:, part] = 0
    rgb[:, part] = hidden
    return np.concatenate([rgb, alpha], -1)


@pytest.mark.parametrize("mode", MODES)
def test_hidden_colours_change_no_byte_of_the_result(mode):
    config = small(steps=2, **MODES[mode])
    first, second = (
        stylize(with_hidden(0, hidden), with_hidden(1, 1 - hidden, slice(0, 30)), config)[0]
        for hidden in (0.1, 0.1 + 55 / 255)
    )
    np.testing.assert_array_equal(first.image, second.image)


@pytest.mark.parametrize("mode", ["match", "after"])
def test_colours_are_matched_to_what_is_visible(mode):
    changes = {"steps": 1, "size": 56, "content_loss.weight": 1e6, **MODES[mode]}
    photo, painting = with_hidden(0, 1.0, slice(28, None)), with_hidden(1, 0.0, slice(0, 28))
    config = small(**changes)
    job, expected = prepare(photo, painting, config), photo[:, :28, :3].mean((0, 1))
    if mode == "match":
        found = job.styles[0].rgb_HxWx3[:, 28:]
        wrong = prepare(photo[..., :3], painting[..., :3], config).styles[0].rgb_HxWx3[:, 28:]
        assert np.abs(wrong.mean((0, 1)) - expected).max() > 0.05
    else:
        found = job.recolor(picture(3))[:, :28]
    np.testing.assert_allclose(found.mean((0, 1)), expected, atol=0.02)


def test_the_transparent_part_of_a_painting_does_not_count_in_its_style(tmp_path):
    """As if its alpha were the mask of a region that is the whole photograph."""
    painting, opaque = with_hidden(1, 0.5), images.read(with_hidden(1, 0.5)).rgb_HxWx3
    images.write(tmp_path / "mask.png", np.broadcast_to(painting[..., 3:], opaque.shape))
    masks = {"guidance.content_masks": ("all",), "guidance.style_masks": (str(tmp_path / "mask.png"),)}
    made, masked = (
        prepare(picture(0), painting, small(size=56)),
        prepare(picture(0), opaque, small(size=56, **masks)),
    )
    assert "style 0: 64 % is transparent and does not count in its style" in made.notes
    whole = made._replace(regions=Regions())
    shown, expected, wrong = (terms(job.spec, make_problem(job), job.start) for job in (made, masked, whole))
    for name, value in expected.items():
        assert float(shown[name]) == float(value)
        assert not name.startswith("style") or abs(float(wrong[name] / value) - 1) > 0.02


def test_of_two_paintings_only_one_is_transparent():
    made = prepare(picture(0), [picture(2), with_hidden(1, 0.5)], small())
    assert list(made.regions.style_guides[0]) == [1]
    result, lines = stylize(picture(0), [picture(2), with_hidden(1, 0.5)], small(steps=2))
    assert result.finished and any("style 1: " in line and "transparent" in line for line in lines)


def test_opaque_paintings_have_no_guide():
    opaque = np.concatenate([picture(1), np.ones((40, 56, 1), np.float32)], -1)
    made = prepare(picture(0), opaque, small())
    assert made.regions == Regions(style_guides=({},))
    np.testing.assert_array_equal(
        stylize(picture(0), opaque, small())[0].image, stylize(picture(0), picture(1), small())[0].image
    )


@pytest.mark.parametrize("format", ["png", "jpeg"])
def test_a_transparent_photograph_and_jpeg(tmp_path, format):
    config = small(**{"output.format": format, "steps": 2})
    _, lines = stylize(with_hidden(0, 0.5), picture(1), config, workdir=tmp_path)
    found = images.read(tmp_path / f"result.{format}")
    said = any("jpeg has no transparency: the result is put on white" in line for line in lines)
    assert said == (format == "jpeg") == (found.alpha_HxW is None)
    if format == "jpeg":
        assert found.rgb_HxWx3[:, 20:].min() > 0.9
