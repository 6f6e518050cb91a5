"""The instrument of a sweep: which network measures, what is said of it, and that a table has one only."""

import pytest

from nst.errors import Unreachable, UserError
from nst.metrics import instrument
from nst.networks import checkpoints
from nst.sweeps import judge, results
from tests.helpers.sweeping import config, csv_without_timings, enter, file, points, program, request

OFFLINE = {"NST_WEIGHTS_URL": "http://127.0.0.1:9", "NST_WEIGHTS_DIR": ""}  # a port at which nobody listens


@pytest.fixture
def without_vgg19(monkeypatch):
    """VGG-19 cannot be downloaded; the instruments of other networks have their names."""

    def find(network):
        if network == "vgg19":
            raise Unreachable("vgg19: cannot download it", "no route", "run again")

    def load(network):
        find(network)
        return instrument.Instrument(f"nst2-{network}", None)

    monkeypatch.setattr(checkpoints, "find", find)
    monkeypatch.setattr(instrument, "load", load)


def test_the_small_network_measures_where_vgg19_cannot_be_had(tmp_path, without_vgg19):
    lines, made = [], points(tmp_path, [{}])
    assert judge.load("", tmp_path / "sweep", made, lines.append)[0] == "vgg19_slim"
    start = (
        "the small network, vgg19_slim, measures, since VGG-19 cannot be downloaded (no route); its numbers"
    )
    assert len(lines) == 1 and lines[0].startswith(start) and "only be compared with each other" in lines[0]
    with pytest.raises(UserError, match="cannot download"):  # it was asked for
        judge.load("vgg19", tmp_path / "sweep", made, lines.append)
    needing = points(tmp_path, [{}, {"weights.name": "vgg19"}])
    with pytest.raises(UserError, match="cannot download"):  # the sweep could not run without it
        judge.load("", tmp_path / "sweep", needing, lines.append)
    assert len(lines) == 1


def test_weights_that_cannot_be_used_are_an_error_and_no_reason_for_another_judge(tmp_path, monkeypatch):
    monkeypatch.setenv("NST_WEIGHTS_DIR", str(tmp_path / "none"))
    with pytest.raises(UserError, match="NST_WEIGHTS_DIR = .*none: no such folder"):
        judge.load("", tmp_path / "sweep", points(tmp_path, [{}]), print)


def test_a_sweep_keeps_its_judge(tmp_path, without_vgg19):
    made = enter(tmp_path / "sweep", tmp_path, [{}])  # measured by `random`
    assert judge.load("", tmp_path / "sweep", made, print)[0] == "random"
    assert judge.load("vgg16", tmp_path / "sweep", made, print)[0] == "vgg16"
    results.enter(tmp_path / "sweep", request(network="vgg19"), config(tmp_path), made)
    with pytest.raises(UserError, match="cannot download"):  # not another judge for the rest of the table
        judge.load("", tmp_path / "sweep", made, print)


@pytest.mark.slow
@pytest.mark.processes
def test_a_sweep_of_the_small_network_works_offline(tmp_path):
    made, workdir = file(tmp_path, [{"seed": 0}, {"seed": 1}]), tmp_path / "sweep"
    offline = OFFLINE | {"NST_CACHE_DIR": str(tmp_path / "cache")}
    status, output = program(made, workdir, "--instrument=", **offline)
    assert status == 0 and "2 finished: " in output and "Traceback" not in output, output
    assert "the small network, vgg19_slim, measures, since VGG-19 cannot be downloaded (" in output
    assert "2 of 2 points to run, measured by nst2-vgg19_slim-" in output
    head, *lines = csv_without_timings(workdir)
    names = {line[head.index("instrument")] for line in lines}
    assert len(names) == 1 and names.pop().startswith("nst2-vgg19_slim-")
    status, output = program(made, workdir, "--instrument=", "--dry_run", **offline)
    assert status == 0 and "0 to run" in output and "the small network" not in output, output
