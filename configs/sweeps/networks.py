"""Which network? Every architecture, trained and untrained, with plain and with smoothed activations.

    nst sweep --config=sweeps/networks --workdir=runs/networks
    nst sweep --config=sweeps/networks --workdir=runs/untrained --only=1,3,5 --config.size=128

Gatys et al. 2015 and 2016 use VGG-19, and those who took a residual network found its pictures poor. Wang, Li
& Vasconcelos 2021 (nst/losses/smoothing.py) put this down to peaks in its activations, and smooth them by a
softmax. `random` are untrained networks, which show what an architecture contributes by itself (He, Wang &
Hopcroft 2016, arXiv 1606.04801).

Style and content are matched at the layers that `auto` stands for: five for the style, from the first layers
to those with a position for every 16 pixels, and three of them, or layers near them, for the content. The
losses are relative to the targets' energies, so that the weights mean the same for each network.

There are 66 points: two for each network that is published, and two for each architecture without training
(but not with batch normalisation, which then changes nothing). The weights are fetched when they are first
used, 4.3 GB in all; without an internet connection those points fail, and --retry-failed runs them later.

docs/networks.md has what was found.
"""

from nst.configs.sweeps import pooling
from nst.networks.published import CHECKPOINTS
from nst.networks.table import ARCHITECTURES
from nst.sweeps.space import chain, grid


def get_config():
    config = pooling.get_config()
    config.style_loss.layers = ("auto",)
    config.content_loss.layers = ("auto",)
    return config


def sweep():
    smoothing = {"smoothing.kind": ("none", "softmax")}
    # of VGG, Oxford's weights
    trained = {"weights.name": [name for name in CHECKPOINTS if not name.endswith("_torchvision")]}
    plain = [name for name in ARCHITECTURES if not name.endswith("_bn")]
    untrained = {"weights.name": ("random",), "weights.architecture": plain}
    return chain(grid(trained, smoothing), grid(untrained, smoothing))
