"""The table of launchers: each name starts and runs what it says, with the options that concern it."""

import pytest

from nst.sweeps import batched, local, processes, ray
from nst.sweeps.launchers import LAUNCHERS, Options

OPTIONS = Options(network="random", jobs=1, batch=3, ray_address="head:1")


@pytest.mark.parametrize("name, options, module, function, extra", [
    ("local", OPTIONS, local, "run_points", ()),
    ("local", OPTIONS._replace(jobs=2), processes, "run_points", ("random", 2)),
    ("batched", OPTIONS, batched, "batched", (3,)),
    ("ray", OPTIONS, ray, "run_points", ("random",)),
])  # fmt: skip
def test_a_name_runs_its_launcher(monkeypatch, name, options, module, function, extra):
    calls = []
    monkeypatch.setattr(module, function, lambda *arguments: calls.append(arguments))
    LAUNCHERS[name].run("launch", ["point"], options)
    assert calls == [("launch", ["point"], *extra)]


def test_only_ray_is_started_before(monkeypatch):
    addresses = []
    monkeypatch.setattr(ray, "start", addresses.append)
    for launcher in LAUNCHERS.values():
        launcher.start(OPTIONS)
    assert addresses == ["head:1"] and list(LAUNCHERS) == ["local", "batched", "ray"]
