"""The files of a run folder that several packages read."""

from nst.runs import folder


def test_metrics_are_the_records_that_are_whole(tmp_path):
    assert folder.read_metrics(tmp_path) == []
    lines = b'{"step": 0, "loss": 2.0}\n3\n{"step": 2, "loss": 1.0}\n{"step": 4, "lo\xff'
    (tmp_path / "metrics.jsonl").write_bytes(lines)
    assert folder.read_metrics(tmp_path) == [{"step": 0, "loss": 2.0}, {"step": 2, "loss": 1.0}]
    assert folder.rewind_metrics(tmp_path, 1) == [{"step": 0, "loss": 2.0}]
    assert (tmp_path / "metrics.jsonl").read_text() == '{"step": 0, "loss": 2.0}\n'
