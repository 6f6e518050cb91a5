"""Measures the work that schedules of sizes and optimisers need to reach one loss, and judges their pictures.

    python -m experiments.benchmarks.schedules --recipe=default=configs/default.py \
        --recipe="bands=configs/default.py;optimizer.bands=5" --out=runs/schedules

A recipe is written as for experiments/benchmarks/quality. The first one makes all of its updates, and its
last loss is the target of the others on the same pair: they make their smaller sizes, and then updates at the
full size until their loss is as low, at most as many as they have. The table also has the work to 1.1 and
1.03 times that loss, beside the first one's. Work is counted in evaluations, each by its pixels, so it does
not matter what else the machine does:

    work = sum_sizes evaluations * pixels / pixels of the full size

At equal loss, pictures may still differ: style, content and edge agreement are those of the instrument and of
nst/metrics/structure.py. The folder --out then has the pictures, pages of them, and results.json.
"""

import math
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
from absl import flags
from ml_collections import ConfigDict

from experiments import cli
from experiments.benchmarks import tables
from experiments.benchmarks.quality import judging, pairs, recipes, results, sheets
from nst import data, images
from nst.cli.tables import markdown
from nst.errors import UserError, choose
from nst.files import write_json
from nst.runs import compiling
from nst.runs.hooks import Hooks
from nst.runs.job import first_state, make_problem, prepare, shown
from nst.runs.run import follow, opened
from nst.runs.stylize import run_sizes

EIGHT = [
    "raccoon+night", "hopper+ink", "hopper+cutouts", "lake+night", "lake+ink", "cat+swirls",
    "astronaut+mosaic", "coffee+watercolour",
]  # fmt: skip
TARGETS = 1.1, 1.03, 1.0  # times the first recipe's last loss
COLUMNS = "style", "content", "edges"  # of the measures
RECIPES = flags.DEFINE_multi_string("recipe", [], "name=configs/default.py;field=value;...; may be repeated.")
SIZE = flags.DEFINE_integer("size", 192, "Pixels of the long edge.", lower_bound=64)
WEIGHTS = flags.DEFINE_string(
    "weights", "vgg19_slim", "The network of the recipes, and the one that measures."
)
PAIRS = flags.DEFINE_list("pairs", EIGHT, "Shipped pairs.")
OUT = flags.DEFINE_string("out", None, "The folder of the results.")


class Reached(NamedTuple):
    """How a recipe came to the target."""

    image: np.ndarray  # HxWx3
    loss: float  # at the full size
    course: list[tuple[float, float]]  # (work, loss) before each update at the full size


def reach(sources: tuple[str, str], config: ConfigDict, hooks: Hooks, target: float | None) -> Reached:
    """Makes a picture until its loss is as low as the target, or all of its updates.

    Args:
      sources: the photograph and the painting.
      config: of the recipe, resolved.
      hooks: their `load` is used.
      target: a loss; None: make all updates.
    """
    *smaller, full = recipes.levels(config)
    result, work = None, 0.0
    for level in smaller:
        result = run_sizes(*sources, [level], result, hooks=hooks)
        work += int(result.state.evaluations) * result.image.shape[0] * result.image.shape[1]
    job = prepare(*sources, full.config, hooks.load)
    with opened(job, full, hooks) as run:
        job = follow(run, result).job
    problem, compiled, state = make_problem(job), compiling.compile_run(job), first_state(job)
    height, width = job.start.shape[1:3]
    course = []
    while True:
        # the loss of a state is known after the step that begins there, which donates the state
        made, before, image = int(state.step), int(state.evaluations), shown(job, state)[0]
        state, loss = compiled(problem, state, np.int32(1))
        course.append((work / (height * width) + before, float(loss)))
        if made >= full.config.steps or (target is not None and float(loss) <= target):
            return Reached(image, float(loss), course)


