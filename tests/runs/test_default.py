"""The default config on four tiny pairs: content and style stay in their bands, at each style weight."""

from pathlib import Path

import numpy as np
import pytest

import nst
from nst.configs import default
from nst.metrics import instrument
from nst.runs import settings, specs
from nst.runs.job import prepare

IMAGES = Path(nst.__file__).parent / "data" / "images"
PAIRS = [("cat", "swirls"), ("hopper", "ink"), ("lake", "mosaic"), ("coffee", "cutouts")]
# style_loss.weight -> the bands of the style distance and of the content distance. Measured at 64 px with
# the small network: style 0.24 .. 0.41, 0.048 .. 0.085, 0.023 .. 0.034; content 0.03 .. 0.13, 0.37 .. 0.47,
# 0.68 .. 1.14. If a change of the default moves them, look at pictures (docs/quality.md) before you change
# these numbers.
BANDS = {
    0.1: ((0.18, 0.5), (0.02, 0.18)),
    1.0: ((0.035, 0.11), (0.3, 0.55)),
    10.0: ((0.015, 0.045), (0.55, 1.4)),
}


@pytest.mark.slow
@pytest.mark.parametrize("photo, painting, weight", [
    (*pair, weight) for pair in PAIRS for weight in BANDS
])  # fmt: skip
def test_a_style_weight_means_the_same_for_every_pair(photo, painting, weight):
    pair = IMAGES / f"{photo}.jpg", IMAGES / f"{painting}.jpg"
    config = default.get_config()
    config.weights.name, config.size, config.style_loss.weight = "vgg19_slim", 64, weight
    result = nst.stylize(*pair, config, log=lambda line: None)
    found = instrument.judge_files(instrument.load("vgg19_slim"), result.image, *pair)
    style, content = BANDS[weight]
    assert style[0] < found["style"] < style[1]
    assert content[0] < found["content"] < content[1]


@pytest.mark.parametrize("base, long_edge, expected", [
    (256, 128, 0.6), (256, 256, 0.6), (256, 512, 0.3), (256, 2048, 0.075), (0, 2048, 0.6),
])  # fmt: skip
def test_the_weight_of_content_falls_with_the_size_above_base_size(base, long_edge, expected):
    config = default.get_config()
    config.content_loss.weight, config.content_loss.base_size = 0.6, base
    config = settings.resolve(config)
    _, spec = specs.read_network(config)
    weights = specs.make_problem_weights(config, spec, 1, long_edge)
    assert float(weights.content) == pytest.approx(expected)
    assert float(weights.style) == 1


@pytest.mark.parametrize("mode", ["long", "short"])
def test_each_size_of_a_run_has_the_weight_of_its_own_long_edge(mode):
    config = default.get_config()
    config.weights.name, config.content_loss.base_size = "vgg19_slim", 32
    config.size_mode, config.size, config.pyramid.min_size = mode, 96, 0
    photo = np.full((40, 80, 3), 128, np.uint8)
    job = prepare(photo, photo, settings.resolve(config))
    assert float(job.loss_weights.content) == pytest.approx(32 / max(job.content.rgb_HxWx3.shape))
