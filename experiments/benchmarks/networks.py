"""Measures every network, and the convolutions of which they are made, outside and inside a device loop.

    python -m experiments.benchmarks.networks --config=configs/default.py --size=256 --rounds=5
    python -m experiments.benchmarks.networks --config=configs/default.py --parts=convolutions

Parts:
- `networks`: the loss of the config with the layers that `auto` stands for, and its gradient, on square noise
  with random weights: seconds of one evaluation by itself and in a loop of --steps, the memory of the
  compiled program, and the number of parameters.
- `convolutions`: the gradient of one convolution with respect to its input, as the networks compute it and as
  autodiff does, by itself and in a loop. XLA:CPU has a slow path for convolutions in loops.

Each number is the median of --rounds, in which all contestants take turns.
"""

import statistics
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags
from jax import lax
from ml_collections import ConfigDict

from experiments import cli
from experiments.benchmarks import tables
from experiments.benchmarks.contestants import compiled, job_of, timed
from nst.cli.tables import markdown
from nst.devices import memory
from nst.errors import choose
from nst.losses import problem
from nst.networks.convolution import Geometry, adjoint_kernel, frozen_convolve, parameter_count
from nst.networks.layers import Sliding
from nst.networks.table import ARCHITECTURES
from nst.runs.job import make_problem

PARTS = flags.DEFINE_list("parts", ["networks", "convolutions"], "Parts to run.")
NETWORKS = flags.DEFINE_list("networks", [], "Part networks: architectures; empty: all.")
OF = flags.DEFINE_list("of", [], "Part convolutions: networks to which they belong; empty: all.")
SIZE = flags.DEFINE_integer("size", 256, "Edge of the square image in pixels.", lower_bound=64)
ROUNDS = flags.DEFINE_integer("rounds", 5, "Timed rounds, after one that is not counted.", lower_bound=1)
STEPS = flags.DEFINE_integer("steps", 4, "Evaluations in one loop.", lower_bound=1)
JSON = flags.DEFINE_string("json", None, "Also write the numbers to this file.")


class Layer(NamedTuple):
    """A convolution of a network for a picture of 256 pixels."""

    edge: int  # of its input
    inputs: int
    outputs: int
    sliding: Sliding
    groups: int = 1


LAYERS = {
    "VGG-19, conv3_2": Layer(64, 256, 256, Sliding(3, 1, 1, 1)),
    "AlexNet, conv1": Layer(256, 3, 64, Sliding(11, 4, 2, 2)),
    "ResNet-50, conv1": Layer(256, 3, 64, Sliding(7, 2, 3, 3)),
    "ResNet-50, layer2.0.conv2": Layer(64, 128, 128, Sliding(3, 2, 1, 1)),
    "ResNet-50, layer2.0.downsample": Layer(64, 256, 512, Sliding(1, 2)),
    "ViT-B/16, patches": Layer(256, 3, 768, Sliding(16, 16)),
    "MobileNetV2, 3x3, one channel each": Layer(64, 144, 144, Sliding(3, 1, 1, 1), 144),
    "MobileNetV2, 3x3 / 2, one channel each": Layer(128, 96, 96, Sliding(3, 2, 1, 1), 96),
    "ConvNeXt-T, 7x7, one channel each": Layer(64, 96, 96, Sliding(7, 1, 3, 3), 96),
    "ResNeXt, 3x3, 32 groups": Layer(64, 128, 128, Sliding(3, 1, 1, 1), 32),
}

Program = Callable[[], object]


def looped(function: Callable, count: int) -> Callable:
    """Returns a loop of `count` evaluations, each at a point that depends on the one before.

    Args:
      function: (arguments, image) -> an array of the image's shape.
      count: of evaluations.
    """

    def run(arguments, image):
        return lax.fori_loop(0, count, lambda _, x: x - 1e-6 * function(arguments, x), image)

    return run


def medians(programs: dict[str, Program], rounds: int) -> dict[str, float]:
    """Returns the median seconds of each program, which run in turn.

    Args:
      programs: by their names.
      rounds: that are timed.
    """
    times = [{name: timed(program) for name, program in programs.items()} for _ in range(rounds + 1)]
    return {name: statistics.median(each[name] for each in times[1:]) for name in programs}


