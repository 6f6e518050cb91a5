"""Draws figures of what the layers of a network represent, as PNG and SVG, and their numbers as npz and CSV.

nst visualize reconstructions --config=trial --workdir=runs/seen

    reconstructions  the photograph's content and the painting's style by layer (Gatys et al. 2015, figure 1)
    maps             feature maps of the photograph, and Gram matrices
    units            the strongest units of each layer, and the parts of the photograph that they respond to
    patches          the nine patches of --folder that excite a channel most (Zeiler & Fergus 2013, figure 2)
    maximize         images made from noise that excite a channel most (Olah et al. 2017)
    invariance       how much features and Gram matrices change as the photograph moves
    occlusion        the parts of the photograph on which the style and content losses depend, or the parts
                     of a result with --config.init.kind=image --config.init.image=result.png
    phases           each term's pixel gradient by phase modulo 2, 4, 8 and 16 (Odena et al. 2016)
    distances        style distances between the pictures in --folder, and the nearest picture of each

The pictures are config.content and config.style at config.size. The layers are config.style_loss.layers
unless --layers is given. A slim network is shown in VGG's own channels.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from ml_collections import ConfigDict

from nst import images
from nst.cli import options
from nst.devices import memory
from nst.errors import UserError, choose
from nst.images import folders
from nst.outputs import check_writable
from nst.runs import forecast, settings, specs
from nst.runs.job import make_problem, prepare
from nst.runs.network import load_network
from nst.visualize import (
    deconvnet,
    distances,
    figures,
    invariance,
    maps,
    maximize,
    network,
    occlusion,
    patches,
    phases,
    reconstruct,
)

RANGES = {  # transformation of nst/visualize/invariance.py -> its values
    "translation": range(0, 33, 2),
    "scaling": (0.7, 0.8, 0.9, 0.95, 1, 1.05, 1.1, 1.2, 1.4),
    "rotation": (0, 1, 2, 4, 8, 12, 20, 30, 45),
}


def layers(args: argparse.Namespace) -> tuple[str, ...]:
    """Returns the layers of --layers, or if there are none the layers of the style loss."""
    return settings.names(args.layers) or args.config.style_loss.layers


def numbers(text: str) -> tuple[int, ...]:
    """Returns the whole numbers of an option; raises ArgumentTypeError if it has anything else."""
    try:
        return tuple(map(int, settings.names(text)))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text}: give whole numbers, such as 3,17") from error


def picture(path: str, config: ConfigDict) -> np.ndarray:
    """Reads a picture and resizes it as a run with this config does; raises UserError if it cannot fit."""
    rgb = images.read(path).rgb_HxWx3
    target = images.target_size(*rgb.shape[:2], config.size, config.size_mode)
    _, spec = specs.read_network(config)
    forecast.check_painting(spec, path, target, 1, memory.limit(config.memory_limit_gb))
    return images.resize(rgb, *target, config.resize_filter)


def photograph(config: ConfigDict) -> np.ndarray:
    """Reads the photograph of the config.

    Raises:
      UserError: the config names no photograph.
    """
    if not config.content:
        raise UserError("content: give a photograph: --config.content=photo.jpg")
    return picture(config.content, config)


def folder(args: argparse.Namespace) -> list[Path]:
    """Returns the pictures of --folder."""
    return folders.files(args.folder, "--folder")


def subtitle(config: ConfigDict, source: str, image: np.ndarray | None = None) -> str:
    """Returns the second line of a figure's title: the source, the network and the size."""
    size = f"{config.size} px" if image is None else f"{image.shape[1]}x{image.shape[0]} px"
    return f"{source}, {config.weights.name}, {size}"


class Output(NamedTuple):
    """A figure with the numbers that it shows."""

    stem: str  # stem of the file names
    figure: Any
    arrays: Mapping[str, np.ndarray]  # arrays for the npz file
    table: Sequence[Sequence] = ()  # rows for a CSV file, the head first; (): no CSV file


def show_reconstructions(args: argparse.Namespace) -> Iterator[Output]:
    """Yields the figure of content and style reconstructions."""
    config = args.config
    photo, painting = photograph(config), config.style[0]
    results = reconstruct.reconstructions(photo, images.read(painting).rgb_HxWx3, config, layers(args))
    below = subtitle(config, f"{Path(config.content).stem}, {Path(painting).stem}", photo)
    yield Output("reconstructions", reconstruct.figure(results, below), results._asdict())


