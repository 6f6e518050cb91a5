"""The Markdown tables of the results."""

import itertools
import statistics
from collections.abc import Mapping, Sequence

from experiments.benchmarks.quality import comparison
from experiments.benchmarks.quality.judging import COLUMNS
from nst.cli.tables import markdown

# distances from the painting; a recipe is at an advantage where its own loss is the distance
STYLES = ("style", "moments")
COSTS = ("seconds", "evaluations", "updates")


def document(records: Sequence[Mapping], head: str, factor: float) -> str:
    """Returns all tables: recipes, comparisons, pairs.

    Args:
      records: from `results.obtain`.
      head: a line on how they were made.
      factor: the one at which recipes are compared.
    """
    parts = [
        head,
        "Median over the pairs, and the worst pair in brackets.",
        recipes(records),
        comparisons(records, factor),
        pairs(records),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def recipes(records: Sequence[Mapping]) -> str:
    """Returns the table of each recipe and factor: median and worst of every measure."""
    rows = []
    for (recipe, factor), group in _grouped(records, "recipe", "factor").items():
        cells = [recipe, f"{factor:g}", str(len(group))]
        for name, more_is_better in COLUMNS.items():
            values = [record["measures"][name] for record in group]
            worst = min(values) if more_is_better else max(values)
            cells.append(f"{statistics.median(values):.3g} ({worst:.3g})")
        rows.append(
            [*cells, *(f"{statistics.median(record[cost] for record in group):.4g}" for cost in COSTS)]
        )
    return markdown(("recipe", "factor", "pairs", *COLUMNS, *COSTS), rows)


def comparisons(records: Sequence[Mapping], factor: float) -> str:
    """Returns the table of every recipe against every other, with a heading; "" if there is one recipe."""
    rows = []
    names = list(dict.fromkeys(record["recipe"] for record in records))
    for (first, second), style in itertools.product(itertools.permutations(names, 2), STYLES):
        verdicts = comparison.verdicts(records, first, second, factor, style)
        if verdicts:
            found = comparison.summary(list(verdicts.values()))
            counts = (str(found[name]) for name in ("both", "one", "none"))
            ratios = (f"{found[name]:.3g}" for name in ("style_ratio", "content_ratio"))
            rows.append([first, second, style, *counts, *ratios, str(found["outside"])])
    if not rows:
        return ""
    meaning = (
        f"A at factor {factor:g} against B: the pairs on which A is better at equal content and at equal "
        "style, at one of them, at neither; B's distance over A's (median; more than 1: A is better); the "
        "pairs on which A lies outside B's range."
    )
    head = ("A", "B", "style by", "both", "one", "none", "style of B / A", "content of B / A", "outside")
    return f"{meaning}\n\n{markdown(head, rows)}"


def pairs(records: Sequence[Mapping]) -> str:
    """Returns the table of every result."""
    rows = []
    for record in sorted(records, key=lambda record: (record["photo"], record["painting"])):
        cells = [
            record["photo"],
            record["painting"],
            record["kind"],
            record["recipe"],
            f"{record['factor']:g}",
        ]
        cells += [f"{record['measures'][name]:.3g}" for name in COLUMNS]
        rows.append([*cells, *(f"{record[cost]:.4g}" for cost in COSTS)])
    return markdown(("photo", "painting", "kind", "recipe", "factor", *COLUMNS, *COSTS), rows)


def _grouped(records: Sequence[Mapping], *fields: str) -> dict[tuple, list[Mapping]]:
    groups = {}
    for record in records:
        groups.setdefault(tuple(record[field] for field in fields), []).append(record)
    return groups
