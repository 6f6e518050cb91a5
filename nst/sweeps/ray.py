"""The Ray launcher: runs each point as a task of a Ray cluster, or of Ray on this machine alone.

Whoever can reach a Ray cluster can run code on it. On this machine alone, Ray therefore listens on the
loopback address 127.0.0.1 only, asks for a token that is new for each sweep, and has no dashboard.
"""

import ipaddress
import os
import secrets
import time
from collections.abc import Sequence
from functools import partial

from nst.errors import UserError, optional
from nst.sweeps.local import Launch, attempt
from nst.sweeps.points import Point
from nst.sweeps.processes import (
    POLL_SECONDS,
    program_order,
    run_in_worker,
    stop_file,
    stop_signals_blocked,
)

OLDEST = (2, 52)  # the first version with tokens
_RETRIES = 10  # most retries of a point whose process was lost
# variables that Ray reads when it is imported; values that the user has set stay
_ALONE = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # loopback, on Linux as well
    "RAY_AUTH_MODE": "token",
}


def start(address: str) -> None:
    """Joins a Ray cluster, or starts Ray on this machine.

    This function must be called before JAX starts, whose threads do not survive the forks of `ray.init`, and
    before the program handles signals, since `ray.init` sets handlers of its own.

    Args:
      address: address of the cluster, as for `ray.init`; "": use the cores of this machine.

    Raises:
      UserError: Ray is not installed or too old, the cluster cannot be reached, or Ray would listen to other
        machines.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if not address:
        for name, value in _ALONE.items():
            os.environ.setdefault(name, value)
        if not os.environ.get("RAY_AUTH_TOKEN_PATH"):
            os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    ray = optional("ray", "ray", "--launcher=ray", "use another launcher")
    if tuple(map(int, ray.__version__.split(".")[:2])) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise UserError(f"Ray {ray.__version__} has no tokens: pip install -U 'ray>={oldest}'")
    quiet = {"log_to_driver": False, "logging_level": "error", "ignore_reinit_error": True}
    try:
        with stop_signals_blocked():
            # "local" ignores the cluster that RAY_ADDRESS names
            ray.init(address or "local", **quiet, **({} if address else {"include_dashboard": False}))
    except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise UserError(f"--ray_address={address}: {error}") from error
    where = ray.util.get_node_ip_address()
    if not address and not ipaddress.ip_address(where).is_loopback:
        ray.shutdown()
        raise UserError(f"Ray {ray.__version__} listens on {where}: use --launcher=local --jobs=N")


def run_points(launch: Launch, points: Sequence[Point], network: str) -> None:
    """Runs each point as a Ray task with the resources of its config; `start` must have been called.

    Args:
      launch: the settings of the sweep; on a cluster of several machines, its folder must be a shared one.
      points: the points to run.
      network: network of the instrument, a value of `weights.name`; each process loads its own.

    Raises:
      UserError: the cluster was lost.
    """
    import ray

    with stop_file(launch.workdir) as stop_path:
        task = ray.remote(max_retries=_RETRIES)(run_in_worker)
        rest = launch.workdir.resolve(), stop_path, network, os.getcwd()
        tasks = {
            task.options(**_options(point)).remote(point, *rest): point for point in program_order(points)
        }
        while tasks:
            done, _ = ray.wait(list(tasks), timeout=POLL_SECONDS)
            if launch.stop():
                stop_path.touch()
            for reference in done:
                _report(launch, tasks.pop(reference), reference)
    ray.shutdown()


def _report(launch: Launch, point: Point, reference) -> None:
    """Reports how a task ended.

    An error of the task, or the loss of every process that tried it, counts as a failure of the point. A task
    that a signal has ended was stopped; it has neither failed nor finished.
    """
    import ray

    try:
        status = ray.get(reference)
    except ray.exceptions.RayError as error:
        time.sleep(POLL_SECONDS)  # a signal to the group may reach this process after the others
        if launch.stop():
            return
        own = ray.exceptions.RayTaskError, ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError
        if not isinstance(error, own):
            line = " ".join(str(error).split())
            raise UserError(f"Ray was lost ({line}); the same command continues the sweep") from error
        attempt(launch, point, partial(_raise, error))
    else:
        if status:
            launch.on_end(point, status)


def _raise(error: Exception):
    raise error


def _options(point: Point) -> dict:
    """Returns the options of a point's task: its resources, and the environment variables that it needs."""
    resources = point.config.resources
    variables = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(("NST_", "JAX_", "XLA_", "TF_CPP_"))
    }
    if 0 < resources.gpus < 1:  # several processes share a GPU, so none may reserve all of its memory
        variables["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
    options = {
        "num_cpus": resources.cpus, "num_gpus": resources.gpus, "runtime_env": {"env_vars": variables},
    }  # fmt: skip
    return options | ({"resources": {"TPU": resources.tpus}} if resources.tpus else {})
