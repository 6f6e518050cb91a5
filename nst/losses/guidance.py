"""Spatial control: a mask on the picture becomes a weight for every position of every layer.

Gatys et al. 2017 (*Controlling Perceptual Factors in Neural Style Transfer*), section 4 and its code.
"""

from collections.abc import Sequence

import numpy as np

from nst.errors import UserError, choose
from nst.networks.vgg import layers_to

# how a mask passes a layer: "simple" is pooled with it; "inside" keeps the positions all of whose receptive
# field lies in the region; "all" those any of whose receptive field does
PROPAGATION = {"simple": np.mean, "inside": np.min, "all": np.max}


def propagate(
    architecture: str, mask_HxW: np.ndarray, layers: Sequence[str], kind: str
) -> dict[str, np.ndarray]:
    """{layer: mask at the layer's size} for a mask in [0, 1], soft or not; `image` is the mask itself.

    A 3x3 convolution takes the least ("inside") or the largest ("all") of its window, where outside the
    picture does not count, or leaves the mask alone ("simple"); pooling takes the least, largest or mean of
    its 2x2 window.
    """
    reduce = PROPAGATION[choose("guidance.propagation", kind, PROPAGATION)]
    mask_HxW = np.asarray(mask_HxW, np.float32)
    found = {"image": mask_HxW} if "image" in layers else {}
    for name in layers_to(architecture, [layer for layer in layers if layer != "image"]):
        if name.startswith("pool"):
            height, width = mask_HxW.shape[0] // 2, mask_HxW.shape[1] // 2
            windows = mask_HxW[: 2 * height, : 2 * width].reshape(height, 2, width, 2)
            mask_HxW = reduce(windows, axis=(1, 3))
        elif name.startswith("conv") and kind != "simple":
            padded = np.pad(mask_HxW, 1, mode="edge")
            windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3))
            mask_HxW = reduce(windows, axis=(2, 3))
        if name in layers:
            found[name] = mask_HxW
    return found


def weights(masks: dict[str, np.ndarray], what: str) -> dict[str, np.ndarray]:
    """{layer: w, sum 1}, w proportional to T^2 of the mask T: F is multiplied by T, sum T^2 = 1 (eq. 3).

    Raises:
      UserError: nothing is left of the region in a layer; `what` names it.
    """
    found = {}
    for layer, mask_HxW in masks.items():
        squares_HxW = np.square(mask_HxW, dtype=np.float64)
        if not squares_HxW.sum() > 0:
            raise UserError(
                f"{what}: nothing is left of it at {layer}; give a larger region or size, "
                "guidance.propagation = all, or shallower layers"
            )
        found[layer] = (squares_HxW / squares_HxW.sum()).astype(np.float32)
    return found


def check_overlap(masks_HxW: Sequence[np.ndarray]) -> None:
    """Raises UserError if the regions of a picture add to more than white on a hundredth of it."""
    share = np.mean(np.sum(masks_HxW, 0) > 1.05)
    if share > 0.01:
        raise UserError(
            f"guidance.content_masks: on {100 * share:.0f} % of the picture they add to more than white; "
            "let each position belong to one region, or be shared"
        )
