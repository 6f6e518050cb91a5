"""Judges recipes by the pictures that they make of a set of pairs, at equal work.

    python -m experiments.benchmarks.quality --recipe=default=configs/default.py \
        --recipe="adam=configs/default.py;optimizer.name=adam;optimizer.learning_rate=0.02" \
        --factors=0.3,1,3 --out=runs/quality

A recipe is a name, a config file, and changes of its fields. Every recipe makes a picture of every pair at
every factor of its style weight, at one size, with one network, and with its steps scaled so that all do the
same work (--work; recipes.py). The pictures are measured (judging.py), and the folder --out then has

    NAME/FACTOR/PHOTO+PAINTING.png, .json    a picture and its numbers
    results.jsonl, results.md                the numbers of all, and tables: recipes, comparisons, pairs
    sheets/NAME_1.png, sheets/side_by_side_1.png    pages of pictures

The same command again continues: what is there, made by the same config of the same pictures and weights, is
not made again. A pair that fails is named, and the others go on; the exit status is then 1. The default pairs
are those of the pictures that come with the code; bsds.txt, beside this file, lists more, whose pictures do
not.
"""

import json
import sys
from pathlib import Path

from absl import flags

from experiments import cli
from experiments.benchmarks import tables as environment
from experiments.benchmarks.quality import judging, pairs, recipes, results, sheets, tables
from experiments.benchmarks.quality.results import Task
from nst import data
from nst.cli import signals
from nst.errors import UserError
from nst.files import replacing

HERE = Path(__file__).parent
RECIPES = flags.DEFINE_multi_string("recipe", [], "name=configs/default.py;field=value;...; may be repeated.")
FACTORS = flags.DEFINE_list("factors", ["0.3", "1", "3"], "Factors on each recipe's style weight.")
SIZE = flags.DEFINE_integer("size", 256, "Pixels of the long edge.", lower_bound=64)
WEIGHTS = flags.DEFINE_string("weights", "vgg19", "The network of all recipes that do not set weights.name.")
JUDGE = flags.DEFINE_string("judge", "", "The network that measures; empty: that of --weights.")
WORK = flags.DEFINE_float(
    "work", 100.0, "Steps at the full size that each recipe's steps cost; 0: its own steps.", lower_bound=0
)
PAIRS = flags.DEFINE_string("pairs", str(HERE / "shipped.txt"), "A file of pairs.")
IMAGES = flags.DEFINE_string("images", str(data.IMAGES), "The folder of the pictures.")
OUT = flags.DEFINE_string("out", None, "The folder of the results.")


def factors() -> list[float]:
    """Returns the factors of the flag; raises UserError if one is not a positive number."""
    try:
        found = [float(text) for text in FACTORS.value]
    except ValueError as error:
        raise UserError(f"factors = {FACTORS.value}: give numbers, such as 0.3,1,3") from error
    if not found or not all(0 < factor < float("inf") for factor in found):
        raise UserError(f"factors = {FACTORS.value}: give positive numbers, such as 0.3,1,3")
    return list(dict.fromkeys(found))


def plan(listed: list[pairs.Pair], files: dict[str, Path]) -> list[Task]:
    """Returns the results to make, those of one pair together, since they share compiled programs.

    Args:
      listed: the pairs; those whose pictures are not there are left out.
      files: from `pairs.find`.

    Raises:
      UserError: there is no recipe, or one is invalid.
    """
    defaults = {"size": SIZE.value, "size_mode": "long", "weights.name": WEIGHTS.value}
    made = [recipes.parse(text, defaults) for text in RECIPES.value]
    if not made or len({recipe.name for recipe in made}) < len(made):
        raise UserError("give recipes with different names: --recipe=default=configs/default.py")
    configs = {recipe.name: recipes.scaled(recipe.config, WORK.value) for recipe in made}
    return [
        Task(
            recipe=name,
            factor=factor,
            pair=pair,
            config=recipes.stronger(config, factor),
            photo=files[pair.photo],
            painting=files[pair.painting],
        )
        for pair in listed
        if pair.photo in files and pair.painting in files
        for name, config in configs.items()
        for factor in factors()
    ]


def write_tables(records: list[dict], out: Path, judge: judging.Judge) -> str:
    """Writes results.jsonl and results.md, and returns the tables."""
    head = environment.environment_line(f"{SIZE.value} px", f"work {WORK.value:g}", f"judge {judge.name}")
    text = tables.document(records, head, nearest_to_one())
    lines = "".join(json.dumps(record) + "\n" for record in records)
    for name, content in (("results.jsonl", lines), ("results.md", text)):
        with replacing(out / name) as file:
            file.write(content.encode())
    return text


def nearest_to_one() -> float:
    """Returns the factor at which recipes are compared: 1, or the one nearest to it."""
    return min(factors(), key=lambda factor: max(factor, 1 / factor))


def write_sheets(tasks: list[Task], records: list[dict], out: Path) -> None:
    """Writes the pages of each recipe, a column a factor, and those of all recipes at the factor 1."""
    measured = {(r["recipe"], r["factor"], r["photo"], r["painting"]): r["measures"] for r in records}
    by_pair = {}
    for task in tasks:
        by_pair.setdefault(task.pair.name, []).append(task)

    def cell(task: Task) -> sheets.Cell:
        found = measured.get((task.recipe, task.factor, task.pair.photo, task.pair.painting))
        label = f"style {found['style']:.3g}, content {found['content']:.3g}" if found else "missing"
        return sheets.Cell(task.path(out) if found else None, label)

    def rows(chosen) -> list[list[sheets.Cell]]:
        return [
            [sheets.Cell(first.photo, first.pair.photo), sheets.Cell(first.painting, first.pair.painting)]
            + [cell(task) for task in (first, *others) if chosen(task)]
            for first, *others in by_pair.values()
        ]

    sources, middle = ["photograph", "painting"], nearest_to_one()
    names = list(dict.fromkeys(task.recipe for task in tasks))
    for name in names:
        head = [*sources, *(f"style weight x {factor:g}" for factor in factors())]
        sheets.write(out / "sheets" / name, name, head, rows(lambda task, name=name: task.recipe == name))
    title = f"recipes at their style weight x {middle:g}"
    beside = rows(lambda task: task.factor == middle)
    sheets.write(out / "sheets" / "side_by_side", title, [*sources, *names], beside)


def main(argv) -> int:
    """Makes, measures and compares; returns the exit status."""
    del argv
    if not OUT.value:
        raise UserError("give a folder for the results: --out=runs/quality")
    out, listed = Path(OUT.value), pairs.read(Path(PAIRS.value))
    files = pairs.find(Path(IMAGES.value), listed)
    missing = sorted({name for pair in listed for name in pair[:2] if name not in files})
    tasks = plan(listed, files)
    if missing:
        print(f"error: images = {IMAGES.value}: there is no {', '.join(missing)}", file=sys.stderr)
    if not tasks:
        raise UserError(f"images = {IMAGES.value}: no pair has both of its pictures there")
    out.mkdir(parents=True, exist_ok=True)
    judge = judging.load(JUDGE.value or WEIGHTS.value)
    received = signals.catch()
    records, failed = results.obtain_all(
        tasks, out, judge, stop=lambda: bool(received), keep=lambda records: write_tables(records, out, judge)
    )
    if records:
        print("\n" + write_tables(records, out, judge))
        write_sheets(tasks, records, out)
    return int(bool(missing or failed or len(records) < len(tasks)))


if __name__ == "__main__":
    cli.run(main, config=False)
