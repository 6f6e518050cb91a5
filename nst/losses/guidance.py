"""Spatial control: a mask on an image becomes a weight for every position of every layer.

Gatys et al. 2017 (*Controlling Perceptual Factors in Neural Style Transfer*), section 4 and its code.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from nst.errors import TooSmall, UserError, choose
from nst.networks.layers import INPUT, Layer, Sliding, propagated
from nst.networks.table import layers_to

# How a mask is carried from layer to layer. "simple": by average pooling alone; "inside": a position belongs
# to the region if its receptive field lies wholly in the region; "all": if its receptive field touches it.
PROPAGATION = {"simple": np.mean, "inside": np.min, "all": np.max}


class Regions(NamedTuple):
    """The regions of an image, each with its own style, as {layer: weights of the positions, HxW}.

    An empty dictionary stands for the whole image. By default there is one region, which is the whole image
    and has all paintings.
    """

    guides: Sequence[dict] = ({},)  # where each region lies in the photograph
    # for each region {number of a painting: weights of the part that gives the style}; a painting that is
    # not in it counts as a whole
    style_guides: Sequence[dict[int, dict]] = ({},)


EVERYWHERE = Regions()


def propagate(
    architecture: str, mask_HxW: np.ndarray, layers: Sequence[str], kind: str
) -> dict[str, np.ndarray]:
    """Computes a mask at the size of each layer.

    Each position of a layer takes the least value ("inside"), the largest value ("all") or the mean
    ("simple") of its window of the layer's input. Only the part of the window that lies in the image counts.
    In place of the mean at stride 1, it takes the value in the middle of the window. A layer that merges
    several inputs takes the least value, the largest value or the mean of them at each position.

    Args:
      architecture: name of the network's architecture.
      mask_HxW: mask in [0, 1], with hard or soft edges.
      layers: names of layers; `image` is the mask itself.
      kind: name in PROPAGATION.

    Returns:
      {layer: mask}.
    """
    reduce = PROPAGATION[choose("guidance.propagation", kind, PROPAGATION)]
    mask_HxW = np.asarray(mask_HxW, np.float32)
    masks = {"image": mask_HxW} if "image" in layers else {}
    needed = layers_to(architecture, [layer for layer in layers if layer != "image"])

    def through(layer: Layer, first_HxW: np.ndarray, *others: np.ndarray) -> np.ndarray:
        merged_HxW = reduce([first_HxW, *others], axis=0) if others else first_HxW
        if layer.operation.everywhere and kind != "simple":
            return np.full_like(merged_HxW, reduce(merged_HxW))
        return _slid(merged_HxW, layer.operation.sliding, reduce)

    found = propagated(needed, {INPUT: mask_HxW}, through)
    return masks | {layer.name: found[layer.name] for layer in needed if layer.name in layers}


def _slid(mask_HxW: np.ndarray, slides: Sliding, reduce: Callable) -> np.ndarray:
    """Returns the reduction of each window of a mask over those positions that lie in the image."""
    counts = [slides.positions(edge) for edge in mask_HxW.shape]
    if slides.stride == 1 and reduce is np.mean:  # the middle of each window
        start = slides.size // 2 - slides.before
        return mask_HxW[start : start + counts[0], start : start + counts[1]]
    ends = [
        (slides.before, max((count - 1) * slides.stride + slides.size - slides.before - edge, 0))
        for count, edge in zip(counts, mask_HxW.shape, strict=True)
    ]
    padded_HxW = np.pad(mask_HxW, ends, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded_HxW, (slides.size, slides.size))
    windows = windows[:: slides.stride, :: slides.stride][: counts[0], : counts[1]]
    return reduce(windows, axis=(2, 3))


def weights(masks: dict[str, np.ndarray], what: str) -> dict[str, np.ndarray]:
    """Computes the weights of a region's positions, T^2 / sum T^2 of the mask T.

    Gatys et al. multiply F by T with sum T^2 = 1 (eq. 3), so that a Gram matrix is weighted by T^2.

    Args:
      masks: {layer: T}.
      what: name of the region, for error messages.

    Returns:
      {layer: weights, HxW, sum 1}.

    Raises:
      TooSmall: no position of some layer belongs to the region.
    """
    result = {}
    for layer, mask_HxW in masks.items():
        squares_HxW = np.square(mask_HxW, dtype=np.float64)
        if not squares_HxW.sum() > 0:
            raise TooSmall(
                f"{what}: nothing is left of it at {layer}; give a larger region or size, "
                "guidance.propagation = all, or shallower layers"
            )
        result[layer] = (squares_HxW / squares_HxW.sum()).astype(np.float32)
    return result


def check_overlap(masks_HxW: Sequence[np.ndarray]) -> None:
    """Checks that the regions of an image hardly overlap.

    Args:
      masks_HxW: the masks of the regions, in [0, 1], of one size.

    Raises:
      UserError: the masks add up to more than white, by as much as two white masks that overlap on a
        hundredth of the image.
    """
    excess_HxW = np.maximum(np.sum(masks_HxW, 0) - 1.05, 0)  # soft edges may add up to a little more than 1
    share = np.mean(excess_HxW > 0)
    # averaging the masks does not increase the mean, so masks that pass at one size pass at smaller ones
    if excess_HxW.mean() > 0.01:
        raise UserError(
            f"guidance.content_masks: they add up to more than white on {100 * share:.0f} % of the picture; "
            "let each position belong to one region, or share it among several"
        )
