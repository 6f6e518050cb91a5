"""What `nst` says without a picture: the help, the version, misspelt commands, and how little it imports."""

import argparse
import importlib
import re
import subprocess
import sys

import pytest

import nst
from nst.cli import main as command
from nst.cli import plain
from nst.cli.main import COMMANDS, main
from nst.configs import default
from nst.networks.checkpoints import CHECKPOINTS
from nst.networks.pooling import POOLING
from nst.runs.fields import FIELDS
from nst.runs.kinds import normal_form
from nst.runs.pictures import INITS
from tests.helpers.programs import ROOT


def printed(capsys, *words):
    assert main(list(words)) == 0
    return capsys.readouterr().out


def test_nst_alone_is_its_help_and_names_every_option_and_command(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    alone = printed(capsys)
    assert alone == printed(capsys, "--help") == printed(capsys, "-h") == printed(capsys, "a.jpg", "--help")
    assert alone.startswith("usage: nst PHOTO PAINTING [-o OUTPUT]")
    for flag, option in plain.OPTIONS.items():
        assert re.search(rf"{flag} {option.metavar}\b.*\({re.escape(option.default)}\)", alone) or (
            not option.metavar and flag in alone
        )
    for name, about in COMMANDS.items():
        assert f"nst {name} ".ljust(14) in alone and about.summary in alone
    assert "--overwrite" in alone and "--config.FIELD" in alone and max(map(len, alone.splitlines())) <= 110


def test_the_help_states_the_values_of_the_default_config(capsys):
    config = default.get_config()
    for option in plain.OPTIONS.values():
        for field, value in option.fields.items():
            assert field in FIELDS
            if value is ...:
                stated = normal_form(field, option.default, FIELDS[field])
                assert stated == normal_form(field, dict_value(config, field), FIELDS[field])
            else:
                normal_form(field, value, FIELDS[field])
    shown = printed(capsys)
    for flag, names in (
        ("--pooling", POOLING),
        ("--init", set(INITS) - {"image"}),
    ):  # which needs a path as well
        meaning = plain.OPTIONS[flag].meaning.rpartition(": ")[2]
        assert set(re.split(", | or ", meaning)) == set(names) and meaning in " ".join(shown.split())
    assert "vgg19_slim" in shown
    assert "80 MB" in shown and round(CHECKPOINTS["vgg19"].size / 1e6) == 80


def dict_value(config, field):
    for part in field.split("."):
        config = config[part]
    return config


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_a_help_that_names_what_it_takes(capsys, name):
    shown = printed(capsys, name, "--help")
    assert f"usage: nst {name}" in shown and ("--config.FIELD" in shown) == (
        COMMANDS[name].config is not None
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_each_help_states_the_defaults(name):
    parser = command.make_parser(name, importlib.import_module(f"nst.cli.{name}"))
    for action in parser._actions:
        if action.option_strings and action.default not in (None, "", 0.0, False, argparse.SUPPRESS):
            assert f"({action.default})".replace(".0)", ")") in action.help % vars(action)


def test_the_version(capsys):
    assert printed(capsys, "--version") == f"nst {nst.__version__}\n"
    assert "--version" in printed(capsys, "--help")


@pytest.mark.parametrize("word, meant", [("swep", "sweep"), ("stylise", "stylize"), ("docter", "doctor")])
def test_a_misspelt_command_names_the_nearest(capsys, tmp_path, monkeypatch, word, meant):
    monkeypatch.chdir(tmp_path)
    for words in ([word], [word, "--workdir=runs/a"]):
        assert main(words) == 1
        error = capsys.readouterr().err
        assert error == f"error: {word}: neither a command nor a picture; did you mean nst {meant}?\n"
    assert main(["nonsense.jpg", "painting.jpg"]) == 1
    assert capsys.readouterr().err == "error: nonsense.jpg: no such file; give the path of a picture\n"


@pytest.mark.processes
def test_the_help_imports_nothing_large():
    code = "import sys; from nst.cli.main import main; main(sys.argv[1:]); print(*sys.modules, sep='\\n')"
    large = {"jax", "numpy", "scipy", "flax", "optax", "PIL", "ml_collections", "absl", "h5py"}
    for words in ([], ["--help"], ["--version"]):
        done = subprocess.run(
            [sys.executable, "-c", code, *words], cwd=ROOT, capture_output=True, text=True, check=True
        )
        assert "nst.cli.main" in done.stdout and not large & set(done.stdout.splitlines())


def test_words_and_options_may_stand_in_any_order():
    from nst.cli import paint

    parser = command.make_parser("paint", paint)
    for words in (["a", "b", "--size", "3"], ["--size=3", "a", "b"], ["a", "--size", "3", "b"]):
        args = parser.parse_known_intermixed_args(words)[0]
        assert args.pictures == ["a", "b"] and args.size == "3"
