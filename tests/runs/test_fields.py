"""The table of the fields is complete; a value is resolved, or refused in one line that names its field."""

import math
import os

import numpy as np
import pytest

from nst.configs import default
from nst.errors import UserError
from nst.runs import kinds, settings
from nst.runs.fields import FIELDS


def changed(**changes):
    """Returns the default config with some fields changed, whatever their types."""
    config = default.get_config()
    with config.ignore_type():
        for field, value in changes.items():
            *groups, leaf = field.split(".")
            group = config
            for name in groups:
                group = group[name]
            group[leaf] = value
    return config


def leaves(tree, prefix=""):
    for name, value in tree.items():
        yield from leaves(value, f"{prefix}{name}.") if isinstance(value, dict) else [prefix + name]


def test_every_field_of_the_default_config_stands_in_the_table():
    assert list(FIELDS) == list(leaves(settings.as_dict(default.get_config())))


# a circle of references is not among these, since ConfigDict itself does not survive it
HOSTILE = [
    math.nan, math.inf, -math.inf, -1, -1.0, -1e-300, 1e-300, 1e39, 1e308, 2**31, 2**64, 10**5000, None,
    True, "", "x", "nan", "1e999", "a\0b", "\ud800", "x" * 100_000, "," * 5000, b"a", [], (), [[1]], (None,),
    (math.nan,), ("1,nan",), ("a", 1), {}, {"a": 1}, {1, 2}, 1j, object(), np.float32("nan"), np.zeros(3),
    np.str_("x"), len,
]  # fmt: skip


@pytest.mark.parametrize("field", FIELDS)
def test_a_hostile_value_is_resolved_or_refused_by_name(field):
    for value in HOSTILE:
        try:
            found = kinds.normal_form(field, value, FIELDS[field])
        except UserError as error:
            assert str(error).startswith(f"{field} = ") and "\n" not in str(error) and len(str(error)) < 2000
            continue
        assert kinds.normal_form(field, found, FIELDS[field]) == found
        for part in found if isinstance(found, tuple) else [found]:
            assert type(part) in (int, float, bool, str)
            assert isinstance(part, str) or math.isfinite(part)


@pytest.mark.parametrize("value", [math.nan, None, {"a": 1}, b"a"])
def test_resolve_refuses_hostile_values_of_any_field(value):
    for field in FIELDS:
        with pytest.raises(UserError, match=field):
            settings.resolve(changed(**{field: value}))


@pytest.mark.parametrize("field, value", [
    ("steps", 0), ("size", -1), ("size", 12.5), ("size", "big"), ("style_size", -5), ("log.every", 0),
    ("log.preview_every", -1), ("checkpoint.seconds", -1.0), ("style_scale", (0.0,)), ("init.blend", 1.5),
    ("init.center", (1.0, 2.0)), ("init.center", (1.1,)), ("pyramid.steps", (0,)), ("pyramid.steps", (1.5,)),
    ("guidance.styles", ("a",)), ("guidance.styles", ("0+",)), ("seed", -1), ("seed", 2**31),
    ("memory_limit_gb", math.inf), ("laplacian.pool", 0), ("content_loss.samples", 0),
    ("optimizer.memory", 10**11), ("optimizer.bands", 10**11), ("pyramid.factor", 1.0),
    ("pyramid.steps", math.nan), ("pyramid.factor", math.inf), ("tv.beta", 0.0),
    ("optimizer.ema", 1 - 1e-9), ("pyramid.factor", 1 + 1e-9),
    ("network.pooling_gain", -1.0), ("init.noise_scale", -0.1), ("style_loss.layers", None),
    ("style_loss.layer_weights", ("a",)), ("style_loss.layer_weights", (-1.0,)), ("tv.weight", 1e39),
    ("network.pooling_p", 1e-300), ("pyramid.carry", 1), ("steps", True), ("content", "a\0.jpg"),
    ("network.pooling", "maxi"), ("style_loss.representation", "gram+gran"),
])  # fmt: skip
def test_what_makes_no_sense_is_refused(field, value):
    with pytest.raises(UserError, match=f"^{field} = "):
        settings.resolve(changed(**{field: value}))


def test_the_message_says_what_is_allowed():
    with pytest.raises(UserError) as error:
        settings.resolve(changed(**{"optimizer.ema": 1.0}))
    assert str(error.value) == "optimizer.ema = 1.0: give a finite number, at least 0 and below 1"
    with pytest.raises(UserError, match="network.pooling = 'maxi': did you mean 'max'"):
        settings.resolve(changed(**{"network.pooling": "maxi"}))


