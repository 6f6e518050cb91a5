"""What the benchmarks run: configs/default.py on pictures that come with the code.

    python -m experiments.benchmarks.speed --config=configs/benchmark.py
    python -m experiments.benchmarks.time_to_loss --config=configs/benchmark.py --config.weights.name=vgg19

Speed does not depend on the values of the weights, so they are random ones, which are always there; quality
does, so that it wants VGG-19's own. docs/benchmarks.md holds the tables, and says how long each takes.
"""

from ml_collections import ConfigDict

from configs import default, quickstart


def get_config() -> ConfigDict:
    config = default.get_config()
    shipped = quickstart.get_config()
    config.content, config.style = shipped.content, shipped.style
    config.weights.name = "random"
    config.size = 256  # of the part that measures the time to a quality
    config.steps = 150
    config.log.every = 5
    config.log.preview_every = 0
    # the way that nst recommends from a photograph: most of the work where it is cheap
    config.pyramid.min_size = 64
    config.pyramid.steps = (250, 150)
    return config
