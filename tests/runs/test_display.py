"""What is seen of a run while it is made: by a function, in a terminal, and in a notebook."""

import base64
import io
import re
import signal
import sys
import types

import numpy as np
import pytest
from PIL import Image

import nst
from nst.errors import UserError
from tests.helpers.running import contents, picture, small, stylize
from tests.runs.test_pyramid import ADAM, THREE

PAIR = picture(0), picture(1)
TWO = THREE | ADAM | {"size": 34, "pyramid.steps": (2,), "steps": 3, "log.every": 1}


def kept(workdir):
    """The files of a run that hold no clock."""
    return {
        path.relative_to(workdir): data
        for path, data in contents(workdir).items()
        if path.suffix in (".png", ".jpg") or path.name == "config.json"
    }


def test_the_function_is_called_at_every_size_and_changes_no_byte(tmp_path):
    calls, pictures = [], []

    def progress(now):
        calls.append(now)
        pictures.append(now.image())

    plain, _ = stylize(*PAIR, small(**TWO), workdir=tmp_path / "plain", progress=False)
    result, lines = stylize(*PAIR, small(**TWO), workdir=tmp_path / "run", progress=progress)
    found = [(now.width, now.height, now.step, now.steps) for now in calls]
    assert found == [(24, 17, step, 2) for step in range(3)] + [(34, 24, step, 3) for step in range(4)]
    for now, image in zip(calls, pictures, strict=True):
        assert image.shape == (now.height, now.width, 3) and 0 <= image.min() < image.max() <= 1
    np.testing.assert_array_equal(pictures[-1], result.image)
    # the loss of the start, and then that at the start of each chunk's last step
    recorded = [line["loss"] for line in result.metrics]
    np.testing.assert_allclose([now.loss for now in calls[3:]], recorded[:1] + recorded[:3], rtol=1e-5)
    assert kept(tmp_path / "run") == kept(tmp_path / "plain")
    np.testing.assert_array_equal(result.image, plain.image)
    assert "step 2/3" in " ".join(lines)  # the log is as without the function


@pytest.mark.parametrize("width", [24, 34])
def test_an_exception_of_the_function_ends_the_run_which_can_be_continued(tmp_path, width):
    calls = []

    def progress(now):
        calls.append(now)
        if (now.width, now.step) == (width, 1):
            raise ZeroDivisionError("of the function")

    lines = []
    with pytest.raises(ZeroDivisionError, match="of the function"):
        nst.stylize(*PAIR, small(**TWO), tmp_path / "run", progress=progress, log=lines.append)
    folder = tmp_path / "run" if width == 34 else tmp_path / "run/size_24"
    path = folder / "previews/step_000001.jpg"
    assert lines[-1].startswith("stopped at step 1 of ") and lines[-1].endswith(str(path)) and path.exists()
    assert (calls[-1].width, calls[-1].step) == (width, 1)
    again, _ = stylize(*PAIR, small(**TWO), workdir=tmp_path / "run")
    np.testing.assert_array_equal(again.image, stylize(*PAIR, small(**TWO))[0].image)


def test_what_cannot_show_progress_is_refused(tmp_path):
    with pytest.raises(UserError, match="progress = 'bar': give a function"):
        stylize(*PAIR, small(), workdir=tmp_path / "run", progress="bar")
    assert not (tmp_path / "run").exists()


# --- a terminal


def terminal(monkeypatch):
    """Makes standard error a terminal, and returns what is written to it. No fixture: pytest replaces it."""
    screen = io.StringIO()
    screen.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", screen)
    return screen


def test_a_bar_for_each_size_in_a_terminal(monkeypatch):
    screen = terminal(monkeypatch)
    _, lines = stylize(*PAIR, small(**TWO))
    assert re.search(r"24x17 px: 100%.* 2/2 .*loss", screen.getvalue())
    assert re.search(r"34x24 px: 100%.* 3/3 .*loss", screen.getvalue())
    assert not any(line.startswith("step") for line in lines)


def screen_of(text, rows=40, columns=400):
    """What a terminal shows after it has received a text."""
    lines, row, column = [[" "] * columns for _ in range(rows)], 0, 0
    for part in re.findall(r"\x1b\[A|.", text, re.DOTALL):
        if part == "\x1b[A":
            row -= 1
        elif part == "\n":
            row, column = row + 1, 0
        elif part == "\r":
            column = 0
        else:
            lines[row][column], column = part, column + 1
    return [line for line in ("".join(cells).rstrip() for cells in lines) if line]


def test_the_bar_has_one_line_that_the_log_does_not_run_into_and_is_gone_at_the_end(monkeypatch):
    screen = terminal(monkeypatch)
    monkeypatch.setattr(sys, "stdout", screen)
    seen = []

    def log(line):
        seen.append(screen_of(screen.getvalue()))
        print(line)

    nst.stylize(*PAIR, small(**TWO), log=log)
    lines = screen_of(screen.getvalue())
    assert "24x17 px: 100%" in screen.getvalue() and "34x24 px: 100%" in screen.getvalue()
    assert not any("%" in line for line in lines) and not any("%" in line for shown in seen for line in shown)
    assert "at 24 px" in lines
    said = [line.partition(":")[0] for line in lines]
    # what is the same at every size is said once
    assert said.count("network") == said.count("weights") == 1 and said.count("optimiser") == 2


