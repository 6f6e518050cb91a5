"""Gives random hostile inputs to nst and lists every one that ends in a traceback, a hang, or worse.

python -m experiments.fuzz --kinds=images,weights --cases=1000 --seed=0
python -m experiments.fuzz --case=images:17

Each input must be accepted, and then what becomes of it must be sound; or refused, by one line for people.
Anything else is a fault, and the exit status is then 1. The second command repeats one case and shows what
it prints; with --keep=FOLDER the files of all faults stay there.
"""

import os
import resource
import shutil
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import jax
import numpy as np
from absl import flags
from tqdm import tqdm

from experiments import cli
from experiments.fuzz import configs, folders, harness, images, weights
from experiments.fuzz.harness import Outcome, Task
from nst.cli.tables import markdown
from nst.errors import UserError, choose

MAKERS = {
    "images": images.make,
    "weights": weights.make,
    "configs": configs.make,
    "folders": folders.make,
}  # kind -> the generator of its cases
PREPARE = {
    "configs": configs.prepare,
    "folders": folders.prepare,
}  # kind -> what is to be made before its first case, in the folder shared

KINDS = flags.DEFINE_list("kinds", list(MAKERS), "What is made: images, weights, configs, folders.")
CASES = flags.DEFINE_integer("cases", 1000, "Cases of each kind.", lower_bound=1)
SEED = flags.DEFINE_integer("seed", 0, "Of all randomness.", lower_bound=0)
JOBS = flags.DEFINE_integer("jobs", os.cpu_count() or 1, "Cases at a time.", lower_bound=1)
SECONDS = flags.DEFINE_float("seconds", 10.0, "Of a processor that one case may take.", lower_bound=0.1)
MEGABYTES = flags.DEFINE_integer("megabytes", 1500, "Of memory that one case may take.", lower_bound=1)
CASE = flags.DEFINE_string("case", "", "The one case to run, kind:number.")
KEEP = flags.DEFINE_string("keep", "", "A folder in which the files of faults stay.")

HEAD = (
    *("kind", "cases", "accepted", "refused", "tracebacks", "wrong", "hangs", "over memory", "crashes"),
    *("slowest", "largest"),
)


def task(kind: str, number: int, seed: int, base: Path) -> Task:
    """Returns a case that is still to be made; the same arguments make the same case.

    Args:
      kind: a key of MAKERS.
      number: of the case.
      seed: of the program.
      base: the folder in which the folder of the case is made.
    """
    rng = np.random.default_rng((seed, zlib.crc32(kind.encode()), number))
    folder = base / f"{kind}-{number}"
    return Task(f"{kind}:{number}", folder, partial(MAKERS[kind], rng, number, folder, base / "shared"))


def table(outcomes: Sequence[Outcome]) -> str:
    """Returns the counts of each kind as a Markdown table.

    Args:
      outcomes: of all cases.
    """
    rows = []
    for kind in dict.fromkeys(outcome.name.partition(":")[0] for outcome in outcomes):
        mine = [outcome for outcome in outcomes if outcome.name.startswith(f"{kind}:")]
        counts = Counter(outcome.verdict for outcome in mine)
        verdicts = (harness.ACCEPTED, harness.REFUSED, *harness.FAULTS)
        slowest, largest = max(case.seconds for case in mine), max(case.bytes for case in mine)
        numbers = [str(len(mine)), *(str(counts[verdict]) for verdict in verdicts)]
        rows.append([kind, *numbers, f"{slowest:.1f} s", f"{largest / 1e6:.0f} MB"])
    return markdown(HEAD, rows)


def describe(outcome: Outcome) -> str:
    """Returns a case and what became of it in a few lines.

    Args:
      outcome: of the case.
    """
    used = f"{outcome.seconds:.1f} s, {outcome.bytes / 1e6:.0f} MB"
    text = f"{outcome.verdict}: --case={outcome.name} ({outcome.label}; {used})"
    lines = outcome.detail.strip().splitlines()
    lines = lines[:6] if outcome.verdict in ("hang", "memory", "crash") else lines[-8:]  # the innermost calls
    return "\n".join([text, *(f"    {line[:300]}" for line in lines)])


def _repeat(name: str, base: Path) -> int:
    """Runs one case in this process, without limits, and lets its errors through."""
    kind, _, number = name.partition(":")
    if not number.isdecimal():
        raise UserError(f"case = {name!r}: give a kind and a number, such as images:17")
    made = task(choose("case", kind, MAKERS), int(number), SEED.value, base)
    made.folder.mkdir(parents=True)
    case = made.make()
    print(f"{name}: {case.label}", flush=True)
    case.act()
    print("accepted")
    return 0


def main(argv) -> int:
    """Runs the cases of the flags; returns the exit status."""
    del argv
    kinds = [CASE.value.partition(":")[0]] if CASE.value else KINDS.value
    for kind in kinds:
        choose("kinds", kind, MAKERS)
    base = Path(KEEP.value or tempfile.mkdtemp(prefix="nst_fuzz_")).resolve()
    (base / "shared").mkdir(parents=True, exist_ok=True)
    try:
        for kind in kinds:
            if kind in PREPARE:
                PREPARE[kind](base / "shared")
        return _repeat(CASE.value, base) if CASE.value else _run_all(kinds, base)
    finally:
        if not KEEP.value:
            shutil.rmtree(base, ignore_errors=True)


def _run_all(kinds: Sequence[str], base: Path) -> int:
    tasks = (task(kind, number, SEED.value, base) for kind in kinds for number in range(CASES.value))
    limits = harness.Limits(SECONDS.value, MEGABYTES.value * 10**6)
    outcomes, began = [], time.monotonic()
    made = harness.run(tasks, limits, JOBS.value, lambda outcome: _is_fault(outcome) and bool(KEEP.value))
    for outcome in tqdm(made, total=len(kinds) * CASES.value, unit="case", disable=None):
        outcomes.append(outcome)
        if _is_fault(outcome):
            tqdm.write(describe(outcome))
    print(table(outcomes))
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    processor = sum(usage.ru_utime + usage.ru_stime for usage in spent)
    print(f"{time.monotonic() - began:.0f} s, {processor:.0f} s of processors")
    return int(any(map(_is_fault, outcomes)))


def _is_fault(outcome: Outcome) -> bool:
    return outcome.verdict in harness.FAULTS


if __name__ == "__main__":
    jax.config.update("jax_disable_most_optimizations", True)  # programs run for one step only
    cli.run(main, config=False)
