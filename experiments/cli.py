"""What the programs share: flags, signals, tables, and errors as one line with exit status 1.

An error shows its traceback only with --debug.
"""

import logging
import signal
import sys
from collections.abc import Callable, Sequence

from absl import app, flags

from experiments import arguments
from nst.devices import compilation_cache, platform
from nst.errors import UserError

DEBUG = flags.DEFINE_bool("debug", False, "Show the traceback of an error.")
WORKDIR = flags.DEFINE_string("workdir", None, "The run folder; give it again to continue a run.")
CONFIG = arguments.define_config()


def run(main: Callable[[Sequence[str]], int | None], config: bool = True, words: int | None = 0) -> None:
    """Parses the flags and runs `main`; ends the process.

    Args:
      main: receives the words of the command that are not flags; returns the exit status, None for 0.
      config: whether the program needs --config; a program that does not need it refuses it.
      words: how many words without a flag the program takes, at most; None: any number.
    """
    # JAX would log every backend that it did not find
    logging.getLogger("jax._src.xla_bridge").setLevel(logging.WARNING)

    def parse(argv):
        try:
            rest = arguments.parse(argv, words)
            if not config and CONFIG.present:
                raise UserError("this program takes no --config")
            if config and CONFIG.value is None:
                raise UserError("give a config: --config=configs/default.py")
            return rest
        # absl and ml_collections raise any of these for a wrong flag
        except (flags.Error, AttributeError, KeyError, TypeError, ValueError, OSError) as error:
            fail(error, "--debug" in argv)

    def guarded(argv):
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, _interrupt)
        try:
            status = main(argv)
            sys.stdout.flush()  # here, so that an error is reported
            return status
        except KeyboardInterrupt:
            return 128 + signal.SIGINT
        except (UserError, OSError) as error:
            fail(error, DEBUG.value)
        except (RuntimeError, AssertionError) as error:
            if reason := platform.failure():  # JAX raises both if it cannot start
                fail(UserError(reason), DEBUG.value)
            raise error

    compilation_cache.keep()
    app.run(guarded, flags_parser=parse)


def workdir(example: str) -> str:
    """Returns the value of --workdir.

    Args:
      example: a value that the error suggests.

    Raises:
      UserError: --workdir was not given.
    """
    if not WORKDIR.value:
        raise UserError(f"give a folder for the run: --workdir={example}")
    return WORKDIR.value


def _interrupt(number, frame):
    # a handler of our own, so that `nst.stylize` leaves Ctrl-C to the program
    raise KeyboardInterrupt


def signals() -> list[int]:
    """Catches Ctrl-C, `kill` and the end of the terminal, so that the program can stop at a suitable place.

    Returns:
      A list to which the first signal adds its number. A second Ctrl-C or `kill` ends the process.
    """
    received = []

    def handle(number, frame):
        received.append(number)
        # to end at once is safe, since files are written atomically; but when a terminal closes, the system
        # and the shell may both send SIGHUP
        signal.signal(number, signal.SIG_IGN if number == hang_up else signal.SIG_DFL)

    hang_up = getattr(signal, "SIGHUP", None)  # Windows has none
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handle)
    if hang_up and signal.getsignal(hang_up) is not signal.SIG_IGN:  # as under nohup
        signal.signal(hang_up, handle)
    return received


def fail(error: Exception, debug: bool) -> None:
    """Prints the error as one line and ends the process with exit status 1.

    Args:
      error: what was raised.
      debug: whether to raise the error instead.
    """
    if debug:
        raise error
    if isinstance(error, BrokenPipeError):  # the reader of the output has ended, as `head` does
        sys.exit(141)
    print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
    sys.exit(1)


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Returns a Markdown table.

    Args:
      head: the names of the columns.
      rows: the cells of each row.
    """
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
