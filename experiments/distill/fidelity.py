"""What a picture loses when it is made with another network than VGG-19: a table.

From held-out photographs and paintings, pictures are made with each network under the same losses and
weights, and judged by the teacher: the Gram distance of relu1_1 .. relu5_1 relative to the painting's Gram
energy, and the distance at relu4_2 relative to the photograph's energy. With S0 the style distance of the
photograph itself, Sf that of the picture made with the teacher, and Ss with another network, the fidelity
is (S0 - Ss) / (S0 - Sf): 1 is as good as the teacher, 0 is no style at all.

python -m experiments.distill.fidelity --config=configs/distill.py --config.photos=photos \
    --config.paintings=paintings --networks=vgg19_slim,random --workdir=runs/fidelity

Every picture is an ordinary run folder; those that are finished are not made again.
"""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags

import nst
from configs import default
from experiments import cli
from experiments.distill.dataset import split
from nst import images
from nst.metrics import measures
from nst.networks import checkpoints, vgg

NETWORKS = flags.DEFINE_list(
    "networks", ["vgg19_slim", "random"], "Beside the teacher: values of weights.name."
)

STYLE, CONTENT = measures.STYLE, measures.CONTENT


def judge(config):
    """A function of (image, photograph, painting), each `HxWx3`: {layer: relative distance}."""
    network = vgg.Network()
    variables = vgg.freeze(checkpoints.load(config.weights, "vgg19", measures.LAYERS).params)

    @jax.jit
    def distances(variables, image, photo, painting):
        image, photo, painting = (
            measures.statistics(network, variables, rgb) for rgb in (image, photo, painting)
        )
        found = measures.style_distances(image, [painting])
        by_layer = {layer: found[f"style/{layer}"] for layer in STYLE}
        return by_layer | {CONTENT: measures.content_distance(image.content, photo.content)}

    def call(*pictures_HxWx3):
        found = distances(variables, *(jnp.asarray(rgb)[None] for rgb in pictures_HxWx3))
        return {layer: float(value) for layer, value in found.items()}

    return call


def pairs(config) -> list[tuple[Path, Path]]:
    """Held-out photographs, evenly chosen, each with one of the held-out paintings in turn."""
    _, _, photos, paintings = split(config)
    count = config.fidelity.pairs
    chosen = [photos[i * len(photos) // count] for i in range(count)]
    return [(photo, paintings[i % len(paintings)]) for i, photo in enumerate(chosen)]


def settings(config, network: str):
    """The config of one picture."""
    result = default.get_config()
    result.weights.name = network
    result.size, result.steps = config.fidelity.size, config.fidelity.steps
    result.content_loss.normalization = result.style_loss.normalization = "relative"
    result.style_loss.weight = config.fidelity.style_weight
    return result


def read(path: Path, size: int) -> np.ndarray:
    """A picture as a run with that size sees it."""
    rgb = images.read(path).rgb_HxWx3
    return images.resize(rgb, *images.target_size(*rgb.shape[:2], size, "long"), "lanczos")


def style(found, layers=STYLE) -> float:
    """The style distance: the mean over layers."""
    return float(np.mean([found[layer] for layer in layers]))


def fidelity(row, network: str, teacher: str, layers=STYLE) -> float:
    """(S0 - Ss) / (S0 - Sf) of one pair."""
    start = style(row["start"], layers)
    return (start - style(row[network], layers)) / (start - style(row[teacher], layers))


def table(networks, rows) -> str:
    """Markdown: distances and fidelity of each network, its fidelity by layer, and by pair.

    Args:
      networks: the teacher, then the others.
      rows: a dict a pair: {"pair": its name, "start" or a network: {layer: distance}}.
    """
    teacher, *others = networks
    scores = {name: [fidelity(row, name, teacher) for row in rows] for name in ("start", *networks)}
    content = {name: np.mean([row[name][CONTENT] for row in rows]) for name in scores}
    first, second, third = [], [], []
    for name, found in scores.items():
        means = [np.mean([row[name][layer] for row in rows]) for layer in STYLE]
        cells = [f"{mean:.4f}" for mean in (*means, np.mean(means))]
        cells += [f"{np.mean(found):.3f}", f"{min(found):.3f}"]
        cells += [f"{content[name]:.3f}", f"{content[name] / content[teacher]:.2f}"]
        first.append(["(the photograph)" if name == "start" else name, *cells])
    for name in others:
        by_layer = [np.mean([fidelity(row, name, teacher, (layer,)) for row in rows]) for layer in STYLE]
        second.append([name, *(f"{value:.3f}" for value in by_layer)])
    for index, row in enumerate(rows):
        third.append([row["pair"], *(f"{scores[name][index]:.3f}" for name in others)])
    columns = ("style", "fidelity", "worst", CONTENT, f"/ {teacher}")
    return "\n\n".join(
        (
            cli.markdown(("distance of pictures made with", *STYLE, *columns), first),
            cli.markdown(("fidelity by layer", *STYLE), second),
            cli.markdown(("fidelity by pair", *others), third),
        )
    )


def main(argv) -> None:
    del argv
    config = cli.CONFIG.value
    workdir = Path(cli.workdir("runs/fidelity"))
    networks = (config.weights, *NETWORKS.value)
    distances, rows = judge(config), []
    for photo, painting in pairs(config):
        row = {"pair": f"{photo.stem}, {painting.stem}"}
        for network in networks:
            folder = workdir / Path(network).stem / f"{photo.stem}_{painting.stem}"
            made = settings(config, network)
            image = nst.stylize(str(photo), str(painting), made, folder, log=lambda line: None).image
            original, target = (read(path, made.size) for path in (photo, painting))
            row["start"] = distances(original, original, target)
            row[network] = found = distances(image, original, target)
            print(
                f"{row['pair']}: {network}: style {style(found):.4f}, content {found[CONTENT]:.3f}",
                flush=True,
            )
        rows.append(row)
    text = table(networks, rows)
    (workdir / "table.md").write_text(text + "\n")
    print("\n" + text)


if __name__ == "__main__":
    cli.run(main)
