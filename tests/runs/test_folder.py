"""The files of a run folder that several packages read."""

import pytest

from nst.errors import UserError
from nst.runs import folder
from nst.sweeps import results
from tests.helpers.running import small, stylize


def test_metrics_are_the_records_that_are_whole(tmp_path):
    assert folder.read_metrics(tmp_path) == []
    lines = [b'{"step": 0, "seconds": 0.0, "loss": 2.0}\n', b'{"step": 2, "seconds": 1, "loss": 1.0}\n']
    (tmp_path / "metrics.jsonl").write_bytes(b"".join(lines) + b'{"step": 4, "lo\xff')
    assert [record["loss"] for record in folder.read_metrics(tmp_path)] == [2.0, 1.0]
    assert [record["loss"] for record in folder.rewind_metrics(tmp_path, 1)] == [2.0]
    assert (tmp_path / "metrics.jsonl").read_bytes() == lines[0]
    (tmp_path / "metrics.jsonl").write_bytes(lines[0] + b"3\n" + lines[1])
    with pytest.raises(UserError, match="metrics.jsonl, line 2: damaged"):
        folder.read_metrics(tmp_path)


def test_a_run_is_not_written_into_a_sweep_nor_a_sweep_into_a_run(tmp_path, pictures):
    sweep, run = tmp_path / "sweep", tmp_path / "run"
    sweep.mkdir()
    (sweep / "sweep.json").write_text("{}")
    with pytest.raises(UserError, match="sweep holds a sweep: use another --workdir"):
        stylize(*pictures, small(), workdir=str(sweep))
    assert {path.name for path in sweep.iterdir()} <= {"sweep.json", ".lock"}
    run.mkdir()
    (run / "result.png").write_bytes(b"")
    request = results.Request("config.py", (), "local", "vgg19_slim", "nst2")
    with pytest.raises(UserError, match="run holds a run: use another --workdir"):
        results.enter(run, request, small(content=pictures[0], style=(pictures[1],)), [])
    assert [path.name for path in run.iterdir()] == ["result.png"]
