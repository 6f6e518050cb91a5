"""Which pooling is best? Every pooling of nst/networks/pooling.py, with a gain of 1 and with a matched gain.

    nst sweep --config=sweeps/pooling --workdir=runs/pooling
    nst report --workdir=runs/pooling

Gatys et al. replace max pooling by average pooling, which "improves the gradient flow" (2015, methods) and
"yields slightly more appealing results" (2016, section 2). There are 15 points. A gain of 0 scales the pooled
values so that their mean is that of max pooling, which leaves the kind of pooling as the only difference. It
changes nothing for max, which therefore appears once. The losses are relative to the targets, which are
computed with the same pooling, so a gain only changes how much the biases of the deeper layers count.

The network is the small one that comes with the code. Its maps were made with max pooling, so with other
poolings they are approximate; the full network is --config.weights.name=vgg19. The instrument is VGG-19
(--instrument).

Result with --config.weights.name=vgg19 --config.steps=100, measured by VGG-19, gain 1:

    pooling             max     average  l2      lp      mixed   strided  blur
    style distance      0.052   0.045    0.037   0.040   0.038   0.103    0.057
      of it relu1_1     0.079   0.020    0.028   0.037   0.038   0.044    0.054
      of it relu5_1     0.089   0.163    0.111   0.109   0.097   0.306    0.152
    content distance    1.32    1.55     1.44    1.40    1.38    1.61     1.36
    SSIM                0.397   0.357    0.363   0.370   0.370   0.356    0.380

l2, mixed and lp come nearest to the painting, nearer than max, although the instrument has max pooling. max
is the worst at relu1_1. average is the best at relu1_1, but far from the target at relu5_1 and in content.
The matched gain hardly matters: it changes the style distance by 0.002 at most (strided 0.004). With the
small network, after 200 steps, l2, mixed and lp are also better than max (0.07 against 0.11), strided is the
worst, and gains change the distance by 0.004 at most. This is one pair of pictures and one start.

hann was added later, and was compared with a new run of max. max has a style distance of 0.049 (relu1_1
0.073, relu5_1 0.085), a content distance of 1.31 and an SSIM of 0.390; hann has 0.054 (0.036, 0.180), 1.49
and 0.359. Their grids of 2 px are about equal: 2.2 and 2.0 dB.
"""

from nst.configs import trial
from nst.networks.pooling import POOLING
from nst.sweeps.space import filter, grid


def get_config():
    return trial.get_config()


def sweep():
    every = grid({"network.pooling": POOLING.keys(), "network.pooling_gain": (1.0, 0.0)})
    return filter(lambda point: tuple(point.values()) != ("max", 0.0), every)
