"""Presets against an independent transcription of what they reproduce."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nst.configs import crowsonkb, crowsonkb_gram
from nst.losses import problem
from nst.runs import job as run_job

# The terms of crowsonkb/style-transfer-pytorch's published equations, by a transcription in PyTorch 2.13
# (float32) with the weights of weights.name = random, seed 0, of the same arrays: the cat in swirls, the
# photograph with noise as below. They may only change with those weights, the pictures, or Pillow's filters;
# then transcribe anew.
KNOWN = {
    crowsonkb: {
        128: (0.00625473, 0.487152, 0.0814537, 0.0232531, 0.0045793, 0.00113526, 0.0742563),
        181: (0.00753964, 0.501417, 0.0834406, 0.0226039, 0.00432319, 0.00119406, 0.073416),
    },
    crowsonkb_gram: {
        128: (0.0168073, 1.24505, 0.396596, 0.135671, 0.0362664, 0.0110342, 0.0895801),
        181: (0.0183976, 1.29415, 0.398711, 0.133486, 0.0378934, 0.0116385, 0.0884551),
    },
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("preset, size", [(preset, size) for preset in KNOWN for size in KNOWN[preset]])
def test_crowsonkbs_terms_at_the_start_of_a_size(preset, size):
    config = preset.get_config()
    config.content, config.style = "nst/data/images/cat.jpg", ("nst/data/images/swirls.jpg",)
    config.weights.name, config.weights.preprocessing = "random", "torchvision"
    config.size, config.pyramid.min_size = size, 0
    job = run_job.prepare(None, None, config)
    noise = np.random.default_rng(size).normal(0, 0.1, job.start.shape)
    image = np.clip(job.start + noise, 0, 1).astype(np.float32)
    terms = jax.jit(problem.terms, static_argnums=0)
    found = terms(job.spec, run_job.make_problem(job), jnp.asarray(image))
    expected = dict(zip(found, KNOWN[preset][size], strict=True))
    assert {name: float(value) for name, value in found.items()} == pytest.approx(expected, rel=1e-3)
