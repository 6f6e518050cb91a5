"""Several processes with devices of their own: one picture, one folder, one voice, one decision."""

import json
import re
import signal
import socket
import subprocess
import sys
import time

import jax
import numpy as np
import pytest

from nst import images
from nst.devices import processes as device_processes
from nst.errors import UserError
from nst.runs import folder as run_folder
from tests.helpers.programs import check_one_line_errors, run_each
from tests.helpers.running import picture
from tests.helpers.sharding import ROOT, environment

SETTINGS = {
    "weights.name": "random", "size": 61, "steps": 4, "content_loss.layers": "relu2_1",
    "style_loss.layers": "relu1_1,relu2_1", "style_loss.weight": 100, "style_loss.normalization": "hw_mse",
    "optimizer.memory": 3, "log.every": 1, "log.preview_every": 2, "checkpoint.seconds": 0, "devices": 0,
}  # fmt: skip


GLOO = r"\[Gloo\]|Rank|is connected to|peer ranks\.?|Expected number of connected|is :|\d+"


@pytest.fixture
def pictures(tmp_path):
    images.write(tmp_path / "content.png", picture(0, 61, 40))
    images.write(tmp_path / "style.png", picture(1, 96, 40))
    return {"content": tmp_path / "content.png", "style": tmp_path / "style.png"}


def command(workdir, settings, *flags):
    fields = [f"--config.{name}={value}" for name, value in (SETTINGS | settings).items()]
    return [f"--config={ROOT}/configs/classic.py", *fields, f"--workdir={workdir}", *flags]


def start(workdir, settings, *flags, devices):
    return subprocess.Popen(
        [sys.executable, "-m", "experiments.stylize", *command(workdir, settings, *flags)],
        env=environment(devices), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def together(workdir, settings):
    """Two processes of four devices."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    flags = f"--coordinator=127.0.0.1:{port}", "--processes=2"
    return [start(workdir, settings, *flags, f"--process_id={k}", devices=4) for k in range(2)]


def ends(processes):
    """[(exit status, stdout, stderr)]"""
    try:
        return [(process.returncode, *output) for process in processes for output in [process.communicate()]]
    finally:
        for process in processes:
            process.kill()


def alone(workdir, settings, *flags):
    return ends([start(workdir, settings, *flags, devices=8)])[0]


def records(workdir):
    return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.slow
@pytest.mark.processes
def test_two_processes_make_the_picture_of_one(pictures, tmp_path):
    found = ends(together(tmp_path / "two", pictures))
    assert [status for status, *_ in found] == [0, 0], found
    assert "done: " in found[0][1] and "64 rows instead of 61" in found[0][1]
    # the second process logs nothing; Gloo does, from several threads, whose words may get mixed up
    assert not re.sub(GLOO, "", found[1][1]).strip(), found[1][1]
    assert alone(tmp_path / "one", pictures)[0] == 0
    one, two = records(tmp_path / "one"), records(tmp_path / "two")
    assert [line["step"] for line in two] == [line["step"] for line in one] == list(range(5))
    np.testing.assert_allclose([line["loss"] for line in two], [line["loss"] for line in one], rtol=1e-5)
    for name in ("result.png", "previews/step_000002.jpg"):
        made = [images.read(tmp_path / folder / name).rgb_HxWx3 for folder in ("one", "two")]
        assert np.abs(made[0] - made[1]).max() < 0.02 and np.ptp(made[0]) > 0.3
    saved = [np.load(tmp_path / folder / "checkpoint.npz") for folder in ("one", "two")]
    assert saved[0].files == saved[1].files
    assert all(saved[0][name].shape == saved[1][name].shape for name in saved[0].files)
    with run_folder.locked(
        tmp_path / "two"
    ):  # a third is told in all processes, not only in the one that looked
        for status, _, said in ends(together(tmp_path / "two", pictures)):
            assert status == 1 and "another process is using this folder" in said


@pytest.mark.slow
@pytest.mark.processes
@pytest.mark.parametrize("told", [0, 1])
def test_stopped_by_a_signal_to_either_and_continued_by_one(pictures, tmp_path, told):
    adam = pictures | {"optimizer.name": "adam", "optimizer.learning_rate": 0.02, "log.preview_every": 0}
    processes = together(tmp_path / "run", adam | {"steps": 1_000_000})
    while not (tmp_path / "run/checkpoint.npz").exists() and processes[0].poll() is None:
        time.sleep(0.1)
    processes[told].send_signal(signal.SIGTERM)
    found = ends(processes)
    assert [status for status, *_ in found] == [128 + signal.SIGTERM] * 2, found
    step = records(tmp_path / "run")[-1]["step"]
    assert f"stopped at step {step} of 1000000" in found[0][1]
    status, said, _ = alone(tmp_path / "run", adam | {"steps": step + 2})
    assert status == 0 and f"continuing from step {step}" in said
    assert [line["step"] for line in records(tmp_path / "run")] == list(range(step + 3))


WRONG = [
    (["--distributed"], "no cluster was found"),
    (["--coordinator=127.0.0.1:9", "--processes=2"], "go together"),
    (["--coordinator=here", "--processes=2", "--process_id=0"], "write it as host:port"),
    (["--coordinator=127.0.0.1:9", "--processes=2", "--process_id=2"], "process_id = 2: the 2 processes are"),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.processes
def test_wrong_flags_are_one_line(pictures, tmp_path):
    cases = [(command(tmp_path / "run", pictures, *flags), message) for flags, message in WRONG]
    ends = run_each("experiments.stylize", [flags for flags, _ in cases], **environment(8))
    check_one_line_errors(cases, ends)
    for (flags, message), (_, output) in zip(cases, ends, strict=True):
        assert message in output.splitlines()[-1], (flags, output)
    assert not (tmp_path / "run").exists()


def test_several_processes_share_all_their_devices(monkeypatch):
    from nst.devices import mesh

    monkeypatch.setattr(jax, "process_count", lambda: 2)
    monkeypatch.setattr(jax, "devices", lambda: [jax.local_devices()[0]] * 2)
    with pytest.raises(UserError, match="devices = 1: the 2 processes have 2 together"):
        mesh.make_mesh(1)


def test_alone_nothing_is_asked_of_others(monkeypatch):
    def never(*arguments, **options):
        raise AssertionError

    for name in ("broadcast_one_to_all", "process_allgather"):
        monkeypatch.setattr(device_processes.multihost_utils, name, never)
    assert (
        device_processes.is_primary()
        and device_processes.broadcast(0.1) == 0.1
        and device_processes.any_process(True)
        and not device_processes.any_process(False)
    )
    assert device_processes.on_primary(divmod)(7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        device_processes.on_primary(divmod)(1, 0)
    np.testing.assert_array_equal(device_processes.gather(jax.numpy.arange(3)), [0, 1, 2])
