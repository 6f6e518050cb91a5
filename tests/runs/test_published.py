"""Known numbers with the real VGG-19 on real pictures; skipped where `../shared` is not at hand."""

from pathlib import Path

import jax
import numpy as np
import pytest

import nst
from nst import images
from nst.configs import gatys_notebook, neural_style
from nst.losses import problem
from nst.runs import job as run_job

SHARED = Path(__file__).parents[3] / "shared"
CONTENT = SHARED / "images/content/tuebingen_neckarfront.jpg"
STYLE = SHARED / "images/style/starry_night.jpg"
NUDE = SHARED / "images/paintings/seated-nude.jpg"
pytestmark = pytest.mark.skipif(not CONTENT.exists(), reason="the shared weights and pictures are not here")

# The notebook's setting at short edge 128. Torch's L-BFGS has no line search: its second step overshoots to
# 7.9e16, and the next ten depend on rounding (jax 0.10 and 0.12 are 40 % apart at step 10), so only the
# losses before and after them are known numbers. If a change moves these, first find out why: the same code
# at 512 px agrees with the losses that the notebook printed (configs/gatys_notebook.py), and must go on so.
KNOWN = {0: 5.44241e8, 1: 5.44238e8}
AFTER_40 = (5e6, 1e7)

# What jcjohnson/neural-style printed in its first iteration, with its default pictures and settings. If a
# change moves ours out of the tolerance, the change is wrong: the numbers are not ours.
PRINTED = {
    "content/relu4_2": 2091178.59, "style/relu1_1": 30021.29, "style/relu2_1": 700349.56,
    "style/relu3_1": 153033.20, "style/relu4_1": 12404635.16, "style/relu5_1": 656.86,
}  # fmt: skip
TOLERANCE = {"style/relu4_1": 0.03}  # the weights at hand have 8 bits there


@pytest.mark.slow
def test_the_notebooks_losses_and_colours(monkeypatch):
    monkeypatch.setenv("NST_WEIGHTS_DIR", str(SHARED / "weights"))
    config = gatys_notebook.get_config()
    config.size, config.steps, config.log.every = 128, 40, 1
    result = nst.stylize(CONTENT, STYLE, config, log=lambda line: None)
    found = {line["step"]: line["loss"] for line in result.metrics}
    assert {step: found[step] for step in KNOWN} == pytest.approx(KNOWN, rel=1e-5)
    assert AFTER_40[0] < found[40] < AFTER_40[1]
    # channels in their order: the photograph's yellow houses stay nearer to themselves than to their swap
    photo = images.read(CONTENT).rgb_HxWx3
    photo = images.resize(photo, *result.image.shape[:2], "box")
    assert np.abs(result.image - photo).mean() < 0.8 * np.abs(result.image[..., ::-1] - photo).mean()


@pytest.mark.slow
def test_neural_styles_first_losses(monkeypatch):
    monkeypatch.setenv("NST_WEIGHTS_DIR", str(SHARED / "weights"))
    config = neural_style.get_config()
    # 650x845 px become 393.8x512; Torch cuts the fraction off, and a column more is 3 % at relu5_1
    nude = images.resize_picture(images.read(NUDE), 512, 393, config.resize_filter)
    job = run_job.prepare(CONTENT, nude.rgb_HxWx3, config)
    assert job.start.shape == (1, 384, 512, 3)
    found = jax.jit(problem.terms, static_argnums=0)(job.spec, run_job.make_problem(job), job.start)
    for term, printed in PRINTED.items():
        assert float(found[term]) == pytest.approx(printed, rel=TOLERANCE.get(term, 0.01)), term
