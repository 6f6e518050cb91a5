"""Launchers with other processes: of this machine, or of a Ray cluster.

A point that a lost process has begun goes on from its checkpoint in another. The processes look for a file in
the sweep's folder that tells them to stop.
"""

import contextlib
import os
import signal
import threading
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from multiprocessing import get_context, parent_process
from pathlib import Path

from nst.devices import compilation_cache
from nst.errors import UserError
from nst.metrics import instrument
from nst.runs.job import cached_loader
from nst.sweeps.local import Launch, attempt, grouped, local
from nst.sweeps.space import Point

_SECONDS = 0.5  # between looks at whether to stop
_RETRIES = 10  # of a point whose process was lost

_instrument = cache(instrument.load)
_load = cache(cached_loader)


def work(point: Point, workdir: Path, stopping: Path, network: str, here: str) -> str:
    """Runs a point in a process of its own; how it ended, or "" if it was stopped.

    Args:
      point: to be run.
      workdir: the sweep's folder.
      stopping: the file that says when to stop.
      network: of the instrument.
      here: the folder that relative paths are relative to.
    """
    os.chdir(here)
    compilation_cache.keep()
    ended = []
    launch = Launch(
        workdir,
        _instrument(network),
        stopping.exists,
        lambda line: None,
        lambda _, status: ended.append(status),
    )
    local(launch, [point], _load())
    return ended[0] if ended else ""


def processes(launch: Launch, points: Sequence[Point], network: str, count: int) -> None:
    """Runs points in `count` processes of this machine."""
    context = get_context("spawn")  # what JAX has started does not survive a fork
    with (
        _stopping(launch.workdir) as stopping,
        ProcessPoolExecutor(count, context, _begin) as pool,
    ):
        rest = launch.workdir.resolve(), stopping, network, os.getcwd()
        waiting = {pool.submit(work, point, *rest): point for point in _ordered(points)}
        while waiting:
            done, _ = wait(waiting, _SECONDS, FIRST_COMPLETED)
            if launch.stop():
                stopping.touch()
                done |= {future for future in waiting if future.cancel()}
            for future in done:
                point = waiting.pop(future)
                try:
                    status = "" if future.cancelled() else future.result()
                except BrokenProcessPool as error:
                    raise UserError(
                        "a process was lost, perhaps for want of memory: lower --jobs; it continues"
                    ) from error
                if status:
                    launch.told(point, status)


def _begin() -> None:
    """Readies a process of the pool."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the head says when to stop
    threading.Thread(target=_end_with_head, daemon=True).start()


def _end_with_head() -> None:
    """Ends this process when the head was killed, who could not tell; what it has begun can be continued."""
    parent_process().join()
    os._exit(1)


def start_ray(address: str) -> None:
    """Joins a Ray cluster, or starts one on this machine.

    To be called before JAX has begun, whose threads do not survive the forks of `ray.init`, and before
    signals are handled, since it sets a handler of its own.

    Args:
      address: as `ray.init` takes it; "": the cores of this machine.

    Raises:
      UserError: Ray is not installed, or the cluster is not there.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise UserError("--launcher=ray needs Ray: pip install -e '.[ray]'") from error
    quiet = {"log_to_driver": False, "logging_level": "error", "ignore_reinit_error": True}
    try:
        ray.init(address=address, **quiet) if address else ray.init(include_dashboard=False, **quiet)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise UserError(f"--ray_address={address}: {error}") from error


def on_ray(launch: Launch, points: Sequence[Point], network: str) -> None:
    """Runs each point as a Ray task with the resources of its config, after `start_ray`.

    Args:
      launch: what every launcher needs; on a cluster of several machines its folder must be a shared one.
      points: to be run.
      network: of the instrument.
    """
    import ray

    with _stopping(launch.workdir) as stopping:
        task = ray.remote(max_retries=_RETRIES)(work)
        rest = launch.workdir.resolve(), stopping, network, os.getcwd()
        waiting = {task.options(**_options(point)).remote(point, *rest): point for point in _ordered(points)}
        while waiting:
            done, _ = ray.wait(list(waiting), timeout=_SECONDS)
            if launch.stop():
                stopping.touch()
            for reference in done:
                _tell(launch, waiting.pop(reference), lambda reference=reference: ray.get(reference))
    ray.shutdown()


def _tell(launch: Launch, point: Point, get) -> None:
    """Tells how a task ended; one that Ray has given up has failed."""
    ended = []

    def fetch() -> bool:
        ended.append(get())
        return False

    if attempt(launch, point, fetch) and ended[0]:
        launch.told(point, ended[0])


def _options(point: Point) -> dict:
    """The Ray options of a point's task."""
    wanted = point.config.resources
    variables = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(("NST_", "JAX_", "XLA_", "TF_CPP_"))
    }
    if 0 < wanted.gpus < 1:  # several processes on one
        variables["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
    options = {"num_cpus": wanted.cpus, "num_gpus": wanted.gpus, "runtime_env": {"env_vars": variables}}
    return options | ({"resources": {"TPU": wanted.tpus}} if wanted.tpus else {})


def _ordered(points: Sequence[Point]) -> list[Point]:
    """Those that share a program one after the other."""
    return [point for _, group in grouped(points) for point in group]


@contextlib.contextmanager
def _stopping(workdir: Path) -> Iterator[Path]:
    """A path in the folder for the file that says when to stop; it is taken away in the end."""
    path = workdir.resolve() / f".stop-{uuid.uuid4().hex}"
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)
