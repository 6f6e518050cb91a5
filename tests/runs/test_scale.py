"""Runs whose loss is very large, very small or zero: the same picture, or a line that says what is wrong."""

import numpy as np
import pytest

from nst.configs import gatys2016, gatys_notebook
from nst.errors import UserError
from nst.sweeps import batched as sweep_batched
from tests.helpers.running import picture, records, small, stop_after, stylize
from tests.helpers.sweeping import enter, launching, table

PICTURES = picture(0), picture(1)
ADAM = {"optimizer.name": "adam", "optimizer.learning_rate": 0.02}


def scaled(factor, **changes):
    """A config whose whole loss is multiplied by a factor."""
    return small(**{"content_loss.weight": factor, "style_loss.weight": 100.0 * factor, **changes})


def test_weights_that_differ_by_a_power_of_two_give_the_same_bytes():
    first, _ = stylize(*PICTURES, scaled(1.0))
    for factor in (2.0**-90, 2.0**70):
        result, _ = stylize(*PICTURES, scaled(factor))
        assert (result.image == first.image).all()
        assert [line["evaluations"] for line in result.metrics] == [
            line["evaluations"] for line in first.metrics
        ]
        # what is reported is not scaled
        losses = [line["loss"] for line in result.metrics]
        assert losses == [factor * line["loss"] for line in first.metrics]


@pytest.mark.parametrize("changes", [
    {}, ADAM | {"size": 32, "pyramid.min_size": 16, "pyramid.steps": (3,)},
], ids=["lbfgs", "adam in a pyramid"])  # fmt: skip
def test_a_large_loss_is_continued_to_the_same_bytes(tmp_path, changes):
    config = scaled(2.0**70, **changes)
    whole, _ = stylize(*PICTURES, config, workdir=tmp_path / "whole")
    for steps in (1, 2):
        stylize(*PICTURES, config, workdir=tmp_path / "parts", stop=stop_after(steps))
    result, _ = stylize(*PICTURES, config, workdir=tmp_path / "parts")
    assert (result.image == whole.image).all() and result.state.scale == whole.state.scale < 1
    assert records(tmp_path / "parts") == records(tmp_path / "whole")
    assert result.metrics[-1]["loss"] < 0.95 * result.metrics[0]["loss"]


@pytest.mark.slow
def test_a_batch_scales_each_of_its_points(tmp_path):
    weights = [1.0, 2.0**80, 2.0**-90]
    overrides = [{"content_loss.weight": w, "style_loss.weight": w, "steps": 4} for w in weights]
    launcher, _ = launching(tmp_path / "run")
    sweep_batched.batched(
        launcher, enter(tmp_path / "run", tmp_path, overrides, **{"optimizer.name": "lbfgs"})
    )
    rows = table(tmp_path / "run")
    losses = [row["loss"] / w for row, w in zip(rows, weights, strict=True)]
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-4)


def test_terms_whose_sum_is_too_large_are_named():
    sums = {"style_loss.normalization": "hw_sse", "style_loss.weight": 1.0}
    start = stylize(*PICTURES, small(steps=1, **sums))[0].metrics[0]
    layers = [start[f"style/relu{block}_1"] for block in (1, 2)]
    config = small(**sums, **{"style_loss.layer_weights": tuple(2.5e38 / value for value in layers)})
    with pytest.raises(
        UserError, match=r"the sum of its terms is more than 3.4e\+38; .*relu[12]_1 = 2.5e\+38"
    ):
        stylize(*PICTURES, config)


def test_a_photograph_that_is_the_painting_stays_as_it_is():
    result, lines = stylize(PICTURES[0], PICTURES[0], small())
    assert result.metrics[-1]["evaluations"] <= 1 + 20
    assert [line for line in lines if "the loss cannot be lowered further" in line]
    assert result.metrics[-1]["loss"] <= 1e-9 and result.finished
    unchanged, _ = stylize(PICTURES[0], PICTURES[0], small(steps=1))
    assert np.abs(result.image - unchanged.image).max() < 1e-6


def test_a_loss_that_hardly_falls_is_said():
    tiny, usual = (scaled(factor, **{"optimizer.name": "lbfgs_torch"}) for factor in (1e-20, 1.0))
    assert any("the loss has hardly fallen" in line for line in stylize(*PICTURES, tiny)[1])
    assert not any("hardly" in line for line in stylize(*PICTURES, usual)[1])
    diverging = scaled(
        1.0, **{"optimizer.name": "sgd", "optimizer.learning_rate": 1e9, "optimizer.clamp": True}
    )
    (line,) = [line for line in stylize(*PICTURES, diverging)[1] if "the loss has" in line]
    assert line.startswith("the loss has risen, from ") and line.endswith("lower optimizer.learning_rate")


@pytest.mark.slow
@pytest.mark.parametrize("recipe, optimizer, weights", [
    (gatys2016, {}, (1e4, 1e14, 1e26, 1.0, 1e-30)),
    # the weights of the published programs and above: below, Adam's epsilon and Torch's thresholds count
    (gatys2016, ADAM, (1e4, 1e14, 1e26)), (gatys_notebook, {}, (1e4, 1e14, 1e26)),
], ids=["lbfgs", "adam", "lbfgs_torch"])  # fmt: skip
def test_the_loss_falls_as_far_for_every_weight(recipe, optimizer, weights):
    """Of losses of 1e20 and more, L-BFGS and Adam once left the most."""
    fallen = []
    for weight in weights:
        config = recipe.get_config()
        changes = {"size": 64, "steps": 40, "content_loss.weight": 0.0, "style_loss.weight": weight}
        config.update_from_flattened_dict({"weights.name": "vgg19_slim", **changes, **optimizer})
        first, *_, last = stylize(*PICTURES, config)[0].metrics
        fallen.append(last["loss"] / first["loss"])
    assert max(fallen) < 1.3 * min(fallen) and max(fallen) < 0.2, fallen
