"""Measures how soon nst reaches the final loss of other programs, for the same loss function.

    python -m experiments.benchmarks.time_to_loss --config=configs/benchmark.py --config.weights.name=vgg19

The rivals run in PyTorch at the config's size: torch.optim.LBFGS as the published loops run it, and Adam as
crowsonkb/style-transfer-pytorch runs it, over growing sizes. Then nst runs from coarse to fine as the config
says, once with an empty compilation cache and once with the cache that the first run has filled, and then at
the full size alone. Its seconds include everything after the pictures are read: weights, targets,
compilation, smaller sizes and steps. Only the forward passes of the records are left out, since their number
is that large for this measurement alone.
"""

import importlib.util
import os
import tempfile
import time

import jax
import jax.numpy as jnp
from absl import flags
from ml_collections import ConfigDict

from experiments import cli
from experiments.benchmarks import caches, rivals, tables
from nst.cli.tables import markdown
from nst.devices import compilation_cache
from nst.errors import UserError
from nst.losses import problem
from nst.runs import compiling, pyramid, settings
from nst.runs.hooks import Hooks
from nst.runs.job import make_problem, prepare
from nst.runs.network import cached_loader
from nst.runs.pyramid import Level
from nst.runs.stylize import run_sizes

RIVAL_STEPS = flags.DEFINE_integer("rival_steps", 500, "Updates of the rivals' loops at each size.")
JSON = flags.DEFINE_string("quality_json", None, "Also write the numbers to this file.")


def quality(config: ConfigDict) -> dict[str, dict]:
    """Runs the rivals' loops, then ours until each rival's last loss, and prints a table.

    Args:
      config: of the loss, the size and nst's pyramid.

    Returns:
      {"updates of nst, rival": {"loss", "seconds", "rival_seconds", "evaluations"}}.
    """
    targets = rival_losses(config)
    sizes, alone = coarse_to_fine(config), one_size(config, config.size, 6 * RIVAL_STEPS.value // 5)
    name = " + ".join(f"{each.steps} at {each.size} px" for each in sizes)
    ways = {name: sizes, f"{name}, again": sizes, f"{alone.steps} at {alone.size} px": [alone]}
    rows, results = [], {}
    for way, configs in ways.items():
        compiling.drop_programs()
        before, metrics = run(configs)
        for rival, (value, seconds) in targets.items():
            hit = next((record for record in metrics if record["loss"] <= value), None)
            ours = before + hit["seconds"] if hit else None
            results[f"{way}, {rival}"] = {
                "loss": value, "seconds": ours, "rival_seconds": seconds,
                "evaluations": hit and hit["evaluations"],
            }  # fmt: skip
            rows.append([
                rival, f"{value:.5g}", f"{seconds:.0f}", way, str(hit["evaluations"]) if hit else "",
                f"{ours:.0f}" if hit else "not reached", f"{seconds / ours:.1f}" if hit else "",
            ])  # fmt: skip
    head = ["rival", "its last loss", "s", "updates of nst", "evaluations at the last size", "s to that loss"]
    print("\n" + markdown([*head, "times as fast"], rows))
    return results


def one_size(config: ConfigDict, size: int, steps: int, **changes) -> ConfigDict:
    """Returns the config of a run at one size.

    Args:
      config: of the loss.
      size: long edge in pixels.
      steps: updates.
      **changes: of further fields.
    """
    result = config.copy_and_resolve_references()
    result.update_from_flattened_dict({"pyramid.min_size": 0, "size": size, "steps": steps} | changes)
    return result


def coarse_to_fine(config: ConfigDict) -> list[ConfigDict]:
    """Returns the runs of the config's pyramid, the smallest size first; only the last one keeps records."""
    sizes = pyramid.sizes(config.size, config.pyramid.factor, config.pyramid.min_size)
    updates = pyramid.steps(settings.resolve(config).pyramid.steps, config.steps, len(sizes))
    return [
        one_size(config, size, steps, **({"log.every": steps} if size != config.size else {}))
        for size, steps in zip(sizes, updates, strict=True)
    ]


def rival_losses(config: ConfigDict) -> dict[str, tuple[float, float]]:
    """Runs the rivals' loops on the config's loss.

    Args:
      config: of the loss and the size.

    Returns:
      {rival: (its last loss, the seconds that it took)}.
    """
    sizes = pyramid.sizes(config.size, 2**0.5, 128)
    direct = {"network.convolution": "direct"}
    jobs = [prepare(None, None, one_size(config, size, 1, **direct)) for size in sizes]
    job = jobs[-1]
    ours, theirs = (
        float(problem.loss(job.spec, make_problem(job), jnp.asarray(job.start))),
        float(rivals.torch_loss(job)(rivals.tensor(job.start))),
    )
    if abs(ours - theirs) > 1e-3 * abs(ours):
        raise AssertionError(f"PyTorch's loss is {theirs}, ours {ours}: not the same problem")
    count = RIVAL_STEPS.value
    began = time.perf_counter()
    *_, last = rivals.torch_lbfgs(rivals.torch_loss(job), job.start, count)
    losses = {f"PyTorch L-BFGS, {count} evaluations": (last, time.perf_counter() - began)}
    counts = [2 * count] + [count] * (len(sizes) - 1)
    began = time.perf_counter()
    last = rivals.crowsonkb(jobs, counts)
    losses[f"PyTorch Adam, sizes {sizes}, updates {counts}"] = last, time.perf_counter() - began
    return losses


def run(configs: list[ConfigDict]) -> tuple[float, list[dict]]:
    """Runs nst over growing sizes, each from the result of the one before.

    Args:
      configs: one for each size.

    Returns:
      The seconds before the last size's first step, and the records of the last size.
    """
    began, marks, result, load = time.perf_counter(), [], None, cached_loader()
    for config in configs:
        marks.clear()
        # called before each chunk of steps, for the first time once everything is compiled
        stop = lambda: bool(marks.append(time.perf_counter()))  # noqa: E731
        level = Level(settings.resolve(config), None)
        result = run_sizes(None, None, [level], result, hooks=Hooks(stop, lambda line: None, load))
    return marks[0] - began, result.metrics


def main(argv) -> None:
    """Measures, prints a table, and writes the numbers if a file is given.

    Raises:
      UserError: PyTorch is not installed.
    """
    del argv
    if not importlib.util.find_spec("torch"):
        raise UserError("the rivals' loops need PyTorch: pip install torch")
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= caches.variables(folder, cli.CONFIG.value.weights.name)
        jax.config.update("jax_compilation_cache_dir", None)
        compilation_cache.keep()  # in that folder
        print(tables.environment_line(), flush=True)
        results = quality(cli.CONFIG.value)
    tables.write_json(JSON.value, {"quality": results})


if __name__ == "__main__":
    cli.run(main)
