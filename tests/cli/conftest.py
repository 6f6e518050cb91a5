"""Fixtures of the tests of `nst photo painting`: a folder, the command, and a wish to stop."""

import pytest

from nst import images
from nst.cli import making
from nst.cli.main import main
from nst.runs import stylize
from tests.helpers.running import picture


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a photograph and a painting; there is neither VGG-19 nor a network."""
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(("photo.png", "painting.png")):
        images.write(name, picture(seed))
    monkeypatch.setenv("NST_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("NST_WEIGHTS_URL", "http://127.0.0.1:9")
    monkeypatch.delenv("NST_WEIGHTS_DIR", raising=False)
    return tmp_path


@pytest.fixture
def nst(capsys):
    """Returns the exit status, the output and the errors of a command."""

    def run(*words):
        status = main(list(words))
        return (status, *capsys.readouterr())

    return run


@pytest.fixture
def stops(monkeypatch):
    """Makes the runs of a command stop after some chunks of steps, as Ctrl-C does."""

    def after(chunks):
        def stylize_stopped(*rest, stop, **more):
            left = iter(range(chunks))
            return stylize.stylize(*rest, stop=lambda: next(left, None) is None, **more)

        monkeypatch.setattr(making, "stylize", stylize_stopped)

    return after
