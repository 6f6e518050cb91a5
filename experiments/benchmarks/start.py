"""Shows where the seconds go until a run makes its first update, with empty caches and with full ones.

    python -m experiments.benchmarks.start --config=configs/default.py
    python -m experiments.benchmarks.start --config=configs/default.py --steps=0      (to the end of the run)

Each run has a process of its own, twice with the same cache folder, which is empty at first. A second belongs
to one row only, the innermost of what was going on: where computing the targets compiles a program, that is
`compile`. The pictures are those that come with the code, unless the config names others.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from typing import Any

from absl import flags
from ml_collections import ConfigDict

from experiments import cli
from experiments.benchmarks import caches, tables
from experiments.benchmarks.spans import IMPORT, ROWS, UPDATES, Span, seconds_by_row, watch
from nst.cli.tables import markdown
from nst.data import picture
from nst.runs import stylize
from nst.runs.hooks import Progress

NETWORKS = flags.DEFINE_list("networks", ["vgg19_slim", "vgg19"], "Values of weights.name.")
SIZES = flags.DEFINE_list("sizes", ["256", "384"], "Long edges in pixels.")
STEPS = flags.DEFINE_integer("steps", 1, "Updates at each size; 0: as the config has it.", lower_bound=0)
ROUNDS = flags.DEFINE_integer("rounds", 1, "Runs of each kind, of which the quickest counts.", lower_bound=1)
JSON = flags.DEFINE_string("start_json", None, "Also write the numbers to this file.")
ALONE = flags.DEFINE_float("alone", None, "Run in this process, which was started at this time; print JSON.")


def run(config: ConfigDict, started: float) -> dict[str, Any]:
    """Makes a picture in this process and measures it.

    Args:
      config: of the run.
      started: when the process was started.

    Returns:
      {"rows": {row: seconds}, "first": seconds until the first update, "last": until the first one at the
      full size, "whole": seconds, "processor": seconds of all threads, "programs": the number traced}.
    """
    spans, updates, before = [Span(IMPORT, started, time.time())], [], time.time()

    def progress(now: Progress) -> None:
        nonlocal before
        if now.step:
            updates.append((now.width * now.height, time.time() - started))
            spans.append(Span(UPDATES, before, time.time()))
        before = time.time()

    watch(spans)
    with tempfile.TemporaryDirectory() as folder:
        stylize.stylize(None, None, config, folder, log=lambda line: None, progress=progress)
    end = time.time()
    return {
        "rows": seconds_by_row(spans, started, end),
        "first": updates[0][1],
        "last": min(moment for pixels, moment in updates if pixels == updates[-1][0]),
        "whole": end - started,
        "processor": time.process_time(),
        "programs": sum(span.row == "compile" for span in spans),
    }


def measure(network_name: str, size: int) -> dict[str, dict]:
    """Runs a setting with empty and with full caches.

    Args:
      network_name: value of weights.name.
      size: long edge in pixels.

    Returns:
      {"cold": what `run` returns, "warm": the same}, of the quickest rounds.
    """
    environment = {name: value for name, value in os.environ.items() if "COMPILATION_CACHE" not in name}
    command = [sys.executable, "-m", "experiments.benchmarks.start", *sys.argv[1:]]
    command += [f"--config.weights.name={network_name}", f"--config.size={size}"]
    found: dict[str, list] = {"cold": [], "warm": []}
    for _ in range(ROUNDS.value):
        with tempfile.TemporaryDirectory() as cache:
            for results in found.values():
                output = subprocess.run(
                    [*command, f"--alone={time.time()}"], check=True, stdout=subprocess.PIPE, text=True,
                    env=environment | caches.variables(cache, network_name),
                ).stdout  # fmt: skip
                results.append(json.loads(output.splitlines()[-1]))
    return {way: min(results, key=lambda each: each["whole"]) for way, results in found.items()}


def table(results: dict[str, dict]) -> str:
    """Returns the table of a setting.

    Args:
      results: from `measure`.
    """
    rows = [[name, *(f"{each['rows'].get(name, 0):.2f}" for each in results.values())] for name in ROWS]
    for title, key in (
        ("**whole**", "whole"), ("first update after", "first"), ("first one at the full size after", "last"),
        ("processor", "processor"),
    ):  # fmt: skip
        rows.append([title, *(f"{each[key]:.2f}" for each in results.values())])
    rows.append(["programs compiled", *(str(each["programs"]) for each in results.values())])
    return markdown(["s", *results], rows)


def prepared(config: ConfigDict) -> ConfigDict:
    """Returns the config of a run: with pictures, and with the number of updates that --steps gives."""
    config = config.copy_and_resolve_references()
    if not config.content:
        config.content, config.style = picture("cat.jpg"), (picture("swirls.jpg"),)
    if STEPS.value:
        config.steps, config.pyramid.steps = STEPS.value, (STEPS.value,)
    return config


def main(argv):
    """Measures the settings and prints a table for each."""
    del argv
    config = prepared(cli.CONFIG.value)
    if ALONE.value:
        print(json.dumps(run(config, ALONE.value)))
        return
    print(tables.environment_line() + "\n", flush=True)
    results = {}
    for name in NETWORKS.value:
        for size in map(int, SIZES.value):
            title = f"{name}, {size} px"
            results[title] = measure(name, size)
            print(f"{title}\n\n{table(results[title])}\n", flush=True)
    tables.write_json(JSON.value, {"start": results})


if __name__ == "__main__":
    cli.run(main)
