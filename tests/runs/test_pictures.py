"""Pictures that keep or take colours, end to end."""

import numpy as np
import pytest

from nst import images
from nst.errors import UserError
from nst.images import color, spaces
from tests.helpers.running import picture, small, stylize
from tests.runs.test_pyramid import ADAM


def chroma(rgb):
    return spaces.to_space(rgb, "oklab")[..., 1:]


@pytest.mark.parametrize("space", ["yiq", "oklab"])
def test_with_luminance_the_picture_and_its_previews_have_the_photographs_colours(tmp_path, space):
    photo = 0.3 + 0.4 * picture(0)
    config = small(**{"color.mode": "luminance", "color.space": space, "size": 56, "log.preview_every": 3})
    result, _ = stylize(photo, picture(1), config, workdir=tmp_path)
    plain, _ = stylize(photo, picture(1), small(size=56))
    kept, moved = (np.abs(chroma(x.image) - chroma(photo)).mean() for x in (result, plain))
    assert kept < 0.25 * moved
    assert np.abs(result.image - photo).max() > 0.01
    preview = images.read(tmp_path / "previews/step_000006.jpg").rgb_HxWx3
    assert np.abs(preview - result.image).mean() < 0.03


@pytest.mark.parametrize("mode", ["match", "after"])
def test_matched_pictures_are_near_the_photographs_colours(mode):
    photo, painting = 0.2 + 0.3 * picture(0), picture(1) * np.array([0.1, 0.5, 1.0], np.float32)
    changes = {"content_loss.weight": 0.0, "steps": 20, "size": 56}
    result, _ = stylize(photo, painting, small(**changes, **{"color.mode": mode}))
    plain, _ = stylize(photo, painting, small(**changes))
    near, far = (np.abs(x.image.mean((0, 1)) - photo.mean((0, 1))).max() for x in (result, plain))
    assert near < 0.5 * far


def test_a_pyramid_carries_the_picture_without_colours():
    photo = picture(0)
    changes = {"color.mode": "luminance", "color.space": "yiq", "size": 56, "pyramid.min_size": 28}
    config = small(**ADAM, **changes)
    result, _ = stylize(photo, picture(1), config)
    stretched = np.asarray(result.state.pixels[0])
    assert np.ptp(color.luminance(photo, "yiq"), axis=-1).max() < 1e-3
    assert np.ptp(stretched, axis=-1).mean() < np.ptp(result.image, axis=-1).mean()


@pytest.mark.parametrize("changes, message", [
    ({"color.mode": "keep"}, "color.mode = 'keep'"), ({"color.transform": "pcb"}, "color.transform = 'pcb'"),
    ({"color.space": "hsv"}, "color.space = 'hsv'"), ({"color.mode": "luminance"}, "color.space = 'srgb'"),
    ({"init.kind": "image"}, "init.image: give the picture to start from"),
])  # fmt: skip
def test_wrong_settings_are_one_line(changes, message):
    with pytest.raises(UserError, match=message) as error:
        stylize(picture(0), picture(1), small(**changes))
    assert "\n" not in str(error.value)