def network(config: ConfigDict, architecture: str) -> dict[str, float]:
    """Measures a network.

    Args:
      config: of the loss.
      architecture: a key of ARCHITECTURES.

    Returns:
      Seconds (`alone`, `loop`, `compile`), `bytes` and `parameters`.
    """
    changes = {
        "weights.name": "random", "weights.architecture": architecture,
        "style_loss.layers": ("auto",), "content_loss.layers": ("auto",),
    }  # fmt: skip
    job = job_of(config, SIZE.value, changes)
    targets, image = make_problem(job), jnp.asarray(job.start)

    def gradient(targets, x):
        return jax.grad(partial(problem.loss, job.spec), argnums=1)(targets, x)

    alone, seconds = compiled(jax.jit(gradient).lower(targets, image))
    loop, _ = compiled(jax.jit(looped(gradient, STEPS.value)).lower(targets, image))
    programs = {"alone": partial(alone, targets, image), "loop": partial(loop, targets, image)}
    found = medians(programs, ROUNDS.value)
    return {
        "alone": found["alone"], "loop": found["loop"] / STEPS.value, "compile": seconds,
        "bytes": memory.program_bytes(alone), "parameters": parameter_count(targets.variables),
    }  # fmt: skip


def convolution(layer: Layer) -> dict[str, float]:
    """Measures the gradient of a convolution with respect to its input.

    Args:
      layer: one of LAYERS.

    Returns:
      Seconds of `frozen` and `autodiff`, `alone` and in the `loop`.
    """
    rng, k = np.random.default_rng(0), layer.sliding.size
    x = jnp.asarray(rng.normal(size=(1, layer.edge, layer.edge, layer.inputs)), jnp.float32)
    kernel = rng.normal(size=(k, k, layer.inputs // layer.groups, layer.outputs)).astype(np.float32)
    kernels = jnp.asarray(kernel), jnp.asarray(adjoint_kernel(kernel, layer.groups))
    geometry = Geometry(layer.sliding, layer.groups)
    padding = ((layer.sliding.before, layer.sliding.after),) * 2
    ways = {
        "frozen": lambda kernels, x: frozen_convolve(x, *kernels, geometry, x.shape[1:3]),
        "autodiff": lambda kernels, x: lax.conv_general_dilated(
            x, kernels[0], (layer.sliding.stride,) * 2, padding,
            dimension_numbers=("NHWC", "HWIO", "NHWC"), feature_group_count=layer.groups,
            precision=geometry.precision,
        ),
    }  # fmt: skip
    programs = {}
    for way, function in ways.items():

        def gradient(kernels, x, function=function):
            return jax.grad(lambda x: jnp.sum(function(kernels, x) ** 2))(x)

        for place, run in (("alone", gradient), ("loop", looped(gradient, STEPS.value))):
            program = jax.jit(run).lower(kernels, x).compile()
            programs[f"{way}, {place}"] = partial(program, kernels, x)
    found = medians(programs, ROUNDS.value)
    return {name: value / (STEPS.value if "loop" in name else 1) for name, value in found.items()}


def main(argv) -> None:
    """Prints the tables."""
    del argv
    parts = [choose("parts", part, ("networks", "convolutions")) for part in PARTS.value]
    owners = {name: name.partition(",")[0] for name in LAYERS}
    of = [choose("of", owner, owners.values()) for owner in OF.value] or owners.values()
    names = [choose("networks", name, ARCHITECTURES) for name in NETWORKS.value] or list(ARCHITECTURES)
    results = {}
    print(tables.environment_line(f"medians of {ROUNDS.value} rounds") + "\n", flush=True)
    if "networks" in parts:
        results["networks"] = {name: network(cli.CONFIG.value, name) for name in names}
        print(markdown(
            [f"{SIZE.value} x {SIZE.value} px", "s / evaluation", "in a loop", "compiled in", "program",
             "parameters"],
            [[name, f"{n['alone']:.3f}", f"{n['loop']:.3f}", f"{n['compile']:.1f} s",
              memory.format_bytes(n["bytes"]), f"{n['parameters'] / 1e6:.1f} M"]
             for name, n in results["networks"].items()],
        ) + "\n", flush=True)  # fmt: skip
    if "convolutions" in parts:
        results["convolutions"] = {
            name: convolution(layer) for name, layer in LAYERS.items() if owners[name] in of
        }
        columns = [f"{way}, {place}" for way in ("frozen", "autodiff") for place in ("alone", "loop")]
        print(markdown(
            ["forward and gradient, ms", *columns],
            [[name, *(f"{1e3 * found[column]:.1f}" for column in columns)]
             for name, found in results["convolutions"].items()],
        ))  # fmt: skip
    tables.write_json(JSON.value, results)


if __name__ == "__main__":
    cli.run(main)
