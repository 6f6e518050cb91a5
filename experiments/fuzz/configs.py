"""Hostile configs: every field with values that no one should give, alone and in pairs."""

import math
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
from ml_collections import ConfigDict

import nst
from experiments.fuzz.cases import Case, check, pick
from nst import images
from nst.cli import arguments
from nst.configs import default
from nst.errors import UserError
from nst.runs import stylize
from nst.runs.fields import FIELDS
from nst.sweeps.points import field_names, get_field

_RUN = 0.1  # the share of cases that make a step; the others end where the first program would be compiled
_LARGEST_RUN = 64  # px: a run of a size that a case has enlarged ends there, too
# what differs from the default config: as small as it can be, and refused beyond a GB
_SMALL = {
    "size": 32, "steps": 1, "weights.name": "vgg19_slim", "pyramid.min_size": 0, "pyramid.steps": (1,),
    "memory_limit_gb": 1.0, "log.every": 1, "log.preview_every": 1, "checkpoint.seconds": 0.0,
    "content_loss.layers": ("relu2_1",), "content_loss.layer_weights": (1.0,),
    "style_loss.layers": ("relu1_1", "relu2_1"), "optimizer.memory": 3,
}  # fmt: skip
_NUMBERS = (
    *(-1, 0, 1, 2, 3, 7, 16, 33, 100, 10**4, 10**5, 10**6, 2**31 - 1, 2**31, 2**63, 10**11, 10**30, -(2**63)),
    *(
        0.5,
        -0.5,
        1.0000001,
        1.5,
        1e-8,
        1e-300,
        1e3,
        1e8,
        1e14,
        1e30,
        1e38,
        1e308,
        math.nan,
        math.inf,
        -math.inf,
    ),
)
_USUAL = (0, 0.1, 0.5, 1, 1, 2, 3, 10)
_TEXTS = (
    "", " ", ",", "a", "A", "None", "nan", "1e3", "auto", "b1=0.9", 'b1="a"', "alpha='x'", "a=b=c", "=", "(",
    "__import__('os')", "x" * 5000, "a\0b", "\n", "ä", "../..", "/", "/dev/null", "~", "http://a/b.jpg",
    "gram+gram", "relu1_1", "relu1_1,relu1_1", "pool5", "image", "0+0", "decay_steps=0",
)  # fmt: skip
_OPTIONS = (
    "",
    "b1=0.5",
    "samples=64",
    "degree=3",
    "decay_steps=5",
    "value=0.1",
    "init_value=0.1,decay_steps=3",
)
_OTHERS = (
    None, True, False, [], {}, (None,), ((1,),), np.float32(1), np.int64(3), b"a", Path("/"), 1j, object,
)  # fmt: skip


def prepare(shared: Path) -> None:
    """Writes two pictures.

    Args:
      shared: the folder for them.
    """
    rng = np.random.default_rng(7)
    for name, size in (("content", (40, 33)), ("style", (30, 44))):
        noise = rng.random((4, 4, 3), np.float32)
        images.write(shared / f"{name}.png", np.clip(images.resize(noise, *size, "bilinear"), 0, 1))


def base(shared: Path) -> ConfigDict:
    """Returns a config that works.

    Args:
      shared: the folder with the pictures.
    """
    config = default.get_config()
    paths = {"content": str(shared / "content.png"), "style": (str(shared / "style.png"),)}
    config.update_from_flattened_dict(_SMALL | paths)
    return config


def make(rng: np.random.Generator, number: int, folder: Path, shared: Path) -> Case:
    """Makes a case: a config in which one to three fields have odd values.

    Args:
      rng: of this case.
      number: of this case; consecutive cases change consecutive fields.
      folder: an empty folder, for the run.
      shared: the folder with the pictures.
    """
    config = base(shared)
    fields = sorted(field_names(config))
    changed = [fields[number % len(fields)]]
    changed += [pick(rng, fields) for _ in range(pick(rng, (0, 0, 1, 1, 2)))]
    runs, way = rng.random() < _RUN, pick(rng, sorted(_WAYS))
    changes = {field: _value(rng, config, field, shared, runs) for field in changed}
    if runs and not any(field.startswith("optimizer.") for field in changed):
        config.optimizer.name, config.optimizer.learning_rate = "adam", 0.02  # which compiles sooner
    values = ", ".join(f"{field} = {_short(value)}" for field, value in changes.items())
    label = f"{'run' if runs else 'prepared'}, {way}: {values}"
    return Case(label, lambda: _try(_WAYS[way](config, changes), folder, runs))


