"""A quick run for comparing choices: the base of the sweeps and of the reconstructions, without downloads.

    nst stylize --config=trial --workdir=runs/trial

The network is the small one, and the pictures come with the code. There is one size, one content layer and
one kind of statistic, so that nothing varies but the field that a sweep varies. The losses are relative to
the pictures' own energies, so the same weights suit every network. The sweeps start from this config. To make
a picture, use the config default.
"""

from ml_collections import ConfigDict

from nst.configs import classic
from nst.data import picture


def get_config() -> ConfigDict:
    config = classic.get_config()
    config.content = picture("cat.jpg")
    config.style = (picture("swirls.jpg"),)
    config.size = 256
    config.steps = 200
    config.weights.name = "vgg19_slim"
    config.content_loss.normalization = "relative"
    config.style_loss.normalization = "relative"
    config.style_loss.weight = 10.0
    return config
