"""Other programs' optimisation loops on our loss: PyTorch's, and SciPy's on our gradient.

PyTorch runs at its best settings for a CPU: channels_last, frozen weights, and a gradient of the pixels
alone. The loss is that of a Job (Gram matrices with a constant factor, mean squares of content). Tests, and
time_to_loss.py before it measures, check that both programs compute the same number.
"""

import time
from collections.abc import Callable, Iterator

import numpy as np

from nst.errors import UserError
from nst.losses.content import CONTENT
from nst.networks.table import layers_to
from nst.runs.job import Job
from nst.styles import grams


def torch_device() -> str:
    """Returns the device that PyTorch computes on: "cuda" where there is one, else "cpu"."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def tensor(image_1xHxWx3: np.ndarray):
    """Returns an image as a PyTorch tensor `1x3xHxW` in channels_last order, on PyTorch's device."""
    import torch

    moved = torch.tensor(np.array(image_1xHxWx3)).permute(0, 3, 1, 2)
    return moved.to(torch_device()).contiguous(memory_format=torch.channels_last)


def torch_loss(job: Job, autocast: bool = False) -> Callable:
    """Returns the loss of a job as a function of a PyTorch tensor, `1x3xHxW` in [0, 1].

    Args:
      job: its network must be frozen for direct convolutions.
      autocast: whether products are computed in bfloat16; Gram matrices and sums stay in float32.
    """
    import torch

    spec, activations = job.spec, torch_activations(job, autocast)
    photo, painting = job.content.rgb_HxWx3[None], job.styles[0].rgb_HxWx3[None]
    with torch.no_grad():
        contents, styles = activations(tensor(photo)), activations(tensor(painting))
        styles = {layer: torch_gram(styles[layer]) for layer in spec.style_layers}
    weights = job.loss_weights
    style_factors = {
        layer: float(weights.style * weight)
        * grams.GRAM_DISTANCE[spec.style_normalization](spec.channels(layer), None, None)
        for weight, layer in zip(weights.style_terms, spec.style_layers, strict=True)
    }
    content_factors = {}
    for weight, layer in zip(weights.content_layers, spec.content_layers, strict=True):
        _, channels, height, width = contents[layer].shape
        factor = CONTENT[spec.content_normalization](height * width, channels, None, None)
        content_factors[layer] = float(weights.content * weight) * factor

    def loss(x):
        layers = activations(x)
        total = 0.0
        for layer, factor in content_factors.items():
            total = total + factor * ((layers[layer] - contents[layer]) ** 2).sum()
        for layer, factor in style_factors.items():
            total = total + factor * ((torch_gram(layers[layer]) - styles[layer]) ** 2).sum()
        return total

    return loss


def torch_activations(job: Job, autocast: bool) -> Callable:
    """Returns the network of a job as a function: tensor `1x3xHxW` in [0, 1] -> {layer: activation}."""
    import torch
    from torch.nn import functional

    spec, device = job.spec, torch_device()
    if not spec.network.architecture.startswith("vgg"):
        raise UserError(
            f"PyTorch takes part with VGG, not with {spec.network.architecture}: choose with --match"
        )
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
        layers = {}
        with torch.autocast(device, torch.bfloat16, enabled=autocast):
            for layer in layers_to(spec.network.architecture, spec.layers):
                if layer.kind == "conv":
                    x = functional.conv2d(x, *kernels[layer.name], padding=1)
                else:
                    x = functional.relu(x) if layer.kind == "relu" else functional.max_pool2d(x, 2)
                layers[layer.name] = x
        return {name: layers[name].float() for name in spec.layers}

    return activations


def torch_gram(x):
    """Returns the Gram matrices of activations `BxCxHxW`, divided by the number of positions: `BxCxC`."""
    flat = x.flatten(2)
    return flat @ flat.transpose(1, 2) / flat.shape[-1]


def torch_lbfgs(loss: Callable, start_1xHxWx3: np.ndarray, count: int) -> Iterator[float]:
    """Runs torch.optim.LBFGS at its defaults with pixels in [0, 255], as the published loops do.

    Args:
      loss: from `torch_loss`.
      start_1xHxWx3: RGB in [0, 1].
      count: evaluations.

    Yields:
      The loss at each evaluation.
    """
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
    """Runs the recipe of crowsonkb/style-transfer-pytorch: Adam over growing sizes.

    The learning rate is 0.02, the betas are 0.9 and 0.99, and pixels are clamped to [0, 1]. From size to size
    the average of the iterates (decay 0.99) is enlarged, and with it Adam's moments (bicubic and bilinear),
    as that program does.

    Args:
      jobs: one for each size, the smallest first.
      counts: updates at each size.

    Returns:
      The loss of the averaged image at the last size.
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
    """Runs SciPy's L-BFGS-B with 20 pairs.

    Args:
      value_and_gradient: maps an image `1xHxWx3` to the loss and its gradient.
      start_1xHxWx3: RGB in [0, 1].
      count: evaluations, roughly.

    Returns:
      The seconds from each evaluation to the next.
    """
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
