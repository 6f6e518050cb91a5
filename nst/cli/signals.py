"""Ctrl-C, `kill` and the end of the terminal as a request to stop."""

import signal


def catch() -> list[int]:
    """Catches Ctrl-C, `kill` and the end of the terminal, so that the program can stop at a suitable place.

    Returns:
      A list to which the first signal adds its number. A second Ctrl-C or `kill` ends the process.
    """
    received = []

    def handle(number, frame):
        received.append(number)
        # a second signal may end the process at once, since files are written atomically; but when a terminal
        # closes, the system and the shell may both send SIGHUP, so the second one is ignored
        signal.signal(number, signal.SIG_IGN if number == hang_up else signal.SIG_DFL)

    hang_up = getattr(signal, "SIGHUP", None)  # Windows has none
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handle)
    if hang_up and signal.getsignal(hang_up) is not signal.SIG_IGN:  # nohup ignores it
        signal.signal(hang_up, handle)
    return received
