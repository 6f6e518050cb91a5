"""Pictures whose borders meet: sizes, and seams that are no stronger than the inside."""

import numpy as np
import pytest

from nst.errors import UserError
from nst.runs.job import prepare
from tests.helpers.running import picture, small, stylize

TEXTURE = {
    "weights.name": "vgg19_slim", "size": 64, "content_loss.layers": (), "init.kind": "noise",
    "style_loss.layers": ("relu1_1", "relu2_1", "relu3_1"), "style_loss.normalization": "relative",
    "range.weight": 1000.0, "optimizer.memory": 20,
}  # fmt: skip


def seams(image_HxWx3):
    """The mean difference across the top border, and the left one, in units of the largest one inside."""
    result = []
    for axis in (0, 1):
        steps = np.abs(np.roll(image_HxWx3, -1, axis) - image_HxWx3).mean((1 - axis, 2))
        result.append(steps[-1] / steps[:-1].max())
    return result


def textured(padding, steps):
    result, _ = stylize(
        picture(0, 64, 64), picture(3, 64, 64), small(steps=steps, **TEXTURE, **{"network.padding": padding})
    )
    return seams(result.image)


@pytest.mark.slow
def test_a_tile_has_no_seam():
    opened, around, tiled = (textured(padding, 60) for padding in ("zero", "circular_x", "circular"))
    assert max(tiled) < 1 < min(opened)
    assert around[1] < 1 < around[0]


def test_edges_that_wrap_are_rounded_to_whole_strides():
    pictures = picture(0, 31, 37), picture(1, 31, 37)
    for padding, shape in (("zero", (31, 37)), ("circular_x", (31, 38)), ("circular", (32, 38))):
        job = prepare(*pictures, small(size=0, **{"network.padding": padding}))
        assert job.start.shape[1:3] == shape and job.styles[0].rgb_HxWx3.shape[:2] == (31, 37)
    assert any("32 rows instead of 31 and 38 columns instead of 37" in note for note in job.notes)
    with pytest.raises(UserError, match="too small for .*network.padding: they need multiples of 4x4 px"):
        deeper = {"content_loss.layers": ("relu3_1",), "network.padding": "circular"}
        prepare(picture(0, 31, 1), pictures[1], small(size=0, **deeper))
