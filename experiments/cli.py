"""What the programs share: errors as one line for people, exit status 1, a traceback only with --debug."""

import logging
import signal
import sys
from collections.abc import Callable, Sequence

from absl import app, flags
from ml_collections import config_flags

from nst.devices import compilation_cache
from nst.errors import UserError

DEBUG = flags.DEFINE_bool("debug", False, "Show the traceback of an error.")
WORKDIR = flags.DEFINE_string("workdir", None, "The run folder; give it again to continue a run.")
CONFIG = config_flags.DEFINE_config_file("config", None, "A file of configs/.", lock_config=True)


def run(main: Callable[[Sequence[str]], int | None], config: bool = True) -> None:
    """Parses the flags and runs `main`, whose return value is the exit status.

    `config`: whether the program needs --config; one that does not refuses it.
    """
    # jax tells of every backend that it looked for and did not find
    logging.getLogger("jax._src.xla_bridge").setLevel(logging.WARNING)

    def parse(argv):
        try:
            rest = flags.FLAGS(argv)
            if not config and CONFIG.present:
                raise ValueError("this program takes no --config")
            if config and CONFIG.value is None:
                raise ValueError("give a config: --config=configs/gatys2016.py")
            if config:
                _ = CONFIG.value.is_locked  # a config that did not load says so when it is first used
            return rest
        # what the flag parsers, ml_collections and the config's own code raise at a wrong flag
        except (flags.Error, AttributeError, KeyError, TypeError, ValueError, OSError, SyntaxError) as error:
            fail(error, "--debug" in argv)

    def guarded(argv):
        try:
            return main(argv)
        except UserError as error:
            fail(error, DEBUG.value)

    compilation_cache.keep()
    app.run(guarded, flags_parser=parse)


def workdir(example: str) -> str:
    """The value of --workdir; raises UserError if there is none."""
    if not WORKDIR.value:
        raise UserError(f"give a folder for the run: --workdir={example}")
    return WORKDIR.value


def signals() -> list[int]:
    """A list to which Ctrl-C and `kill` add their number, once, so that a program can stop when it suits."""
    received = []

    def note(number, frame):
        received.append(number)
        signal.signal(number, signal.SIG_DFL)  # a second one ends at once; what is on the disk is whole

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, note)
    return received


def fail(error: Exception, debug: bool) -> None:
    """Ends the program with the error as one line."""
    if debug:
        raise error
    text = str(error)
    if isinstance(error, KeyError | AttributeError):  # ml_collections' words, quoted twice
        text = (
            f"no such field of the config: {error.args[0]}".replace("\\n", " ")
            .replace("\\'", "")
            .replace("'", "")
        )
    print(f"error: {' '.join(text.split())}", file=sys.stderr)
    sys.exit(1)


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
