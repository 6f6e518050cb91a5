"""Seconds and bytes of an evaluation from the list of layers, beside what was measured.

    python -m experiments.benchmarks.model
    python -m experiments.benchmarks.model --predict=8192 --sharing=8

An evaluation, the loss with its gradient, computes each convolution and Gram matrix once forwards and once
backwards. With f operations and b bytes read and written, a layer takes max(f / rate, b / bandwidth) each
time. To these are added the passes of L-BFGS over its pairs, one latency for an evaluation and one for each
exchange of rows between neighbours. In memory are the activations that the gradient needs, the two largest
arrays of the backward pass, and the images of the optimiser. docs/scaling.md says how near this comes.
"""

import dataclasses
from typing import NamedTuple

from absl import flags

from experiments import cli
from nst.cli.tables import markdown
from nst.errors import choose
from nst.losses import strips
from nst.losses.spec import Spec
from nst.networks.table import layers_to

_PASSES = 4  # of L-BFGS over the half of its pairs
_IMAGE = 12  # bytes of a pixel


@dataclasses.dataclass(frozen=True)
class Machine:
    """What the seconds depend on; units are operations, bytes and seconds."""

    rate: float  # of convolutions: attained, not the datasheet's
    gram_rate: float  # of Gram matrices
    bandwidth: float  # of memory
    latency: float  # of an evaluation, whatever its size
    itemsize: int = 4  # bytes of an activation
    link: float = 450e9  # bytes a second from a device to its neighbour
    exchange: float = 1e-5  # seconds of each exchange, whatever its size


class Work(NamedTuple):
    """What one layer of a forward pass needs."""

    name: str
    kind: str
    positions: float
    channels: int
    operations: float  # of the convolution
    gram: float  # operations of its Gram matrix


# The rates and the latency of the H100, and the rate of the CPU, are fitted to MEASURED at 256 to 2048 px;
# the bandwidths are the datasheet's and that of a copy
MACHINES = {
    "H100, tf32": Machine(rate=270e12, gram_rate=45e12, bandwidth=3.35e12, latency=1.9e-3),
    "H100, float32": Machine(rate=27e12, gram_rate=45e12, bandwidth=3.35e12, latency=1.9e-3),
    "two cores": Machine(rate=220e9, gram_rate=180e9, bandwidth=20e9, latency=0.0),
}


class Measured(NamedTuple):
    """A row of docs/scaling.md, or of the H100's first measurement (jax 0.11.2, L-BFGS by loops)."""

    machine: str
    width: int
    height: int
    strip: int
    seconds: float | None
    bytes: float | None  # of temporaries


MEASURED = (
    Measured("H100, tf32", 512, 384, 0, 3.6e-3, None),
    Measured("H100, tf32", 1024, 768, 0, 8.5e-3, None),
    Measured("H100, tf32", 2048, 1536, 0, 30.0e-3, None),
    Measured("H100, float32", 512, 384, 0, 12.9e-3, None),
    Measured("two cores", 256, 256, 0, 0.463, None),
    Measured("two cores", 512, 512, 0, 1.868, 459e6),
    Measured("two cores", 4096, 3072, 256, 211.0, 2.98e9),
    Measured("two cores", 4096, 3072, 512, None, 4.81e9),
    Measured("two cores", 4096, 3072, 0, None, 21.9e9),
)

PREDICT = flags.DEFINE_integer(
    "predict", 0, "Predict this width, with 3/4 of it as the height, too.", lower_bound=0
)
MACHINE = flags.DEFINE_string("machine", "H100, tf32", f"For --predict: of {'; '.join(MACHINES)}.")
SHARING = flags.DEFINE_integer("sharing", 1, "For --predict: devices that divide the height.", lower_bound=1)
PAIRS = flags.DEFINE_integer("history", 20, "For --predict: pairs of L-BFGS.", lower_bound=1)