def show_maps(args: argparse.Namespace) -> Iterator[Output]:
    """Yields the figures of feature maps and of Gram matrices."""
    config = args.config
    photo, names = photograph(config), layers(args)
    activations = network.activations(network.load(config, names, single_channels=True), photo, names)
    chosen = {
        layer: args.channels or maps.strongest_channels(maps_hxwxC, args.count)
        for layer, maps_hxwxC in activations.items()
    }
    below = subtitle(config, Path(config.content).stem, photo)
    figure = maps.figure_maps(activations, chosen, below)
    arrays = {layer: activations[layer][..., list(indices)] for layer, indices in chosen.items()}
    numbers = {f"{layer} channels": np.array(indices) for layer, indices in chosen.items()}
    yield Output("maps", figure, arrays | numbers)
    matrices = maps.gram_matrices(activations)
    yield Output("grams", maps.figure_grams(matrices, below), matrices)


def show_units(args: argparse.Namespace) -> Iterator[Output]:
    """Yields a figure of strong units and their projections for each layer."""
    config = args.config
    photo, names = photograph(config), layers(args)
    below = subtitle(config, Path(config.content).stem, photo)
    model = network.load(config, names, single_channels=True)
    for layer in names:
        units = deconvnet.examine(model, photo, layer, args.count)
        arrays = {"units": np.array(units.units), "values": units.values_N, "patches": units.patches_Nxsxsx3}
        yield Output(f"units_{layer}", deconvnet.figure(units, below), arrays | units.projections)


def show_patches(args: argparse.Namespace) -> Iterator[Output]:
    """Yields a figure of the strongest patches of --folder for each layer."""
    config = args.config
    paths, names = folder(args), layers(args)
    below = f"{len(paths)} pictures of {Path(args.folder).name} at {config.size} px, {config.weights.name}"
    model = network.load(config, names, single_channels=True)
    chosen = args.channels or tuple(range(args.count))
    for layer in names:
        top = patches.top(model, paths, layer, chosen, 9, config.size)
        cut = patches.cut_out(model, paths, layer, chosen, top, config.size, args.rule)
        arrays = top._asdict() | {"channels": np.array(chosen), "paths": np.array([p.name for p in paths])}
        figure = patches.figure(layer, chosen, top, cut, below)
        yield Output(f"patches_{layer}", figure, arrays | cut._asdict())


def show_maximized(args: argparse.Namespace) -> Iterator[Output]:
    """Yields a figure of images that excite channels most for each layer."""
    config = args.config
    names = layers(args)
    model = network.load(config, names, single_channels=True)
    chosen = args.channels or tuple(range(args.count))
    for layer in names:
        images_CxHxWx3 = maximize.maximize(model, layer, chosen, config.size, config.steps, config.seed)
        below = f"{config.weights.name}, {config.size} px, {config.steps} updates"
        figure = maximize.figure(images_CxHxWx3, layer, chosen, below)
        yield Output(f"maximized_{layer}", figure, {"images": images_CxHxWx3, "channels": np.array(chosen)})


def show_invariance(args: argparse.Namespace) -> Iterator[Output]:
    """Yields the figure of distances under translation, scaling and rotation, with a table."""
    config = args.config
    photo, names = photograph(config), layers(args)
    model = network.load(config, names)
    results = {
        name: (values, invariance.curves(model, photo, names, name, values))
        for name, values in RANGES.items()
    }
    arrays = {f"{name} {kind}": table for name, (_, both) in results.items() for kind, table in both.items()}
    arrays |= {name: np.array(values) for name, (values, _) in results.items()} | {"layers": np.array(names)}
    rows = [
        (name, value, layer, both["features"][y, x], both["gram"][y, x])
        for name, (values, both) in results.items()
        for y, layer in enumerate(names)
        for x, value in enumerate(values)
    ]
    table = [("transformation", "value", "layer", "features", "gram"), *rows]
    below = subtitle(config, Path(config.content).stem, photo)
    yield Output("invariance", invariance.figure(results, names, below), arrays, table)


