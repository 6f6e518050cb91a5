"""The cache of compiled programs: where it is, what turns it off, and that it changes no byte."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import jax
import pytest

from nst import images
from nst.devices import compilation_cache
from tests.helpers import sweeping

pytestmark = pytest.mark.processes

ROOT = Path(__file__).parents[2]
CODE = (
    "import jax; from nst.devices import compilation_cache as cache; cache.keep(); "
    "print(jax.config.jax_compilation_cache_dir)"
)


def clean_environment():
    """The environment without the cache that all tests share."""
    return {name: value for name, value in os.environ.items() if "CACHE" not in name}


def folder(said="", **environment):
    """What jax keeps its programs in, in a process of its own that writes a line with `said`, or nothing."""
    clean = clean_environment()
    output = subprocess.run([sys.executable, "-c", CODE], cwd=ROOT, env=clean | environment, check=True,
                            capture_output=True, text=True)  # fmt: skip
    assert said in output.stderr and output.stderr.count("\n") == bool(said), output.stderr
    return output.stdout.strip()


@pytest.mark.slow
def test_the_folder_is_the_users_unless_another_is_named_or_none_is_wanted(tmp_path):
    assert folder(NST_CACHE_DIR=str(tmp_path)) == str(tmp_path / "xla")
    assert folder(NST_CACHE_DIR=str(tmp_path), JAX_COMPILATION_CACHE_DIR="/other") == "/other"
    assert folder(NST_CACHE_DIR=str(tmp_path), NST_COMPILATION_CACHE="0") == "None"
    (tmp_path / "file").touch()  # in which there can be no folder
    said = f"compiled programs are not kept: cannot make {tmp_path / 'file/xla'} (Not a directory)"
    assert folder(said, NST_CACHE_DIR=str(tmp_path / "file")) == "None"


def test_what_a_killed_process_left_is_dropped_without_a_warning(tmp_path):
    (tmp_path / "xla").mkdir()
    (tmp_path / "xla/jit_f-0123-cache").write_bytes(b"half")  # its -atime was never written
    code = CODE + (
        "; jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.0)"
        "; jax.jit(lambda x: 2 * x)(1.0)"
    )
    environment = clean_environment() | {"NST_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    left = {path.name for path in (tmp_path / "xla").glob("*-cache")}
    assert left and "jit_f-0123-cache" not in left


MENDING = """
import sys, zlib
from pathlib import Path
import jax
from nst.devices import compilation_cache as cache
cache.keep()
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
events = []
jax.monitoring.register_event_listener(lambda event, **_: events.append(event.rpartition("/")[2]))
def f(x):
    return 2 * x
def found():  # (read, written) when the program is compiled for two shapes
    events.clear()
    jax.clear_caches()
    jax.jit(f).lower(jax.ShapeDtypeStruct((1,), "float32")).compile()
    jax.jit(f).lower(jax.ShapeDtypeStruct((2,), "float32")).compile()
    return events.count("cache_hits"), events.count("cache_misses")
print(found(), found())
entries = sorted(Path(jax.config.jax_compilation_cache_dir).glob("jit_f-*-cache"))
for damaged in (b"", b"nonsense", entries[0].read_bytes()[:-9], zlib.compress(b"nonsense")):
    entries[0].write_bytes(damaged)
    print(found(), found(), found())
"""


@pytest.mark.parametrize("named", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_damaged_entry_is_replaced_in_silence(named, tmp_path):
    """And no other, where JAX records the use of the entries: in our own folder, which has a limit."""
    name = "JAX_COMPILATION_CACHE_DIR" if named else "NST_CACHE_DIR"
    done = subprocess.run(
        [sys.executable, "-c", MENDING], cwd=ROOT, env=clean_environment() | {name: str(tmp_path)},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0 and not done.stderr, done.stderr
    written, *mended = done.stdout.splitlines()
    assert written == "(0, 2) (2, 0)"
    assert len(mended) == 4
    for line in mended:
        # without records of use both entries of the program are dropped, perhaps after one was read
        assert line in ("(1, 1) (2, 0) (2, 0)", *["(0, 2) (2, 0) (2, 0)", "(1, 1) (1, 1) (2, 0)"] * named)


def test_failures_of_access_are_said_once_and_remove_nothing(tmp_path, monkeypatch, caplog):
    (tmp_path / "jit_f-01-cache").write_bytes(b"program")
    (tmp_path / "jit_f-01-atime").write_bytes(b"12345678")
    shown = []
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        monkeypatch.setattr(
            warnings, "showwarning", lambda message, *rest, **more: shown.append(str(message))
        )
        compilation_cache._mend(tmp_path)
        for action, kind in (
            ("reading", "PermissionError: [Errno 13]"),
            ("reading", "Timeout: The file lock"),
            ("writing", "KeyError: 'getpwuid(): uid not found: 12345'"),
            ("writing", "OSError: no space\nleft"),
        ):
            warnings.warn(
                f"Error {action} persistent compilation cache entry for 'jit_f': {kind}", stacklevel=1
            )
        warnings.warn("something else", stacklevel=1)
        assert len(list(tmp_path.iterdir())) == 2
        warnings.warn(
            "Error reading persistent compilation cache entry for 'jit_f': error: Error -5", stacklevel=1
        )
    assert shown == ["something else"] and not list(tmp_path.iterdir())
    (line,) = caplog.messages
    assert line == f"compiled programs are not kept: {tmp_path}: PermissionError: [Errno 13]"


def test_without_a_home(monkeypatch, caplog):
    for name in ("NST_CACHE_DIR", "HOME", "XDG_CACHE_HOME", "NST_COMPILATION_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    folder = jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", None)
    try:
        compilation_cache.keep()
        assert jax.config.jax_compilation_cache_dir is None
    finally:
        jax.config.update("jax_compilation_cache_dir", folder)
    (line,) = caplog.messages
    assert "no home folder" in line and "NST_CACHE_DIR" in line


@pytest.mark.slow
@pytest.mark.parametrize("processes", [2])
def test_a_warm_cache_gives_the_same_bytes_and_the_same_forecast(tmp_path, processes):
    for seed, name in enumerate(("content.png", "style.png")):
        images.write(tmp_path / name, sweeping.picture(seed, 24, 32))

    def start(name):
        command = [
            sys.executable, "-m", "experiments.stylize", "--config=configs/classic.py",
            f"--workdir={tmp_path / name}",
            f"--config.content={tmp_path / 'content.png'}", f"--config.style={tmp_path / 'style.png'}",
            "--config.weights.name=random", "--config.size=32", "--config.steps=2",
            "--config.content_loss.layers=relu2_1", "--config.style_loss.layers=relu1_1",
        ]  # fmt: skip
        environment = clean_environment() | {
            "NST_CACHE_DIR": str(tmp_path / "cache"), "NST_COMPILATION_CACHE": "1",
            "TF_CPP_MIN_LOG_LEVEL": "1",  # as from a process that has imported JAX
        }  # fmt: skip
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True)  # fmt: skip

    cold = [start(f"cold {index}") for index in range(processes)]  # at once
    outputs = [process.communicate()[0] for process in cold]
    assert any((tmp_path / "cache" / "programs").iterdir())
    outputs.append(start("warm").communicate()[0])
    needed = {output.split("parameters, ")[1].split(" needed")[0] for output in outputs}
    assert len(needed) == 1, outputs
    assert not any("achine" in output or "arning" in output for output in outputs), "\n\n".join(outputs)
    results = [path.read_bytes() for path in sorted(tmp_path.glob("*/result.png"))]
    assert len(results) == processes + 1 and len(set(results)) == 1
