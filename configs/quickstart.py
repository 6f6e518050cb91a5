"""The first picture, with nothing to download: pictures that come with the code, and a random network.

    python -m experiments.stylize --config=configs/quickstart.py --workdir=runs/quickstart

The network is untrained (He et al. 2016 show that random filters carry colours and textures, not objects), so
the cat takes the painting's colours but not its strokes: this shows that all works, not how good it gets.
For that, with VGG-19 (80 MB, fetched once):

    python -m experiments.stylize --config=configs/default.py --config.content=nst/data/photograph.jpg \
        --config.style=nst/data/painting.jpg --workdir=runs/cat

About a minute on two CPU cores.
"""

from configs import default


def get_config():
    config = default.get_config()
    config.content = "nst/data/photograph.jpg"
    config.style = ("nst/data/painting.jpg",)
    config.size = 256
    config.steps = 100
    config.weights.name = "random"
    config.network.pooling = "average"
    config.content_loss.layers = ("relu3_1",)
    config.content_loss.weight = 30.0
    config.style_loss.normalization = "hw_mse"
    config.style_loss.weight = 30.0
    config.tv.kind = "mean"
    config.tv.weight = 20.0
    return config
