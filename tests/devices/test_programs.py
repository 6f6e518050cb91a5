"""Programs that are found without being traced: when they are, when they must not be, and damaged entries."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental.compilation_cache import compilation_cache

from nst.devices import programs
from nst.errors import UserError

ROOT = Path(__file__).parents[2]
TRACED = []


def _scaled(factor, tree, x):
    TRACED.append(factor)
    return {"y": factor * tree["a"] + x, "none": None}


SCALED = jax.jit(_scaled, static_argnums=0)
TREE = {"a": jnp.arange(3.0)}


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
    jax.clear_caches()
    programs.drop()
    TRACED.clear()


def called(factor=2.0, tree=TREE, x=1.0):
    """Returns the result in a later process, and whether the function was traced there."""
    later_process()
    result = programs.call(SCALED, factor, tree, np.float32(x))
    assert result["none"] is None
    return np.asarray(result["y"]).tolist(), bool(TRACED)


def test_a_later_process_does_not_trace_again(folder):
    assert called() == ([1, 3, 5], True)
    assert called() == ([1, 3, 5], False)
    assert called(x=2.0) == ([2, 4, 6], False)  # the values are not part of the program
    (entry,) = folder.iterdir()
    assert entry.name.startswith("program-_scaled-")


def test_whatever_changes_the_program_makes_another_entry(folder, monkeypatch):
    called()
    assert called(factor=3.0) == ([1, 4, 7], True)
    assert called(tree={"a": jnp.arange(2.0)}) == ([1, 3], True)
    assert called(tree={"a": jnp.arange(3)}) == ([1, 3, 5], True)
    with jax.numpy_dtype_promotion("standard"):
        assert called() == ([1, 3, 5], False)
    jax.config.update("jax_default_matmul_precision", "highest")
    try:
        assert called()[1]
    finally:
        jax.config.update("jax_default_matmul_precision", None)
    for name in ("_code", "_platform"):
        with monkeypatch.context() as patch:
            patch.setattr(programs, name, lambda: "another")
            assert called()[1]
    assert len(list(folder.iterdir())) == 7
    assert called() == ([1, 3, 5], False)


def test_a_damaged_entry_is_replaced(folder):
    called()
    (entry,) = folder.iterdir()
    whole = entry.read_bytes()
    for damaged in (b"", b"nonsense", whole[:-9], whole[:40] + bytes([whole[40] ^ 1]) + whole[41:]):
        entry.write_bytes(damaged)
        assert called() == ([1, 3, 5], True)
        assert called() == ([1, 3, 5], False)


def test_an_entry_is_whole_although_jax_has_the_program_in_its_own_cache(folder):
    """XLA:CPU cannot write a program that it has read: functions would be missing in the entry."""
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    x = jnp.ones((64, 64))
    function = jax.jit(lambda x: jnp.tanh(x @ x).sum(0) + jnp.sort(x.sum(1)))
    expected = np.asarray(function(x))  # JAX keeps it
    assert any((folder.parent / "xla").iterdir())
    for _ in range(3):
        later_process()
        np.testing.assert_array_equal(programs.call(function, x), expected)
    assert jax.config.jax_enable_compilation_cache


LAPACK = """
import jax, jax.numpy as jnp, sys
from nst.devices import compilation_cache, programs
compilation_cache.keep()
a = jnp.asarray([[2.0, 0.0], [1.0, 3.0]])
def solved(a):
    return jax.scipy.linalg.solve_triangular(a, jnp.eye(2), lower=True)
print(programs.call(jax.jit(solved), a).tolist())
"""


@pytest.mark.slow
@pytest.mark.processes
def test_a_program_that_calls_lapack_runs_in_a_process_that_has_lowered_none(tmp_path):
    environment = {name: value for name, value in os.environ.items() if "CACHE" not in name}
    outputs = {
        subprocess.run(
            [sys.executable, "-c", LAPACK], cwd=ROOT, env=environment | {"NST_CACHE_DIR": str(tmp_path)},
            check=True, capture_output=True, text=True,
        ).stdout
        for _ in range(2)
    }  # fmt: skip
    assert len(list((tmp_path / "programs").iterdir())) == 1 and len(outputs) == 1


def test_nothing_is_kept_where_the_cache_is_not_the_users_own(folder):
    jax.config.update("jax_compilation_cache_dir", str(folder.parent / "other"))
    assert called() == ([1, 3, 5], True)
    assert called() == ([1, 3, 5], True)
    assert not folder.exists()


def test_a_function_can_still_be_traced_into_another(folder):
    later_process()
    outer = jax.jit(lambda x: programs.call(SCALED, 2.0, TREE, x)["y"])
    assert outer(1.0).tolist() == [1, 3, 5] and not folder.exists()


def test_the_programs_used_last_stay_within_the_bound(folder, monkeypatch):
    called(2.0)
    (entry,) = folder.iterdir()
    monkeypatch.setattr(programs, "_MAX_BYTES", int(2.5 * entry.stat().st_size))
    called(3.0)
    for path in folder.iterdir():
        os.utime(path, (0, 0))  # the times of two entries may be equal, since a file system's clock is coarse
    assert not called(2.0)[1]  # which makes 3.0 the older one
    called(4.0)
    assert [called(factor)[1] for factor in (4.0, 2.0)] == [False, False]
    assert called(3.0)[1]


def test_a_full_disk_is_a_warning_and_no_error(folder, monkeypatch):
    def full(path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(programs, "replacing", full)
    with pytest.warns(UserWarning, match="Error writing persistent compilation cache entry for '_scaled'"):
        assert called() == ([1, 3, 5], True)


def test_shapes_are_remembered_and_refusals_are_not(folder):
    def checked(least, x):
        TRACED.append(least)
        if x.shape[0] < least:
            raise UserError("too small")
        return {"sum": x.sum(0)}

    x = jax.ShapeDtypeStruct((4, 5), jnp.float32)
    for traced in (True, False):
        TRACED.clear()
        assert programs.shapes(checked, 3, x) == {"sum": jax.ShapeDtypeStruct((5,), jnp.float32)}
        assert bool(TRACED) == traced
    for _ in range(2):
        with pytest.raises(UserError, match="too small"):
            programs.shapes(checked, 6, x)
