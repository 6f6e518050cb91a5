"""Several processes, on one machine or many, that compute one image together (nst/devices/mesh.py).

Every process runs the same program, reads the same files and reaches every computation in the same order;
otherwise some of them would wait forever. The processes must therefore agree on every decision that depends
on the clock, the signals or the disk of one process. The functions of this file do that: the primary process
(number 0) decides, writes the files and prints. With a single process, these functions do nothing.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from nst.errors import UserError

_MESSAGE = 1000  # bytes of an error message that the other processes receive


def initialize(
    coordinator: str | None, processes: int | None, number: int | None, *, detect: bool = False
) -> None:
    """Connects this process with the others. It must be called before JAX is first used.

    Args:
      coordinator: host:port of the primary process.
      processes: number of processes.
      number: number of this process, counted from 0.
      detect: whether arguments that are None are taken from the cluster (Slurm, MPI, Kubernetes, TPU pod).

    Raises:
      UserError: the arguments do not fit together, there is no cluster, or no process answers.
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
        raise UserError(f"the processes could not connect: {error}{advice}") from error


def is_primary() -> bool:
    """Returns whether this is the process that writes the files and prints."""
    return jax.process_index() == 0


def log_on_primary(log: Callable[[str], None]) -> Callable[[str], None]:
    """Returns `log` in the primary process, and a function that does nothing in the others.

    Args:
      log: function that takes one line of text.
    """
    return log if is_primary() else lambda line: None


def broadcast(value: float) -> float:
    """Returns the primary process's number in every process, rounded to float32 if there are several.

    Args:
      value: the number in this process; only the primary process's number is used.
    """
    if jax.process_count() == 1:
        return value
    return float(multihost_utils.broadcast_one_to_all(np.float32(value)))


def any_process(flag: bool) -> bool:
    """Returns whether a flag is set in at least one process.

    Args:
      flag: the flag in this process.
    """
    if jax.process_count() == 1:
        return flag
    return bool(multihost_utils.process_allgather(np.int32(flag)).any())


def on_primary(function: Callable) -> Callable:
    """Decorates a function to be called in the primary process only; the others wait, and return None.

    An exception in the primary process is raised as a UserError in the others, so that all of them end.

    Args:
      function: a function that every process must call, at the same point of the program.
    """

    @functools.wraps(function)
    def wrapped(*arguments, **options):
        if jax.process_count() == 1:
            return function(*arguments, **options)
        result, error = None, None
        if is_primary():
            try:
                result = function(*arguments, **options)
            except Exception as raised:
                error = raised
        # only arrays of a fixed shape can be sent, so the message is sent as padded bytes; empty: no error
        message = np.frombuffer(str(error or "").encode()[:_MESSAGE].ljust(_MESSAGE, b"\0"), np.uint8)
        message = bytes(multihost_utils.broadcast_one_to_all(message)).rstrip(b"\0").decode(errors="ignore")
        if error is not None:
            raise error
        if message:
            raise UserError(message)
        return result

    return wrapped


def gather(array: Any) -> np.ndarray:
    """Returns all values of an array as a NumPy array, from all devices and processes.

    Args:
      array: a JAX or NumPy array of any shape. Every process must call this function with it.
    """
    if not isinstance(array, jax.Array) or array.is_fully_addressable or array.is_fully_replicated:
        return np.asarray(array)
    if array.ndim > 4:
        # this is the optimiser's history of images. A gathered array passes through every device as a whole,
        # and a single image needs less of its memory
        return np.stack([gather(array[index]) for index in range(len(array))])
    return multihost_utils.process_allgather(array, tiled=True)
