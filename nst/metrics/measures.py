"""Measures that compare an image with a photograph and with paintings, and do not depend on how it was made.

Losses with different layers, poolings or statistics cannot be compared with one another; these measures can.
The measures that use a network (style, moments, content) are relative to the energy of the target: 0 means
that image and target are equal, and 1 that the image is as far away as one without features. The other
measures in this file use the pixels alone. All measures are finite for every image, also for constant ones.
nst/metrics/instrument.py fixes the network and the sizes.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nst import numerics
from nst.errors import UserError
from nst.images import spaces
from nst.losses import content, regularizers
from nst.networks.network import Network
from nst.networks.table import features
from nst.styles import grams

STYLE = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")  # Gatys et al. 2016, as relu layers
CONTENT = "relu4_2"
STRUCTURE = "relu3_1"  # layer of the self-similarities (nst/metrics/structure.py)
LAYERS = (*STYLE, CONTENT)
# periods of grids in pixels (nst/metrics/artefacts.py), which are the strides of relu2_1 .. relu5_1
PERIODS = (2, 4, 8, 16)
# every measure, in the order of the columns of tables
NAMES = (
    "style", *(f"style/{layer}" for layer in STYLE), "moments", *(f"moments/{layer}" for layer in STYLE),
    "content", "cfsd", "ssim", "psnr", "tv", "color_mean", "color_covariance",
    "checkerboard", *(f"checkerboard/{period}" for period in PERIODS),
)  # fmt: skip
LUMA = (0.2126, 0.7152, 0.0722)  # Rec. ITU-R BT.709
SSIM_WINDOW, SSIM_SIGMA = 11, 1.5  # pixels
MOST_PSNR = 100.0  # dB, the value for equal images

# --- with a network


class Statistics(NamedTuple):
    """The statistics of an image's activations that the measures compare."""

    gram: dict[str, jax.Array]  # layer -> BxCxC
    moments: dict[str, jax.Array]  # layer -> Bx2xC
    # the activations of a photograph or of the picture; None for a painting, for which they are not used
    content: jax.Array | None  # relu4_2, Bxhxwxc
    structure: jax.Array | None  # relu3_1, Bxhxwxc


def statistics(network: Network, variables: dict, image_BxHxWx3: jax.Array) -> Statistics:
    """Computes the statistics of an image.

    Args:
      network: the network that measures.
      variables: from networks.table.freeze.
      image_BxHxWx3: RGB, [0, 1], at least 16 px at each edge.
    """
    activations = features(network, variables, image_BxHxWx3, LAYERS)
    gram = {layer: grams.gram(activations[layer]) for layer in STYLE}
    return Statistics(
        gram=gram,
        moments={layer: moments(activations[layer]) for layer in STYLE},
        content=activations[CONTENT],
        structure=activations[STRUCTURE],
    )


def moments(features_BxHxWxC: jax.Array) -> jax.Array:
    """Computes the mean and the standard deviation of each channel over the M positions, `Bx2xC`.

        m_i = 1/M sum_m F_mi        s_i = sqrt(1/M sum_m (F_mi - m_i)^2)

    These are the statistics of Li et al. 2017 (*Demystifying Neural Style Transfer*), section 4.2, and of
    Huang & Belongie 2017 (AdaIN).
    """
    features_BxHxWxC = features_BxHxWxC.astype(jnp.float32)
    return jnp.stack([features_BxHxWxC.mean((1, 2)), features_BxHxWxC.std((1, 2))], axis=1)


def relative(statistics: jax.Array, target: jax.Array) -> jax.Array:
    """Computes sum (S - T)^2 / sum T^2 of statistics S and target T, or sum S^2 if all of T is 0.

    This is the relative Gram distance of nst.styles.grams, which works for arrays of any equal shapes.

    Args:
      statistics: S.
      target: T, of the same shape.
    """
    return grams.distance(statistics, target, 0, normalization="relative")


