"""What the programs of the developers share: flags, and errors as one line with exit status 1.

An error shows its traceback only with --debug.
"""

import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from absl import app, flags

from nst.cli import arguments, options, process
from nst.devices import compilation_cache, platform
from nst.errors import UserError

DEBUG = flags.DEFINE_bool("debug", False, "Show the traceback of an error.")
WORKDIR = flags.DEFINE_string("workdir", None, "The run folder; give it again to continue a run.")
CONFIG = arguments.define_config()


def run(main: Callable[[Sequence[str]], int | None], config: bool = True) -> None:
    """Parses the flags and runs `main`; ends the process.

    Args:
      main: receives the name of the program in a list; returns the exit status, None for 0.
      config: whether the program needs --config; a program that does not need it refuses it.
    """
    # JAX would log every backend that it did not find, and more
    logging.getLogger("jax").setLevel(logging.WARNING)

    def parse(argv):
        try:
            arguments.parse(argv)
            if not config and CONFIG.present:
                raise UserError("this program takes no --config")
            if config and CONFIG.value is None:
                raise UserError("give a config: --config=configs/default.py")
            return argv[:1]
        except UserError as error:
            if "--debug" in argv:
                raise
            sys.exit(process.complain(error))

    platform.set_flags()
    compilation_cache.keep()
    process.handle_interrupts()
    app.run(lambda argv: process.guarded(lambda: main(argv), DEBUG.value), flags_parser=parse)


def workdir(example: str) -> Path:
    """Returns the value of --workdir.

    Args:
      example: a value that the error suggests.

    Raises:
      UserError: --workdir was not given.
    """
    return options.required(WORKDIR.value, "the run", example)
