"""Ctrl-C, `kill` and the end of the terminal as a request to stop."""

import contextlib
import os
import signal

_STOPPING = (
    b"stopping as soon as the compiler or the steps in progress allow it; a second Ctrl-C ends the "
    b"program at once, and what is saved stays\n"
)


def catch() -> list[int]:
    """Catches Ctrl-C, `kill` and the end of the terminal, so that the program can stop at a suitable place.

    A line on standard error says so at once, since compiling may take a minute.

    Returns:
      A list to which the first signal adds its number. A second Ctrl-C or `kill` ends the process.
    """
    received = []

    def handle(number, frame):
        received.append(number)
        with contextlib.suppress(OSError):  # the terminal may be closed
            os.write(2, _STOPPING)  # print could be what the signal has interrupted
        # a second signal may end the process at once, since files are written atomically; but when a terminal
        # closes, the system and the shell may both send SIGHUP, so the second one is ignored
        signal.signal(number, signal.SIG_IGN if number == hang_up else signal.SIG_DFL)

    hang_up = getattr(signal, "SIGHUP", None)  # Windows has none
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handle)
    if hang_up and signal.getsignal(hang_up) is not signal.SIG_IGN:  # nohup ignores it
        signal.signal(hang_up, handle)
    return received
