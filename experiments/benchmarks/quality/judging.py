"""Every measure of a result: the instrument's, and the candidates of nst.metrics.structure and artefacts."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from nst import images
from nst.metrics import artefacts, instrument, measures, structure

# changes whenever the candidates do, so that kept pictures are measured again
VERSION = "2"
# the columns of tables, and whether more is better
COLUMNS = {
    "style": False, "content": False, "ssim": True, "edges": True, "matched_ssim": True, "cfsd": False,
    "color_mean": False, "color_covariance": False, "grain": False, "checkerboard": False,
}  # fmt: skip


class Judge(NamedTuple):
    """The function that measures results, and its name; numbers with different names cannot be compared."""

    name: str
    # (image_HxWx3, photo_HxWx3, painting_HxWx3) -> {measure: number}
    measure: Callable[[np.ndarray, np.ndarray, np.ndarray], dict[str, float]]


def load(network: str) -> Judge:
    """Loads the network that measures.

    Args:
      network: name of a network in nst.networks.checkpoints, or path of its weights.
    """
    fixed = instrument.load(network)

    def measure(image_HxWx3, photo_HxWx3, painting_HxWx3):
        size = image_HxWx3.shape[:2]
        photo = images.resize(photo_HxWx3, *size, "lanczos")
        long = images.target_size(*painting_HxWx3.shape[:2], max(size), "long")
        painting = images.resize(painting_HxWx3, *long, "lanczos")
        luma, photo_luma, painting_luma = (
            np.asarray(measures.luma(rgb)) for rgb in (image_HxWx3, photo, painting)
        )
        return fixed.judge(image_HxWx3, photo_HxWx3, [painting_HxWx3]) | {
            "edges": structure.edge_agreement(luma, photo_luma),
            "matched_ssim": structure.matched_ssim(luma, photo_luma),
            "grain": artefacts.grain(luma, [photo_luma, painting_luma]),
        }

    return Judge(f"{fixed.name}, candidates {VERSION}", measure)
