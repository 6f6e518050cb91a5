"""The first picture, with nothing to download: pictures that come with the code, and a random network.

    python -m experiments.stylize --config=configs/quickstart.py --workdir=runs/quickstart

The network is untrained (He et al. 2016 show that random filters carry colours and textures, not objects),
so this shows that all works, and what the method is, but not how good it gets: for that fetch VGG-19, 80 MB,
by adding `--config.weights.name=vgg19 --config.style_loss.weight=1e3`. About a minute on two CPU cores.
"""

from configs import default


def get_config():
    config = default.get_config()
    config.content = "nst/data/photograph.jpg"
    config.style = ("nst/data/painting.jpg",)
    config.size = 256
    config.steps = 100
    config.weights.name = "random"
    config.content_loss.weight = 1.0
    config.style_loss.weight = 100.0
    return config