def _short(value) -> str:
    text = repr(value)
    return text if len(text) < 60 else text[:57] + "..."


def _value(rng: np.random.Generator, config: ConfigDict, field: str, shared: Path, runs: bool):
    """Returns a value for a field: mostly of its own type, since others are refused soon."""
    group, _, leaf = field.rpartition(".")
    group = config[group] if group else config
    kind, draw = group.get_type(leaf), rng.uniform(0.18 if runs else 0.0, 0.7 if runs else 1.0)
    if draw < 0.1:
        return pick(rng, _OTHERS)
    if draw < 0.18:
        return pick(rng, _NUMBERS + _TEXTS)
    if kind is bool:
        return bool(rng.integers(2))
    usual = draw < 0.65  # a value that is probably allowed, so that others come further than the first check
    if kind in (int, float):
        value = pick(rng, _USUAL if usual else _NUMBERS)
        return value if kind is float or not math.isfinite(value) else int(value)
    words = _words(field, shared) if usual else (*_words(field, shared), *_TEXTS)
    if kind is tuple:
        numeric = all(isinstance(part, int | float) for part in group[leaf]) and group[leaf]
        parts = (_USUAL if usual else _NUMBERS) if numeric else words
        return tuple(pick(rng, parts) for _ in range(pick(rng, (0, 1, 1, 2, 3, 5))))
    return pick(rng, words) if kind is str else pick(rng, _NUMBERS + words)


def _words(field: str, shared: Path) -> tuple[str, ...]:
    """Texts for a field: its choices, or some that its kind allows."""
    described = FIELDS[field].words
    if described.startswith("one of "):
        return tuple(described.removeprefix("one of ").replace('""', "").split(", "))
    if "path" in described:
        return (
            str(shared / "style.png"),
            str(shared / "content.png"),
            str(shared),
            str(shared / "missing.png"),
        )
    return (
        _OPTIONS
        if field.endswith("options")
        else ("relu1_1", "relu2_1", "conv1_2", "pool1", "image", "0", "0+1")
    )


def _assigned(config: ConfigDict, changes: dict) -> ConfigDict:
    """Changes the fields as Python code does."""
    for field, value in changes.items():
        try:
            config.update_from_flattened_dict({field: value})
        except (TypeError, ValueError, KeyError) as error:  # ml_collections refuses it
            raise UserError(f"{field}: {error}") from error
    return config


def _forced(config: ConfigDict, changes: dict) -> ConfigDict:
    """Changes the fields without ml_collections' check of their types."""
    with config.ignore_type():
        return _assigned(config, changes)


def _typed(config: ConfigDict, changes: dict) -> ConfigDict:
    """Changes the fields as the command line does."""
    words = [f"--config.{field}={_text(value)}" for field, value in changes.items()]
    typed = arguments.load(words, "default").config
    return _forced(config, {field: get_field(typed, field) for field in changes})


def _text(value) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple | list) else str(value)


_WAYS = {"assigned": _assigned, "forced": _forced, "typed": _typed}


def _try(config: ConfigDict, folder: Path, runs: bool) -> None:
    """Makes a run; without `runs`, it ends where a program would be compiled."""
    config.lock()
    patch = mock.patch.object(stylize, "_compile", partial(_compile, stylize._compile, runs))
    calls = iter(range(3))
    try:
        with patch:
            result = nst.stylize(
                None,
                None,
                config,
                folder / "run",
                stop=lambda: next(calls, None) is None,
                log=lambda line: None,
            )
    except _Enough:
        return
    check(result.image.dtype == np.float32 and result.image.shape[2] in (3, 4), f"{result.image.shape}")
    check(bool(np.isfinite(result.image).all()), "an image that is not finite")
    check(0 <= result.image.min() and result.image.max() <= 1, "an image beyond [0, 1]")
    check(all(math.isfinite(record["loss"]) for record in result.metrics), "a loss that is not finite")


class _Enough(Exception):
    """Everything before compiling was accepted."""


def _compile(original, runs: bool, run):
    if not runs or max(run.job.content.rgb_HxWx3.shape) > _LARGEST_RUN:
        raise _Enough
    return original(run)
