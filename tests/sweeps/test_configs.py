"""Every file of configs/sweeps: its points can run, and its docstring is a runbook."""

import importlib
import json
import re
from pathlib import Path

import pytest

from nst.networks import checkpoints
from nst.networks.pooling import POOLING
from nst.networks.table import layers_to
from nst.optimizers.table import LINE_SEARCHES
from nst.runs import pictures, settings, specs
from nst.sweeps.points import get_field, make_points

FILES = sorted(path for path in Path("configs/sweeps").glob("*.py") if path.stem != "__init__")


def load(path):
    module = importlib.import_module(f"nst.configs.sweeps.{path.stem}")
    return module, make_points(module.get_config(), module.sweep())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_point_of_every_sweep_can_run(path):
    """All that nst.runs.job checks before it computes, and that the pictures and layers are there."""
    module, made = load(path)
    used = {}
    for point in made:
        config = settings.resolve(point.config)
        specs.make_optimizer(config)
        chosen = config.weights
        made_for = checkpoints.convention(chosen.name, chosen.architecture, chosen.preprocessing)
        spec = specs.make_spec(config, specs.make_network(config, made_for))
        specs.make_problem_weights(config, spec, len(config.style))
        layers_to(made_for.architecture, spec.layers)
        assert config.init.kind in pictures.INITS
        assert all(Path(name).exists() for name in (config.content, *config.style))
        if made_for.widths:
            used.setdefault(chosen.name, set()).update(spec.layers)
    for name, layers in used.items():  # a slim network ends at conv5_1
        checkpoints.load(name, "vgg19", tuple(sorted(layers)), 0)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_sweep_has_a_runbook(path):
    module, made = load(path)
    words = module.__doc__
    command = f"nst sweep --config=sweeps/{path.stem} --workdir=runs/{path.stem}"
    assert command in words and "Gatys" in words
    assert re.search(r"(\d+)\s+points", words)[1] == str(len(made))
    assert {point.config.size for point in made} == {512 if path.stem == "pyramids" else 256}
    assert len({json.dumps(settings.as_dict(settings.resolve(point.config))) for point in made}) == len(made)


def test_the_sweeps_cover_what_there_is():
    pools = [get_field(point.config, "network.pooling") for point in load(Path("pooling"))[1]]
    assert sorted(pools) == sorted(
        2 * [name for name in POOLING if POOLING[name].matched_gain != 1] + ["max"]
    )
    assert {point.config.init.kind for point in load(Path("inits"))[1]} == set(pictures.INITS) - {"image"}
    betas = {point.config.style_loss.weight for point in load(Path("weights"))[1]}
    assert max(betas) / min(betas) == pytest.approx(1e4)
    searches = {point.config.optimizer.line_search for point in load(Path("optimisers"))[1]}
    assert searches == set(LINE_SEARCHES)
    networks = {point.config.weights.name for point in load(Path("networks"))[1]}
    assert networks >= {"vgg19_slim", "vgg19", "vgg16", "random"}
    made = load(Path("layers"))[1]
    used = {layer for point in made for layer in specs.layers(point.config)}
    assert {layer[4] for layer in used if layer.startswith("conv")} == set("12345")
    assert {layer[4] for layer in used if layer.startswith("relu")} == set("12345")
