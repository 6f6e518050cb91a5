"""Content and style reconstructions, and the configs that make them."""

import numpy as np
import pytest

import nst
from nst import images
from nst.configs import trial
from nst.configs.visualize import content, inversion, texture
from nst.errors import UserError
from nst.visualize import reconstruct
from tests.helpers.sweeping import picture

LAYERS = ("relu1_1", "relu2_1")


def config(**changes):
    found = trial.get_config()
    found.size, found.steps = 32, 25
    for name, value in changes.items():
        found[name] = value
    return found


@pytest.fixture(scope="module")
def found():
    told = []
    made = reconstruct.reconstructions(picture(1, 24, 32), picture(2, 32, 26), config(), LAYERS, told.append)
    assert len(told) == 4
    return made


def test_each_row_has_the_shape_of_its_picture(found):
    assert found.content_LxHxWx3.shape == (2, 24, 32, 3) and found.style_Lxhxwx3.shape == (2, 32, 26, 3)
    assert found.layers == LAYERS and found.losses_2xL.shape == (2, 2)


def test_the_content_row_finds_the_photograph_and_the_style_row_does_not_find_the_painting(found):
    of_content = np.abs(found.content_LxHxWx3 - found.photo_HxWx3).mean((1, 2, 3))
    of_style = np.abs(found.style_Lxhxwx3 - found.painting_hxwx3).mean((1, 2, 3))
    assert of_content[0] < of_content[1] < of_style.min() and of_content[0] < 0.5 * of_style.min()
    assert found.losses_2xL.max() < 0.05  # of 1, an image without features


def test_the_configs_ask_for_one_thing_alone():
    base = config()
    base.style_loss.layer_weights, base.content_loss.normalization = (1.0, 2.0, 3.0, 4.0, 5.0), "mse"
    base.pyramid.min_size = 64
    one, two = reconstruct.content_config(base, "relu3_1"), reconstruct.style_config(base, LAYERS)
    assert (one.content_loss.layers, one.style_loss.layers) == (("relu3_1",), ())
    assert (two.content_loss.layers, two.style_loss.layers) == ((), LAYERS)
    for made in (one, two):
        assert made.init.kind == "noise" and made.pyramid.min_size == 0
        assert made.content_loss.normalization == made.style_loss.normalization == "relative"
    assert (
        base.content_loss.normalization == "mse" and base.pyramid.min_size == 64
    )  # the base is left as it was


def test_no_layers():
    with pytest.raises(UserError, match="layers: give at least one"):
        reconstruct.reconstructions(picture(1), picture(2), config(), ())


def test_the_figure_has_a_column_for_each_layer(found):
    drawn = reconstruct.figure(found, "two pictures, a network, 32 px")
    shown = [axes for axes in drawn.axes if axes.images]
    assert [axes.get_title() for axes in shown[:3]] == ["", *LAYERS] and len(shown) == 6
    assert [axes.get_xlabel() for axes in shown[::3]] == ["photograph", "painting"]


# --- the configs


def run(made, tmp_path, **changes):
    images.write(tmp_path / "photo.png", picture(1, 24, 32))
    images.write(tmp_path / "painting.png", picture(2, 32, 26))
    made.size, made.steps = 32, 20
    for field, name in changes.items():
        made[field] = str(tmp_path / name) if field == "content" else (str(tmp_path / name),)
    return nst.stylize(None, None, made, log=lambda line: None)


@pytest.mark.parametrize("module", [content, inversion])
def test_a_content_needs_no_painting(module, tmp_path):
    result = run(module.get_config("relu2_1"), tmp_path, content="photo.png")
    assert result.image.shape == (24, 32, 3)
    losses = [line["loss"] for line in result.metrics]
    assert losses[-1] < 0.2 * losses[0]


def test_a_prior_makes_smoother_pictures(tmp_path):
    roughness = [
        np.abs(np.diff(run(module.get_config("relu2_1"), tmp_path, content="photo.png").image, axis=1)).mean()
        for module in (inversion, content)
    ]
    assert roughness[0] < 0.8 * roughness[1]


def test_a_texture_needs_no_photograph(tmp_path):
    result = run(texture.get_config("relu2_1"), tmp_path, style="painting.png")
    assert result.image.shape == (32, 26, 3)
    assert result.metrics[-1]["loss"] < 0.05 * result.metrics[0]["loss"]


def test_layers_of_a_texture():
    assert texture.upto("relu3_1") == ("relu1_1", "relu2_1", "relu3_1")
    assert texture.upto("relu1_1+relu3_2") == ("relu1_1", "relu3_2")
    assert texture.upto("relu3_2") == ("relu3_2",)


@pytest.mark.parametrize("layers, message", [
    ({"content_loss": ("relu2_1",)}, "content: give a photograph"),
    ({"style_loss": ("relu2_1",)}, "style: give a painting"),
    ({}, "nothing to optimise"),
])  # fmt: skip
def test_a_picture_that_a_loss_looks_at_is_asked_for(layers, message, tmp_path):
    images.write(tmp_path / "photo.png", picture(1))
    made = config(content="", style=("",))
    for loss in ("content_loss", "style_loss"):
        made[loss].layers = layers.get(loss, ())
    if "style_loss" in layers:
        made.content = str(tmp_path / "photo.png")
    with pytest.raises(UserError, match=message):
        nst.stylize(None, None, made, log=lambda line: None)
