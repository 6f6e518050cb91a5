"""Which pooling? Every variant of nst/networks/pooling.py, as it is and with its gain matched to max pooling's.

    python -m experiments.sweep --config=configs/sweeps/pooling.py --workdir=runs/pooling
    python -m experiments.report --workdir=runs/pooling

Gatys et al. replace max pooling by average pooling, which "improves the gradient flow" (2015, methods) and
"yields slightly more appealing results" (2016, section 2). 13 points. A gain of 0 scales the pooled values so
that their mean is that of max pooling (configs/default.py): what is left is the kind of pooling and not its
size. For max that is no change, so it stands here once. The losses are relative to the targets', which see
the same pooling, so that a gain only shifts how much the biases of the deeper layers count.

The small network that comes with the code; its maps were made with max pooling, so with others they are
approximate: the full one is --config.weights.name=vgg19. The instrument is VGG-19 (--instrument).

What was found: with --config.weights.name=vgg19 --config.steps=100, judged by VGG-19; gain 1:

    pooling             max     average  l2      lp      mixed   strided  blur
    style distance      0.052   0.045    0.037   0.040   0.038   0.103    0.057
      of it relu1_1     0.079   0.020    0.028   0.037   0.038   0.044    0.054
      of it relu5_1     0.089   0.163    0.111   0.109   0.097   0.306    0.152
    content distance    1.32    1.55     1.44    1.40    1.38    1.61     1.36
    SSIM                0.397   0.357    0.363   0.370   0.370   0.356    0.380

l2, mixed and lp come nearest to the painting, nearer than max, with which the judge itself pools: max is
the worst at relu1_1. Average is the best there, but far off at relu5_1 and from the content. The matched
gain changes the style distance by 0.002 at most (strided 0.004), so hardly anything. The small network,
after 200 steps, has l2, mixed and lp before max as well (0.07, 0.11), strided last, and gains that change
it by 0.004 at most. One pair, one start.
"""

from configs import quickstart
from nst.networks.pooling import POOLING
from nst.sweeps.space import filter, grid


def get_config():
    config = quickstart.get_config()
    config.size = 256
    config.pyramid.min_size = 0
    config.steps = 200
    return config


def sweep():
    every = grid({"network.pooling": POOLING.keys(), "network.pooling_gain": (1.0, 0.0)})
    return filter(lambda point: tuple(point.values()) != ("max", 0.0), every)
