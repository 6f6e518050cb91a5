"""The launchers with other processes give the table of the local one, also when a process is lost."""

import importlib.util
import os
import signal
import sys
import time
import types

import psutil
import pytest

from nst.errors import UserError
from nst.metrics import instrument
from nst.sweeps import export, ray, results
from nst.sweeps import local as sweep_local
from tests.helpers.sweeping import csv_without_timings, enter, file, launching, program, start

LONG = {"steps": 150, "log.every": 1, "init.kind": "noise"}
OVERRIDES = [{"seed": 0}, {"seed": 1}, {"style_loss.layers": ("relu1_9",)}, {"seed": 3}, {"seed": 4}]


def local(tmp_path, **changes):
    """results.csv of the local launcher."""
    made = enter(tmp_path / "local", tmp_path, OVERRIDES, **changes)
    launch = launching(tmp_path / "local")[0]._replace(instrument=instrument.load("random"))  # the program's
    sweep_local.run_points(launch, made)
    export.write(tmp_path / "local", results.rows(tmp_path / "local"))
    return csv_without_timings(tmp_path / "local")


def wait_for(found, process):
    while not (result := found()):
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.01)
    return result


@pytest.mark.slow
@pytest.mark.processes
def test_two_processes_give_the_same_table(tmp_path):
    status, output = program(file(tmp_path, OVERRIDES), tmp_path / "sweep", "--jobs=2")
    assert status == 1 and "4 finished, 1 failed: " in output and "Traceback" not in output, output
    assert csv_without_timings(tmp_path / "sweep") == local(tmp_path)
    assert not list((tmp_path / "sweep").glob(".stop*"))


@pytest.mark.slow
@pytest.mark.processes
def test_a_signal_stops_the_processes_and_a_kill_leaves_none(tmp_path):
    config, workdir = file(tmp_path, OVERRIDES, **LONG), tmp_path / "sweep"

    def begun():
        return (workdir / "seed=0/checkpoint.npz").exists() and process_children()

    def process_children():
        return psutil.Process(process.pid).children(recursive=True)

    def process_children_at_work():  # while they still import their modules
        return (workdir / "sweep.json").exists() and len(process_children()) >= 3

    signals = (process_children_at_work, signal.SIGINT), (begun, signal.SIGTERM), (begun, signal.SIGHUP)
    for ready, number in signals:
        process = start(config, workdir, "--jobs=2")
        wait_for(ready, process)
        os.killpg(process.pid, number)  # as Ctrl-C, `timeout` and Slurm do
        output, _ = process.communicate()
        assert process.returncode == 128 + number and "the same command continues" in output, output
        assert "Traceback" not in output, output
        assert "memory" not in output and not list(workdir.glob("*/failed.json")), output
    process = start(config, workdir, "--jobs=2")
    children = wait_for(lambda: len(found := process_children()) >= 3 and found, process)
    process.kill()
    process.communicate()
    psutil.wait_procs(children, timeout=60)
    assert not [child for child in children if child.is_running()]
    status, output = program(config, workdir)
    assert status == 1 and "4 finished, 1 failed: " in output, output
    assert csv_without_timings(workdir) == local(tmp_path, **LONG)


@pytest.mark.slow
@pytest.mark.processes
def test_a_lost_process_is_said(tmp_path):
    process = start(file(tmp_path, OVERRIDES, **LONG), tmp_path / "sweep", "--jobs=2")
    wait_for((tmp_path / "sweep/seed=0/checkpoint.npz").exists, process)
    children = psutil.Process(process.pid).children()
    for child in children:
        if "spawn_main" in " ".join(child.cmdline()):
            child.kill()
    output, _ = process.communicate()
    reason = "killed, perhaps because memory ran out: lower --jobs"
    assert process.returncode == 1 and f"error: a process was lost ({reason})" in output, output
    assert not list((tmp_path / "sweep").glob("*/failed.json"))


@pytest.fixture
def on_ray(tmp_path):
    """A sweep begun on a local cluster: (process, the workers that are at a point)."""
    if importlib.util.find_spec("ray") is None:
        pytest.skip("Ray is not installed")
    process = start(file(tmp_path, OVERRIDES, **LONG), tmp_path / "sweep", "--launcher=ray")

    def at_work():
        names = [(child, " ".join(child.cmdline())) for child in psutil.Process(process.pid).children(True)]
        return [child for child, name in names if name.startswith("ray::run_in_worker")]

    wait_for((tmp_path / "sweep/seed=0/checkpoint.npz").exists, process)
    yield process, at_work
    process.kill()


@pytest.mark.slow
@pytest.mark.processes
def test_a_worker_killed_on_a_cluster_of_two_costs_nothing(tmp_path, on_ray):
    process, at_work = on_ray
    wait_for(at_work, process)[0].kill()
    output, _ = process.communicate()
    assert process.returncode == 1 and "4 finished, 1 failed: " in output, output
    assert "Warning" not in output and "Traceback" not in output, output
    assert csv_without_timings(tmp_path / "sweep") == local(tmp_path, **LONG)


