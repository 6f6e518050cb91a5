"""Ctrl-C as a request to stop: the run ends after the steps in progress, and its picture is not lost."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def deferred() -> Iterator[Callable[[], bool]]:
    """Turns the first Ctrl-C inside the `with` block into a request to stop; a second one acts as usual.

    An exception in the middle of a step would lose the image, whose buffers are donated to the step. A
    program that handles Ctrl-C itself keeps its handler. In threads other than the main one nothing changes,
    since Python raises KeyboardInterrupt in the main thread only.

    Yields:
      A function that returns whether Ctrl-C was pressed.
    """
    received = []

    def handle(number, frame):
        received.append(number)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield lambda: False
        return
    signal.signal(signal.SIGINT, handle)
    try:
        yield lambda: bool(received)
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
