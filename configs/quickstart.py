"""The first picture, with nothing to download: a network and pictures that come with the code.

    nst stylize --config=quickstart --workdir=runs/quickstart

The network is VGG-19 distilled to a fifth of the work (nst/data/vgg19_slim.md). Set --config.content and
--config.style to use other pictures of nst/data/images or your own. The full network is

    --config.weights.name=vgg19        (80 MB, fetched once)

Everything else is as in the config default. This takes about a minute on two CPU cores.
"""

from nst.configs import default
from nst.data import picture


def get_config():
    config = default.get_config()
    config.content = picture("cat.jpg")
    config.style = (picture("swirls.jpg"),)
    config.size = 384
    config.weights.name = "vgg19_slim"
    return config
