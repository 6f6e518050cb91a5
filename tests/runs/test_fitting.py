"""size = auto: what fits, recorded, and taken again when the run goes on."""

import json
import re

import numpy as np
import pytest

from nst.errors import UserError
from tests.helpers import sweeping
from tests.helpers.running import small, stylize
from tests.runs.test_pyramid import ADAM

PICTURES = sweeping.picture(0, 600, 800), sweeping.picture(1, 64, 80)


@pytest.mark.slow
def test_the_largest_size_that_fits_is_taken_and_kept(tmp_path):
    changes = {"size": "auto", "steps": 1}
    result, lines = stylize(*PICTURES, small(**changes, memory_limit_gb=0.38), tmp_path)
    chosen = result.config["size"]
    assert 100 < chosen < 800 and chosen % 8 == 0 and result.image.shape[1] == chosen
    assert any(f"size: auto, {chosen} of the photograph's 800 px (long)" in line for line in lines)
    assert json.loads((tmp_path / "config.json").read_text())["size"] == chosen
    with pytest.raises(UserError, match="largest size that fits") as error:
        stylize(*PICTURES, small(size=round(chosen * 1.15), memory_limit_gb=0.38))
    largest = int(re.search(r"long edge (\d+)", str(error.value))[1])
    assert abs(largest - chosen) < 0.1 * chosen  # both are searched for in steps of 5 %
    # whatever the memory is now
    again, _ = stylize(*PICTURES, small(**changes | {"steps": 2}, memory_limit_gb=16.0), tmp_path)
    assert again.config["size"] == chosen and again.step == 2


@pytest.mark.parametrize("mode, size", [
    ("short", 40), *(pytest.param(*case, marks=pytest.mark.slow) for case in (("long", 48), ("area", 43))),
])  # fmt: skip
def test_never_larger_than_the_photograph(mode, size):
    changes = ADAM | {"size": "auto", "size_mode": mode, "steps": 1, "style_scale": (0.5,)}
    changes["pyramid.min_size"] = 22
    result, _ = stylize(sweeping.picture(0, 40, 48), PICTURES[1], small(**changes))
    assert result.config["size"] == size


def test_the_smaller_sizes_follow_from_the_one_that_is_chosen(tmp_path):
    changes = ADAM | {"steps": 1, "pyramid.min_size": 12, "pyramid.style": "fixed", "pyramid.steps": (1,)}
    pair = sweeping.picture(0, 40, 48), PICTURES[1]
    auto, lines = stylize(*pair, small(size="auto", **changes), tmp_path)
    given, _ = stylize(*pair, small(size=48, **changes))
    assert [line for line in lines if line.startswith("at ")] == ["at 12 px", "at 24 px"]
    np.testing.assert_array_equal(auto.image, given.image)


@pytest.mark.parametrize("changes, message", [
    ({"size": "big"}, "size = 'big': give pixels"), ({"size": 12.5}, "size = 12.5"),
    ({"size": -1}, "size = -1"),
    ({"size": "auto", "memory_limit_gb": 0.01}, "size = auto: no size fits in 10.0 MB"),
])  # fmt: skip
def test_what_is_no_size_is_said(changes, message):
    with pytest.raises(UserError, match=message):
        stylize(sweeping.picture(0, 40, 48), PICTURES[1], small(**changes))
