"""One recipe against another on one pair: at equal content and at equal style."""

import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np


class Point(NamedTuple):
    """A result's distances from its painting and from its photograph; less is better."""

    style: float
    content: float


class Verdict(NamedTuple):
    """A result of recipe A against the results of recipe B on the same pair."""

    style_ratio: float  # B's style distance over A's, at A's content distance; > 1: A is better
    content_ratio: float  # B's content distance over A's, at A's style distance; > 1: A is better
    style_wins: bool
    content_wins: bool
    inside: bool  # whether A lies within the range of B in both distances


def against(a: Point, others: Sequence[Point]) -> Verdict:
    """Compares a result of A with B's results, between which distances are interpolated in their logarithms.

    Where A lies outside B's range, it is compared with B's nearest end, and wins only if it is better than
    that end in both distances; the ratio is then that to the end.

    Args:
      a: of A.
      others: of B, at different factors.
    """
    style, style_wins, within = _one_way(a, others)
    content, content_wins, also = _one_way(_turned(a), [_turned(b) for b in others])
    return Verdict(style, content, style_wins, content_wins, within and also)


def _turned(point: Point) -> Point:
    return Point(point.content, point.style)


def _one_way(a: Point, others: Sequence[Point]) -> tuple[float, bool, bool]:
    """Returns (B's style over A's at equal content, whether A wins, whether A is within B's range)."""
    others = sorted(others, key=lambda b: b.content)
    first, last = others[0], others[-1]
    if not first.content <= a.content <= last.content:
        end = first if a.content < first.content else last
        return end.style / a.style, a.style < end.style and a.content < end.content, False
    logs = np.log(np.array(others))
    style = float(np.exp(np.interp(np.log(a.content), logs[:, 1], logs[:, 0])))
    return style / a.style, a.style < style, True


def summary(verdicts: Sequence[Verdict]) -> dict[str, float]:
    """Returns counts and medians over pairs.

    Args:
      verdicts: one a pair.

    Returns:
      {"pairs", "both", "one", "none": pairs on which A wins at equal content and at equal style, at one of
      them, at neither, "style_ratio", "content_ratio": medians, "outside": pairs on which A is outside B's
      range}.
    """
    wins = [each.style_wins + each.content_wins for each in verdicts]
    return {
        "pairs": len(wins), "both": wins.count(2), "one": wins.count(1), "none": wins.count(0),
        "style_ratio": statistics.median(each.style_ratio for each in verdicts),
        "content_ratio": statistics.median(each.content_ratio for each in verdicts),
        "outside": sum(not each.inside for each in verdicts),
    }  # fmt: skip


def verdicts(
    records: Sequence[Mapping], first: str, second: str, factor: float, style: str = "style"
) -> dict[str, Verdict]:
    """Returns the verdicts of recipe `first`, at a factor, against `second`, by pair.

    Args:
      records: from `results.obtain`.
      first, second: names of recipes.
      factor: of `first`.
      style: the measure of the distance from the painting: style (Gram matrices) or moments.
    """
    points = {}
    for record in records:
        pair = points.setdefault(f"{record['photo']}+{record['painting']}", {})
        measures = record["measures"]
        pair.setdefault(record["recipe"], {})[record["factor"]] = Point(measures[style], measures["content"])
    return {
        name: against(pair[first][factor], list(pair[second].values()))
        for name, pair in points.items()
        if factor in pair.get(first, {}) and second in pair
    }
