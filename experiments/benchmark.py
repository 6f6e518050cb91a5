"""Seconds per L-BFGS evaluation: VGG-19, the slim network, forward alone, PyTorch; alternating in one run.

python -m experiments.benchmark --sizes=256,512 --rounds=5

The loss is that of configs/gatys_notebook.py (VGG-19 to relu5_1, max pooling) on square noise of each size,
with random weights: the values change no timing. In every round each contestant runs once, in turn, so
that a machine whose speed drifts is unfair to none; the table gives medians, and ratios of the medians.
PyTorch takes part where it is importable, channels_last, the weights frozen. Memory is XLA's analysis of
the compiled loop: weights, targets, image, L-BFGS history and temporaries.
"""

import importlib.util
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from absl import app, flags

from nst import balance, memory, optimize, problem, vgg, weights
from nst.optimize import Optimizer
from nst.spec import Spec

SIZES = flags.DEFINE_list("sizes", ["256", "512"], "Edges of the square images, in pixels.")
ROUNDS = flags.DEFINE_integer(
    "rounds", 5, "Timed rounds of each contestant, after one that is not.", lower_bound=1
)
STEPS = flags.DEFINE_integer("steps", 4, "Steps of a device loop in one timing.", lower_bound=1)
JSON = flags.DEFINE_string("json", None, "Also write the numbers to this file.")

SPEC = Spec()
STYLE_WEIGHTS = tuple(1e3 / channels**2 for channels in vgg.CHANNELS)
LOOP = "L-BFGS, zoom search"
OPTIMIZERS = {
    LOOP: Optimizer(),
    "L-BFGS, Torch's rules": Optimizer(name="lbfgs_torch", memory=100, pixel_range=255.0),
}


def contestants(size: int) -> tuple[dict[str, Callable[[], float]], dict[str, int]]:
    """{name: function that runs once and returns its seconds per evaluation}, {name: bytes of memory}."""
    rng = np.random.default_rng(0)
    content, style, start = rng.uniform(0, 1, (3, 1, size, size, 3)).astype(np.float32)
    params = weights.load("random", "vgg19", SPEC.layers).params
    slim = weights.convention("vgg19_slim", "vgg19", "")
    slim_spec = Spec(vgg.Network(preprocessing=vgg.PREPROCESSING[slim.preprocessing], widths=slim.widths))
    slim_params = weights.load("vgg19_slim", "vgg19", SPEC.layers).params
    loss_weights = balance.make_weights(
        SPEC, content=1.0, style=1.0, content_layers=(1.0,), style_layers=STYLE_WEIGHTS, styles=(1.0,),
        style_count=1, tv=0.0,
    )  # fmt: skip
    made, slim_made = (
        problem.make_problem(
            spec, vgg.freeze(found), jnp.asarray(content), [jnp.asarray(style)], loss_weights
        )
        for spec, found in ((SPEC, params), (slim_spec, slim_params))
    )
    image, bytes_needed = jnp.asarray(start), {}
    forward = jax.jit(partial(problem.loss, SPEC))
    found = {"forward": partial(seconds, lambda: forward(made, image))}
    for spec, targets, prefix in ((SPEC, made, ""), (slim_spec, slim_made, "slim network, ")):
        gradient = jax.jit(jax.value_and_grad(partial(problem.loss, spec), argnums=1))
        gradient = gradient.lower(targets, image).compile()
        name = f"{prefix}value + gradient"
        found[name] = partial(seconds, partial(gradient, targets, image))
        bytes_needed[name] = memory.needed(gradient)
        for name, optimizer in OPTIMIZERS.items() if spec == SPEC else ((LOOP, OPTIMIZERS[LOOP]),):
            name = f"{prefix}{name}"
            found[name], bytes_needed[name] = loop(spec, optimizer, targets, image)
    if importlib.util.find_spec("torch"):
        found |= torch_contestants(params, content, style, start)
    return found, bytes_needed


def seconds(function: Callable) -> float:
    began = time.perf_counter()
    jax.block_until_ready(function())
    return time.perf_counter() - began


def loop(spec: Spec, optimizer: Optimizer, made, image) -> tuple[Callable[[], float], int]:
    """A function that continues one run by STEPS steps, giving seconds per evaluation; bytes of memory."""
    state = optimize.init(optimizer, image)
    compiled = optimize.run.lower(spec, optimizer, made, state, np.int32(0)).compile()
    state, _ = compiled(made, state, np.int32(2))

    def run() -> float:
        nonlocal state
        before, began = int(state.evaluations), time.perf_counter()
        state, value = compiled(made, state, np.int32(STEPS.value))
        assert np.isfinite(float(value))  # waits for the device
        return (time.perf_counter() - began) / (int(state.evaluations) - before)

    return run, memory.needed(compiled)


