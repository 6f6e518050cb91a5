"""A folder for compiled programs, as a user has one; other tests keep theirs in the folder of the session."""

import jax
import pytest
from jax.experimental.compilation_cache import compilation_cache

from nst.runs.compiling import drop_programs


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder of the programs, while JAX's cache is the user's own."""
    before = jax.config.jax_compilation_cache_dir
    monkeypatch.setenv("NST_CACHE_DIR", str(tmp_path))
    jax.config.update("jax_compilation_cache_dir", str(tmp_path / "xla"))
    compilation_cache.reset_cache()
    later_process()
    yield tmp_path / "programs"
    jax.config.update("jax_compilation_cache_dir", before)
    compilation_cache.reset_cache()
    later_process()


def later_process():
    """Forgets what a process has in memory."""
    drop_programs()
