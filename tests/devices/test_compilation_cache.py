"""The cache of compiled programs: where it is, what turns it off, and that it changes no byte."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nst import images
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


def folder(**environment):
    """What jax keeps its programs in, in a process of its own."""
    clean = clean_environment()
    output = subprocess.run([sys.executable, "-c", CODE], cwd=ROOT, env=clean | environment, check=True,
                            capture_output=True, text=True)  # fmt: skip
    assert not output.stderr
    return output.stdout.strip()


@pytest.mark.slow
def test_the_folder_is_the_users_unless_another_is_named_or_none_is_wanted(tmp_path):
    assert folder(NST_CACHE_DIR=str(tmp_path)) == str(tmp_path / "xla")
    assert folder(NST_CACHE_DIR=str(tmp_path), JAX_COMPILATION_CACHE_DIR="/other") == "/other"
    assert folder(NST_CACHE_DIR=str(tmp_path), NST_COMPILATION_CACHE="0") == "None"
    (tmp_path / "file").touch()  # in which there can be no folder
    assert folder(NST_CACHE_DIR=str(tmp_path / "file")) == "None"


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
    assert any((tmp_path / "cache" / "xla").iterdir())
    outputs.append(start("warm").communicate()[0])
    needed = {output.split("parameters, ")[1].split(" needed")[0] for output in outputs}
    assert len(needed) == 1, outputs
    assert not any("achine" in output or "arning" in output for output in outputs), "\n\n".join(outputs)
    results = [path.read_bytes() for path in sorted(tmp_path.glob("*/result.png"))]
    assert len(results) == processes + 1 and len(set(results)) == 1
