"""Content reconstructions of a photograph by layer, and style reconstructions of a painting.

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
    """Reconstructions from L layers: content from each alone, style from the first 1, 2, ..., L together."""

    layers: tuple[str, ...]
    photo_HxWx3: np.ndarray
    painting_hxwx3: np.ndarray
    content_LxHxWx3: np.ndarray
    style_Lxhxwx3: np.ndarray
    # final losses of content and of style, as means over layers; 1: as far as an image without features
    losses_2xL: np.ndarray


def content_config(config: ConfigDict, layer: str) -> ConfigDict:
    """Returns the config that matches the photograph's activations at a layer, from noise, without style.

    Args:
      config: the config of a run.
      layer: layer of the content loss.
    """
    return _alone(config, (layer,), ())


def style_config(config: ConfigDict, layers: Sequence[str]) -> ConfigDict:
    """Returns the config that matches the painting's statistics at layers, from noise, without content.

    Args:
      config: the config of a run.
      layers: layers of the style loss.
    """
    return _alone(config, (), tuple(layers))


def _alone(config: ConfigDict, content: tuple[str, ...], style: tuple[str, ...]) -> ConfigDict:
    result = config.copy_and_resolve_references()
    result.init.kind = "noise"
    result.init.noise_scale = 0.01  # stronger noise would remain visible if it does not change the layers
    result.pyramid.min_size = 0
    result.content_loss.layers, result.style_loss.layers = content, style
    for loss in (result.content_loss, result.style_loss):
        loss.layer_weights = (1.0,)
        loss.normalization = "relative"
        loss.weight = SCALE / max(1, len(loss.layers))
    result.style_loss.image_weights = (1.0,)
    return result


SCALE = 100.0  # factor on the loss, which makes it large in comparison with the config's regularisers


def reconstructions(
    photo: np.ndarray,
    painting: np.ndarray,
    config: ConfigDict,
    layers: Sequence[str],
    log: Callable[[str], None] = print,
) -> Reconstructions:
    """Makes both rows of the figure, in 2 L runs of config.steps updates each.

    Args:
      photo: the photograph, `HxWx3` in [0, 1].
      painting: the painting, `hxwx3` in [0, 1].
      config: config with the network, the size, the steps, the optimiser and the representation of style.
      layers: names of L layers, from shallow to deep.
      log: receives a line for each run.

    Raises:
      UserError: there are no layers, or as from `stylize`.
    """
    if not layers:
        raise UserError("layers: give at least one")
    rows, losses = [], []
    for kind, source in (("content", photo), ("style", painting)):
        images_of_row = []
        for count, layer in enumerate(layers, start=1):
            log(f"{kind} up to {layer}: {config.steps} updates" if kind == "style" else f"content of {layer}")
            single = (
                content_config(config, layer) if kind == "content" else style_config(config, layers[:count])
            )
            result = stylize(source, source, single, log=lambda line: None)
            images_of_row.append(result.image)
            terms = (value for name, value in result.metrics[-1].items() if name.startswith(f"{kind}/"))
            losses.append(sum(terms) / SCALE)
        rows.append(np.stack(images_of_row))
    content, style = rows
    return Reconstructions(
        layers=tuple(layers),
        photo_HxWx3=images.resize(photo, *content.shape[1:3], "lanczos"),
        painting_hxwx3=images.resize(painting, *style.shape[1:3], "lanczos"),
        content_LxHxWx3=content,
        style_Lxhxwx3=style,
        losses_2xL=np.array(losses).reshape(2, -1),
    )


def figure(results: Reconstructions, subtitle: str):
    """Draws the photograph with its reconstructions, and the painting with textures of more and more layers.

    Args:
      results: from `reconstructions`.
      subtitle: second line of the title: the pictures, the network and the size.
    """
    content, style = ([f"{loss:.1g}" for loss in losses] for losses in results.losses_2xL)
    return figures.sheet(
        [[results.photo_HxWx3, *results.content_LxHxWx3], [results.painting_hxwx3, *results.style_Lxhxwx3]],
        title=f"Content of one layer, style of all layers up to it, from noise; below: the loss\n{subtitle}",
        row_labels=["content", "style"],
        column_labels=["", *results.layers],
        labels=[["photograph", *content], ["painting", *style]],
        edge=1.9,
    )
