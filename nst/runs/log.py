"""The lines of the log: some describe a run, and some its user should know.

`nst.stylize` passes both to its `log`. A caller that wants few lines leaves out the lines of type `Detail`.
"""

from collections.abc import Callable

from tqdm import tqdm

Log = Callable[[str], None]  # receives one line of text


class Detail(str):
    """A line that describes a run or its progress; any other line says what the user should know."""

    __slots__ = ()


def once(log: Log) -> Log:
    """Returns a log that leaves out lines that it has received before.

    Args:
      log: receives all other lines.
    """
    said = set()

    def call(line: str) -> None:
        if line not in said:
            said.add(line)
            log(line)

    return call


def above_bars(log: Log) -> Log:
    """Returns a log that clears a progress bar before each line, and draws the bar again after it.

    Args:
      log: prints the lines.
    """

    def call(line: str) -> None:
        with tqdm.external_write_mode():
            log(line)

    return call