def style_distances(image: Statistics, paintings: Sequence[Statistics]) -> dict[str, jax.Array]:
    """Computes the distances of an image from the paintings, in Gram matrices and in moments.

        style/l = sum_ij (G_ij - A_ij)^2 / sum_ij A_ij^2
        moments/l = sum_i ((m_i - n_i)^2 + (s_i - t_i)^2) / sum_i (n_i^2 + t_i^2)

    At layer l, G is the image's Gram matrix, and m and s are the means and standard deviations of its
    channels; A, n and t are the same for the painting. `style` and `moments` are the means over the layers.
    For several paintings the distances are averaged, since the distance from averaged statistics would favour
    one way of blending.

    Args:
      image: statistics of the image.
      paintings: statistics of each painting.

    Returns:
      {"style", "style/relu1_1", ..., "moments", "moments/relu1_1", ...: distance}.
    """
    distances = {}
    for name, kind in (("style", "gram"), ("moments", "moments")):
        own, targets = getattr(image, kind), [getattr(painting, kind) for painting in paintings]
        by_layer = {
            f"{name}/{layer}": sum(relative(own[layer], target[layer]) for target in targets) / len(targets)
            for layer in STYLE
        }
        distances |= {name: sum(by_layer.values()) / len(STYLE)} | by_layer
    return distances


def content_distance(content_BxHxWxC: jax.Array, target_BxHxWxC: jax.Array) -> jax.Array:
    """Computes sum (F - P)^2 / sum P^2 at relu4_2.

    Args:
      content_BxHxWxC: F, the activations of the image.
      target_BxHxWxC: P, the activations of the photograph at the same size.
    """
    return content.content_distance(content_BxHxWxC, target_BxHxWxC, 0, "relative")


# --- of the pixels, which are clipped to [0, 1] first, as when they are saved


def luma(image_HxWx3: jax.Array) -> jax.Array:
    """Computes Y' = 0.2126 R' + 0.7152 G' + 0.0722 B' of the sRGB-encoded values (Rec. 709), `HxW`.

    This is luma and not luminance: the values are not linearised, so that equal steps look about equal.

    Args:
      image_HxWx3: sRGB.
    """
    return jnp.sum(jnp.clip(image_HxWx3, 0, 1) * jnp.asarray(LUMA, jnp.float32), -1)


def ssim(a_HxW: jax.Array, b_HxW: jax.Array) -> jax.Array:
    """Computes the structural similarity of two grey images, at most 1, the value for equal images.

        SSIM = mean of (2 m_a m_b + C1) (2 v_ab + C2) / ((m_a^2 + m_b^2 + C1) (v_a + v_b + C2))

    Here m and v are the means and the (population) covariances under a Gaussian window of 11x11 px with sigma
    1.5, at every place where the window lies wholly inside the images; C1 = 0.01^2, C2 = 0.03^2. Wang et al.
    2004 (*Image Quality Assessment: From Error Visibility to Structural Similarity*), eq. 13-16. The value is
    that of skimage.metrics.structural_similarity(gaussian_weights=True, sigma=1.5,
    use_sample_covariance=False, data_range=1).

    Args:
      a_HxW, b_HxW: images in [0, 1], of the same size.

    Raises:
      UserError: the images are smaller than the window.
    """
    height, width = a_HxW.shape
    if min(height, width) < SSIM_WINDOW:
        raise UserError(f"ssim: {width}x{height} px is smaller than its window; give at least 11 px an edge")
    # the means are subtracted, since the differences of squares would lose digits in bright images
    a, b = a_HxW - a_HxW.mean(), b_HxW - b_HxW.mean()
    m_a, m_b = _window_mean(a), _window_mean(b)
    v_a, v_b = _window_mean(a**2) - m_a**2, _window_mean(b**2) - m_b**2
    v_ab = _window_mean(a * b) - m_a * m_b
    m_a, m_b = m_a + a_HxW.mean(), m_b + b_HxW.mean()
    c1, c2 = 0.01**2, 0.03**2
    similar = (2 * m_a * m_b + c1) * (2 * v_ab + c2)
    return jnp.mean(similar / ((m_a**2 + m_b**2 + c1) * (v_a + v_b + c2)))


