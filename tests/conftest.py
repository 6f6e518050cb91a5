"""What the tests leave behind: nothing in the user's cache, and no program of a file that is done."""

import gc

import pytest

from nst import images
from nst.runs import job
from tests.helpers.running import picture


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NST_COMPILATION_CACHE", "0")
        yield


@pytest.fixture(autouse=True, scope="module")
def forgotten_programs():
    """Each compiled program holds mappings of memory, of which Linux lets a process have 65530.

    Those of the whole suite are more, and the compiler then ends with a segmentation fault.
    """
    yield
    job.forget()
    gc.collect()


@pytest.fixture
def pictures(tmp_path):
    paths = [tmp_path / "content.png", tmp_path / "style.png"]
    for seed, path in enumerate(paths):
        images.write(path, picture(seed))
    return [str(path) for path in paths]
