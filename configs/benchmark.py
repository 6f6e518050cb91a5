"""The run that the benchmarks measure, with pictures that come with the code.

    python -m experiments.benchmarks.speed --config=configs/benchmark.py
    python -m experiments.benchmarks.time_to_loss --config=configs/benchmark.py --config.weights.name=vgg19

Speed does not depend on the values of the weights, so they are random and need no download. The loss that is
reached depends on the weights, so the second command sets those of VGG-19. docs/benchmarks.md has the tables.
"""

from ml_collections import ConfigDict

from nst.configs import classic, trial


def get_config() -> ConfigDict:
    config = classic.get_config()
    shipped = trial.get_config()
    config.content, config.style = shipped.content, shipped.style
    config.weights.name = "random"
    config.size = 256  # size for time_to_loss; the other benchmarks set their own sizes
    config.steps = 150
    config.log.every = 5
    config.log.preview_every = 0
    # most updates are made at small sizes, where they take little time
    config.pyramid.min_size = 64
    config.pyramid.steps = (250, 150)
    return config