@pytest.mark.parametrize("progress", [False, lambda now: None])
def test_no_bar_but_lines_in_the_log_if_none_is_wanted(monkeypatch, progress):
    screen = terminal(monkeypatch)
    _, lines = stylize(*PAIR, small(), progress=progress)
    assert not screen.getvalue() and sum(line.startswith("step") for line in lines) == 4


# --- a notebook


class Handle:
    def __init__(self, shown):
        self.shown = shown

    def update(self, bundle, raw):
        assert raw
        self.shown.append(bundle)


@pytest.fixture
def notebook(monkeypatch):
    """An IPython kernel: what it displays, one after the other in the same place."""
    shown = []

    def display(bundle, raw, display_id):
        assert raw and display_id and not shown
        shown.append(bundle)
        return Handle(shown)

    ipython = types.ModuleType("IPython")
    ipython.get_ipython = lambda: types.SimpleNamespace(kernel=object())
    ipython.display = types.ModuleType("IPython.display")
    ipython.display.display = display
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", ipython.display)
    return shown


def pictures_in(shown):
    found = [re.findall(r"data:image/jpeg;base64,([^\"]+)", bundle["text/html"]) for bundle in shown]
    return [Image.open(io.BytesIO(base64.b64decode(data))).size for (data,) in filter(None, found)]


def test_a_notebook_shows_a_bar_and_the_picture_in_one_place(notebook, monkeypatch):
    monkeypatch.setattr("nst.runs.display._SHARE", np.inf)  # every time
    result, lines = stylize(*PAIR, small(**TWO))
    assert pictures_in(notebook) == [(24, 17)] * 3 + [(34, 24)] * 4
    texts = [bundle["text/plain"] for bundle in notebook]
    assert "24x17 px" in texts[0] and "0/2" in texts[0]
    assert "34x24 px: 100%" in texts[-1] and "3/3" in texts[-1] and "<img" not in notebook[-1]["text/html"]
    assert not any(line.startswith("step") for line in lines)
    np.testing.assert_array_equal(result.image, stylize(*PAIR, small(**TWO), progress=False)[0].image)


def test_the_picture_of_a_notebook_takes_a_small_share_of_the_time(notebook, monkeypatch):
    monkeypatch.setattr("nst.runs.display._SHARE", 1e-9)
    stylize(*PAIR, small(**TWO))
    assert pictures_in(notebook) == [(24, 17)]


def test_ctrl_c_in_a_notebook_leaves_the_bar_and_returns_the_picture(notebook):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def log(line):
        if line.startswith("network"):
            signal.raise_signal(signal.SIGINT)

    try:
        result = nst.stylize(*PAIR, small(), log=log)
    finally:
        signal.signal(signal.SIGINT, before)
    assert result.step == 0 and not result.finished
    assert "0/6" in notebook[-1]["text/plain"] and "<img" not in notebook[-1]["text/html"]


def test_ipython_in_a_terminal_is_no_notebook(notebook, monkeypatch):
    screen = terminal(monkeypatch)
    monkeypatch.setattr(sys.modules["IPython"], "get_ipython", lambda: types.SimpleNamespace())
    stylize(*PAIR, small(steps=1))
    assert not notebook and "1/1" in screen.getvalue()


# --- the result


def transparent():
    pixels_HxWx4 = np.dstack([np.asarray(PAIR[0]), np.tile(np.linspace(0, 1, 56, dtype=np.float32), (40, 1))])
    return pixels_HxWx4, PAIR[1]


@pytest.mark.parametrize("pair", [PAIR, transparent()], ids=["opaque", "transparent"])
@pytest.mark.parametrize("bits, suffix", [(8, "png"), (16, "png"), (16, "tiff"), (8, "jpeg")])
def test_a_result_is_saved_with_the_bytes_that_the_run_folder_has(tmp_path, pair, bits, suffix):
    config = small(**{"steps": 1, "output.format": suffix, "output.bits": bits})
    result, _ = stylize(*pair, config, workdir=tmp_path / "run")
    result.save(tmp_path / f"saved.{suffix}", bits)
    assert (tmp_path / f"saved.{suffix}").read_bytes() == (tmp_path / f"run/result.{suffix}").read_bytes()


@pytest.mark.parametrize("pair, channels", [(PAIR, 3), (transparent(), 4)])
def test_a_notebook_shows_a_result_as_its_picture(pair, channels):
    result, _ = stylize(*pair, small(steps=1))
    assert result.image.shape == (23, 32, channels) and repr(result) == "Result(32x23 px, step 1 of 1)"
    with Image.open(io.BytesIO(result._repr_png_())) as shown:
        np.testing.assert_allclose(np.asarray(shown) / 255, result.image, atol=0.51 / 255)


def test_a_result_cannot_be_saved_in_an_unknown_format(tmp_path):
    result, _ = stylize(*PAIR, small(steps=1))
    with pytest.raises(UserError, match="suffix = '.gif'"):
        result.save(tmp_path / "saved.gif")
    with pytest.raises(UserError, match="output.bits = 16: jpeg"):
        result.save(tmp_path / "saved.jpg", 16)