def compare(
    pair: pairs.Pair, made: list[recipes.Recipe], hooks: Hooks, judge: judging.Judge, out: Path
) -> dict:
    """Returns {recipe: its numbers} of a pair, and writes the pictures.

    Args:
      pair: of the shipped pictures.
      made: the recipes; the first one is the target of the others.
      hooks: for `reach`.
      judge: measures the pictures.
      out: the folder of the results.
    """
    files = pairs.find(data.IMAGES, [pair])
    sources = str(files[pair.photo]), str(files[pair.painting])
    target, found = None, {}
    for name, config in made:
        there = reach(sources, config, hooks, target)
        target = there.loss if target is None else target
        path = out / name / f"{pair.name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        images.write(path, there.image)
        measures = judge.measure(there.image, *(images.read(source).rgb_HxWx3 for source in sources))
        works = {f"work to {times:g}": work_to(there.course, times * target) for times in TARGETS}
        found[name] = works | {"loss": there.loss} | {column: measures[column] for column in COLUMNS}
        numbers = ", ".join(f"{key} {_number(value, '.4g')}" for key, value in found[name].items())
        print(f"{pair.name}, {name}: {numbers}", flush=True)
    return found


def work_to(course: list[tuple[float, float]], loss: float) -> float | None:
    """Returns the work at which a loss was reached; None: it was not."""
    return next((work for work, value in course if value <= loss), None)


def _number(value: float | None, form: str) -> str:
    return "not reached" if value is None or value == math.inf else format(value, form)


def summary(found: dict[str, dict]) -> str:
    """Returns a table: medians over the pairs, and in brackets the worst pair.

    Args:
      found: {pair: {recipe: its numbers}}.
    """
    names, rows = list(next(iter(found.values()))), []
    for name in names:
        own, first = [pair[name] for pair in found.values()], [pair[names[0]] for pair in found.values()]
        cells = []
        for key in (f"work to {times:g}" for times in TARGETS):
            shares = [(a[key] or math.inf) / b[key] for a, b in zip(own, first, strict=True)]
            cells.append(f"{_number(median(shares), '.2f')} ({_number(max(shares), '.2f')})")
        for column in COLUMNS:
            changes = [a[column] - b[column] for a, b in zip(own, first, strict=True)]
            worst = min(changes) if judging.COLUMNS[column] else max(changes)
            cells.append(f"{median(each[column] for each in own):.3f} ({worst:+.3f})")
        rows.append([name, *cells])
    works = [f"work to {times:g} x loss, share (most)" for times in TARGETS]
    return markdown(["recipe", *works, *(f"{column} (worst change)" for column in COLUMNS)], rows)


def main(argv) -> None:
    """Makes the pictures, and prints the table.

    Raises:
      UserError: there is no recipe or no folder, or a recipe is invalid.
    """
    del argv
    if not OUT.value or not RECIPES.value:
        raise UserError("give recipes and a folder: --recipe=default=configs/default.py --out=runs/schedules")
    defaults = {"size": SIZE.value, "size_mode": "long", "weights.name": WEIGHTS.value}
    made = [recipes.parse(text, defaults) for text in RECIPES.value]
    made = [recipe._replace(config=recipes.scaled(recipe.config, 0)) for recipe in made]
    hooks = Hooks(lambda: False, lambda line: None, results.shared_loader())
    judge, out, found = judging.load(WEIGHTS.value), Path(OUT.value), {}
    shipped = {pair.name: pair for pair in pairs.read(Path(__file__).parent / "quality" / "shipped.txt")}
    for name in PAIRS.value:
        found[name] = compare(shipped[choose("pairs", name, shipped)], made, hooks, judge, out)
        write_json(out / "results.json", found)
    rows = [
        [
            sheets.Cell(out / recipe / f"{name}.png", f"loss {there['loss']:.3f}")
            for recipe, there in row.items()
        ]
        for name, row in found.items()
    ]
    sheets.write(out / "sheet", "schedules at one loss", [recipe.name for recipe in made], rows)
    print(tables.environment_line(f"{SIZE.value} px", WEIGHTS.value, f"{len(found)} pairs"))
    print("\n" + summary(found))


if __name__ == "__main__":
    cli.run(main, config=False)
