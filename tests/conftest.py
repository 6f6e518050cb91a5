"""Programs that the tests start keep what they compile out of the user's cache."""

import pytest


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NST_COMPILATION_CACHE", "0")
        yield
