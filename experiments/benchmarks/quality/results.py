"""Making results, keeping them as a picture and a JSON file of its numbers, and finding them again."""

import itertools
import json
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from ml_collections import ConfigDict

from experiments.benchmarks.quality.judging import Judge
from experiments.benchmarks.quality.pairs import Pair
from experiments.benchmarks.quality.recipes import levels
from nst import images
from nst.errors import UserError
from nst.files import digest, write_json
from nst.networks import checkpoints
from nst.runs import compiling, session, settings
from nst.runs.hooks import Hooks
from nst.runs.network import LoadNetwork, load_network, network_key
from nst.runs.stylize import run_sizes

# fields of the record that say how a picture was made; a kept one is believed if they are the same
MADE = ("config", "photo_sha256", "painting_sha256", "weights_sha256")
# pairs after which compiled programs are dropped: most paintings have sizes of their own, and programs for
# all of them would take GB
TOGETHER = 6


class Task(NamedTuple):
    """One result that is to be there: a recipe at a factor on a pair."""

    recipe: str
    factor: float
    pair: Pair
    config: ConfigDict  # resolved, with the factor in it and the steps of its work
    photo: Path
    painting: Path

    def path(self, out: Path) -> Path:
        """Returns the path of the picture in the folder of results; its numbers are beside it, as .json."""
        return out / self.recipe / f"{self.factor:g}" / f"{self.pair.name}.png"


def shared_loader() -> LoadNetwork:
    """Returns a `load_network` that keeps every network: recipes take turns, and most read the same one."""
    cache = {}

    def load(config, spec, convention):
        key = network_key(config), spec.network, spec.layers
        if key not in cache:
            cache[key] = load_network(config, spec, convention)
        return cache[key]

    return load


def obtain_all(
    tasks: Sequence[Task],
    out: Path,
    judge: Judge,
    *,
    stop: Callable[[], bool],
    keep: Callable[[list[dict]], object],
) -> tuple[list[dict], int]:
    """Makes and measures the results that are missing, and prints a line for each.

    Args:
      tasks: the results, those of one pair together, since they share compiled programs.
      out: the folder of results.
      judge: measures them.
      stop: as for `stylize`.
      keep: receives the records after each pair.

    Returns:
      (the records, how many results failed).
    """
    load = shared_loader()
    records, failed = [], 0
    for number, (pair, group) in enumerate(itertools.groupby(tasks, key=lambda task: task.pair), 1):
        for task in group:
            name = f"pair {number}, {pair.name}, {task.recipe} x {task.factor:g}"
            try:
                record = obtain(task, out, judge, load, stop)
            except Exception as error:  # the other results do not depend on this one
                failed += 1
                print(
                    f"error: {name}: {type(error).__name__}: {' '.join(str(error).split())}", file=sys.stderr
                )
                continue
            if record is None:
                print("stopped; the same command continues", file=sys.stderr)
                return records, failed
            records.append(record)
            style, content = record["measures"]["style"], record["measures"]["content"]
            print(f"{name}: style {style:.3g}, content {content:.3g}, {record['seconds']:.1f} s", flush=True)
        keep(records)
        if number % TOGETHER == 0:
            compiling.drop_programs()
    return records, failed


def obtain(task: Task, out: Path, judge: Judge, load: LoadNetwork, stop: Callable[[], bool]) -> dict | None:
    """Returns the record of a result, which is made and measured only if that was not done before.

    Args:
      task: the result.
      out: the folder of results.
      judge: measures it.
      load: from `shared_loader`.
      stop: as for `stylize`.

    Returns:
      {"recipe", "factor", "photo", "painting", "kind", "config", ..., "seconds", "evaluations", "updates",
      "measures"}; None if it was stopped.

    Raises:
      UserError: a picture cannot be read, or the recipe is invalid.
    """
    path = task.path(out)
    identity = _identity(task)
    record = kept(path, identity)
    if record is None:
        record = _make(task, path, identity, load, stop)
        if record is None:
            return None
    if record.get("judge") != judge.name:
        pictures = (images.read(source).rgb_HxWx3 for source in (path, task.photo, task.painting))
        record |= {"judge": judge.name, "measures": judge.measure(*pictures)}
        write_json(path.with_suffix(".json"), record)
    # what the list of pairs says of it may have changed
    return record | {"kind": task.pair.kind}


def _identity(task: Task) -> dict:
    name = task.config.weights.name
    return {
        "config": settings.digest(settings.as_dict(task.config)),
        "photo_sha256": digest(task.photo),
        "painting_sha256": digest(task.painting),
        "weights_sha256": "" if name == "random" else _weights_digest(name),
    }


@cache
def _weights_digest(name: str) -> str:
    return digest(checkpoints.find(name))


def kept(path: Path, identity: dict) -> dict | None:
    """Returns the record of a kept picture; None if it was made in another way, or is not what was written.

    Args:
      path: of the picture.
      identity: {each of MADE: value}.
    """
    try:
        record = json.loads(path.with_suffix(".json").read_text())
        same = all(record[name] == identity[name] for name in MADE)
        return record if same and record["png_sha256"] == digest(path) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _make(task: Task, path: Path, identity: dict, load: LoadNetwork, stop: Callable[[], bool]) -> dict | None:
    """Optimises one size after the other, writes the picture and its record, and returns the record."""
    result, costs = None, {"seconds": 0.0, "evaluations": 0, "updates": 0, "work": 0.0}
    for level in levels(_quiet(task.config)):
        before = result
        hooks = Hooks(stop, lambda line: None, load)
        result = run_sizes(task.photo, task.painting, [level], before, hooks=hooks)
        if result is before:  # the size is too small for something in the recipe, and is left out
            continue
        if not result.finished:
            return None
        last = result.metrics[-1]
        costs["seconds"] += last["seconds"]
        costs["evaluations"] += last["evaluations"]
        costs["updates"] += result.step
        costs["work"] += result.step * (level.config.size / task.config.size) ** 2
    if result is None or result.config["size"] != task.config.size:
        raise UserError(f"size = {task.config.size}: this recipe needs more pixels")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".json").unlink(missing_ok=True)  # it describes the picture that is replaced now
    images.write(path, np.asarray(result.image)[..., :3], description=f"nst config {identity['config']}")
    record = {
        "recipe": task.recipe, "factor": task.factor, "photo": task.pair.photo,
        "painting": task.pair.painting, "kind": task.pair.kind, **identity, "png_sha256": digest(path),
        "commit": session.git_commit(), **costs,
    }  # fmt: skip
    write_json(path.with_suffix(".json"), record)
    return record


def _quiet(config: ConfigDict) -> ConfigDict:
    """Returns a config with a record at the last step only, since each one costs a forward pass."""
    config = config.copy_and_resolve_references()
    config.log.every, config.log.preview_every, config.checkpoint.seconds = 10**9, 0, 1e9
    return config
