"""Settings however they are typed, and the errors for those that make no sense."""

import importlib.util
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict, FrozenConfigDict

from experiments.distill import config as distill
from nst.configs import default, neural_style
from nst.errors import UserError
from nst.networks import checkpoints
from nst.networks.checkpoints import Convention
from nst.networks.network import PREPROCESSING
from nst.runs import settings, specs

FILES = sorted(Path("configs").glob("*.py"))
CONFIGS = [path for path in FILES if path.stem != "__init__"]
CAFFE = Convention("vgg19", "caffe")


def test_a_resolved_config_has_every_sequence_in_its_normal_form_and_resolves_to_itself():
    typed = default.get_config()
    typed.update_from_flattened_dict({
        "style": ("a.jpg,b.jpg",), "style_scale": ("1,0.5",), "pyramid.steps": ("4,3",),
        "style_loss.layers": ("relu1_1, relu2_1",), "style_loss.image_weights": (1, 2),
        "guidance.content_masks": ("m.png,all",), "guidance.weights": ("2",), "size": 64,
    })  # fmt: skip
    config = settings.resolve(typed)
    assert config.style == ("a.jpg", "b.jpg") and config.style_scale == (1.0, 0.5)
    assert config.pyramid.steps == (4, 3) and config.style_loss.layers == ("relu1_1", "relu2_1")
    assert config.style_loss.image_weights == (1.0, 2.0) and config.guidance.weights == (2.0,)
    assert config.guidance.content_masks == ("m.png", "all") and config.guidance.styles == ("0", "1")
    assert typed.style == ("a.jpg,b.jpg",)  # as it was
    assert settings.as_dict(settings.resolve(config)) == settings.as_dict(config)
    config.guidance.styles = (1, "0+1")
    assert settings.resolve(config).guidance.styles == ("1", "0+1")


def load(path):
    module = importlib.util.spec_from_file_location(path.stem, path)
    loaded = importlib.util.module_from_spec(module)
    module.loader.exec_module(loaded)
    return loaded


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_makes_a_spec(path):
    module = load(path)
    config = settings.resolve(module.get_config())
    command = "python -m experiments.benchmarks" if path.stem == "benchmark" else "nst stylize"
    assert command in module.__doc__
    fields = set(dict(flat(default.get_config())))
    assert {name for name, _ in flat(config)} == fields
    chosen = config.weights
    made_for = checkpoints.convention(chosen.name, chosen.architecture, chosen.preprocessing)
    network = specs.make_network(config, made_for)
    assert (network.architecture, network.widths) == (made_for.architecture, made_for.widths)
    spec = specs.make_spec(config, network)
    specs.make_problem_weights(config, spec, 1)
    specs.make_optimizer(config)


def flat(config, prefix=""):
    for name, value in config.items():
        if isinstance(value, ConfigDict):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def test_the_config_of_the_distillation():
    from experiments.distill.checks import check

    config = distill.get_config()
    assert "python -m experiments.distill" in distill.__doc__
    check(config)
    assert set(config.layers) == set(specs.layers(settings.resolve(default.get_config())))


@pytest.mark.parametrize("module", [default, distill], ids=["default", "distill"])
def test_every_field_is_commented(module):
    """Beside it, or on the line above where the line would be long."""
    lines = Path(module.__file__).read_text().splitlines()
    fields = {
        line.split("=")[0].strip(): (line, above)
        for above, line in zip(lines, lines[1:], strict=False)
        if line.strip().startswith("config.") and "ConfigDict()" not in line
    }
    assert len(fields) == len(list(flat(module.get_config())))
    bare = {
        name
        for name, (line, above) in fields.items()
        if "  # " not in line and not above.startswith("    # ")
    }
    assert not bare


def plain(config):
    return settings.as_dict(settings.resolve(config))


def test_differences_name_the_fields():
    old, new = default.get_config(), default.get_config()
    new.size = 256
    new.optimizer.name = "adam"
    new.steps, new.log.every, new.output.format = 9, 3, "tiff"  # free to differ
    new.content, new.style, new.weights.name = "a.jpg", ("b.jpg",), "c.h5"  # compared by content
    found = settings.differences(plain(old), plain(new))
    assert found == ["optimizer.name: 'lbfgs' -> 'adam'", "size: 512 -> 256"]


def test_digest_stands_for_what_changes_the_result():
    base = default.get_config()
    digest = settings.digest(plain(base))
    base.log.every = 3
    assert settings.digest(plain(base)) == digest
    base.style_loss.layers = ("relu1_1,relu2_1,relu3_1,relu4_1,relu5_1",)  # the flag parser's way
    assert settings.digest(plain(base)) == digest
    base.tv.weight = 0.5
    assert settings.digest(plain(base)) != digest


def test_a_misspelt_field_is_an_error_from_python_as_well():
    for config in (default.get_config(), load(Path("configs/quickstart.py")).get_config()):
        with pytest.raises(AttributeError, match="steps"):
            config.step = 200
        with pytest.raises(AttributeError, match="weight"):
            config.style_loss.wieght = 3.0


@pytest.mark.parametrize(
    "config", [None, {"size": 64}, "configs/default.py", default, FrozenConfigDict(default.get_config())]
)
def test_what_is_no_config_is_refused_in_one_line(config):
    with pytest.raises(UserError, match=r"config: a \w+; give a ConfigDict, such as"):
        settings.resolve(config)


def test_the_matching_gain_and_where_it_is_unknown():
    config = default.get_config()
    config.network.pooling, config.network.pooling_gain = "average", 0.0
    assert 1.5 < specs.make_network(config, CAFFE).pooling_gain < 2.5
    config.network.pooling, config.network.pooling_p = "lp", 4.0
    with pytest.raises(UserError, match="network.pooling_gain"):
        specs.make_network(config, CAFFE)


def test_a_network_is_made_for_its_weights():
    config = default.get_config()
    network = specs.make_network(config, Convention("vgg16", "torchvision", (4, 5)))
    assert network.architecture == "vgg16" and network.widths == (4, 5) and network.frame == "compact"
    assert network.preprocessing.channels == "RGB" and network.preprocessing.scale == 1
    network = specs.make_network(config, CAFFE)
    assert network.widths == () and network.preprocessing.channels == "BGR"


@pytest.mark.parametrize("convention", PREPROCESSING)
def test_the_input_scale_means_the_same_for_every_convention(convention):
    config, black, white = neural_style.get_config(), jnp.zeros((1, 1, 1, 3)), jnp.ones((1, 1, 1, 3))
    trained = PREPROCESSING[convention]
    prepare = specs.make_network(config, Convention("vgg19", convention, ())).preprocessing
    assert np.asarray(prepare(black)) == pytest.approx(np.asarray(trained(black)))
    ratio = (prepare(white) - prepare(black)) / (trained(white) - trained(black))
    assert np.asarray(ratio) == pytest.approx(256 / 255, rel=1e-5)
    assert convention != "caffe" or prepare.scale == 256  # as in neural-style, to the last bit
    config.network.input_scale = 0.0
    assert specs.make_network(config, Convention("vgg19", convention, ())).preprocessing == trained
