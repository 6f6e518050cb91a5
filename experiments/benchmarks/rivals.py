"""The rivals' loops on our loss, for experiments/benchmarks/speed.py: PyTorch, and SciPy on our gradient.

PyTorch at its best settings on a CPU: channels_last, frozen weights, no gradient but the pixels'. The loss is
that of a Job (Gram matrices with a constant factor, mean squares of content); `benchmark` checks that it is
the same number.
"""

import time
from collections.abc import Callable, Iterator

import numpy as np

from nst.losses.regularizers import CONTENT
from nst.networks import vgg
from nst.runs.job import Job
from nst.styles import grams


def torch_device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def tensor(image_1xHxWx3: np.ndarray):
    """As NCHW in channels_last order."""
    import torch

    moved = torch.tensor(np.array(image_1xHxWx3)).permute(0, 3, 1, 2)
    return moved.to(torch_device()).contiguous(memory_format=torch.channels_last)


def torch_loss(job: Job, autocast: bool = False) -> Callable:
    """The loss of a job, whose network is frozen for direct convolutions, of a tensor `1x3xHxW` in [0, 1].

    `autocast`: products in bfloat16, Gram matrices and sums in float32.
    """
    import torch
    from torch.nn import functional

    spec, device = job.spec, torch_device()
    kernels = {
        name: (
            torch.tensor(np.array(conv["kernel"]))
            .permute(3, 2, 0, 1)
            .to(device)
            .contiguous(memory_format=torch.channels_last),
            torch.tensor(np.array(conv["bias"])).to(device),
        )
        for name, conv in job.variables["params"].items()
    }
    prepare = spec.network.preprocessing
    shift, spread = (
        torch.tensor(value, device=device).view(1, 3, 1, 1) for value in (prepare.mean, prepare.std)
    )

    def activations(x):
        x = (prepare.scale * (x.flip(1) if prepare.channels == "BGR" else x) - shift) / spread
        found = {}
        with torch.autocast(device, torch.bfloat16, enabled=autocast):
            for name in vgg.layers_to(spec.network.architecture, spec.layers):
                if name.startswith("conv"):
                    x = functional.conv2d(x, *kernels[name], padding=1)
                else:
                    x = functional.relu(x) if name.startswith("relu") else functional.max_pool2d(x, 2)
                found[name] = x
        return {name: found[name].float() for name in spec.layers}

    def gram(x):
        flat = x.flatten(2)
        return flat @ flat.transpose(1, 2) / flat.shape[-1]

    photo, painting = job.content.rgb_HxWx3[None], job.styles[0].rgb_HxWx3[None]
    with torch.no_grad():
        contents, styles = activations(tensor(photo)), activations(tensor(painting))
        styles = {layer: gram(styles[layer]) for layer in spec.style_layers}
    weights = job.loss_weights
    style_factors = [
        float(weights.style * weight)
        * grams.GRAM_DISTANCE[spec.style_normalization](vgg.channels(layer), None, None)
        for weight, layer in zip(weights.style_terms, spec.style_layers, strict=True)
    ]

    def content_factor(weight, layer):
        _, channels, height, width = contents[layer].shape
        factor = CONTENT[spec.content_normalization](height * width, channels, None, None)
        return float(weights.content * weight) * factor

    content_factors = [
        content_factor(*pair) for pair in zip(weights.content_layers, spec.content_layers, strict=True)
    ]

    def loss(x):
        found = activations(x)
        total = 0.0
        for factor, layer in zip(content_factors, spec.content_layers, strict=True):
            total = total + factor * ((found[layer] - contents[layer]) ** 2).sum()
        for factor, layer in zip(style_factors, spec.style_layers, strict=True):
            total = total + factor * ((gram(found[layer]) - styles[layer]) ** 2).sum()
        return total

    return loss


def torch_lbfgs(loss: Callable, start_1xHxWx3: np.ndarray, count: int) -> Iterator[float]:
    """The losses of the published loops' L-BFGS: torch.optim.LBFGS at its defaults, pixels in [0, 255]."""
    import torch

    pixels = (255 * tensor(start_1xHxWx3)).contiguous().requires_grad_()  # torch's L-BFGS flattens it
    optimizer = torch.optim.LBFGS([pixels], max_iter=1, max_eval=1, history_size=100, tolerance_change=0)

    def closure():
        optimizer.zero_grad()
        value = loss(pixels.contiguous(memory_format=torch.channels_last) / 255)
        value.backward()
        return value

    for _ in range(count):
        yield float(optimizer.step(closure).detach())


def crowsonkb(jobs: list[Job], counts: list[int]) -> float:
    """The loss of crowsonkb/style-transfer-pytorch's recipe after its last size: Adam, one job a size.

    Rate 0.02, betas 0.9 and 0.99, pixels clamped to [0, 1]; from size to size the average of the iterates
    (decay 0.99) is enlarged and Adam's moments with it (bicubic, bilinear), as its code does.
    """
    import torch
    from torch.nn import functional

    moments, average = None, tensor(jobs[0].start)
    for job, count in zip(jobs, counts, strict=True):
        shape, loss = job.content.rgb_HxWx3.shape[:2], torch_loss(job)
        average = functional.interpolate(average, shape, mode="bicubic").clamp(0, 1)
        pixels = average.clone(memory_format=torch.channels_last).requires_grad_()
        optimizer = torch.optim.Adam([pixels], lr=0.02, betas=(0.9, 0.99))
        if moments:
            first = functional.interpolate(moments["exp_avg"], shape, mode="bicubic")
            second = functional.interpolate(moments["exp_avg_sq"], shape, mode="bilinear").relu_()
            optimizer.state[pixels] = {"step": moments["step"], "exp_avg": first, "exp_avg_sq": second}
        total, weight = 0.01 * pixels.detach(), 0.01
        for _ in range(count):
            optimizer.zero_grad()
            loss(pixels).backward()
            optimizer.step()
            with torch.no_grad():
                pixels.clamp_(0, 1)
                total, weight = 0.99 * total + 0.01 * pixels, 0.99 * weight + 0.01
        moments, average = optimizer.state[pixels], (total / weight).clamp(0, 1)
    with torch.no_grad():
        return float(loss(average))


def scipy_lbfgs(value_and_gradient: Callable, start_1xHxWx3: np.ndarray, count: int) -> list[float]:
    """Seconds of each evaluation and what follows it, in SciPy's L-BFGS-B with 20 pairs."""
    from scipy.optimize import minimize

    marks = []

    def objective(flat):
        marks.append(time.perf_counter())
        value, gradient = value_and_gradient(flat.reshape(start_1xHxWx3.shape).astype(np.float32))
        return float(value), np.asarray(gradient, np.float64).ravel()

    start = np.asarray(start_1xHxWx3, np.float64).ravel()
    options = {"maxfun": count + 1, "maxiter": count + 1, "maxcor": 20}
    minimize(objective, start, jac=True, method="L-BFGS-B", options=options)
    return list(np.diff(marks))
