"""Lists the networks that can be used, or shows the layers of one.

nst networks                the architectures, with the names of their weights
nst networks resnet50       the layers of one, the layers that auto stands for, and the address of its weights

A network is chosen by the name of its weights, as in --config.weights.name=resnet50, or by the path of a file
and --config.weights.architecture.
"""

import argparse
from collections.abc import Iterator

from nst.errors import UserError, choose
from nst.networks import checkpoints
from nst.networks.network import Network
from nst.networks.receptive import receptive
from nst.networks.table import ARCHITECTURES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this command to a parser."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="a network; without one, all are listed")


def run(args: argparse.Namespace) -> int:
    """Lists the networks, or shows the network that the arguments name; returns the exit status."""
    print("\n".join(_all() if args.name is None else _one(args.name)))
    return 0


def _all() -> Iterator[str]:
    """Yields a line for each architecture."""
    rows = [("architecture", "layers", "weights.name")]
    for name, row in ARCHITECTURES.items():
        named = [each for each, known in checkpoints.CHECKPOINTS.items() if known.architecture == name]
        rows.append((name, str(len(row.layers)), ", ".join([*named, "random"])))
    yield from _table(rows)


def _one(name: str) -> Iterator[str]:
    """Yields the description of an architecture; `name` may also be the name of its weights."""
    name = checkpoints.architecture(name, name)
    row = ARCHITECTURES[choose("the network", name, ARCHITECTURES)]
    named = {each: known for each, known in checkpoints.CHECKPOINTS.items() if known.architecture == name}
    yield f"style_loss.layers = auto: {','.join(row.style)}"
    yield f"content_loss.layers = auto: {','.join(row.content)}"
    for each, known in named.items():
        yield f"weights.name = {each}: {known.size / 1e6:.0f} MB, {known.url}"
    if not named:
        yield f"weights.name: the path of a file, with weights.architecture = {name}"
    yield ""
    rows = [("layer", "operation", "channels", "stride", "receptive field", "reads")]
    for layer in row.layers:
        numbers = str(layer.channels), str(layer.stride), _field(name, layer.name)
        rows.append((layer.name, layer.kind, *numbers, ", ".join(layer.inputs)))
    yield from _table(rows)


def _field(architecture: str, layer: str) -> str:
    try:
        return str(receptive(Network(architecture), layer).size)
    except UserError:
        return "all"


def _table(rows: list[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
