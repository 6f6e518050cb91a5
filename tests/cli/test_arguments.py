"""The command line: what is typed reaches the config; what cannot be meant is said with the right form."""

import os
import sys

import pytest

from nst.cli import arguments
from nst.errors import UserError
from nst.runs import settings
from tests.helpers.programs import check_one_line_errors, run_each

DEFAULT = "--config=configs/default.py"


@pytest.fixture
def typed(monkeypatch, tmp_path):
    """Returns the resolved config of a command line, and its other words."""
    monkeypatch.setenv("HOME", str(tmp_path))

    def load(*words):
        loaded = arguments.load(words, "default")
        if extra := [word for word in loaded.words if not word.startswith("--workdir")]:
            raise arguments.misplaced(loaded, extra)
        return settings.resolve(loaded.config), loaded.words

    return load


NAMES = ["my painting.jpg", "a,b.jpg", "it's.jpg", '"quoted".jpg', "(1).jpg", "[x].jpg", "1,2.jpg", "é.jpg"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("absolute", [True, False])
def test_a_path_arrives_however_it_is_named(typed, tmp_path, monkeypatch, name, absolute):
    (tmp_path / name).write_bytes(b"")
    path = str(tmp_path / name) if absolute else os.path.relpath(tmp_path / name)
    assert typed(f"--config.style={path}")[0].style == (path,)
    assert typed("--config.style", path)[0].style == (path,)
    assert typed(f"--config.content={path}")[0].content == path


def test_sequences_however_they_are_typed(typed, tmp_path):
    paths = tuple(str(tmp_path / name) for name in ("a b.jpg", "c,d.jpg", "e.jpg"))
    for path in paths:
        open(path, "w").close()
    a, b, c = paths
    for value in (f"{a},{b},{c}", f"{a}, {b},{c}", repr(paths), repr(list(paths)), repr(paths)[1:-1]):
        assert typed(f"--config.style={value}")[0].style == paths
    expected = str(tmp_path / "x.jpg"), "/y.jpg", "../z.jpg"
    assert typed("--config.style=~/x.jpg,/y.jpg,../z.jpg")[0].style == expected
    for value in ("1,0.5", "(1, 0.5)", "[1,0.5]", "1, 0.5"):
        assert typed(f"--config.style_loss.layer_weights={value}")[0].style_loss.layer_weights == (1.0, 0.5)
    for value in ("", "()", "[]"):
        assert typed(f"--config.content_loss.layers={value}")[0].content_loss.layers == ()


def test_the_config_may_be_named_after_its_fields(typed):
    for words in (["--config.steps=3", "--config=gatys2016"], ["--config.steps=3", "--config", "gatys2016"]):
        config, others = typed(*words)
        assert config.steps == 3 and config.network.pooling == "average" and not others


def test_numbers_switches_and_the_home_folder(typed, tmp_path):
    assert typed("--config.steps=1e3")[0].steps == 1000
    assert typed("--config.steps=5", "--config.steps=6")[0].steps == 6  # of single values the last one counts
    assert typed("--config.size=256.0")[0].size == 256 and typed("--config.size=auto")[0].size == "auto"
    assert typed("--noconfig.pyramid.carry")[0].pyramid.carry is False
    config, others = typed("--config.content=~/a.jpg", "--workdir=~/runs/a")
    assert config.content == str(tmp_path / "a.jpg") and others == [f"--workdir={tmp_path}/runs/a"]


def test_a_file_that_is_no_config_is_said_to_be_none(typed, tmp_path, monkeypatch):
    (tmp_path / "none.py").write_text("x = 1\n")
    # ml_collections executes every file in this module, which keeps the functions of the file before
    monkeypatch.delitem(sys.modules, "config_config", raising=False)
    with pytest.raises(UserError, match=r"none.py: has no function get_config\(\); see nst configs default"):
        typed(f"--config={tmp_path}/none.py")


def test_what_cannot_be_meant_is_said_with_the_right_form(typed, tmp_path):
    spaced, broken = tmp_path / "my painting.jpg", tmp_path / "broken.py"
    spaced.write_bytes(b"")
    broken.write_text("def get_config():\n    return 1 + 'a'\n")
    cases = [
        (["--config.style", "a.jpg", "b.jpg"], "'b.jpg' belongs to no option"),
        (["--config.style", "a.jpg", "b.jpg"], "--config.style=a.jpg,b.jpg"),
        (["--config.style=a.jpg,", "b.jpg"], "no spaces between them: --config.style=a.jpg,b.jpg"),
        (["--config.style=a.jpg,", "b.jpg,", "c.jpg"], "--config.style=a.jpg,b.jpg,c.jpg"),
        (["photo.jpg", "painting.png"], "--config.content=photo.jpg --config.style=painting.png"),
        (["photo.jpg"], "--config.content=photo.jpg --config.style=painting.jpg"),
        (["--config.size", "256"], "write --config.size=256"),
        ([f"--config.style={tmp_path}/my", "painting.jpg"], f'quotes: --config.style="{spaced}"'),
        (["--config.style=a.jpg", "--config.style=b.jpg"],
         "given 2 times; give it once, with commas: --config.style=a.jpg,b.jpg"),
        (["--config.stpes=3"], "no field stpes; did you mean steps?"),
        (["--config.tv.wieght=3"], "no field tv.wieght; did you mean tv.weight?"),
        (["--config.optimizer=adam"], "optimizer is a group of fields; set one of optimizer.bands"),
        (["--config.steps=1.5"], "--config.steps=1.5: give a whole number"),
        (["--config.steps=1e999"], "--config.steps=1e999: give a whole number"),
        (["--config.pyramid.carry=maybe"], "give true or false"),
        (["--config.tv.weight=nan"], "tv.weight = nan: give a finite number, at least 0"),
        (["--config=configs/gatys2016b.py"], "no such config; did you mean gatys2016?"),
        (["--config=pooling"], "no such config; did you mean sweeps/pooling? nst configs lists all"),
        (["--config="], "no such config"),
        (["--config=classic", "--config", "gatys2016"], "--config is given more than once: give one"),
        (["--config.size"], "--config.size needs a value: --config.size=VALUE"),
        (["--config.content", "--config.steps=3"], "--config.content needs a value"),
        (["--nonsense=3"], "there is no option --nonsense"),
        ([f"--config={broken}"], f"{broken}: TypeError: unsupported operand"),
        ([f"--config={spaced.parent}"], "no such config"),
    ]  # fmt: skip
    for command, message in cases:
        with pytest.raises(UserError) as error:
            typed(*command)
        assert message in str(error.value) and "\n" not in str(error.value)


PROGRAMS = {
    "nst": ["stylize"], "experiments.stylize": [DEFAULT],
    "experiments.sweep": ["--config=configs/sweeps/pooling.py"],
    "experiments.report": [], "experiments.visualize": [DEFAULT, "maps"], "experiments.distill.paint": [],
    "experiments.benchmarks.memory": [],
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.processes
@pytest.mark.parametrize("program", PROGRAMS)
def test_every_program_refuses_a_word_that_belongs_to_no_flag(program, tmp_path):
    commands = [[*PROGRAMS[program], f"--workdir={tmp_path}", "b.jpg"]]
    check_one_line_errors([(commands[0], "'b.jpg' belongs to no option")], run_each(program, commands))


@pytest.mark.processes
def test_measure_takes_pictures_and_refuses_a_list_that_was_split():
    cases = [
        (["--content=a.jpg", "--style=b.jpg,", "c.jpg", "x.png"], "--style=b.jpg,c.jpg"),
        (["--content=a.jpg", "--style=b.jpg", "--style=c.jpg", "x.png"], "given twice; give it once"),
        (["--content=none.jpg", "--style=b.jpg", "x.png"], "none.jpg"),
    ]  # fmt: skip
    check_one_line_errors(cases, run_each("experiments.measure", [words for words, _ in cases]))


@pytest.mark.slow
@pytest.mark.processes
@pytest.mark.parametrize("platform", ["cuda", "nonsense"])
def test_a_platform_that_jax_lacks_is_one_line(platform, tmp_path):
    picture = "nst/data/images/cat.jpg"
    flags = [
        DEFAULT,
        "--config.weights.name=random",
        f"--config.content={picture}",
        f"--config.style={picture}",
    ]
    ends = run_each("experiments.stylize", [[*flags, f"--workdir={tmp_path}"]], JAX_PLATFORMS=platform)
    check_one_line_errors([(flags, f"JAX_PLATFORMS={platform}: ")], ends)
    ends = run_each(
        "experiments.measure",
        [["--network=random", f"--content={picture}", f"--style={picture}", picture]],
        JAX_PLATFORMS=platform,
    )
    check_one_line_errors([(flags, "or unset JAX_PLATFORMS")], ends)
    assert os.listdir(tmp_path) == []
