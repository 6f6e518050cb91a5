"""Several processes, on one machine or many, that make one picture together (nst/devices/mesh.py).

All run the same program, read the same files and reach every computation in the same order, or they would
wait for each other for ever. So whatever follows from one process's clock, signals or disk is agreed upon
here: the first process decides, writes and speaks. With one process all this does nothing.
"""

import functools
from collections.abc import Callable

import jax
import numpy as np
from jax.experimental import multihost_utils

from nst.errors import UserError

_MESSAGE = 1000  # bytes of an error that the others are told


def join(coordinator: str | None, processes: int | None, number: int | None, *, detect: bool = False) -> None:
    """Connects this process with the others; before jax is first used.

    Args:
      coordinator: host:port of the first process.
      processes: how many there are.
      number: this one's, from 0.
      detect: ask the cluster (Slurm, MPI, Kubernetes, TPU pod) for what is None.

    Raises:
      UserError: arguments that do not fit, no cluster, or nobody there.
    """
    if coordinator is not None:
        host, _, port = coordinator.rpartition(":")
        if not (host and port.isdigit()):
            raise UserError(f"coordinator = {coordinator!r}: write it as host:port, such as node0:12345")
    if not detect and None in (coordinator, processes, number):
        raise UserError("coordinator, processes and process_id go together; or give distributed alone")
    if None not in (processes, number) and not 0 <= number < processes:
        raise UserError(f"process_id = {number}: the {processes} processes are numbered from 0")
    try:
        jax.distributed.initialize(
            coordinator, processes, number, cluster_detection_method=None if detect else "deactivate"
        )
    except (ValueError, RuntimeError) as error:
        advice = "; no cluster was found: give coordinator, processes and process_id" if detect else ""
        raise UserError(f"the processes could not join: {error}{advice}") from error


def leads() -> bool:
    """Whether this is the process that writes and speaks."""
    return jax.process_index() == 0


def aloud(say: Callable[[str], None]) -> Callable[[str], None]:
    """`say` in the first process; in the others nothing is said."""
    return say if leads() else lambda line: None


def same(value: float) -> float:
    """The first process's number, in all of them."""
    if jax.process_count() == 1:
        return value
    return float(multihost_utils.broadcast_one_to_all(np.float32(value)))


def anywhere(flag: bool) -> bool:
    """Whether a flag is set in any process."""
    if jax.process_count() == 1:
        return flag
    return bool(multihost_utils.process_allgather(np.int32(flag)).any())


def first(work: Callable) -> Callable:
    """The same function, called in the first process alone; the others wait, and have None from it.

    What it raises there is a UserError in the others, so that all end together.
    """

    @functools.wraps(work)
    def once(*arguments, **options):
        if jax.process_count() == 1:
            return work(*arguments, **options)
        result, error = None, None
        if leads():
            try:
                result = work(*arguments, **options)
            except Exception as raised:
                error = raised
        words = np.frombuffer(str(error or "").encode()[:_MESSAGE].ljust(_MESSAGE, b"\0"), np.uint8)
        words = bytes(multihost_utils.broadcast_one_to_all(words)).rstrip(b"\0").decode(errors="ignore")
        if error is not None:
            raise error
        if words:
            raise UserError(words)
        return result

    return once


def fetch(array: jax.Array) -> np.ndarray:
    """An array's values, wherever its parts are; all processes must ask for it."""
    if not isinstance(array, jax.Array) or array.is_fully_addressable or array.is_fully_replicated:
        return np.asarray(array)
    if array.ndim > 4:  # a history: one image after another, since each passes through every device whole
        return np.stack([fetch(array[index]) for index in range(len(array))])
    return multihost_utils.process_allgather(array, tiled=True)
