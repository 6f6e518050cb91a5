"""Kills runs, sweeps and jobs of pictures at random moments, continues them, and compares what they write.

python -m experiments.kill --kills=100 --seed=0

A tiny run (two sizes, a checkpoint, a record and a preview at almost every step), a tiny sweep in two
processes, or `nst photos/ painting.png` for three tiny photographs of two shapes, is started and ended by a
signal, to itself or to its whole group, or finds its disk full; then the same command is given again, one to
four times, and in the end it is let to finish. Its pictures, previews, records and tables must be those of
one that was never interrupted, nothing may be damaged in between or left over, and no process may show a
traceback. The exit status is 1 if anything differs. 100 kills take about ten minutes on two cores.
"""

import shutil
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from absl import flags

from experiments import cli
from experiments.kill import compare, process
from experiments.kill.process import Death, Ended
from nst import images
from nst.cli.tables import markdown
from nst.errors import choose

KILLS = flags.DEFINE_integer("kills", 100, "How often a program is killed.", lower_bound=1)
SEED = flags.DEFINE_integer("seed", 0, "Of the moments and the ways to die.", lower_bound=0)
JOBS = flags.DEFINE_integer("jobs", 2, "Programs at a time.", lower_bound=1)
SUBJECTS = flags.DEFINE_list("subjects", ["run", "sweep", "pictures"], "What is killed.")
KEEP = flags.DEFINE_string("keep", "", "A folder in which everything stays.")

_TINY = {
    "weights.name": "vgg19_slim", "size": 32, "steps": 60, "pyramid.min_size": 16, "pyramid.steps": 20,
    "content_loss.layers": "relu1_1", "style_loss.layers": "relu1_1,relu2_1", "style_loss.weight": 10.0,
    "optimizer.name": "adam", "optimizer.learning_rate": 0.02, "log.every": 2, "log.preview_every": 3,
    "checkpoint.seconds": 0.0,
}  # fmt: skip
# how often each is chosen, and its words: BASE is the folder of the inputs, and FOLDER the one that it writes
_SUBJECTS = {
    "run": (2, ("stylize", "--config=classic", "--workdir=FOLDER")),
    "sweep": (1, (
        "sweep", "--config=BASE/swept.py", "--jobs=2", "--instrument=vgg19_slim", "--retry-failed",
        "--workdir=FOLDER",
    )),
    "pictures": (1, ("BASE/photos/", "BASE/style.png", "--config=classic", "--output=FOLDER")),
}  # fmt: skip
_SWEPT = """
from nst.configs import classic


def get_config():
    return classic.get_config()


def sweep():
    return [{"seed": seed, "steps": 24} for seed in range(3)]
"""


class Subject(NamedTuple):
    """A program that is killed."""

    name: str
    command: tuple[str, ...]  # FOLDER stands for its folder
    right: Path  # the folder of one that was never interrupted
    start: float  # seconds until it writes its first file
    work: float  # seconds from then to its end


@dataclass
class Tally:
    """What has happened so far."""

    deaths: Counter = field(default_factory=Counter)  # (subject, name of the death)
    ended: Counter = field(default_factory=Counter)  # subject
    faults: list[tuple[str, str]] = field(default_factory=list)  # (subject, what)
    slowest: float = 0.0  # seconds from a signal that can be caught to the end
    lock: threading.Lock = field(default_factory=threading.Lock)


def _write_inputs(base: Path) -> None:
    rng = np.random.default_rng(5)
    for name, size in (("content", (32, 28)), ("style", (24, 32))):
        noise = rng.random((4, 4, 3), np.float32)
        images.write(base / f"{name}.png", np.clip(images.resize(noise, *size, "bilinear"), 0, 1))
    (base / "swept.py").write_text(_SWEPT)
    (base / "photos").mkdir()
    for index, size in enumerate(((32, 28), (28, 32), (32, 28))):
        noise = rng.random((4, 4, 3), np.float32)
        images.write(base / f"photos/{index}.png", np.clip(images.resize(noise, *size, "bilinear"), 0, 1))


def _command(base: Path, subject: str) -> tuple[str, ...]:
    pictures = {} if subject == "pictures" else {"content": "BASE/content.png", "style": "BASE/style.png"}
    fields = [f"--config.{name}={value}" for name, value in (_TINY | pictures).items()]
    return tuple(word.replace("BASE", str(base)) for word in ("nst", *_SUBJECTS[subject][1], *fields))


def _in_folder(command: Sequence[str], folder: Path) -> tuple[str, ...]:
    return tuple(word.replace("FOLDER", str(folder)) for word in command)


def _environment(base: Path) -> dict[str, str]:
    """A cache of compiled programs of its own, which is killed as well."""
    return {"NST_CACHE_DIR": str(base / "cache"), "PYTHONUNBUFFERED": "1"}


def measure(name: str, base: Path) -> Subject:
    """Returns a subject after it has run twice without interruption; the first time, programs are compiled.

    Args:
      name: a key of `_SUBJECTS`.
      base: the folder of everything.

    Raises:
      RuntimeError: it does not work.
    """
    command, right = _command(base, name), base / f"{name}_right"
    for _ in range(2):
        shutil.rmtree(right, ignore_errors=True)
        first = process.until(right, 0.0, after_first=True)
        ended = process.run(_in_folder(command, right), _environment(base), base / f"{name}.log", wait=first)
        if ended.status or ended.faults:
            raise RuntimeError(f"{name} does not work:\n{ended.output}")
    return Subject(name, command, right, ended.waited, ended.seconds - ended.waited)


