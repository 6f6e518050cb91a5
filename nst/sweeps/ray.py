"""The Ray launcher: runs each point as a task of a Ray cluster, or of Ray on this machine alone."""

import os
from collections.abc import Callable, Sequence

from nst.errors import UserError
from nst.sweeps.local import Launch, attempt
from nst.sweeps.points import Point
from nst.sweeps.processes import POLL_SECONDS, program_order, run_in_worker, stop_file

_RETRIES = 10  # of a point whose process was lost


def start(address: str) -> None:
    """Joins a Ray cluster, or starts Ray on this machine.

    It must be called before JAX starts, whose threads do not survive the forks of `ray.init`, and before the
    program handles signals, since `ray.init` sets handlers of its own.

    Args:
      address: as `ray.init` takes it; "": use the cores of this machine.

    Raises:
      UserError: Ray is not installed, or the cluster cannot be reached.
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


def run_points(launch: Launch, points: Sequence[Point], network: str) -> None:
    """Runs each point as a Ray task with the resources of its config; `start` must have been called.

    Args:
      launch: of the sweep; on a cluster of several machines its folder must be a shared one.
      points: to be run.
      network: the instrument's, a value of `weights.name`; every process loads it for itself.
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
                _report(launch, tasks.pop(reference), lambda reference=reference: ray.get(reference))
    ray.shutdown()


def _report(launch: Launch, point: Point, fetch: Callable[[], str]) -> None:
    """Reports how a task ended; one whose retries are used up has failed, and `fetch` raises the error."""
    statuses = []

    def work() -> bool:
        statuses.append(fetch())
        return False  # `attempt` would report "finished", whatever the status is

    if attempt(launch, point, work) and statuses[0]:
        launch.on_end(point, statuses[0])


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