@pytest.mark.slow
@pytest.mark.processes
def test_a_signal_stops_a_cluster(tmp_path, on_ray):
    process, _ = on_ray
    os.killpg(process.pid, signal.SIGTERM)
    output, _ = process.communicate()
    assert not list(tmp_path.glob("sweep/seed*/failed.json")), output
    assert process.returncode == 128 + signal.SIGTERM and "the same command continues" in output, output
    assert not list((tmp_path / "sweep").glob(".stop*"))
    status, output = program(tmp_path / "tiny.py", tmp_path / "sweep")
    assert status == 1 and "4 finished, 1 failed: " in output, output
    assert csv_without_timings(tmp_path / "sweep") == local(tmp_path, **LONG)


def test_without_ray_it_is_said_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"needs ray: pip install 'nst\[ray\]', or use another launcher"):
        ray.start("")


@pytest.mark.slow
@pytest.mark.processes
def test_ray_listens_on_the_loopback_address_only(tmp_path, on_ray):
    process, _ = on_ray
    everyone = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    found = [one for child in everyone for one in child.net_connections("inet") if one.status == "LISTEN"]
    assert len(found) > 3 and {one.laddr.ip.removeprefix("::ffff:") for one in found} == {"127.0.0.1"}
    servers = [child for child in everyone if child.name() in ("gcs_server", "raylet")]
    assert len(servers) == 2 and all(len(server.environ()["RAY_AUTH_TOKEN"]) == 64 for server in servers)
    os.killpg(process.pid, signal.SIGTERM)
    process.communicate()


class FakeRay(types.ModuleType):
    """What the launcher uses of Ray."""

    def __init__(self, version="2.60.0", address="127.0.0.1"):
        super().__init__("ray")
        self.__version__, self.begun, self.ended = version, [], []
        self.util = types.SimpleNamespace(get_node_ip_address=lambda: address)
        kinds = ["RayTaskError", "WorkerCrashedError", "OutOfMemoryError", "LocalRayletDiedError"]
        base = type("RayError", (Exception,), {})
        self.exceptions = types.SimpleNamespace(
            RayError=base, **{kind: type(kind, (base,), {}) for kind in kinds}
        )

    def init(self, address, **options):
        self.begun.append((address, options, dict(os.environ)))

    def shutdown(self):
        self.ended.append(True)

    def get(self, reference):
        if isinstance(reference, Exception):
            raise reference
        return reference


@pytest.fixture
def fake_ray(monkeypatch):
    def use(**about):
        made = FakeRay(**about)
        monkeypatch.setitem(sys.modules, "ray", made)
        return made

    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", *ray._ALONE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "environ", os.environ.copy())
    return use


def test_ray_alone_has_a_token_and_a_cluster_its_own_rules(fake_ray):
    made = fake_ray()
    ray.start("head:6379")
    ray.start("")
    (joined, plain, before), (alone, options, variables) = made.begun
    assert joined == "head:6379" and "include_dashboard" not in plain and "RAY_AUTH_MODE" not in before
    assert alone == "local" and options["include_dashboard"] is False
    assert variables["RAY_AUTH_MODE"] == "token" and len(variables["RAY_AUTH_TOKEN"]) == 64


def test_a_ray_that_is_too_old_or_listens_elsewhere_is_refused(fake_ray):
    made = fake_ray(version="2.51.1")
    with pytest.raises(UserError, match=r"Ray 2.51.1 has no tokens: pip install -U 'ray>=2.52'"):
        ray.start("")
    made = fake_ray(address="192.0.2.7")
    with pytest.raises(UserError, match="listens on 192.0.2.7: use --launcher=local"):
        ray.start("")
    assert made.begun and made.ended


@pytest.mark.parametrize("kind, stopped, ends", [
    ("RayTaskError", False, "failed"), ("WorkerCrashedError", False, "failed"),
    ("OutOfMemoryError", False, "failed"), ("LocalRayletDiedError", False, "lost"),
    ("RayTaskError", True, "nothing"), ("WorkerCrashedError", True, "nothing"),
    ("LocalRayletDiedError", True, "nothing"),
])  # fmt: skip
def test_what_a_signal_ends_has_not_failed(tmp_path, monkeypatch, fake_ray, kind, stopped, ends):
    monkeypatch.setattr(ray, "POLL_SECONDS", 0)
    error = getattr(fake_ray().exceptions, kind)("no more")
    (point,) = enter(tmp_path / "sweep", tmp_path, [{}])
    launch, ended = launching(tmp_path / "sweep", stop=lambda: stopped)
    if ends == "lost":
        with pytest.raises(UserError, match=r"Ray was lost \(no more\); the same command continues"):
            ray._report(launch, point, error)
    else:
        ray._report(launch, point, error)
    assert ended == ([(0, f"failed: {kind}: no more")] if ends == "failed" else [])
    assert (tmp_path / "sweep/base/failed.json").exists() == (ends == "failed")


def test_resources_of_the_config_are_asked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("NST_WEIGHTS_DIR", "somewhere")
    changes = {"resources.cpus": 2.0, "resources.gpus": 0.5, "resources.tpus": 4.0}
    (point,) = enter(tmp_path / "sweep", tmp_path, [{}], **changes)
    options = ray._options(point)
    assert (options["num_cpus"], options["num_gpus"]) == (2.0, 0.5) and options["resources"] == {"TPU": 4.0}
    variables = options["runtime_env"]["env_vars"]
    assert variables["NST_WEIGHTS_DIR"] == "somewhere"
    assert variables["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false"
    (plain,) = enter(tmp_path / "plain", tmp_path, [{}])
    assert "resources" not in ray._options(plain) and ray._options(plain)["num_cpus"] == 1.0
