"""Feature maps of a picture, and Gram matrices as images."""

from collections.abc import Mapping, Sequence

import jax
import numpy as np

from nst.styles import grams
from nst.visualize import figures
from nst.visualize.network import check_channels, largest

# a Gram matrix whose negative entries exceed this share of the sum of absolute values is drawn around 0
SIGNED = 0.1
# share of a Gram matrix's entries within the range of colours, so that a few large entries do not darken the
# others
SHOWN = 0.999


def strongest_channels(activation_hxwxC: np.ndarray, count: int) -> tuple[int, ...]:
    """Returns the channels with the largest means over the positions.

    Args:
      activation_hxwxC: activation of one layer.
      count: number of channels.

    Returns:
      Indices in descending order of the means; at ties the first channel comes first.

    Raises:
      UserError: there are fewer channels than `count`.
    """
    mean_C = activation_hxwxC.mean((0, 1), dtype=np.float64)
    return tuple(map(int, largest(mean_C, count)))


def scaled(map_hxw: np.ndarray) -> np.ndarray:
    """Returns a map divided by its maximum, in [0, 1]; negative values (before a rectifier) become 0."""
    largest = map_hxw.max()
    return np.clip(map_hxw / largest, 0, 1) if largest > 0 else np.zeros_like(map_hxw)


def gram_matrices(activations: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Computes the Gram matrices G_ij = 1/M sum_m F_mi F_mj over the M positions.

    Args:
      activations: {layer: F, `hxwxC`}.

    Returns:
      {layer: G, `CxC`}.
    """
    return {
        layer: np.asarray(_gram(features_hxwxC[None])[0]) for layer, features_hxwxC in activations.items()
    }


_gram = jax.jit(grams.gram)


def signed_root(gram_CxC: np.ndarray) -> np.ndarray:
    """Returns sign(G) sqrt |G|, in the unit of the activation: the diagonal holds root mean squares.

    The entries of a few channels are hundreds of times larger than the others; the root keeps the small
    entries visible.
    """
    return np.sign(gram_CxC) * np.sqrt(np.abs(gram_CxC))


def figure_maps(activations: Mapping[str, np.ndarray], channels: Mapping[str, Sequence[int]], subtitle: str):
    """Draws a row of maps for each layer. Each map is divided by its maximum, which is written below it.

    Args:
      activations: {layer: `hxwxC`}, from network.activations.
      channels: {layer: indices of channels}, for example from `strongest_channels`; rows follow this order.
      subtitle: second line of the title: the picture, the network and the size.

    Raises:
      UserError: a layer does not have a channel.
    """
    for layer, indices in channels.items():
        check_channels(layer, indices, activations[layer].shape[-1])
    rows = [(activations[layer], indices) for layer, indices in channels.items()]
    return figures.sheet(
        [[scaled(features[..., c]) for c in indices] for features, indices in rows],
        title=f"Feature maps, white: the channel's maximum\n{subtitle}",
        row_labels=[
            f"{layer}\n{activations[layer].shape[1]}x{activations[layer].shape[0]}" for layer in channels
        ],
        labels=[[f"{c}: max {features[..., c].max():.3g}" for c in indices] for features, indices in rows],
    )


def figure_grams(matrices: Mapping[str, np.ndarray], subtitle: str):
    """Draws Gram matrices side by side as signed roots (`signed_root`).

    Colours begin at 0, or are centred on 0 if many entries are negative, as before a rectifier. (The
    rectified channels of a slim network are slightly negative in places.) About one entry in a thousand lies
    beyond the colours; an arrow at the end of the colour bar marks this.

    Args:
      matrices: {layer: `CxC`}, from `gram_matrices`.
      subtitle: second line of the title: the picture, the network and the size.
    """
    columns = min(len(matrices), 3)
    rows = -(-len(matrices) // columns)
    figure = figures.new(3.4 * columns, 3.0 * rows + 0.5)
    figure.suptitle(f"Gram matrices\n{subtitle}", fontsize=10, color=figures.INK)
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
    """Returns at which ends of a colour bar some values lie beyond it, as matplotlib names the ends."""
    ends = {(True, True): "both", (True, False): "min", (False, True): "max", (False, False): "neither"}
    return ends[bool(values.min() < lowest), bool(values.max() > largest)]
