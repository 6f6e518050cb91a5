"""A run that is stopped keeps its picture and says how far it has come; Ctrl-C in Python does the same."""

import signal
import threading

import numpy as np
import pytest

from nst import images
from tests.helpers.running import picture, records, small, stop_after, stylize
from tests.runs.test_pyramid import THREE

PAIR = picture(0), picture(1)


@pytest.fixture(autouse=True)
def pythons_handler():
    """What Python, and with it a notebook, does at Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def press_at(word, lines, times=1):
    """Returns a `log` that keeps its lines, and presses Ctrl-C when one begins with this word."""

    def log(line):
        lines.append(line)
        if line.startswith(word):
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)

    return log


def interrupted(word, config, times=1, **options):
    import nst

    lines = []
    return nst.stylize(*PAIR, config, log=press_at(word, lines, times), **options), lines


def test_ctrl_c_returns_the_picture_as_it_is_and_the_run_can_be_continued(tmp_path):
    whole, _ = stylize(*PAIR, small(), workdir=tmp_path / "whole")
    result, lines = interrupted("step 2/6", small(), workdir=tmp_path / "run")
    assert (result.step, result.finished) == (2, False) and result.metrics[-1]["step"] == 2
    path = tmp_path / "run/previews/step_000002.jpg"
    assert lines[-1] == f"stopped at step 2 of 6, 32x23 px; the picture as it is: {path}"
    assert np.abs(images.read(path).rgb_HxWx3 - result.image).mean() < 0.02
    again, _ = stylize(*PAIR, small(), workdir=tmp_path / "run")
    np.testing.assert_array_equal(again.image, whole.image)
    assert records(tmp_path / "run") == records(tmp_path / "whole")


def test_without_a_folder_the_picture_is_returned_too():
    result, lines = interrupted("step 4/6", small())
    assert result.step == 4 and lines[-1] == "stopped at step 4 of 6, 32x23 px"
    stopped, _ = stylize(*PAIR, small(steps=4))
    np.testing.assert_array_equal(result.image, stopped.image)


@pytest.mark.parametrize("workdir", [True, False])
def test_at_a_smaller_size_the_picture_is_that_of_the_size_and_so_is_the_step(tmp_path, workdir):
    folder = {"workdir": tmp_path} if workdir else {}
    result, lines = interrupted("step 2/3", small(**THREE | {"log.every": 1}), **folder)
    said = f"; the picture as it is: {tmp_path / 'size_34/previews/step_000002.jpg'}" if workdir else ""
    assert lines[-1] == f"stopped at step 2 of 3, 34x24 px{said}"
    assert (result.step, result.finished) == (0, False) and result.image.shape == (34, 48, 3)
    smaller, _ = stylize(
        *PAIR, small(**THREE | {"size": 34, "pyramid.steps": (4,), "steps": 2, "pyramid.min_size": 24})
    )
    enlarged = images.resize(smaller.image, 34, 48, "lanczos")
    assert np.abs(result.image - enlarged).max() < 0.05
    if workdir:  # the same command continues it
        again, _ = stylize(*PAIR, small(**THREE | {"log.every": 1}), workdir=tmp_path)
        np.testing.assert_array_equal(again.image, stylize(*PAIR, small(**THREE))[0].image)


def test_a_second_ctrl_c_is_an_interrupt():
    with pytest.raises(KeyboardInterrupt):
        interrupted("step 2/6", small(), times=2)


def test_ctrl_c_before_the_first_step_is_made_is_an_interrupt(tmp_path, monkeypatch):
    def interrupt(*rest):
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(images, "read", interrupt)
    with pytest.raises(KeyboardInterrupt):
        stylize(*PAIR, small(), workdir=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_handler_of_the_program_is_left_alone():
    received = []
    signal.signal(signal.SIGINT, lambda number, frame: received.append(number))
    result, _ = interrupted("step 2/6", small())
    assert result.finished and received == [signal.SIGINT]
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_in_another_thread_a_run_has_no_handler():
    results = []
    thread = threading.Thread(target=lambda: results.append(stylize(*PAIR, small(steps=1))))
    thread.start()
    thread.join()
    assert results[0][0].finished


def test_stop_names_the_picture(tmp_path):
    result, lines = stylize(*PAIR, small(), workdir=tmp_path, stop=stop_after(2))
    path = tmp_path / f"previews/step_{result.step:06d}.jpg"
    assert lines[-1] == f"stopped at step {result.step} of 6, 32x23 px; the picture as it is: {path}"
    assert path.exists()
