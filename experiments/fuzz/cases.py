"""What the generators of hostile inputs share: the record of a case, and random damage to bytes."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np


class Case(NamedTuple):
    """One hostile input."""

    label: str  # what it is, for the list of faults
    act: Callable[[], None]  # gives it to nst; raises UserError if it is refused, Wrong if it is mistaken


class Wrong(Exception):
    """An input was accepted, and what became of it is wrong."""


def check(true: bool, message: str) -> None:
    """Raises Wrong with the message unless the condition is true.

    Args:
      true: the condition.
      message: what is wrong if it is not.
    """
    if not true:
        raise Wrong(message)


def pick(rng: np.random.Generator, values: Sequence):
    """Returns one of the values; unlike `rng.choice`, of any type.

    Args:
      rng: the source of randomness.
      values: to choose from.
    """
    return values[int(rng.integers(len(values)))]


def damage(rng: np.random.Generator, data: bytes) -> tuple[str, bytes]:
    """Damages a file in one of the ways in which files are damaged on disks and by people.

    Args:
      rng: the source of randomness.
      data: the whole file.

    Returns:
      What was done, and the damaged file.
    """
    name = pick(rng, sorted(_DAMAGES))
    return name, _DAMAGES[name](rng, bytearray(data))


def _flip_bits(rng, data):
    for _ in range(int(rng.integers(1, 9))):
        place = int(rng.integers(max(len(data), 1)))
        data[place : place + 1] = bytes([data[place] ^ 1 << int(rng.integers(8))]) if data else b""
    return bytes(data)


def _flip_near_start(rng, data):
    """Changes bytes of the head, where the sizes are."""
    for _ in range(int(rng.integers(1, 5))):
        place = int(rng.integers(min(len(data), 64) or 1))
        data[place : place + 1] = bytes([pick(rng, (0, 1, 0x7F, 0x80, 0xFF, int(rng.integers(256))))])
    return bytes(data)


def _truncate(rng, data):
    return bytes(data[: int(rng.integers(len(data) + 1))])


def _cut_out(rng, data):
    first, last = sorted(rng.integers(len(data) + 1, size=2).tolist())
    return bytes(data[:first] + data[last:])


def _repeat(rng, data):
    first, last = sorted(rng.integers(len(data) + 1, size=2).tolist())
    return bytes(data[:last] + data[first:last] * int(rng.integers(1, 5)) + data[last:])


def _zero(rng, data):
    """A block of zeros or ones: a page that never reached the disk."""
    first = int(rng.integers(len(data) + 1))
    size = min(int(rng.integers(1, 4097)), len(data) - first)
    data[first : first + size] = pick(rng, (b"\0", b"\xff")) * size
    return bytes(data)


def _write_extreme(rng, data):
    """A 4-byte number becomes an extreme one."""
    value = pick(rng, (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFF, 100_000))
    place = int(rng.integers(max(len(data) - 4, 1)))
    data[place : place + 4] = value.to_bytes(4, pick(rng, ("little", "big")))
    return bytes(data)


def _garble(rng, data):
    return rng.bytes(max(len(data), 1))


def _append(rng, data):
    return bytes(data) + rng.bytes(int(rng.integers(1, 2000)))


_DAMAGES = {
    "flipped bits": _flip_bits,
    "flipped near the start": _flip_near_start,
    "truncated": _truncate,
    "cut out": _cut_out,
    "repeated": _repeat,
    "zeroed": _zero,
    "extreme number": _write_extreme,
    "garbled": _garble,
    "appended": _append,
}