def torment(subject: Subject, rng: np.random.Generator, folder: Path, base: Path, tally: Tally) -> None:
    """Starts a subject in a new folder, kills it one to four times, lets it finish, and compares.

    Args:
      subject: from `measure`.
      rng: the source of randomness.
      folder: that does not exist yet.
      base: the folder of everything.
      tally: receives what happens.
    """
    command, log = _in_folder(subject.command, folder), folder.with_suffix(".log")
    history, stopped = [], False
    for _ in range(int(rng.integers(1, 5))):
        chances = np.array(process.WEIGHTS) / sum(process.WEIGHTS)
        death = process.DEATHS[int(rng.choice(len(process.DEATHS), p=chances))]
        # Python shows a traceback if Ctrl-C comes in the first moments, when none of nst's code has run yet
        least = 0.2 if death.number == signal.SIGINT else 0.0
        late, share = rng.random() < 0.75, rng.uniform(least, 1.0)
        wait = process.until(folder, share * (subject.work if late else subject.start), late)
        largest = int(rng.integers(1000, 60_000)) if not death.number else 0
        ended = process.run(command, _environment(base), log, death, wait, largest)
        faults = [*ended.faults, *_wrong_end(death, ended), *compare.damage(folder)]
        stopped |= ended.signalled and death.number != signal.SIGKILL
        history.append(f"{death.name}, {share:.2f} {'after' if late else 'before'} the first file")
        with tally.lock:
            if ended.signalled or (not death.number and ended.status):
                tally.deaths[subject.name, death.name] += 1
            if ended.signalled and death.number != signal.SIGKILL:
                tally.slowest = max(tally.slowest, ended.seconds)
        _report(subject, tally, history, faults, ended.output)
    ended = process.run(command, _environment(base), log)
    faults = list(ended.faults) if not ended.status else [f"exit status {ended.status}", *ended.faults]
    faults += compare.differences(folder, subject.right, stopped)
    _report(subject, tally, history, faults, ended.output)
    with tally.lock:
        tally.ended[subject.name] += 1
    if not (KEEP.value or faults):
        shutil.rmtree(folder)


def _wrong_end(death: Death, ended: Ended) -> list[str]:
    """What is wrong with the way in which a process ended."""
    if not death.number:  # if it met the limit at all
        said = ended.status == 1 and "cannot write" in ended.output
        return [] if not ended.status or said else ["no line about the disk"]
    if ended.signalled and ended.status not in (-death.number, 128 + death.number, 0):
        return [f"exit status {ended.status} after {death.name}"]
    return []


def _report(subject: Subject, tally: Tally, history: list[str], faults: list[str], output: str) -> None:
    if not faults:
        return
    with tally.lock:
        tally.faults += [(subject.name, fault) for fault in faults]
        print(f"{subject.name}, {'; '.join(history)}:")
        for line in [*faults, *output.strip().splitlines()[-8:]]:
            print(f"    {line[:200]}", flush=True)


def table(subjects: Sequence[Subject], tally: Tally) -> str:
    """Returns what has happened as a Markdown table.

    Args:
      subjects: that were killed.
      tally: what has happened.
    """
    head = ["what", "kills", *(death.name for death in process.DEATHS), "continued to the end", "faults"]
    rows = []
    for subject in subjects:
        counts = [tally.deaths[subject.name, death.name] for death in process.DEATHS]
        faults = sum(name == subject.name for name, _ in tally.faults)
        rows.append([subject.name, *map(str, (sum(counts), *counts, tally.ended[subject.name], faults))])
    return markdown(head, rows)


def main(argv) -> int:
    """Kills until it is enough; returns the exit status."""
    del argv
    base, began, tally = (
        Path(KEEP.value or tempfile.mkdtemp(prefix="nst_kill_")).resolve(),
        time.time(),
        Tally(),
    )
    base.mkdir(parents=True, exist_ok=True)
    _write_inputs(base)
    subjects = [measure(choose("subjects", name, _SUBJECTS), base) for name in SUBJECTS.value]
    shares = np.array([_SUBJECTS[subject.name][0] for subject in subjects])

    def work(number: int) -> None:
        rng = np.random.default_rng((SEED.value, number))
        subject = subjects[int(rng.choice(len(subjects), p=shares / shares.sum()))]
        if sum(tally.deaths.values()) < KILLS.value:
            torment(subject, rng, base / f"{subject.name}_{number}", base, tally)

    try:
        with ThreadPoolExecutor(JOBS.value) as pool:
            list(pool.map(work, range(4 * KILLS.value)))
    finally:
        if not (KEEP.value or tally.faults):
            shutil.rmtree(base, ignore_errors=True)
    print(table(subjects, tally))
    print(f"{time.time() - began:.0f} s; a signal that can be caught took {tally.slowest:.1f} s at most")
    return int(bool(tally.faults))


if __name__ == "__main__":
    cli.run(main, config=False)