def work(spec: Spec, height: int, width: int) -> list[Work]:
    """Returns what each layer of one forward pass needs, with direct convolutions.

    Args:
      spec: of the loss; the network has its published width.
      height, width: of the image.
    """
    found, channels = [], {"input": 3}
    for layer in layers_to(spec.network.architecture, spec.layers):
        positions = (height // layer.stride) * (width // layer.stride)
        before = channels[layer.inputs[0]]
        conv = layer.kind == "conv"
        operations = 2 * layer.operation.sliding.size**2 * before * layer.channels * positions * conv
        gram = 2 * layer.channels**2 * positions * (layer.name in spec.style_layers)
        found.append(Work(layer.name, layer.kind, positions, layer.channels, operations, gram))
        channels[layer.name] = layer.channels
    return found


def operations(spec: Spec, height: int, width: int) -> float:
    """Returns the operations of one forward pass: two for each product of a convolution or a Gram matrix.

    Args:
      spec, height, width: as for `work`.
    """
    return sum(each.operations + each.gram for each in work(spec, height, width))


def windows(spec: Spec, height: int) -> list[int]:
    """Returns the rows that are in the network for each strip; the whole height if there is none.

    Args:
      spec: of the loss.
      height: of the image.
    """
    layout = strips.layout(spec, spec.layers, height)
    return [layout.window] * layout.count if layout else [height]


def seconds(
    spec: Spec, machine: Machine, shape: tuple[int, int], *, devices: int = 1, pairs: int = 20
) -> float:
    """Returns the seconds of an evaluation within L-BFGS.

    Args:
      spec: of the loss; with strips, the forward pass is computed twice.
      machine: of each device.
      shape: height and width.
      devices: that divide the height.
      pairs: of L-BFGS.
    """
    height, width = shape
    passes = 3 if spec.strip else 2
    total = 0.0
    for rows in windows(spec, height):
        for layer in work(spec, rows, width):
            traffic = 2 * layer.positions * layer.channels * machine.itemsize
            once = max(layer.operations / machine.rate, traffic / machine.bandwidth)
            total += passes * (once + layer.gram / machine.gram_rate) / devices
    total += _PASSES * pairs * _IMAGE * height * width / machine.bandwidth / devices
    return machine.latency + total + (_exchanges(spec, machine, shape) if devices > 1 else 0.0)


def _exchanges(spec: Spec, machine: Machine, shape: tuple[int, int]) -> float:
    """Returns the seconds in which a device exchanges rows with its neighbours, above and below at once."""
    height, width = shape
    convolutions = [layer for layer in work(spec, height, width) if layer.kind == "conv"]
    rows = sum((layer.positions * width / height) ** 0.5 * layer.channels for layer in convolutions)
    return 2 * (len(convolutions) * machine.exchange + rows * machine.itemsize / machine.link)


def temporaries(spec: Spec, shape: tuple[int, int], *, devices: int = 1, itemsize: int = 4) -> float:
    """Returns the bytes of activations and gradients of an evaluation, on each device.

    Args:
      spec, shape, devices: as for `seconds`.
      itemsize: bytes of an activation.
    """
    height, width = shape
    layers = work(spec, max(windows(spec, height)), width)
    kept = sum(layer.positions * layer.channels for layer in layers if layer.kind in ("relu", "pool"))
    largest = max(layer.positions * layer.channels for layer in layers)
    return itemsize * (kept + 2 * largest) / devices


def state(shape: tuple[int, int], *, devices: int = 1, pairs: int = 20) -> float:
    """Returns the bytes of L-BFGS's pairs, its previous point, gradient and direction, and the image.

    Args:
      shape, devices, pairs: as for `seconds`.
    """
    return (2 * pairs + 4) * _IMAGE * shape[0] * shape[1] / devices


def main(argv) -> None:
    """Prints the model beside what was measured, and a prediction if --predict is given."""
    del argv
    spec = Spec(content_layers=("relu4_2",))
    rows = []
    for each in MEASURED:
        shape, divided = (each.height, each.width), dataclasses.replace(spec, strip=each.strip)
        time = seconds(divided, MACHINES[each.machine], shape)
        memory = temporaries(divided, shape)
        row = [each.machine, f"{each.width} x {each.height}", str(each.strip or "")]
        row += _beside(time, each.seconds, 1e3, "ms") if each.seconds else [""] * 3
        row += _beside(memory, each.bytes, 1e-9, "GB") if each.bytes else [""] * 3
        rows.append(row)
    head = ["machine", "px", "strip", "time by the model", "measured", "ratio", "bytes by the model"]
    print(markdown([*head, "measured", "ratio"], rows))
    if PREDICT.value:
        machine = MACHINES[choose("machine", MACHINE.value, MACHINES)]
        shape = PREDICT.value * 3 // 4, PREDICT.value
        shared = {"devices": SHARING.value}
        time = seconds(spec, machine, shape, pairs=PAIRS.value, **shared)
        memory = temporaries(spec, shape, **shared) + state(shape, pairs=PAIRS.value, **shared)
        print(
            f"\n{shape[1]} x {shape[0]} px, {MACHINE.value}, {SHARING.value} devices: {1e3 * time:.1f} ms an "
            f"evaluation, {memory / 1e9:.1f} GB on each device"
        )


def _beside(model: float, measured: float, unit: float, name: str) -> list[str]:
    texts = [f"{unit * value:.3g} {name}" for value in (model, measured)]
    return [*texts, f"{model / measured:.2f}"]


if __name__ == "__main__":
    cli.run(main, config=False)
