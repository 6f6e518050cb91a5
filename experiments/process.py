"""The process of a program: its standard streams and Ctrl-C. Used before anything large is imported."""

import atexit
import os
import signal
import sys


def prepare() -> None:
    """Makes Ctrl-C end the process silently until `cli.run` takes over, and mends the standard streams.

    The streams accept any text, whatever their encoding, and a stream that was closed leads nowhere. If its
    descriptor stayed free, the next file that is opened would get it, and receive the compiler's messages.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not if it is ignored
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    for descriptor, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            _lead_nowhere(descriptor)
            setattr(sys, name, open(descriptor, mode, closefd=False))
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")
    atexit.register(_flush)


def say(line: str) -> None:
    """Prints a line at once; if nobody reads the output any more, the program goes on without it.

    Args:
      line: of text.
    """
    try:
        print(line, flush=True)
    except OSError:  # the pipe or the terminal was closed
        _lead_nowhere(sys.stdout.fileno())


def _flush() -> None:
    """Writes what is left of the output before Python does so at its end, which would print an exception."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _lead_nowhere(sys.stdout.fileno())


def _lead_nowhere(descriptor: int) -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    if nowhere != descriptor:
        os.dup2(nowhere, descriptor)
        os.close(nowhere)
