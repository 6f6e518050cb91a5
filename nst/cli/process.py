"""The process of a program: its standard streams, Ctrl-C, errors and exit status.

This file imports nothing large, so that it takes effect before the rest of the program is imported.
"""

import atexit
import os
import signal
import sys
from collections.abc import Callable

from nst.errors import UserError, shown


def prepare() -> None:
    """Makes Ctrl-C end the process silently until `handle_interrupts`, and repairs the standard streams.

    Afterwards the streams accept any text in any encoding, and a stream that was closed leads to the null
    device. If its descriptor stayed free, the next file that is opened would get that descriptor, and would
    receive the compiler's messages.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not if the signal is ignored
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    for descriptor, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            _lead_nowhere(descriptor)
            setattr(sys, name, open(descriptor, mode, closefd=False))
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")
    atexit.register(_flush)


def guarded(run: Callable[[], int | None], debug: bool) -> int:
    """Runs a program, and prints an error as one line.

    Args:
      run: the program; returns its exit status, or None for 0.
      debug: whether an error is raised with its traceback instead.

    Returns:
      The exit status.
    """
    try:
        status = run()
        sys.stdout.flush()  # here, so that an error is reported
        return status or 0
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except (UserError, OSError) as error:
        if debug:
            raise
        return complain(error)
    except (RuntimeError, AssertionError):  # JAX raises both if it cannot start
        from nst.devices import platform

        reason = platform.failure()
        if debug or not reason:
            raise
        return complain(UserError(reason))


def handle_interrupts() -> None:
    """Makes Ctrl-C raise KeyboardInterrupt from now on; called after everything has been imported."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _interrupt)


def _interrupt(number, frame):
    # a handler of our own, so that `nst.stylize` leaves Ctrl-C to the program
    raise KeyboardInterrupt


def complain(error: Exception) -> int:
    """Prints an error as one line, and returns the exit status.

    Args:
      error: the exception that was raised.
    """
    if isinstance(error, BrokenPipeError):  # the reader of the output, such as `head`, has ended
        return 141
    text = str(error)
    if isinstance(error, OSError) and error.strerror:  # without the number of the error
        text = f"{shown(error.filename)}: {error.strerror}" if error.filename else error.strerror
    print(f"error: {' '.join(text.split())}", file=sys.stderr)
    return 1


def say(line: str) -> None:
    """Prints a line of the log at once; if the output has been closed, the program continues without it.

    Args:
      line: one line of text.
    """
    try:
        print(line, flush=True)
    except OSError:  # the pipe or the terminal was closed
        _lead_nowhere(sys.stdout.fileno())


def _flush() -> None:
    """Writes the rest of the output before Python does so at exit, which could print an exception.

    If the output cannot be written, `guarded` has already reported it.
    """
    try:
        sys.stdout.flush()
    except OSError:
        _lead_nowhere(sys.stdout.fileno())


def _lead_nowhere(descriptor: int) -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    if nowhere != descriptor:
        os.dup2(nowhere, descriptor)
        os.close(nowhere)
