"""The files of a run folder that several packages read."""

import pytest

from nst.errors import UserError
from nst.runs import folder


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
