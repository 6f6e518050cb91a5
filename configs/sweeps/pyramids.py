"""Is coarse to fine better than one size? The same picture at 512 px, by seconds.

    nst sweep --config=sweeps/pyramids --workdir=runs/pyramids
    nst report --workdir=runs/pyramids

Gatys et al. 2017 (*Controlling Perceptual Factors*, section 5) use two sizes to get large structures; the
question here is how much time the smaller sizes save. There are 9 points: 512 px alone with 50, 100, 200 and
400 updates; and sizes from 128 px by factors of 2, or of sqrt 2, with 100 updates at each smaller size and
25, 50 or 100 at the last. `seconds` includes all sizes but not the compilation; `style` is the instrument's
distance, at 512 px for all points.

Result (the cat in swirls, small network, measured by VGG-19, two cores):

    512 px alone        50      100     200     400 updates
      style distance    0.195   0.173   0.154   0.138
      content distance  1.82    1.90    1.96    1.95
      seconds           38      72      117     186
    128, 256, 512 px    25      50      100     at the last size
      style distance    0.084   0.082   0.085
      content distance  2.15    2.06    2.03
      seconds           24      31      49
    128 .. 512 by sqrt 2
      style distance    0.075   0.076
      content distance  2.05    1.99
      seconds           44      56

At 512 px alone, 400 updates do not come as near to the painting as the pyramid does in 24 seconds, an eighth
of the time: 512 px alone does not form the large structures that the smaller sizes do. More updates at the
last size bring the picture nearer to the content, but not to the style. The pyramid keeps less of the
photograph's structure (SSIM 0.21 against 0.34). This is one pair of pictures and one start.
"""

from nst.configs import trial
from nst.sweeps.space import chain, grid

ALONE, LAST = (50, 100, 200, 400), (25, 50, 100)


def get_config():
    config = trial.get_config()
    config.size = 512
    config.pyramid.steps = (100,)
    return config


def sweep():
    return chain(
        grid({"steps": ALONE}),
        grid({"pyramid.min_size": [128], "pyramid.factor": [2.0], "steps": LAST}),
        grid({"pyramid.min_size": [128], "pyramid.factor": [2**0.5], "steps": LAST[:2]}),
    )