def torch_contestants(params, content, style, start) -> dict[str, Callable[[], float]]:
    """The same loss in PyTorch: forward, value + gradient, and torch.optim.LBFGS with its defaults."""
    import torch
    from torch.nn import functional

    def tensor(image):
        return (
            torch.tensor(np.asarray(image)).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
        )

    kernels = {
        name: (
            torch.tensor(conv["kernel"].transpose(3, 2, 0, 1).copy()).contiguous(
                memory_format=torch.channels_last
            ),
            torch.tensor(conv["bias"]),
        )
        for name, conv in params.items()
    }
    shift = torch.tensor(SPEC.network.preprocessing.mean).view(1, 3, 1, 1)

    def activations(x):
        x, found = 255 * x.flip(1) - shift, {}
        for name in vgg.layers_to("vgg19", SPEC.layers):
            if name.startswith("conv"):
                x = functional.conv2d(x, *kernels[name], padding=1)
            else:
                x = functional.relu(x) if name.startswith("relu") else functional.max_pool2d(x, 2)
            found[name] = x
        return found

    def gram(x):
        flat = x.flatten(2)
        return flat @ flat.transpose(1, 2) / flat.shape[-1]

    with torch.no_grad():
        content_targets, style_targets = activations(tensor(content)), activations(tensor(style))
        style_targets = {layer: gram(style_targets[layer]) for layer in SPEC.style_layers}

    def loss(x):
        found = activations(x)
        total = functional.mse_loss(found["relu4_2"], content_targets["relu4_2"])
        for weight, layer in zip(STYLE_WEIGHTS, SPEC.style_layers, strict=True):
            total = total + weight * functional.mse_loss(gram(found[layer]), style_targets[layer])
        return total

    pixels = tensor(start).requires_grad_()

    def value_and_gradient():
        pixels.grad = None
        value = loss(pixels)
        value.backward()
        return float(value.detach())

    def forward():
        with torch.no_grad():
            return float(loss(pixels))

    moved = tensor(start).contiguous().requires_grad_()  # torch's L-BFGS flattens it
    optimizer = torch.optim.LBFGS([moved], max_iter=STEPS.value, max_eval=10**9, tolerance_change=0)

    def closure():
        optimizer.zero_grad()
        value = loss(moved.contiguous(memory_format=torch.channels_last))
        value.backward()
        return value

    def lbfgs() -> float:  # max_iter iterations make max_iter evaluations
        return seconds(lambda: optimizer.step(closure).detach().item()) / STEPS.value

    return {
        "PyTorch forward": partial(seconds, forward),
        "PyTorch value + gradient": partial(seconds, value_and_gradient),
        "PyTorch L-BFGS": lbfgs,
    }


def table(size: int, medians: dict[str, float], bytes_needed: dict[str, int]) -> str:
    """The medians as Markdown, with ratios to our forward, our loop and, where it ran, PyTorch's L-BFGS."""
    rivals = (LOOP, "PyTorch L-BFGS")
    head = [
        f"{size} x {size} px",
        "s / evaluation",
        "/ forward",
        *(f"{rival} / this" for rival in rivals),
        "memory",
    ]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for name, value in medians.items():
        cells = [f"{value:.3f}", f"{value / medians['forward']:.2f}"]
        for rival in rivals:
            comparable = rival in medians and "forward" not in name
            cells.append(f"{medians[rival] / value:.2f}" if comparable else "")
        cells.append(memory.text(bytes_needed[name]) if name in bytes_needed else "")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(argv):
    del argv
    versions = {"python": platform.python_version(), "jax": jax.__version__}
    if importlib.util.find_spec("torch"):
        import torch

        versions["torch"] = torch.__version__
    machine = {"device": jax.devices()[0].device_kind, "cpus": os.cpu_count()}
    print(f"{machine}, {versions}, {ROUNDS.value} rounds, medians", flush=True)
    results = {}
    for size in map(int, SIZES.value):
        entered, bytes_needed = contestants(size)
        rounds = [{name: run() for name, run in entered.items()} for _ in range(ROUNDS.value + 1)][1:]
        medians = {name: statistics.median(times[name] for times in rounds) for name in entered}
        results[size] = {"medians": medians, "rounds": rounds, "bytes": bytes_needed}
        print("\n" + table(size, medians, bytes_needed), flush=True)
    if JSON.value:
        with open(JSON.value, "w") as file:
            json.dump({"machine": machine, "versions": versions, "results": results}, file, indent=2)


if __name__ == "__main__":
    app.run(main)
