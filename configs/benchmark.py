"""The run that the benchmarks measure, on pictures that come with the code.

    python -m experiments.benchmarks.speed --config=configs/benchmark.py
    python -m experiments.benchmarks.time_to_loss --config=configs/benchmark.py --config.weights.name=vgg19

Speed does not depend on the values of the weights, so they are random, which needs no download. The loss that
is reached does depend on them, so the second command sets VGG-19's own. docs/benchmarks.md has the tables.
"""

from ml_collections import ConfigDict

from nst.configs import classic, trial


def get_config() -> ConfigDict:
    config = classic.get_config()
    shipped = trial.get_config()
    config.content, config.style = shipped.content, shipped.style
    config.weights.name = "random"
    config.size = 256  # of time_to_loss; the other benchmarks set sizes of their own
    config.steps = 150
    config.log.every = 5
    config.log.preview_every = 0
    # most updates are made at small sizes, where they are cheap
    config.pyramid.min_size = 64
    config.pyramid.steps = (250, 150)
    return config
