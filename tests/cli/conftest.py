"""Fixtures of the tests of `nst photo painting`: a folder, the command, and a wish to stop."""

import signal

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
        numbers = signal.SIGINT, signal.SIGTERM, signal.SIGHUP
        before = [signal.getsignal(number) for number in numbers]
        try:
            return (main(list(words)), *capsys.readouterr())
        finally:
            for number, handler in zip(numbers, before, strict=True):
                signal.signal(number, handler)

    return run


@pytest.fixture
def stops(monkeypatch):
    """Makes a function that presses Ctrl-C after some chunks of steps of a run; None: never."""

    def after(chunks):
        left = iter(range(chunks)) if chunks is not None else None

        def stylize_stopped(*rest, stop, **more):
            def press_and_ask():
                if left is not None and next(left, None) is None:
                    signal.raise_signal(signal.SIGINT)
                return stop()

            return stylize.stylize(*rest, stop=press_and_ask, **more)

        monkeypatch.setattr(making, "stylize", stylize_stopped)

    return after
