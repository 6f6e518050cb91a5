"""A first picture without downloads: the network and the pictures come with the code.

    nst stylize --config=quickstart --workdir=runs/quickstart

The network is a distilled VGG-19 that needs a fifth of the work (nst/data/vgg19_slim.md). Set
--config.content and --config.style to use other pictures of nst/data/images or your own. The full network is

    --config.weights.name=vgg19        (80 MB, downloaded once)

Everything else is as in the config default. The run takes about a minute on two CPU cores.
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
