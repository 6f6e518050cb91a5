"""What each layer keeps of a photograph, and what some layers call a painting's style.

Gatys, Ecker & Bethge 2015 (*A Neural Algorithm of Artistic Style*), figure 1.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from ml_collections import ConfigDict

from nst import images
from nst.errors import UserError
from nst.runs.stylize import stylize
from nst.visualize import figures


class Reconstructions(NamedTuple):
    """L layers; style from the first 1, 2, ... L of them."""

    layers: tuple[str, ...]
    photo_HxWx3: np.ndarray
    painting_hxwx3: np.ndarray
    content_LxHxWx3: np.ndarray
    style_Lxhxwx3: np.ndarray
    losses_2xL: np.ndarray  # of content and style at the end, mean of layers; 1: an image without features


def content_config(config: ConfigDict, layer: str) -> ConfigDict:
    """A config that looks for the photograph's activations at a layer, from noise, without a style."""
    return _alone(config, (layer,), ())


def style_config(config: ConfigDict, layers: Sequence[str]) -> ConfigDict:
    """A config that looks for the painting's statistics at some layers, from noise, without a content."""
    return _alone(config, (), tuple(layers))


def _alone(config: ConfigDict, content: tuple[str, ...], style: tuple[str, ...]) -> ConfigDict:
    found = config.copy_and_resolve_references()
    found.init.kind, found.init.noise_scale = "noise", 0.01  # stronger noise stays where no layer sees it
    found.pyramid.min_size = 0
    found.content_loss.layers, found.style_loss.layers = content, style
    for loss in (found.content_loss, found.style_loss):
        loss.layer_weights = (1.0,)
        loss.normalization = "relative"
        loss.weight = SCALE / max(1, len(loss.layers))
    found.style_loss.image_weights = (1.0,)
    return found


SCALE = 100.0  # of the loss, so that regularisers of the config stay small beside it


def reconstructions(
    photo: np.ndarray,
    painting: np.ndarray,
    config: ConfigDict,
    layers: Sequence[str],
    say: Callable[[str], None] = print,
) -> Reconstructions:
    """Both rows of the figure: 2 L runs of config.steps updates each.

    Args:
      photo, painting: `HxWx3` in [0, 1].
      config: gives weights, size, steps, optimiser, pooling and the representation of style.
      layers: L of them, shallow to deep.
      say: receives lines for people.

    Raises:
      UserError: no layers, or what `stylize` raises.
    """
    if not layers:
        raise UserError("layers: give at least one")
    rows, losses = [], []
    for kind, source in (("content", photo), ("style", painting)):
        found = []
        for count, layer in enumerate(layers, start=1):
            say(f"{kind} up to {layer}: {config.steps} updates" if kind == "style" else f"content of {layer}")
            chosen = (
                content_config(config, layer) if kind == "content" else style_config(config, layers[:count])
            )
            result = stylize(source, source, chosen, log=lambda line: None)
            found.append(result.image)
            terms = (value for name, value in result.metrics[-1].items() if name.startswith(f"{kind}/"))
            losses.append(sum(terms) / SCALE)
        rows.append(np.stack(found))
    content, style = rows
    sized = (
        images.resize(source, *row.shape[1:3], "lanczos")
        for source, row in ((photo, content), (painting, style))
    )
    return Reconstructions(tuple(layers), *sized, content, style, np.array(losses).reshape(2, -1))


def figure(found: Reconstructions, of: str):
    """The photograph and its reconstructions by layer; the painting and textures of more and more layers.

    Args:
      found: from `reconstructions`.
      of: the pictures, the network and the size, for the title.
    """
    content, style = ([f"{loss:.1g}" for loss in losses] for losses in found.losses_2xL)
    return figures.sheet(
        [[found.photo_HxWx3, *found.content_LxHxWx3], [found.painting_hxwx3, *found.style_Lxhxwx3]],
        title=f"Content of one layer, style of all up to it, from noise; below: the loss that is left\n{of}",
        row_labels=["content", "style"],
        column_labels=["", *found.layers],
        labels=[["photograph", *content], ["painting", *style]],
        edge=1.9,
    )
