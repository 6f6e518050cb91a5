"""What a layer's channels see of a picture: feature maps, and their Gram matrix as an image."""

from collections.abc import Mapping, Sequence

import jax
import numpy as np

from nst.styles import grams
from nst.visualize import figures
from nst.visualize.network import check_channels, largest

SIGNED = 0.1  # of the sum of absolute values: a Gram matrix with more that is negative is shown around 0
SHOWN = 0.999  # of a Gram matrix's entries are within the colours, so that a few do not darken the others


def strongest_channels(activation_hxwxC: np.ndarray, count: int) -> tuple[int, ...]:
    """The `count` channels of the largest mean over the positions, in falling order; of equal ones the first.

    Raises:
      UserError: fewer channels than `count`.
    """
    mean_C = activation_hxwxC.mean((0, 1), dtype=np.float64)
    return tuple(map(int, largest(mean_C, count)))


def scaled(map_hxw: np.ndarray) -> np.ndarray:
    """A map over its own maximum, in [0, 1]; what is negative (before a rectifier) is 0."""
    largest = map_hxw.max()
    return np.clip(map_hxw / largest, 0, 1) if largest > 0 else np.zeros_like(map_hxw)


def gram_matrices(activations: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """{layer: G, `CxC`}, G_ij = 1/M sum_m F_mi F_mj over the M positions."""
    return {layer: np.asarray(_gram(found_hxwxC[None])[0]) for layer, found_hxwxC in activations.items()}


_gram = jax.jit(grams.gram)


def signed_root(gram_CxC: np.ndarray) -> np.ndarray:
    """sign(G) sqrt |G|, in the activation's unit: on the diagonal, a channel's root mean square.

    A few channels' entries are hundreds of times the others'; the root leaves those to be seen.
    """
    return np.sign(gram_CxC) * np.sqrt(np.abs(gram_CxC))


def figure_maps(activations: Mapping[str, np.ndarray], channels: Mapping[str, Sequence[int]], of: str):
    """A row for each layer: maps of its channels, each over its own maximum, which stands below.

    Args:
      activations: {layer: `hxwxC`}, from network.activations.
      channels: of each layer, such as `strongest_channels` gives; the rows are in this order.
      of: the picture, the network and the size, for the title.

    Raises:
      UserError: no such channel.
    """
    for layer, chosen in channels.items():
        check_channels(layer, chosen, activations[layer].shape[-1])
    shown = [(activations[layer], chosen) for layer, chosen in channels.items()]
    return figures.sheet(
        [[scaled(found[..., c]) for c in chosen] for found, chosen in shown],
        title=f"Feature maps, white: the channel's maximum\n{of}",
        row_labels=[
            f"{layer}\n{activations[layer].shape[1]}x{activations[layer].shape[0]}" for layer in channels
        ],
        labels=[[f"{c}: max {found[..., c].max():.3g}" for c in chosen] for found, chosen in shown],
    )


def figure_grams(matrices: Mapping[str, np.ndarray], of: str):
    """The Gram matrices of layers beside each other, on a scale of signed roots.

    From 0, or around 0 where much is negative, as before a rectifier. (A slim network's rectified channels
    are a little negative in places.) Arrows at the colour bar: entries beyond it, one in a thousand above.

    Args:
      matrices: {layer: `CxC`}, from `gram_matrices`.
      of: the picture, the network and the size, for the title.
    """
    columns = min(len(matrices), 3)
    rows = -(-len(matrices) // columns)
    figure = figures.new(3.4 * columns, 3.0 * rows + 0.5)
    figure.suptitle(f"Gram matrices\n{of}", fontsize=10, color=figures.INK)
    places = figures.axes(figure, rows, columns).ravel()
    for place, (layer, gram_CxC) in zip(places, matrices.items(), strict=False):
        root = signed_root(gram_CxC)
        largest = np.quantile(np.abs(root), SHOWN, method="higher") or 1.0
        around_zero = -root[root < 0].sum() > SIGNED * np.abs(root).sum()
        lowest = -largest if around_zero else 0
        shown = place.imshow(
            root, cmap="RdBu_r" if around_zero else "magma", vmin=lowest, vmax=largest,
            interpolation="antialiased",
        )  # fmt: skip
        place.set_title(layer, fontsize=9)
        place.set_xlabel("channel")
        place.set_ylabel("channel")
        bar = figure.colorbar(shown, ax=place, shrink=0.85, extend=_beyond(root, lowest, largest))
        bar.set_label("sign(G) √|G|  (unit of the activation)", fontsize=7)
    for place in places[len(matrices) :]:
        place.set_axis_off()
    return figure


def _beyond(values: np.ndarray, lowest: float, largest: float) -> str:
    """The ends of a colour bar that values lie beyond, as matplotlib names them."""
    ends = {(True, True): "both", (True, False): "min", (False, True): "max", (False, False): "neither"}
    return ends[bool(values.min() < lowest), bool(values.max() > largest)]
