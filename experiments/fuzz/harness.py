"""Runs cases in processes of their own, forked after everything is imported, with limits of time and memory.

A fork takes 10 ms, where a start of Python with JAX takes a second. JAX must not have begun to use a device
before the fork, since its threads do not survive one; so each child that computes starts the device itself.
"""

import contextlib
import faulthandler
import json
import os
import shutil
import signal
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from experiments.fuzz.cases import Case, Wrong
from nst.errors import UserError

ACCEPTED, REFUSED = "accepted", "refused"
FAULTS = ("traceback", "wrong", "hang", "memory", "crash")
_GENERATING = 60.0  # seconds that making a case may take
_POLL = 0.005  # seconds between two looks at the processes


class Limits(NamedTuple):
    """What one case may use."""

    seconds: float = (
        10.0  # of a processor, or three times as long by the clock, since the machine may be busy
    )
    bytes: int = 1_500_000_000  # beyond what the process has at its start


class Task(NamedTuple):
    """A case that is to be made and run."""

    name: str  # kind:number
    folder: Path  # for its files; made and removed by the harness
    make: Callable[[], Case]


class Outcome(NamedTuple):
    """What became of a case."""

    name: str
    label: str  # what the case was
    verdict: str  # ACCEPTED, REFUSED or one of FAULTS
    detail: str  # the error
    seconds: float  # of a processor; of the clock, if it was ended
    bytes: int  # of memory, at most, beyond the start's


@dataclass
class _Child:
    task: Task
    pid: int
    pipe: int
    began: float
    said: bytes = b""
    label: str | None = None  # None: the case is still being made
    killed: str = ""


def run(
    tasks: Iterable[Task], limits: Limits, jobs: int, keep: Callable[[Outcome], bool]
) -> Iterator[Outcome]:
    """Runs cases, several at a time.

    Args:
      tasks: the cases.
      limits: of each.
      jobs: the number of processes at a time.
      keep: whether the folder of a case stays.

    Yields:
      The outcome of each case, in the order in which they end.
    """
    base, waiting, children = _base(), iter(tasks), []
    while True:
        while len(children) < jobs and (task := next(waiting, None)) is not None:
            children.append(_start(task, limits))
        if not children:
            return
        for child in list(children):
            _listen(child)
            pid, status, usage = os.wait4(child.pid, os.WNOHANG)
            if not pid:
                _limit(child, limits, base)
                continue
            children.remove(child)
            outcome = _outcome(child, status, usage.ru_maxrss * 1024 - base, limits)
            if not keep(outcome):
                shutil.rmtree(child.task.folder, ignore_errors=True)
            yield outcome
        time.sleep(_POLL)


def in_child(work: Callable[[], None]) -> None:
    """Does some work in a process of its own, so that JAX starts no threads in this one.

    Args:
      work: what is to be done.

    Raises:
      RuntimeError: it failed.
    """
    pid = os.fork()
    if not pid:
        try:
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    if os.waitpid(pid, 0)[1]:
        raise RuntimeError("what all cases need could not be made")


def _base() -> int:
    """The memory of a child that does nothing."""
    pid = os.fork()
    if not pid:
        os._exit(0)
    return os.wait4(pid, 0)[2].ru_maxrss * 1024


def _start(task: Task, limits: Limits) -> _Child:
    task.folder.mkdir(parents=True)
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.close(reader)
            _work(task, writer, limits)
        finally:
            os._exit(1)
    os.close(writer)
    os.set_blocking(reader, False)
    return _Child(task, pid, reader, time.monotonic())


def _work(task: Task, pipe: int, limits: Limits) -> None:
    """The child: makes the case, says what it is, gives it to nst and says what became of it."""
    os.setpgid(0, 0)  # so that a program that nst starts is stopped with it
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    silence = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(silence, descriptor)
    faulthandler.enable(pipe)
    faulthandler.register(signal.SIGUSR1, pipe)
    try:
        case = task.make()
    except BaseException:
        os.write(pipe, traceback.format_exc()[-3000:].replace("\n", " ").encode())
        raise
    os.write(pipe, case.label.replace("\n", " ").encode("utf-8", "replace")[:500] + b"\n")
    began = time.process_time()
    verdict, detail = _verdict(case)
    said = {"verdict": verdict, "detail": detail[-3000:], "seconds": time.process_time() - began}
    os.write(pipe, json.dumps(said).encode() + b"\n")
    os._exit(0)


def _verdict(case: Case) -> tuple[str, str]:
    try:
        case.act()
    except UserError as error:
        text = str(error)
        return (REFUSED, text) if text.strip() else ("wrong", "an error without words")
    except Wrong as error:
        return "wrong", str(error)
    except BaseException:
        return "traceback", traceback.format_exc()
    return ACCEPTED, ""


def _listen(child: _Child) -> None:
    with contextlib.suppress(BlockingIOError):
        while part := os.read(child.pipe, 65536):
            child.said += part
    if child.label is None and b"\n" in child.said:
        label, child.said = child.said.split(b"\n", 1)
        child.label, child.began = label.decode(), time.monotonic()


def _limit(child: _Child, limits: Limits, base: int) -> None:
    """Kills a child that has used too much."""
    if child.killed:
        return
    seconds = _GENERATING if child.label is None else limits.seconds
    if time.monotonic() - child.began > 3 * seconds or _processor_seconds(child.pid) > seconds:
        child.killed = "hang"
        os.kill(child.pid, signal.SIGUSR1)  # says where it is
        time.sleep(0.1)
    elif _resident(child.pid) - base > limits.bytes:
        child.killed = "memory"
    if child.killed:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)


def _processor_seconds(pid: int) -> float:
    try:
        numbers = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(numbers[11]) + int(numbers[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError):
        return 0.0


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
    except (OSError, IndexError):
        return 0


def _outcome(child: _Child, status: int, size: int, limits: Limits) -> Outcome:
    _listen(child)
    os.close(child.pipe)
    seconds, size = time.monotonic() - child.began, max(size, 0)
    *_, last = child.said.splitlines() or [b""]
    said = json.loads(last) if last.startswith(b"{") and not child.killed else {}
    verdict, detail = said.get("verdict", ""), said.get("detail", child.said.decode(errors="replace"))
    if child.killed or not said:
        verdict = child.killed or "crash"
        detail = detail or f"status {os.waitstatus_to_exitcode(status)}"  # negative: the number of a signal
    elif size > limits.bytes:
        verdict, detail = "memory", f"{verdict} {detail}"
    label = "(while the case was made)" if child.label is None else child.label
    return Outcome(child.task.name, label, verdict, detail, said.get("seconds", seconds), size)
