"""What the programs of the developers share: flags, and errors as one line with exit status 1.

An error shows its traceback only with --debug.
"""

import logging
import sys
from collections.abc import Callable, Sequence

from absl import app, flags

from nst.cli import arguments, process
from nst.devices import compilation_cache
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
            if "--debug" in argv:
                raise
            sys.exit(process.complain(error))

    compilation_cache.keep()
    process.handle_interrupts()
    app.run(lambda argv: process.guarded(lambda: main(argv), DEBUG.value), flags_parser=parse)


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
