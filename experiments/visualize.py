"""Shows what the network of a config sees: figures as PNG and SVG, and their numbers as npz and CSV.

python -m experiments.visualize reconstructions --config=configs/quickstart.py --workdir=runs/seen

    reconstructions  Gatys et al. 2015, figure 1: the photograph's content and the painting's style, by layer
    maps             feature maps of the photograph, and Gram matrices
    units            the strongest units of each layer, and what of the photograph they answer to (deconvnet)
    patches          Zeiler & Fergus 2013, figure 2: the nine strongest patches of --folder for some channels
    maximize         pictures made from noise that excite some channels most (Olah et al. 2017)
    invariance       how far features and Gram matrices move as the photograph moves
    occlusion        which parts carry the style and the content loss: of the photograph, or, with
                     --config.init.image=result.png, of a result
    distances        how far the styles of the pictures in --folder are apart, and who is nearest to whom

The pictures are config.content and config.style at config.size, the layers those of config.style_loss unless
--layers is given. A slim network's channels are shown as VGG's own.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from absl import flags
from ml_collections import ConfigDict

from experiments import cli
from nst import images
from nst.errors import UserError, choose
from nst.images import folders
from nst.runs import settings
from nst.runs.job import make_problem, prepare
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
    reconstruct,
)

LAYERS = flags.DEFINE_string("layers", "", "Layers, with commas between; those of style_loss if not given.")
CHANNELS = flags.DEFINE_string("channels", "", "Channels, with commas between; the strongest if not given.")
COUNT = flags.DEFINE_integer("count", 9, "Channels, units or neighbours that are shown.", lower_bound=1)
FOLDER = flags.DEFINE_string("folder", "", "A folder of pictures, for patches and distances.")
RULE = flags.DEFINE_enum("rule", "deconvnet", list(deconvnet.RULES), "The way back to pixels, of patches.")
RANGES = {  # of nst/visualize/invariance.py
    "translation": range(0, 33, 2),
    "scaling": (0.7, 0.8, 0.9, 0.95, 1, 1.05, 1.1, 1.2, 1.4),
    "rotation": (0, 1, 2, 4, 8, 12, 20, 30, 45),
}


def layers(config: ConfigDict) -> tuple[str, ...]:
    return settings.names(LAYERS.value) or settings.names(config.style_loss.layers)


def channels(strongest) -> tuple[int, ...]:
    """Those of --channels, or `strongest()`."""
    try:
        return tuple(int(name) for name in settings.names(CHANNELS.value)) or strongest()
    except ValueError as error:
        raise UserError(f"--channels={CHANNELS.value}: give whole numbers, such as 3,17") from error


def picture(path: str, config: ConfigDict) -> np.ndarray:
    """A picture at config.size."""
    rgb = images.read(path).rgb_HxWx3
    target = images.target_size(*rgb.shape[:2], config.size, config.size_mode)
    return images.resize(rgb, *target, config.resize_filter)


def photograph(config: ConfigDict) -> np.ndarray:
    if not config.content:
        raise UserError("content: give a photograph: --config.content=photo.jpg")
    return picture(config.content, config)


def folder() -> list[Path]:
    return folders.files(FOLDER.value, "--folder")


def caption(config: ConfigDict, of: str, image: np.ndarray | None = None) -> str:
    """The picture, the network and the size."""
    size = f"{config.size} px" if image is None else f"{image.shape[1]}x{image.shape[0]} px"
    return f"{of}, {config.weights.name}, {size}"


class Shown(NamedTuple):
    """A figure, and what it leaves."""

    stem: str  # of the files
    figure: Any
    arrays: Mapping[str, np.ndarray]  # for the npz
    table: Sequence[Sequence] = ()  # for a CSV, the head first; (): none


def show_reconstructions(config: ConfigDict) -> Iterator[Shown]:
    photo, painting = photograph(config), settings.paths(config.style)[0]
    found = reconstruct.reconstructions(photo, images.read(painting).rgb_HxWx3, config, layers(config))
    of = f"{Path(config.content).stem}, {Path(painting).stem}"
    yield Shown("reconstructions", reconstruct.figure(found, caption(config, of, photo)), found._asdict())


def show_maps(config: ConfigDict) -> Iterator[Shown]:
    photo, chosen = photograph(config), layers(config)
    activations = network.activations(network.load(config, chosen), photo, chosen)
    shown = {
        layer: channels(lambda found=found: maps.strongest_channels(found, COUNT.value))
        for layer, found in activations.items()
    }
    of = caption(config, Path(config.content).stem, photo)
    figure = maps.figure_maps(activations, shown, of)
    arrays = {layer: activations[layer][..., list(found)] for layer, found in shown.items()}
    numbers = {f"{layer} channels": np.array(found) for layer, found in shown.items()}
    yield Shown("maps", figure, arrays | numbers)
    matrices = maps.gram_matrices(activations)
    yield Shown("grams", maps.figure_grams(matrices, of), matrices)


def show_units(config: ConfigDict) -> Iterator[Shown]:
    photo = photograph(config)
    of = caption(config, Path(config.content).stem, photo)
    seen = network.load(config, layers(config))
    for layer in layers(config):
        found = deconvnet.examine(seen, photo, layer, COUNT.value)
        arrays = {"units": np.array(found.units), "values": found.values_N, "patches": found.patches_Nxsxsx3}
        yield Shown(f"units_{layer}", deconvnet.figure(found, of), arrays | found.projections)


def show_patches(config: ConfigDict) -> Iterator[Shown]:
    paths = folder()
    of = f"{len(paths)} pictures of {Path(FOLDER.value).name} at {config.size} px, {config.weights.name}"
    seen, chosen = network.load(config, layers(config)), channels(lambda: tuple(range(COUNT.value)))
    for layer in layers(config):
        found = patches.top(seen, paths, layer, chosen, 9, config.size)
        cut = patches.cut_out(seen, paths, layer, chosen, found, config.size, RULE.value)
        arrays = found._asdict() | {"channels": np.array(chosen), "paths": np.array([p.name for p in paths])}
        yield Shown(f"patches_{layer}", patches.figure(layer, chosen, found, cut, of), arrays | cut._asdict())


def show_maximized(config: ConfigDict) -> Iterator[Shown]:
    seen, chosen = network.load(config, layers(config)), channels(lambda: tuple(range(COUNT.value)))
    for layer in layers(config):
        found = maximize.maximize(seen, layer, chosen, config.size, config.steps, config.seed)
        of = f"{config.weights.name}, {config.size} px, {config.steps} updates"
        arrays = {"images": found, "channels": np.array(chosen)}
        yield Shown(f"maximized_{layer}", maximize.figure(found, layer, chosen, of), arrays)


def show_invariance(config: ConfigDict) -> Iterator[Shown]:
    photo, chosen = photograph(config), layers(config)
    seen = network.load(config, chosen)
    found = {
        name: (values, invariance.curves(seen, photo, chosen, name, values))
        for name, values in RANGES.items()
    }
    arrays = {f"{name} {kind}": table for name, (_, both) in found.items() for kind, table in both.items()}
    arrays |= {name: np.array(values) for name, (values, _) in found.items()} | {"layers": np.array(chosen)}
    rows = [
        (name, value, layer, both["features"][y, x], both["gram"][y, x])
        for name, (values, both) in found.items()
        for y, layer in enumerate(chosen)
        for x, value in enumerate(values)
    ]
    table = [("transformation", "value", "layer", "features", "gram"), *rows]
    of = caption(config, Path(config.content).stem, photo)
    yield Shown("invariance", invariance.figure(found, chosen, of), arrays, table)


def show_occlusion(config: ConfigDict) -> Iterator[Shown]:
    job = prepare(None, None, config)
    photo = job.content.rgb_HxWx3
    size = max(8, min(photo.shape[:2]) // 6)
    looked_at = picture(config.init.image, config) if config.init.image else photo
    if looked_at.shape != photo.shape:
        raise UserError(f"init.image: {config.init.image} is not of the photograph's shape; give its result")
    found = occlusion.examine(job.spec, make_problem(job), looked_at, size, max(1, size // 2))
    of = caption(config, Path(config.init.image or config.content).stem, photo)
    arrays = {name: part.losses_hxw for name, part in found.items()}
    arrays |= {f"{name} before": np.array(part.before) for name, part in found.items()}
    yield Shown("occlusion", occlusion.figure(looked_at, found, of), arrays)


def show_distances(config: ConfigDict) -> Iterator[Shown]:
    paths = folder()
    _, spec = settings.read_network(config)
    seen = network.load(config, spec.layers)
    found = distances.distances(spec, seen.variables, [picture(path, config) for path in paths], config.seed)
    weights = settings.make_problem_weights(config, spec, len(settings.paths(config.style)))
    found["total"] = distances.total(found, np.asarray(weights.style_terms))
    nearest = distances.neighbours(found["total"], min(COUNT.value, len(paths) - 1))
    for path, others in zip(paths, nearest, strict=True):
        print(f"{path.name}: nearest are {', '.join(paths[k].name for k in others[:3])}")
    of = caption(config, config.style_loss.representation)
    names = [path.name for path in paths]
    for name, table in found.items():
        rows = [("picture", *names), *((one, *row) for one, row in zip(names, table, strict=True))]
        arrays = {"distances": table, "names": np.array(names), "nearest": distances.neighbours(table, 1)}
        figure = distances.figure(table, paths, f"{name}: {of}", distances.unit(spec))
        yield Shown(f"distances_{name.replace('/', '_')}", figure, arrays, rows)


COMMANDS = {
    "reconstructions": show_reconstructions,
    "maps": show_maps,
    "units": show_units,
    "patches": show_patches,
    "maximize": show_maximized,
    "invariance": show_invariance,
    "occlusion": show_occlusion,
    "distances": show_distances,
}
OF_CHANNELS = ("maps", "units", "patches", "maximize")


def main(argv) -> None:
    if len(argv) != 2:
        raise UserError(f"say what to show: {', '.join(COMMANDS)}")
    command = choose("what to show", argv[1], COMMANDS)
    workdir, config = Path(cli.workdir("runs/seen")), cli.CONFIG.value
    if command in OF_CHANNELS:
        config.network.frame = "vgg"
    for shown in COMMANDS[command](config):
        paths = figures.save(shown.figure, workdir / shown.stem, shown.arrays)
        if shown.table:
            paths.append(figures.table(workdir / f"{shown.stem}.csv", *shown.table))
        print(*paths)


if __name__ == "__main__":
    cli.run(main)
