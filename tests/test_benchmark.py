"""The benchmarks run; what they time is not checked."""

import re
import subprocess
import sys
from pathlib import Path


def test_the_overhead_of_a_sweep_is_tabulated():
    command = [sys.executable, "-m", "experiments.benchmark_sweep", "--points=4", "--steps=1"]
    root = Path(__file__).parents[1]
    output = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True)
    for name in ("local launcher", "stylize, no folder", "bare"):
        assert re.search(rf"^\| {name} \| [\d.]+ \| -?[\d.]+ \|$", output.stdout, re.M), output.stdout
    assert re.search(r"after 1 points: \d+, 2 points: \d+, 3 points: \d+, 4 points: \d+", output.stdout)


def test_the_memory_of_a_run_is_tabulated_beside_its_forecast():
    command = [sys.executable, "-m", "experiments.benchmark_memory", "--settings=adam,slim", "--size=64"]
    root = Path(__file__).parents[1]
    output = subprocess.run([*command, "--steps=1"], cwd=root, check=True, capture_output=True, text=True)
    for name in ("adam", "slim"):
        row = rf"^\| {name}, 64 px \| [\d.]+ [GM]B \| [\d.]+ [GM]B \| [\d.]+ \|$"
        assert re.search(row, output.stdout, re.M), output.stdout
