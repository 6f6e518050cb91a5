"""Settings however they are typed, and the errors for those that make no sense."""

import importlib.util
from pathlib import Path

import pytest
from ml_collections import ConfigDict

from configs import default, distill
from nst.errors import UserError
from nst.networks import checkpoints
from nst.networks.checkpoints import Convention
from nst.runs import settings

FILES = sorted(Path("configs").glob("*.py"))
CONFIGS = [path for path in FILES if path.stem not in ("__init__", "distill")]
CAFFE = Convention("vgg19", "caffe")


@pytest.mark.parametrize("typed", [("a", "b"), ["a", "b"], "a,b", ("a,b",), " a , b "])
def test_names_however_typed(typed):
    assert settings.names(typed) == ("a", "b")


@pytest.mark.parametrize("typed", [(1, 0.5), [1, 0.5], "1,0.5", ("1,0.5",), ("1", "0.5")])
def test_numbers_however_typed(typed):
    assert settings.numbers("f", typed) == (1.0, 0.5)


def test_one_number_and_bad_numbers():
    assert settings.numbers("f", 3) == (3.0,)
    with pytest.raises(UserError, match="style_loss.layer_weights = .*give numbers"):
        settings.numbers("style_loss.layer_weights", ("a",))


def test_a_path_that_exists_keeps_its_comma(tmp_path):
    odd = tmp_path / "a,b.jpg"
    odd.write_bytes(b"")
    assert settings.paths((str(odd),)) == (str(odd),)
    assert settings.paths(("x.jpg,y.jpg",)) == ("x.jpg", "y.jpg")
    assert settings.paths("x.jpg") == ("x.jpg",)


def load(path):
    module = importlib.util.spec_from_file_location(path.stem, path)
    loaded = importlib.util.module_from_spec(module)
    module.loader.exec_module(loaded)
    return loaded


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_makes_a_spec(path):
    module = load(path)
    config = module.get_config()
    program = "benchmark" if path.stem == "benchmark" else "stylize"
    assert f"python -m experiments.{program}" in module.__doc__
    fields = set(dict(flat(default.get_config())))
    assert {name for name, _ in flat(config)} == fields
    chosen = config.weights
    made_for = checkpoints.convention(chosen.name, chosen.architecture, chosen.preprocessing)
    network = settings.make_network(config, made_for)
    assert (network.architecture, network.widths) == (made_for.architecture, made_for.widths)
    spec = settings.make_spec(config, network)
    settings.make_problem_weights(config, spec, 1)
    settings.make_optimizer(config)
    settings.check_counts(config)


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
    assert set(config.layers) == set(settings.layers(default.get_config())) - {""}


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


def test_differences_name_the_fields():
    old, new = default.get_config(), default.get_config()
    new.size = 256
    new.optimizer.name = "adam"
    new.steps, new.log.every, new.output.format = 9, 3, "tiff"  # free to differ
    new.content, new.style, new.weights.name = "a.jpg", ("b.jpg",), "c.h5"  # compared by content
    found = settings.differences(settings.as_dict(old), settings.as_dict(new))
    assert found == ["optimizer.name: 'lbfgs' -> 'adam'", "size: 512 -> 256"]


def test_digest_stands_for_what_changes_the_result():
    base = default.get_config()
    digest = settings.digest(settings.as_dict(base))
    base.log.every = 3
    assert settings.digest(settings.as_dict(base)) == digest
    base.style_loss.layers = ("relu1_1,relu2_1,relu3_1,relu4_1,relu5_1",)  # the flag parser's way
    assert settings.digest(settings.as_dict(base)) == digest
    base.tv.weight = 0.5
    assert settings.digest(settings.as_dict(base)) != digest


@pytest.mark.parametrize("field, value", [
    ("steps", 0), ("size", -1), ("style_size", -5), ("log.every", 0),
    ("log.preview_every", -1), ("checkpoint.seconds", -1.0),
])  # fmt: skip
def test_senseless_counts_are_refused(field, value):
    config = default.get_config()
    config.update_from_flattened_dict({field: value})
    with pytest.raises(UserError, match=field):
        settings.check_counts(config)


def test_no_layers_at_all_is_refused():
    config = default.get_config()
    config.content_loss.layers = config.style_loss.layers = ()
    with pytest.raises(UserError, match="both empty"):
        settings.make_spec(config, settings.make_network(config, CAFFE))


def test_the_matching_gain_and_where_it_is_unknown():
    config = default.get_config()
    config.network.pooling, config.network.pooling_gain = "average", 0.0
    assert 1.5 < settings.make_network(config, CAFFE).pooling_gain < 2.5
    config.network.pooling, config.network.pooling_p = "lp", 4.0
    with pytest.raises(UserError, match="network.pooling_gain"):
        settings.make_network(config, CAFFE)


def test_a_network_is_made_for_its_weights():
    config = default.get_config()
    network = settings.make_network(config, Convention("vgg16", "torchvision", (4, 5)))
    assert network.architecture == "vgg16" and network.widths == (4, 5) and network.frame == "compact"
    assert network.preprocessing.channels == "RGB" and network.preprocessing.scale == 1
    config.network.frame, config.network.input_scale = "vgg", 2.0
    network = settings.make_network(config, CAFFE)
    assert network.widths == () and network.frame == "vgg"
    assert network.preprocessing.channels == "BGR" and network.preprocessing.scale == 2
    config.network.frame = "vg"
    with pytest.raises(UserError, match="network.frame = 'vg': did you mean 'vgg'"):
        settings.make_network(config, CAFFE)
