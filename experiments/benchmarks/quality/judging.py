"""Every measure of a result: the instrument's, and the candidates of nst.metrics.structure and artefacts."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np

from nst import images
from nst.metrics import artefacts, instrument, measures, structure
from nst.networks import checkpoints
from nst.networks.network import PREPROCESSING, Network
from nst.networks.table import features, freeze

# changes whenever the candidates do, so that kept pictures are measured again
VERSION = "1"
# pixels of the long edge at which self-similarities are compared, of 32 x 32 positions at most
FEATURE_SIZE = 128
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
    fixed, see = instrument.load(network), _features(network)

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
            "cfsd": structure.self_similarity_distance(see(image_HxWx3), see(photo)),
            "grain": artefacts.grain(luma, [photo_luma, painting_luma]),
            **artefacts.checkerboard(luma),
        }

    return Judge(f"{fixed.name}, candidates {VERSION}", measure)


def _features(network: str) -> Callable[[np.ndarray], np.ndarray]:
    """Returns the activations that self-similarities are of, as a function of an image."""
    layer = structure.FEATURES
    convention = checkpoints.convention(network, "vgg19", "")
    loaded = checkpoints.load(network, convention.architecture, [layer])
    # in the frame of VGG's own channels, as in the instrument
    reader = Network(
        convention.architecture, convention.widths, "vgg", PREPROCESSING[convention.preprocessing]
    )
    variables = freeze(reader, loaded.params)
    program = jax.jit(lambda image: features(reader, variables, image, (layer,))[layer])

    def see(rgb_HxWx3):
        size = images.target_size(*rgb_HxWx3.shape[:2], min(FEATURE_SIZE, max(rgb_HxWx3.shape)), "long")
        return np.asarray(program(images.resize(rgb_HxWx3, *size, "lanczos")[None])[0])

    return see