def show_occlusion(args: argparse.Namespace) -> Iterator[Output]:
    """Yields the figure of losses with a square covered.

    Raises:
      UserError: init.image does not have the photograph's shape.
    """
    config = args.config
    job = prepare(None, None, config)
    photo = job.content.rgb_HxWx3
    size = max(8, min(photo.shape[:2]) // 6)
    examined = picture(config.init.image, config) if config.init.image else photo
    if examined.shape != photo.shape:
        raise UserError(
            f"init.image: {config.init.image} does not have the photograph's shape; give one made from it"
        )
    parts = occlusion.examine(job.spec, make_problem(job), examined, size, max(1, size // 2))
    below = subtitle(config, Path(config.init.image or config.content).stem, photo)
    arrays = {name: part.losses_hxw for name, part in parts.items()}
    arrays |= {f"{name} before": np.array(part.before) for name, part in parts.items()}
    yield Output("occlusion", occlusion.figure(examined, parts, below), arrays)


def show_phases(args: argparse.Namespace) -> Iterator[Output]:
    """Yields the figure of the gradient's energy by phase at the start of the run, with a table."""
    config = args.config
    job = prepare(None, None, config)
    energies = phases.examine(job.spec, make_problem(job), job.start[0])
    below = subtitle(config, f"start: {config.init.kind}, pooling: {config.network.pooling}", job.start[0])
    figure, arrays, table = phases.figure(energies, below), phases.arrays(energies), phases.table(energies)
    yield Output("phases", figure, arrays, table)


def show_distances(args: argparse.Namespace) -> Iterator[Output]:
    """Yields a figure and a table of style distances for each term and for their sum."""
    config = args.config
    paths = folder(args)
    convention, spec = specs.read_network(config)
    variables = load_network(config, spec, convention).variables
    pictures = [picture(path, config) for path in paths]
    tables = distances.distances(spec, variables, pictures, config.seed)
    weights = specs.make_problem_weights(config, spec, len(config.style))
    tables["total"] = distances.total(tables, np.asarray(weights.style_terms))
    nearest = distances.neighbours(tables["total"], min(args.count, len(paths) - 1))
    for path, others in zip(paths, nearest, strict=True):
        print(f"{path.name}: nearest are {', '.join(paths[k].name for k in others[:3])}")
    below = subtitle(config, config.style_loss.representation)
    names = [path.name for path in paths]
    for name, table in tables.items():
        rows = [("picture", *names), *((one, *row) for one, row in zip(names, table, strict=True))]
        arrays = {"distances": table, "names": np.array(names), "nearest": distances.neighbours(table, 1)}
        figure = distances.figure(table, paths, f"{name}: {below}", distances.unit(spec))
        yield Output(f"distances_{name.replace('/', '_')}", figure, arrays, rows)


COMMANDS = {
    "reconstructions": show_reconstructions,
    "maps": show_maps,
    "units": show_units,
    "patches": show_patches,
    "maximize": show_maximized,
    "invariance": show_invariance,
    "occlusion": show_occlusion,
    "phases": show_phases,
    "distances": show_distances,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this command to a parser."""
    add = parser.add_argument
    add("what", nargs="?", metavar="WHAT", help=f"what to show: {', '.join(COMMANDS)}")
    options.add_workdir(parser, "the folder of the figures")
    once = {"action": options.Once, "default": ""}
    add("--layers", **once, help="layers, with commas (those of style_loss)")
    add("--channels", **once, type=numbers, help="channels, with commas (the strongest)")
    add("--count", type=options.count, default=9, help="channels, units or neighbours (%(default)s)")
    add("--folder", default="", help="a folder of pictures; needed for patches and distances")
    add("--rule", choices=deconvnet.RULES, default="deconvnet", help="projection to pixels (%(default)s)")


def run(args: argparse.Namespace) -> int:
    """Draws the figures of the command, and prints the paths of the files; returns the exit status.

    Raises:
      UserError: the figure is missing or unknown, or the size is not a number.
    """
    if not args.what:
        raise UserError(f"name what to show: {', '.join(COMMANDS)}")
    show = COMMANDS[choose("what to show", args.what, COMMANDS)]
    check_writable(workdir := options.required(args.workdir, "the figures", "runs/seen"))
    args.config = settings.resolve(args.config)
    if args.config.size == settings.AUTO:
        raise UserError("size = auto: a figure has no automatic size; give pixels: --config.size=256")
    for output in show(args):
        paths = figures.save(output.figure, workdir / output.stem, output.arrays)
        if output.table:
            paths.append(figures.table(workdir / f"{output.stem}.csv", *output.table))
        print(*paths)
    return 0
