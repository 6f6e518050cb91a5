"""Starts a program in a process group of its own, and ends it at a chosen moment in a chosen way."""

import contextlib
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

_PATIENCE = 120.0  # seconds that a program may take to stop, or to its end
_POLL = 0.002


class Ended(NamedTuple):
    """How a process ended."""

    status: int  # negative: the number of the signal
    output: str
    signalled: bool  # whether it was still running when its moment came
    seconds: float  # from the signal, or from the start, to the end
    waited: float  # seconds from the start until its moment came; 0: there was none
    faults: tuple[str, ...]  # what a program must not do


class Death(NamedTuple):
    """A way to end a process."""

    name: str
    number: int  # of the signal; 0: none, its files cannot become larger than a limit
    group: bool = False  # whether all processes of the group receive it
    twice: bool = False


DEATHS = (
    Death("SIGKILL", signal.SIGKILL),
    Death("SIGKILL to all", signal.SIGKILL, group=True),
    Death("SIGTERM", signal.SIGTERM),
    Death("SIGTERM to all", signal.SIGTERM, group=True),
    Death("SIGINT to all", signal.SIGINT, group=True),
    Death("SIGINT twice", signal.SIGINT, group=True, twice=True),
    Death("SIGHUP to all", signal.SIGHUP, group=True),
    Death("full disk", 0),
)
# how often each of them is chosen: SIGKILL leaves no time to save anything
WEIGHTS = (4, 3, 1, 1, 1, 1, 1, 1)


def run(
    command: Sequence[str],
    environment: dict[str, str],
    log: Path,
    death: Death | None = None,
    wait: Callable[[subprocess.Popen], None] | None = None,
    largest_file: int = 0,
) -> Ended:
    """Runs a program to its end, or to the moment at which it is to die.

    Args:
      command: its words.
      environment: in addition to that of this process.
      log: a file for its output.
      death: how it ends; None: by itself.
      wait: returns when the moment has come, or the process has ended.
      largest_file: bytes, beyond which no file can grow; 0: no limit.
    """

    def limit():
        if largest_file:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))

    began, waited, signalled = time.monotonic(), 0.0, False
    with open(log, "wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", *command], env=os.environ | environment, stdin=subprocess.DEVNULL,
            stdout=file, stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=limit,
        )  # fmt: skip
        if wait is not None and (death is None or death.number):
            wait(process)
            waited = time.monotonic() - began
            if death is not None:
                signalled = process.poll() is None
                began = time.monotonic() if signalled else began
                _send(process, death)
        faults = _end(process)
    output = log.read_text(errors="replace")
    if "Traceback" in output:
        faults.append("a traceback")
    return Ended(process.returncode, output, signalled, time.monotonic() - began, waited, tuple(faults))


def _send(process: subprocess.Popen, death: Death) -> None:
    for _ in range(1 + death.twice):
        with contextlib.suppress(ProcessLookupError):
            (os.killpg if death.group else os.kill)(process.pid, death.number)
        time.sleep(0.05 * death.twice)


def _end(process: subprocess.Popen) -> list[str]:
    """Waits for a process and all of its group, and kills what does not end; returns the faults."""
    faults = []
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        faults.append(f"it has not ended after {_PATIENCE:.0f} s")
    end = time.monotonic() + 30
    while alive(process.pid):
        if faults or time.monotonic() > end:
            faults.append("processes are left")
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            break
        time.sleep(_POLL)
    return faults


def alive(group: int) -> bool:
    """Returns whether a process group has a process.

    Args:
      group: its number.
    """
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def until(folder: Path, seconds: float, after_first: bool) -> Callable[[subprocess.Popen], None]:
    """Returns a `wait` for `run`.

    Args:
      folder: of the run or sweep.
      seconds: to wait.
      after_first: whether they are counted from the first time that the program writes to the folder, instead
        of from its start.
    """
    before = _newest(folder)

    def wait(process: subprocess.Popen) -> None:
        while after_first and process.poll() is None and _newest(folder) <= before:
            time.sleep(_POLL)
        end = time.monotonic() + seconds
        while process.poll() is None and time.monotonic() < end:
            time.sleep(_POLL)

    return wait


def _newest(folder: Path) -> float:
    """The time of the last change of a file in a folder, locks left out."""
    times = [0.0]
    for path in folder.rglob("*.json"):
        with contextlib.suppress(OSError):
            times.append(path.stat().st_mtime)
    return max(times)