@pytest.mark.parametrize("typed", [1000, 1e3, "1e3", "1000", np.int64(1000)])
def test_whole_numbers_however_typed(typed):
    steps = settings.resolve(changed(steps=typed)).steps
    assert steps == 1000 and type(steps) is int


def test_fields_that_are_missing_or_unknown():
    config = default.get_config()
    with config.unlocked():
        config.tv.wieght = 1.0
    with pytest.raises(UserError, match="'tv.wieght': did you mean 'tv.weight'"):
        settings.resolve(config)
    with pytest.raises(UserError, match="tv.weight: the config lacks this field"):
        settings.resolve(changed(tv=3))
    with pytest.raises(UserError, match="content: the config lacks"):
        settings.resolve(type(config)())


# --- sequences


@pytest.mark.parametrize("typed", [("a", "b"), ["a", "b"], "a,b", ("a,b",), " a , b "])
def test_names_however_typed(typed):
    assert settings.names(typed) == ("a", "b")


@pytest.mark.parametrize("typed", [(1, 0.5), [1, 0.5], "1,0.5", ("1,0.5",), ("1", "0.5")])
def test_numbers_however_typed(typed):
    weights = settings.resolve(changed(**{"style_loss.layer_weights": typed})).style_loss.layer_weights
    assert weights == (1.0, 0.5)


def test_one_number_is_a_sequence():
    assert settings.resolve(changed(**{"pyramid.steps": 3})).pyramid.steps == (3,)


def test_a_path_that_exists_keeps_its_commas_and_spaces(tmp_path):
    odd, other, plain = (tmp_path / name for name in ("a, b.jpg", "b.jpg", "it's (1).jpg"))
    for path in (odd, other, plain):
        path.write_bytes(b"")
    assert settings.paths((str(odd),)) == (str(odd),)
    assert settings.paths(f"{odd},{plain}, {other}") == (str(odd), str(plain), str(other))
    assert settings.paths(f"{other},{odd}") == (str(other), str(odd))
    assert settings.paths(("x.jpg,y.jpg",)) == ("x.jpg", "y.jpg")
    assert settings.paths(odd) == (str(odd),)


def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    config = settings.resolve(changed(content="~/a.jpg", style=("~/b.jpg,c.jpg",)))
    assert config.content == str(tmp_path / "a.jpg") and config.style == (str(tmp_path / "b.jpg"), "c.jpg")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "~b.jpg").write_bytes(b"")
    assert settings.resolve(changed(content="~b.jpg")).content == "~b.jpg"
    assert os.path.isabs(settings.resolve(config).content)


# --- several fields at once


@pytest.mark.parametrize("changes, message", [
    ({"content_loss.layers": (), "style_loss.layers": ()}, "both empty"),
    ({"content_loss.weight": 0.0, "style_loss.weight": 0.0}, "content_loss.weight and style_loss.weight"),
    ({"content_loss.layers": (), "style_loss.layer_weights": (0.0,)}, "no layer has a weight"),
    ({"init.image": "a.png"}, "--config.init.kind=image"),
    ({"optimizer.schedule_options": "decay_steps=5"}, "optimizer.schedule_options"),
])  # fmt: skip
def test_fields_that_do_not_fit_together(changes, message):
    with pytest.raises(UserError, match=message):
        settings.resolve(changed(**changes))


@pytest.mark.parametrize("changes, words", [
    ({}, []), ({"color.mode": "match", "color.space": "lab", "color.transform": "histogram"}, []),
    ({"color.space": "lab"}, ["color.mode = none"]), ({"color.transform": "cholesky"}, ["color.mode = none"]),
    ({"color.mode": "luminance", "color.space": "lab"}, []),
    ({"color.mode": "luminance", "color.space": "lab", "color.transform": "cholesky"}, ["luminance"]),
    ({"size": 64}, ["pyramid.min_size = 96"]), ({"size": "auto"}, []), ({"size": 0}, []),
])  # fmt: skip
def test_what_has_no_effect_is_said(changes, words):
    found = settings.notes(settings.resolve(changed(**changes)))
    assert len(found) == len(words) and all(word in note for word, note in zip(words, found, strict=True))
