"""What the programs share: errors as one line for people, exit status 1, a traceback only with --debug."""

import sys
from collections.abc import Callable, Sequence

from absl import app, flags
from ml_collections import config_flags

from nst.errors import UserError

DEBUG = flags.DEFINE_bool("debug", False, "Show the traceback of an error.")
CONFIG = config_flags.DEFINE_config_file("config", None, "A file of configs/.", lock_config=True)


def run(main: Callable[[Sequence[str]], int | None]) -> None:
    """Parses the flags and runs `main`, whose return value is the exit status."""

    def parse(argv):
        try:
            return flags.FLAGS(argv)
        except (flags.Error, UserError, AttributeError, KeyError, TypeError, ValueError, OSError) as error:
            fail(error, "--debug" in argv)

    def guarded(argv):
        try:
            return main(argv)
        except UserError as error:
            fail(error, DEBUG.value)
        except MemoryError as error:
            fail(UserError("out of memory: choose a smaller size or optimizer.memory") if not DEBUG.value else error,
                 DEBUG.value)  # fmt: skip

    app.run(guarded, flags_parser=parse)


def fail(error: Exception, debug: bool) -> None:
    """Ends the program with the error as one line."""
    if debug:
        raise error
    print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
    sys.exit(1)
