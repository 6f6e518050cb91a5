"""Which network? VGG-19, the small one that comes with the code, VGG-16, torchvision's VGG-19, untrained.

    nst sweep --config=sweeps/networks --workdir=runs/networks

Gatys et al. 2015 and 2016 use VGG-19. The layers here (relu1_1 .. relu5_1, relu4_2) are in all of them, and
the losses are relative to the targets' energies, so that the weights mean the same for each. `random` is an
untrained VGG-19, which shows what the architecture contributes by itself (He, Wang & Hopcroft 2016, arXiv
1606.04801).

There are 5 points. The pretrained networks are fetched when they are first used (vgg19 80 MB, vgg16 59 MB,
vgg19_torchvision 550 MB); without an internet connection their points fail, and --retry_failed runs them
later.

Result (cat in swirls, 200 updates, measured by VGG-19; vgg16 and vgg19_torchvision were not available):

    network             vgg19   vgg19_slim  random
    style distance      0.036   0.106       0.401
    content distance    1.26    1.55        1.75
    s / evaluation      0.40    0.10        0.38      two cores

The instrument is VGG-19 itself, which favours vgg19. The untrained network takes over the colours and little
else. This is one pair of pictures and one start.
"""

from nst.configs.sweeps import pooling
from nst.sweeps.space import grid


def get_config():
    return pooling.get_config()


def sweep():
    return grid({"weights.name": ("vgg19", "vgg19_slim", "vgg16", "vgg19_torchvision", "random")})
