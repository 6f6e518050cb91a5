"""The first picture, with nothing to download: a network and pictures that come with the code.

    python -m experiments.stylize --config=configs/quickstart.py --workdir=runs/quickstart

The network is VGG-19 distilled to a fifth of the work (nst/data/vgg19_slim.md). Set --config.content and
--config.style to use other pictures of nst/data/images or your own. The full network is

    --config.weights.name=vgg19        (80 MB, fetched once)

The losses are relative to the pictures' own energies, so that the same weights suit both networks. The image
is optimised at half the size first, for the large strokes, and then at the full size. This takes about a
minute on two CPU cores.
"""

from configs import default


def get_config():
    config = default.get_config()
    config.content = "nst/data/images/cat.jpg"
    config.style = ("nst/data/images/swirls.jpg",)
    config.size = 384
    config.pyramid.min_size = 192  # half the size first
    config.pyramid.steps = (100,)
    config.steps = 150
    config.weights.name = "vgg19_slim"
    config.content_loss.normalization = "relative"
    config.style_loss.normalization = "relative"
    config.style_loss.weight = 10.0
    return config
