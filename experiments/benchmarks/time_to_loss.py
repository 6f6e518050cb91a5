"""How soon nst is as good as the rivals' loops are at their end, by the loss that they minimise.

    python -m experiments.benchmarks.time_to_loss --config=configs/benchmark.py --config.weights.name=vgg19

The rivals, in PyTorch on the same loss at the config's size: torch.optim.LBFGS as the published loops run it,
and Adam as crowsonkb/style-transfer-pytorch runs it, over growing sizes. Then nst from coarse to fine as the
config says, a first time and again with its programs in the cache; and at the one size. Its seconds are all
that pass from the pictures on: weights, targets, compilation, smaller sizes, steps; not the forward passes of
the records, which are as many as they are for the sake of this measurement.
"""

import importlib.util
import tempfile
import time

import jax
import jax.numpy as jnp
from absl import flags
from ml_collections import ConfigDict

from experiments import cli
from experiments.benchmarks import rivals, tables
from nst.errors import UserError
from nst.losses import problem
from nst.runs import job as run_job
from nst.runs import pyramid
from nst.runs.stylize import stylize

RIVAL_STEPS = flags.DEFINE_integer("rival_steps", 500, "Updates of the rivals' loops, at each size.")
JSON = flags.DEFINE_string("quality_json", None, "Also write the numbers to this file.")


def quality(config: ConfigDict) -> dict:
    """The rivals' loops first, then ours until their last loss."""
    plain = config.copy_and_resolve_references()
    plain.pyramid.min_size = 0

    def at(size: int, steps: int, **changes) -> ConfigDict:
        made = plain.copy_and_resolve_references()
        made.update_from_flattened_dict({"size": size, "steps": steps} | changes)
        return made

    sizes = pyramid.sizes(config.size, 2**0.5, 128)
    jobs = [run_job.prepare(None, None, at(size, 1, **{"network.convolution": "direct"})) for size in sizes]
    job = jobs[-1]
    ours, theirs = (
        float(problem.loss(job.spec, run_job.make_problem(job), jnp.asarray(job.start))),
        float(rivals.torch_loss(job)(rivals.tensor(job.start))),
    )
    if abs(ours - theirs) > 1e-3 * abs(ours):
        raise AssertionError(f"PyTorch's loss is {theirs}, ours {ours}: not the same problem")
    count = RIVAL_STEPS.value
    began = time.perf_counter()
    *_, reached = rivals.torch_lbfgs(rivals.torch_loss(job), job.start, count)
    targets = {f"PyTorch L-BFGS, {count} evaluations": (reached, time.perf_counter() - began)}
    counts = [2 * count] + [count] * (len(sizes) - 1)
    began = time.perf_counter()
    reached = rivals.crowsonkb(jobs, counts)
    targets[f"PyTorch Adam, sizes {sizes}, updates {counts}"] = reached, time.perf_counter() - began

    growing = pyramid.sizes(config.size, config.pyramid.factor, config.pyramid.min_size)
    updates = pyramid.steps(config.pyramid.steps, config.steps, len(growing))
    climb = [
        at(size, steps, **({"log.every": steps} if size != config.size else {}))
        for size, steps in zip(growing, updates, strict=True)
    ]
    name = " + ".join(f"{made.steps} at {made.size} px" for made in climb)
    alone = 6 * count // 5
    ways = {name: climb, f"{name}, again": climb, f"{alone} at {config.size} px": [at(config.size, alone)]}
    rows, results = [], {}
    for way, configs in ways.items():
        run_job.forget()
        before, metrics = run(configs)
        for rival, (value, seconds) in targets.items():
            hit = next((record for record in metrics if record["loss"] <= value), None)
            found = before + hit["seconds"] if hit else None
            results[f"{way}, {rival}"] = {
                "loss": value, "seconds": found, "rival_seconds": seconds,
                "evaluations": hit and hit["evaluations"],
            }  # fmt: skip
            rows.append([
                rival, f"{value:.5g}", f"{seconds:.0f}", way, str(hit["evaluations"]) if hit else "",
                f"{found:.0f}" if hit else "not reached", f"{seconds / found:.1f}" if hit else "",
            ])  # fmt: skip
    head = ["rival", "its last loss", "s", "updates of nst", "evaluations at the last size", "s to that loss"]
    print("\n" + cli.markdown([*head, "times sooner"], rows))
    return results


def run(configs: list[ConfigDict]) -> tuple[float, list[dict]]:
    """Growing sizes, each from where the last ended: seconds before the last one steps, and its records."""
    began, marks, result, load = time.perf_counter(), [], None, run_job.cached_loader()
    for config in configs:
        marks.clear()
        # asked before each chunk of steps, the first time when all is compiled
        stop = lambda: bool(marks.append(time.perf_counter()))  # noqa: E731
        result = stylize(None, None, config, start=result, stop=stop, log=lambda line: None, load=load)
    return marks[0] - began, result.metrics


def main(argv) -> None:
    del argv
    if not importlib.util.find_spec("torch"):
        raise UserError("the rivals' loops need PyTorch: pip install torch")
    with tempfile.TemporaryDirectory() as folder:
        jax.config.update("jax_compilation_cache_dir", folder)  # empty at first
        print(tables.environment_line(), flush=True)
        results = quality(cli.CONFIG.value)
    tables.write_json(JSON.value, {"quality": results})


if __name__ == "__main__":
    cli.run(main)
