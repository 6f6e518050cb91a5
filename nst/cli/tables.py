"""Tables of text, and numbers with their units."""

from collections.abc import Sequence


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Returns a Markdown table.

    Args:
      head: the names of the columns.
      rows: the cells of each row.
    """
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def counted(number: int, noun: str) -> str:
    """Returns a number with its noun: "1 picture", "2 pictures".

    Args:
      number: the number of things.
      noun: the singular noun; its plural must end with s.
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def duration(seconds: float) -> str:
    """Returns a time for people: "0.8 s", "80 s", "75 min".

    Args:
      seconds: the time in seconds.
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    return f"{seconds:.0f} s" if seconds < 600 else f"{seconds / 60:.0f} min"
