"""Measures of a picture that do not depend on how it was made: against a photograph and against paintings.

Losses of different layers, poolings or statistics cannot be compared with one another; these can. What a
network takes part in (style, moments, content) is relative to the target's own energy: 0 is equal, 1 is as
far as an image in which the network sees nothing. The others are of the pixels alone. All are finite for
every picture, constant ones included. nst/metrics/instrument.py fixes the network and the sizes.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nst import numerics
from nst.errors import UserError
from nst.images.color import LMS, OKLAB
from nst.losses import regularizers
from nst.networks.vgg import Network, features
from nst.styles import grams

STYLE = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")  # Gatys et al. 2016, as relu layers
CONTENT = "relu4_2"
LAYERS = (*STYLE, CONTENT)
# every measure, in the order of tables
NAMES = (
    "style", *(f"style/{layer}" for layer in STYLE), "moments", *(f"moments/{layer}" for layer in STYLE),
    "content", "ssim", "psnr", "tv", "color_mean", "color_covariance",
)  # fmt: skip
LUMA = (0.2126, 0.7152, 0.0722)  # Rec. ITU-R BT.709
SSIM_WINDOW, SSIM_SIGMA = 11, 1.5  # pixels
MOST_PSNR = 100.0  # dB, of pictures that are equal

# --- through a network


class Seen(NamedTuple):
    """What the measures read of an image through a network."""

    gram: dict[str, jax.Array]  # layer -> BxCxC
    moments: dict[str, jax.Array]  # layer -> Bx2xC
    content: jax.Array | None  # activation of relu4_2, Bxhxwxc; None: of a painting it is not read


def describe(network: Network, variables: dict, image_BxHxWx3: jax.Array) -> Seen:
    """What a network sees of an image (RGB, [0, 1], at least 16 px an edge), of any size."""
    seen = features(network, variables, image_BxHxWx3, LAYERS)
    gram = {layer: grams.gram(seen[layer]) for layer in STYLE}
    return Seen(gram, {layer: moments(seen[layer]) for layer in STYLE}, seen[CONTENT])


def moments(features_BxHxWxC: jax.Array) -> jax.Array:
    """Mean and standard deviation of each channel over the M positions, `Bx2xC`.

        m_i = 1/M sum_m F_mi        s_i = sqrt(1/M sum_m (F_mi - m_i)^2)

    The statistics of Li et al. 2017 (*Demystifying Neural Style Transfer*), section 4.2, and of Huang &
    Belongie 2017 (AdaIN).
    """
    found = features_BxHxWxC.astype(jnp.float32)
    return jnp.stack([found.mean((1, 2)), found.std((1, 2))], axis=1)


def relative(statistics: jax.Array, target: jax.Array) -> jax.Array:
    """sum (S - T)^2 / sum T^2 of statistics S and target T; without the division where T is 0 throughout.

    The relative Gram distance of nst.styles.grams, which asks nothing of the arrays but equal shapes.
    """
    return grams.distance(statistics, target, 0, normalization="relative")


def style_distances(seen: Seen, paintings: Sequence[Seen]) -> dict[str, jax.Array]:
    """{"style", "style/relu1_1", ..., "moments", "moments/relu1_1", ...}: distances from the paintings.

        style/l = sum_ij (G_ij - A_ij)^2 / sum_ij A_ij^2
        moments/l = sum_i ((m_i - n_i)^2 + (s_i - t_i)^2) / sum_i (n_i^2 + t_i^2)

    with G, m, s of the image and A, n, t of the painting at layer l; `style` and `moments` are the means
    over the layers. From several paintings: the mean of the distances (not the distance from a mean
    painting, which would favour one way of blending).
    """
    found = {}
    for name, kind in (("style", "gram"), ("moments", "moments")):
        mine, theirs = getattr(seen, kind), [getattr(painting, kind) for painting in paintings]
        by_layer = {
            f"{name}/{layer}": sum(relative(mine[layer], target[layer]) for target in theirs) / len(theirs)
            for layer in STYLE
        }
        found |= {name: sum(by_layer.values()) / len(STYLE)} | by_layer
    return found


def content_distance(content_BxHxWxC: jax.Array, target_BxHxWxC: jax.Array) -> jax.Array:
    """sum (F - P)^2 / sum P^2 at relu4_2, F of the picture, P of the photograph at the same size."""
    return regularizers.content_distance(content_BxHxWxC, target_BxHxWxC, 0, "relative")


# --- of the pixels; all clip to [0, 1] first, as a picture is when it is saved


def luma(image_HxWx3: jax.Array) -> jax.Array:
    """Y' = 0.2126 R' + 0.7152 G' + 0.0722 B', `HxW`: Rec. 709's weights of the sRGB-encoded values.

    Luma, not luminance: nothing is linearised, so that equal steps look about equal.
    """
    return jnp.sum(jnp.clip(image_HxWx3, 0, 1) * jnp.asarray(LUMA, jnp.float32), -1)


def ssim(a_HxW: jax.Array, b_HxW: jax.Array) -> jax.Array:
    """Structural similarity of two grey images in [0, 1], at most 1, which is equal.

        SSIM = mean of (2 m_a m_b + C1) (2 v_ab + C2) / ((m_a^2 + m_b^2 + C1) (v_a + v_b + C2))

    with m, v the means and (population) covariances under a Gaussian window of sigma 1.5, 11x11 px, at
    every place where the window lies wholly inside; C1 = 0.01^2, C2 = 0.03^2. Wang et al. 2004 (*Image
    Quality Assessment: From Error Visibility to Structural Similarity*), eq. 13-16. The same number as
    skimage.metrics.structural_similarity(gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
    data_range=1).

    Raises:
      UserError: smaller than the window.
    """
    height, width = a_HxW.shape
    if min(height, width) < SSIM_WINDOW:
        raise UserError(f"ssim: {width}x{height} px is smaller than its window; give at least 11 px an edge")
    # around their means, or the differences of squares would lose digits in bright pictures
    a, b = a_HxW - a_HxW.mean(), b_HxW - b_HxW.mean()
    m_a, m_b = _window_mean(a), _window_mean(b)
    v_a, v_b = _window_mean(a**2) - m_a**2, _window_mean(b**2) - m_b**2
    v_ab = _window_mean(a * b) - m_a * m_b
    m_a, m_b = m_a + a_HxW.mean(), m_b + b_HxW.mean()
    c1, c2 = 0.01**2, 0.03**2
    similar = (2 * m_a * m_b + c1) * (2 * v_ab + c2)
    return jnp.mean(similar / ((m_a**2 + m_b**2 + c1) * (v_a + v_b + c2)))


def _window_mean(x_HxW: jax.Array) -> jax.Array:
    """Gaussian mean around every pixel whose window is inside; shifted sums, exact on every device."""
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
    """-10 log10(mean (a - b)^2) in dB, of two grey images in [0, 1]; at most 100, also of equal ones.

    A finite number, since tables and JSON have no infinity.
    """
    error = jnp.mean((a_HxW - b_HxW) ** 2)
    return -10 * jnp.log10(jnp.maximum(error, 10 ** (-MOST_PSNR / 10)))


def total_variation(image_HxWx3: jax.Array) -> jax.Array:
    """The mean of |x_p - x_q| over the pairs p, q of pixels side by side or one above the other.

    Every pair counts once in each channel: the anisotropic total variation over the number of its terms.
    0 of a constant image, 1 of a black and white chequerboard, whatever the size; of sRGB-encoded values.
    A single pixel has 0.
    """
    height, width, channels = image_HxWx3.shape
    pairs = (height - 1) * width + height * (width - 1)
    return regularizers.tv_l1(jnp.clip(image_HxWx3, 0, 1)[None], 1) / max(pairs * channels, 1)


# --- colour


def linearize(image_HxWx3: jax.Array) -> jax.Array:
    """sRGB-encoded values in [0, 1] to linear light (IEC 61966-2-1)."""
    encoded = jnp.clip(image_HxWx3, 0, 1)
    return jnp.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def oklab(image_HxWx3: jax.Array) -> jax.Array:
    """sRGB to Oklab: L (0 black, 1 white), a (green to red), b (blue to yellow); see `linear_to_oklab`."""
    return linear_to_oklab(linearize(image_HxWx3))


def linear_to_oklab(linear_HxWx3: jax.Array) -> jax.Array:
    """Linear sRGB to Oklab, `HxWx3`: Lab = M2 cbrt(M1 rgb) (Ottosson 2020)."""
    return _transform(OKLAB, jnp.cbrt(_transform(LMS, linear_HxWx3)))


def _transform(matrix, x_HxWx3: jax.Array) -> jax.Array:
    return numerics.einsum("ij,hwj->hwi", jnp.asarray(matrix, jnp.float32), x_HxWx3)


class Colors(NamedTuple):
    """The colours of an image in Oklab, without their places."""

    mean: jax.Array  # 3
    covariance: jax.Array  # 3x3


def colors(image_HxWx3: jax.Array) -> Colors:
    """Mean and (population) covariance of an image's pixels in Oklab."""
    lab = oklab(image_HxWx3)
    mean = lab.mean((0, 1))
    centred = lab - mean
    covariance = numerics.einsum("hwi,hwj->ij", centred, centred)
    return Colors(mean, covariance / (lab.shape[0] * lab.shape[1]))


def color_distances(found: Colors, paintings: Sequence[Colors]) -> dict[str, jax.Array]:
    """{"color_mean": |m - n|, "color_covariance": |C - D|_F}, in Oklab, of any sizes.

    m, C of the picture; n, D of a painting; the mean over several paintings. A color_mean of 0.02 is about
    a just noticeable difference.
    """
    return {
        "color_mean": sum(jnp.linalg.norm(found.mean - p.mean) for p in paintings) / len(paintings),
        "color_covariance": sum(jnp.linalg.norm(found.covariance - p.covariance) for p in paintings)
        / len(paintings),
    }
