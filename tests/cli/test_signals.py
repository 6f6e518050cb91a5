"""Ctrl-C is answered at once, and a second one ends the process."""

import signal

import pytest

from nst.cli import signals


@pytest.fixture
def handlers():
    """Restores the handlers of signals."""
    numbers = signal.SIGINT, signal.SIGTERM, signal.SIGHUP
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_answered_and_the_second_ends_the_process(handlers, capfd, number):
    received = signals.catch()
    signal.raise_signal(number)
    assert received == [number]
    assert capfd.readouterr().err == signals._STOPPING.decode()
    assert signal.getsignal(number) is signal.SIG_DFL


def test_the_end_of_the_terminal_may_be_told_twice(handlers):
    received = signals.catch()
    signal.raise_signal(signal.SIGHUP), signal.raise_signal(signal.SIGHUP)
    assert received == [signal.SIGHUP]