def _window_mean(x_HxW: jax.Array) -> jax.Array:
    """Computes the Gaussian mean around every pixel whose window lies inside the image."""
    # by shifted sums, since an accelerator would round the factors of a convolution
    window = np.exp(-0.5 * (np.arange(SSIM_WINDOW) - SSIM_WINDOW // 2) ** 2 / SSIM_SIGMA**2)
    window = window / window.sum()
    for axis in (0, 1):
        count = x_HxW.shape[axis] - SSIM_WINDOW + 1
        x_HxW = sum(
            float(weight) * jax.lax.slice_in_dim(x_HxW, shift, shift + count, axis=axis)
            for shift, weight in enumerate(window)
        )
    return x_HxW


def psnr(a_HxW: jax.Array, b_HxW: jax.Array) -> jax.Array:
    """Computes -10 log10(mean (a - b)^2) in dB, at most 100, the value for equal images.

    The value is bounded because tables and JSON cannot hold infinity.

    Args:
      a_HxW, b_HxW: images in [0, 1], of the same size.
    """
    error = jnp.mean((a_HxW - b_HxW) ** 2)
    return -10 * jnp.log10(jnp.maximum(error, 10 ** (-MOST_PSNR / 10)))


def total_variation(image_HxWx3: jax.Array) -> jax.Array:
    """Computes the mean of |x_p - x_q| over the pairs p, q of neighbouring pixels.

    Neighbours are side by side or one above the other, and every pair counts once in each channel. So the
    value is the anisotropic total variation divided by the number of its terms. It is 0 for a constant image
    and for a single pixel, and 1 for a black and white chequerboard of any size.

    Args:
      image_HxWx3: x, sRGB.
    """
    height, width, channels = image_HxWx3.shape
    pairs = (height - 1) * width + height * (width - 1)
    return regularizers.tv_l1(jnp.clip(image_HxWx3, 0, 1)[None], 1) / max(pairs * channels, 1)


# --- colour


def oklab(image_HxWx3: jax.Array) -> jax.Array:
    """Converts sRGB, clipped to [0, 1], to Oklab (nst/images/spaces.py), `HxWx3`."""
    return spaces.srgb_to_oklab(jnp.clip(image_HxWx3, 0, 1))


class ColorMoments(NamedTuple):
    """The colours of an image in Oklab, without their positions."""

    mean: jax.Array  # 3
    covariance: jax.Array  # 3x3


def colors(image_HxWx3: jax.Array) -> ColorMoments:
    """Computes the mean and the (population) covariance of an image's pixels in Oklab.

    Args:
      image_HxWx3: sRGB.
    """
    lab = oklab(image_HxWx3)
    mean = lab.mean((0, 1))
    centred = lab - mean
    covariance = numerics.einsum("hwi,hwj->ij", centred, centred)
    return ColorMoments(mean, covariance / (lab.shape[0] * lab.shape[1]))


def color_distances(image: ColorMoments, paintings: Sequence[ColorMoments]) -> dict[str, jax.Array]:
    """Computes |m - n| and |C - D|_F of means m, n and covariances C, D of the image and of a painting.

    For several paintings the distances are averaged. A color_mean of 0.02 is about a just noticeable
    difference.

    Args:
      image: colours of the image.
      paintings: colours of each painting.

    Returns:
      {"color_mean": |m - n|, "color_covariance": |C - D|_F}.
    """
    return {
        "color_mean": sum(jnp.linalg.norm(image.mean - p.mean) for p in paintings) / len(paintings),
        "color_covariance": sum(jnp.linalg.norm(image.covariance - p.covariance) for p in paintings)
        / len(paintings),
    }
