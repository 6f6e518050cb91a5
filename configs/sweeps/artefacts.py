"""What makes the checkerboard? Poolings, the deepest style layer, the start and the network.

    nst sweep --config=sweeps/artefacts --workdir=runs/artefacts

Gatys et al. 2016 replace max pooling by average pooling, for a better gradient. A layer of stride 2 weights
some pixels more than their neighbours, so that its gradient has a grid of that period, and the deeper the
layer, the longer the period (Odena, Dumoulin & Olah 2016, *Deconvolution and Checkerboard Artifacts*;
Kinoshita & Kiya 2020, arXiv 2002.02117). The columns `checkerboard/2` to `checkerboard/16` say how far a grid
of that period stands out of the picture's spectrum, in decibels (nst/metrics/artefacts.py); `nst visualize
phases` draws the gradient's.

There are 42 points: with VGG-19, five poolings by three sets of style layers by two starts, content at
relu3_1; and twelve with other networks, of which AlexNet, SqueezeNet and ResNet-50 are trained and fetched,
and the rest is untrained.

docs/networks.md has what was found.
"""

from nst.configs.sweeps import networks
from nst.sweeps.space import chain, grid

STYLE = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
TRAINED = ("alexnet", "squeezenet1_1", "resnet50")
UNTRAINED = ("vgg19", "alexnet", "resnet50")


def get_config():
    config = networks.get_config()
    config.weights.name = "vgg19"
    config.steps = 100
    return config


def sweep():
    starts = {"init.kind": ("content", "noise")}
    depths = {"style_loss.layers": [STYLE[:count] for count in (3, 4, 5)]}
    content = {"content_loss.layers": [("relu3_1",)]}
    pooling = {"network.pooling": ("max", "average", "hann", "blur", "strided")}
    return chain(
        grid(pooling, depths, content, starts),
        grid({"weights.name": TRAINED}, starts),
        grid({"weights.name": ("random",), "weights.architecture": UNTRAINED}, starts),
    )
