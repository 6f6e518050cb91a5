"""Flags of XLA on a machine with a GPU."""

import os

import pytest

from nst.devices import platform


@pytest.fixture
def plugins(tmp_path, monkeypatch):
    """A folder in which JAX would find its plugins."""
    folder = tmp_path / "jax_plugins"
    folder.mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    return folder


def flags():
    return os.environ.get("XLA_FLAGS", "").split()


def test_flags_are_set_where_jax_supports_a_gpu(plugins):
    platform.set_flags()
    assert flags() == []
    (plugins / "xla_cuda13").mkdir()
    (plugins / "xla_cuda13" / "__init__.py").touch()
    platform.set_flags()
    assert flags() == ["--xla_gpu_autotune_level=0", "--xla_gpu_enable_triton_gemm=false"]
    platform.set_flags()
    assert len(flags()) == 2


def test_flags_of_the_user_stay(plugins, monkeypatch):
    (plugins / "xla_rocm7").mkdir()
    (plugins / "xla_rocm7" / "__init__.py").touch()
    monkeypatch.setenv("XLA_FLAGS", "--xla_gpu_autotune_level=4 --xla_dump_to=there")
    platform.set_flags()
    assert flags() == [
        "--xla_gpu_autotune_level=4", "--xla_dump_to=there", "--xla_gpu_enable_triton_gemm=false",
    ]  # fmt: skip
