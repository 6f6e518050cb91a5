"""The local launcher with several processes: runs points in `--jobs` processes of this machine.

If a process is lost, another process can continue its point from the checkpoint. The processes stop when a
certain file appears in the sweep's folder; unlike a signal, a file also reaches processes on other machines
(nst/sweeps/ray.py). A signal to the whole group of processes, as from Ctrl-C, `timeout` or Slurm, has an
effect on the parent alone, which then creates that file.
"""

import contextlib
import os
import signal
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from multiprocessing import active_children, get_context, parent_process, resource_tracker
from multiprocessing.process import BaseProcess
from pathlib import Path

from nst.devices import compilation_cache
from nst.errors import UserError
from nst.metrics import instrument
from nst.sweeps import local
from nst.sweeps.local import Launch, Shared, group_by_program
from nst.sweeps.points import Point

POLL_SECONDS = 0.5  # seconds between two checks whether to stop

# each worker process has one of each, which all its points use
_instrument = cache(instrument.load)
_shared = cache(Shared)


def run_points(launch: Launch, points: Sequence[Point], network: str, count: int) -> None:
    """Runs points in several processes of this machine.

    Args:
      launch: the settings of the sweep.
      points: the points to run.
      network: network of the instrument, a value of `weights.name`; each process loads its own.
      count: number of processes.

    Raises:
      UserError: a process was lost, for example because memory ran out.
    """
    context, before = get_context("spawn"), set(active_children())  # JAX's threads do not survive a fork
    with stop_signals_blocked():
        # Python's resource tracker, a helper process of the pool, ignores SIGINT and SIGTERM, but SIGHUP
        # would end it. It is started first, since Python unblocks the first two signals after starting it.
        resource_tracker.ensure_running()
    with (
        stop_file(launch.workdir) as stop_path,
        ProcessPoolExecutor(count, context, _initialize_worker) as pool,
    ):
        rest = launch.workdir.resolve(), stop_path, network, os.getcwd()
        with stop_signals_blocked():
            futures = {pool.submit(run_in_worker, point, *rest): point for point in program_order(points)}
        workers = set(active_children()) - before
        while futures:
            done, _ = wait(futures, POLL_SECONDS, FIRST_COMPLETED)
            if launch.stop():
                stop_path.touch()
                done |= {future for future in futures if future.cancel()}
            for future in done:
                point = futures.pop(future)
                try:
                    status = "" if future.cancelled() else future.result()
                except BrokenProcessPool as error:
                    reason = _end(workers)
                    if launch.stop():  # the point was stopped; it has neither failed nor finished
                        return
                    raise UserError(
                        f"a process was lost ({reason}); the same command continues the sweep"
                    ) from error
                if status:
                    launch.on_end(point, status)


def _end(workers: Iterable[BaseProcess]) -> str:
    """Returns why a worker has ended, and kills the others, which ignore the signal of the pool."""
    # the exit status is not known at once, and a signal may reach the processes of a group one by one
    time.sleep(POLL_SECONDS)
    codes = [worker.exitcode for worker in workers if worker.exitcode]
    for worker in workers:
        worker.kill()
    if not codes:
        return "it left no trace"
    if codes[0] == -signal.SIGKILL:
        return "killed, perhaps because memory ran out: lower --jobs"
    return f"exit status {codes[0]}" if codes[0] > 0 else signal.Signals(-codes[0]).name


def run_in_worker(point: Point, workdir: Path, stop_path: Path, network: str, directory: str) -> str:
    """Runs a point in a worker process.

    Args:
      point: the point to run.
      workdir: the sweep's folder, an absolute path.
      stop_path: path of a file that appears when the sweep is to stop.
      network: network of the instrument, a value of `weights.name`.
      directory: the working directory, to which relative paths of the config refer.

    Returns:
      The status or error with which the point ended; "" if it was stopped.
    """
    os.chdir(directory)
    compilation_cache.keep()
    statuses = []
    launch = Launch(
        workdir=workdir,
        instrument=_instrument(network),
        stop=stop_path.exists,
        log=lambda line: None,
        on_end=lambda _, status: statuses.append(status),
    )
    local.run_points(launch, [point], _shared())
    return statuses[0] if statuses else ""


def program_order(points: Sequence[Point]) -> list[Point]:
    """Returns the points, reordered so that points that share a program are next to each other.

    Args:
      points: points of a sweep.
    """
    return [point for group in group_by_program(points) for point in group.points]


@contextlib.contextmanager
def stop_file(workdir: Path) -> Iterator[Path]:
    """Yields the path of a file whose existence tells worker processes to stop; removes the file at the end.

    Args:
      workdir: the sweep's folder, in which the file lies.
    """
    path = workdir.resolve() / f".stop-{uuid.uuid4().hex}"
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def stop_signals_blocked() -> Iterator[None]:
    """Makes processes that are started in the `with` block ignore the signals that stop a program.

    The processes inherit the mask, so they ignore the signals even while they import their modules. Signals
    that this process receives in the block are delivered at its end.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _initialize_worker() -> None:
    threading.Thread(target=_exit_with_parent, daemon=True).start()


def _exit_with_parent() -> None:
    """Ends this process when its parent ends, even if the parent is killed; its point can be continued."""
    parent_process().join()
    os._exit(1)
