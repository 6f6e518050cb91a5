"""The table of the start: how seconds are divided among its rows, and the program as it is run."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.benchmarks.spans import REST, ROWS, Span, seconds_by_row

ROOT = Path(__file__).parents[2]


def test_a_moment_belongs_to_the_innermost_span():
    spans = [Span("targets", 1, 5), Span("compile", 2, 3), Span("trace", 2, 2.5), Span("updates", 7, 99)]
    assert seconds_by_row(spans, 0, 8) == {REST: 3, "targets": 3, "trace": 0.5, "compile": 0.5, "updates": 1}
    assert seconds_by_row([], 0, 8) == {REST: 8}


@pytest.mark.slow
@pytest.mark.processes
def test_a_warm_start_compiles_fewer_programs_and_every_second_is_in_a_row(tmp_path):
    found = tmp_path / "found.json"
    output = subprocess.run(
        [
            sys.executable, "-m", "experiments.benchmarks.start", "--config=configs/classic.py",
            "--networks=random", "--sizes=48", f"--start_json={found}",
            "--config.content_loss.layers=relu2_1", "--config.style_loss.layers=relu1_1",
        ],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert "random, 48 px" in output and all(f"| {row} | " in output for row in ROWS)
    (setting,) = json.loads(found.read_text())["start"].values()
    cold, warm = setting["cold"], setting["warm"]
    assert warm["programs"] < cold["programs"]
    assert cold["rows"]["programs: write"] > 0 and "programs: write" not in warm["rows"]
    assert warm["rows"]["programs: read"] > 0 and "programs: read" not in cold["rows"]
    for run in (cold, warm):
        assert sum(run["rows"].values()) == pytest.approx(run["whole"])
        assert run["first"] <= run["last"] <= run["whole"]
