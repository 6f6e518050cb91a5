"""Fixtures of all tests: one cache of compiled programs, a bound on those held in memory, two pictures."""

import atexit
import gc
import os
import signal
from pathlib import Path

import pytest

from nst import images
from nst.runs.compiling import drop_programs
from tests.helpers import compiling
from tests.helpers.running import picture

_MOST_MAPPINGS = 40_000


def pytest_configure(config):
    compiling.set_flags(config.cache)
    if hasattr(config, "workerinput"):
        # its results have been sent when a worker ends; to free thousands of programs takes it seconds
        atexit.register(os._exit, 0)
    # under nohup SIGHUP is ignored, and in the background of a script SIGINT; programs that the tests start
    # would inherit that. A signal that is handled has its usual effect in them
    for number in {signal.SIGINT, getattr(signal, "SIGHUP", signal.SIGINT)}:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda number, frame: None)


def pytest_collection_finish(session):
    # the tests themselves live to the end: to look through them again and again took a tenth of the time
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


@pytest.fixture(autouse=True, scope="session")
def shared_cache(tmp_path_factory):
    """Compiles each program of the session once, for all tests, workers and subprocesses.

    The user's own cache is not touched.
    """
    base = tmp_path_factory.getbasetemp()
    # a worker of pytest-xdist has a folder of its own, in that of the session
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "xla"
    with pytest.MonkeyPatch.context() as patch:
        compiling.share_cache(folder, patch)
        yield


@pytest.fixture(autouse=True, scope="module")
def few_programs():
    """Drops the compiled programs of this process when they are many.

    Each program holds memory mappings, of which Linux allows a process 65530. The whole suite would need
    more, and the compiler then ends with a segmentation fault. A single file of tests needs about 10000 at
    most.
    """
    yield
    mappings = Path("/proc/self/maps")
    if mappings.exists() and mappings.read_bytes().count(b"\n") > _MOST_MAPPINGS:
        drop_programs()
        gc.collect()


@pytest.fixture
def pictures(tmp_path):
    paths = [tmp_path / "content.png", tmp_path / "style.png"]
    for seed, path in enumerate(paths):
        images.write(path, picture(seed))
    return [str(path) for path in paths]
