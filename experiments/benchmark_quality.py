"""How soon nst is as good as the rivals' loops are at their end, by the loss that they minimise.

    python -m experiments.benchmark_quality --config=configs/benchmark.py --config.weights.name=vgg19

The rivals, in PyTorch on the same loss at the config's size: torch.optim.LBFGS as the published loops run it,
and Adam as crowsonkb/style-transfer-pytorch runs it, over growing sizes. Then nst, from coarse to fine as the
config says, and at the one size; its seconds are all that passes from the pictures on: targets, compilation
(which a second run spares), smaller sizes, steps and records.
"""

import importlib.util
import json
import time

import jax.numpy as jnp
from absl import flags
from ml_collections import ConfigDict

from experiments import cli, rivals
from experiments.benchmark import environment
from nst import problem, pyramid
from nst.errors import UserError
from nst.prepare import make_problem, prepare
from nst.stylize import stylize

RIVAL_STEPS = flags.DEFINE_integer("rival_steps", 500, "Updates of the rivals' loops, at each size.")
JSON = flags.DEFINE_string("quality_json", None, "Also write the numbers to this file.")


def quality(config: ConfigDict) -> dict:
    """The rivals' loops first, then ours until their last loss."""
    silent = {"say": lambda line: None}
    config = config.copy_and_resolve_references()
    least, (coarse,) = config.pyramid.min_size, config.pyramid.steps
    config.pyramid.min_size = 0

    def at(size: int, **changes) -> ConfigDict:
        made = config.copy_and_resolve_references()
        made.size = size
        made.update_from_flattened_dict(changes)
        return made

    sizes = pyramid.sizes(config.size, 2**0.5, 128)
    jobs = [prepare(None, None, at(size, **{"network.convolution": "direct"})) for size in sizes]
    job = jobs[-1]
    ours, theirs = (
        float(problem.loss(job.spec, make_problem(job), jnp.asarray(job.start))),
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
    rows, results = [], {}
    for way, smaller in {"from coarse to fine": [least], "one size": []}.items():
        began, start = time.perf_counter(), None
        for size in smaller:
            start = stylize(None, None, at(size, steps=coarse), start=start, **silent)
        result = stylize(None, None, at(config.size), start=start, **silent)
        before = time.perf_counter() - began - result.metrics[-1]["seconds"]  # the smaller sizes, compilation
        for rival, (value, seconds) in targets.items():
            times = [record["seconds"] for record in result.metrics if record["loss"] <= value]
            found = before + times[0] if times else None
            results[f"{way}, {rival}"] = {"loss": value, "seconds": found, "rival_seconds": seconds}
            rows.append([
                rival, f"{value:.5g}", f"{seconds:.0f}", way, f"{found:.0f}" if found else "not reached",
                f"{seconds / found:.1f}" if found else "",
            ])  # fmt: skip
    print("\n" + cli.markdown(["rival", "its last loss", "s", "nst", "s to that loss", "times sooner"], rows))
    return results


def main(argv) -> None:
    del argv
    if not importlib.util.find_spec("torch"):
        raise UserError("the rivals' loops need PyTorch: pip install torch")
    about = environment()
    print(about, flush=True)
    results = quality(cli.CONFIG.value)
    if JSON.value:
        with open(JSON.value, "w") as file:
            json.dump(about | {"quality": results}, file, indent=2)


if __name__ == "__main__":
    cli.run(main)
