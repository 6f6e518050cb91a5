"""Measures how much worse pictures are if they are made with a network other than VGG-19.

Pictures are made from held-out photographs and paintings with each network, under the same losses and
weights. The teacher measures them by the Gram distance of relu1_1 .. relu5_1 relative to the painting's Gram
energy, and by the distance at relu4_2 relative to the photograph's energy. Fidelity is (S0 - Ss) / (S0 - Sf),
where S0 is the style distance of the photograph itself, Sf that of the picture made with the teacher, and Ss
that of the picture made with another network: 1 is as good as the teacher, 0 is no style at all.

python -m experiments.distill.fidelity --config=experiments/distill/config.py --config.photos=photos \
    --config.paintings=paintings --networks=vgg19_slim,random --workdir=runs/fidelity

Every picture has an ordinary run folder; finished ones are not made again.
"""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags

import nst
from experiments import cli
from experiments.distill.checks import resolve
from experiments.distill.dataset import split
from nst import images
from nst.cli.tables import markdown
from nst.configs import classic
from nst.metrics import measures
from nst.networks import checkpoints
from nst.networks.network import Network
from nst.networks.table import freeze

NETWORKS = flags.DEFINE_list(
    "networks", ["vgg19_slim", "random"], "Networks to compare with the teacher: values of weights.name."
)

STYLE, CONTENT = measures.STYLE, measures.CONTENT


def judge(config):
    """Returns a function (image, photograph, painting) -> {layer: relative distance}.

    Args:
      config: of the distillation, which names the teacher.
    """
    network = Network()
    variables = freeze(network, checkpoints.load(config.weights, "vgg19", measures.LAYERS).params)

    @jax.jit
    def distances(variables, image, photo, painting):
        image, photo, painting = (
            measures.statistics(network, variables, rgb) for rgb in (image, photo, painting)
        )
        terms = measures.style_distances(image, [painting])
        by_layer = {layer: terms[f"style/{layer}"] for layer in STYLE}
        return by_layer | {CONTENT: measures.content_distance(image.content, photo.content)}

    def call(*pictures_HxWx3):
        by_layer = distances(variables, *(jnp.asarray(rgb)[None] for rgb in pictures_HxWx3))
        return {layer: float(value) for layer, value in by_layer.items()}

    return call


def pairs(config) -> list[tuple[Path, Path]]:
    """Returns pairs of paths: evenly spaced held-out photographs, each with the next held-out painting."""
    _, _, photos, paintings = split(config)
    count = config.fidelity.pairs
    spaced = [photos[i * len(photos) // count] for i in range(count)]
    return [(photo, paintings[i % len(paintings)]) for i, photo in enumerate(spaced)]


def settings(config, network: str):
    """Returns the config of a picture that is made with a network.

    Args:
      config: of the distillation.
      network: a value of weights.name.
    """
    result = classic.get_config()
    result.weights.name = network
    result.size, result.steps = config.fidelity.size, config.fidelity.steps
    result.content_loss.normalization = result.style_loss.normalization = "relative"
    result.style_loss.weight = config.fidelity.style_weight
    return result


def read(path: Path, size: int) -> np.ndarray:
    """Reads a picture and resizes it as a run of that size does."""
    rgb = images.read(path).rgb_HxWx3
    return images.resize(rgb, *images.target_size(*rgb.shape[:2], size, "long"), "lanczos")


def style(distances, layers=STYLE) -> float:
    """Returns the style distance, the mean over layers."""
    return float(np.mean([distances[layer] for layer in layers]))


def fidelity(row, network: str, teacher: str, layers=STYLE) -> float:
    """Returns (S0 - Ss) / (S0 - Sf) for one pair.

    Args:
      row: as for `table`.
      network: whose picture is Ss.
      teacher: whose picture is Sf.
      layers: over which style distances are averaged.
    """
    start = style(row["start"], layers)
    return (start - style(row[network], layers)) / (start - style(row[teacher], layers))


def table(networks, rows) -> str:
    """Returns three Markdown tables: distances and fidelity of each network, fidelity by layer, and by pair.

    Args:
      networks: the teacher, then the others.
      rows: a dict for each pair: {"pair": its name, "start" or a network: {layer: distance}}.
    """
    teacher, *others = networks
    scores = {name: [fidelity(row, name, teacher) for row in rows] for name in ("start", *networks)}
    content = {name: np.mean([row[name][CONTENT] for row in rows]) for name in scores}
    summary, layer_rows, pair_rows = [], [], []
    for name, fidelities in scores.items():
        means = [np.mean([row[name][layer] for row in rows]) for layer in STYLE]
        cells = [f"{mean:.4f}" for mean in (*means, np.mean(means))]
        cells += [f"{np.mean(fidelities):.3f}", f"{min(fidelities):.3f}"]
        cells += [f"{content[name]:.3f}", f"{content[name] / content[teacher]:.2f}"]
        summary.append(["(the photograph)" if name == "start" else name, *cells])
    for name in others:
        by_layer = [np.mean([fidelity(row, name, teacher, (layer,)) for row in rows]) for layer in STYLE]
        layer_rows.append([name, *(f"{value:.3f}" for value in by_layer)])
    for index, row in enumerate(rows):
        pair_rows.append([row["pair"], *(f"{scores[name][index]:.3f}" for name in others)])
    columns = ("style", "fidelity", "worst", CONTENT, f"/ {teacher}")
    return "\n\n".join(
        (
            markdown(("distance of pictures made with", *STYLE, *columns), summary),
            markdown(("fidelity by layer", *STYLE), layer_rows),
            markdown(("fidelity by pair", *others), pair_rows),
        )
    )


def main(argv) -> None:
    """Makes and measures the pictures, and writes and prints the tables."""
    del argv
    config = resolve(cli.CONFIG.value)
    workdir = cli.workdir("runs/fidelity")
    networks = (config.weights, *NETWORKS.value)
    chosen = pairs(config)  # before the judge, whose weights may have to be downloaded first
    distances, rows = judge(config), []
    for photo, painting in chosen:
        row = {"pair": f"{photo.stem}, {painting.stem}"}
        for network in networks:
            folder = workdir / Path(network).stem / f"{photo.stem}_{painting.stem}"
            picture = settings(config, network)
            result = nst.stylize(str(photo), str(painting), picture, folder, log=lambda line: None)
            original, target = (read(path, picture.size) for path in (photo, painting))
            row["start"] = distances(original, original, target)
            row[network] = by_layer = distances(result.image, original, target)
            print(
                f"{row['pair']}: {network}: style {style(by_layer):.4f}, content {by_layer[CONTENT]:.3f}",
                flush=True,
            )
        rows.append(row)
    text = table(networks, rows)
    (workdir / "table.md").write_text(text + "\n")
    print("\n" + text)


if __name__ == "__main__":
    cli.run(main)
