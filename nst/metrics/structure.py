"""Measures of how much of a photograph's structure a stylised picture has kept, independent of its colours.

SSIM and the content distance also become worse if a picture only takes the painting's tones; these measures
are meant to react less to tones. The distance of self-similarities is a measure of the instrument. The others
are candidates, computed in float64 on the CPU.
"""

import jax
import jax.numpy as jnp
import numpy as np

from nst import images, numerics
from nst.errors import UserError
from nst.metrics import measures

EDGE_SIZE = 64  # pixels of the long edge at which edges are compared
POSITIONS = 128  # most positions along an edge of `coarse`; relu3_1 has as many at 512 px
ROWS = 512  # rows of a matrix of self-similarities that are computed at a time


def edge_strength(luma_HxW: np.ndarray) -> np.ndarray:
    """Computes the gradient magnitude of luma in the interior of an image, `(H-2)x(W-2)`.

        e = sqrt((S_x * Y)^2 + (S_y * Y)^2),    S_x = [1 2 1]^T [-1 0 1] / 8,    S_y = S_x^T

    S_x and S_y are Sobel's operators, scaled so that a ramp of 1 per pixel has strength 1.

    Args:
      luma_HxW: Y, at least 3 px at each edge.
    """
    y = np.asarray(luma_HxW, np.float64)
    across, down = y[:, 2:] - y[:, :-2], y[2:] - y[:-2]
    x_part = across[:-2] + 2 * across[1:-1] + across[2:]
    y_part = down[:, :-2] + 2 * down[:, 1:-1] + down[:, 2:]
    return np.hypot(x_part, y_part) / 8


def edge_agreement(luma_HxW: np.ndarray, photo_HxW: np.ndarray) -> float:
    """Computes the correlation of the edges of an image and a photograph, in [-1, 1]; 1 for equal edges.

        r = sum_p (e_p - mean e)(f_p - mean f) / sqrt(sum_p (e_p - mean e)^2 sum_p (f_p - mean f)^2)

    Here e and f are the `edge_strength` of the image and of the photograph, after the long edge of both is
    reduced to 64 px (lanczos), so that outlines count and strokes do not. The value does not depend on the
    direction, offset or gain of tones. It is 0 if the edges of either have the same strength everywhere.

    Args:
      luma_HxW, photo_HxW: luma in [0, 1], of the same size.
    """
    size = images.target_size(*luma_HxW.shape, min(EDGE_SIZE, max(luma_HxW.shape)), "long")
    e, f = (
        edge_strength(images.resize(np.asarray(luma, np.float32), *size, "lanczos"))
        for luma in (luma_HxW, photo_HxW)
    )
    e, f = e - e.mean(), f - f.mean()
    energy = (e**2).sum() * (f**2).sum()
    # strengths that differ by less than the rounding of float32 count as equal
    return float((e * f).sum() / np.sqrt(energy)) if energy > 1e-24 * e.size**2 else 0.0


def matched_ssim(luma_HxW: np.ndarray, photo_HxW: np.ndarray) -> float:
    """Computes the SSIM of an image's luma X and a photograph's luma P', which has the image's tones.

        P' = mean X + (std X / std P) (P - mean P)

    The change of the overall brightness and contrast is thus removed, and SSIM (measures.ssim) compares local
    contrast and structure. If P is constant, P' is the mean of X.

    Args:
      luma_HxW, photo_HxW: luma in [0, 1], of the same size, at least 11 px at each edge.

    Raises:
      UserError: the images are too small.
    """
    image, photo = (np.asarray(luma, np.float64) for luma in (luma_HxW, photo_HxW))
    spread = photo.std()
    gain = image.std() / spread if spread > 1e-6 else 0.0
    matched = image.mean() + gain * (photo - photo.mean())
    return float(measures.ssim(image.astype(np.float32), matched.astype(np.float32)))


def self_similarity_distance(features_HxWxC: jax.Array, photo_HxWxC: jax.Array) -> jax.Array:
    """Computes the distance of self-similarities (CFSD, content feature structural distance); 0 if equal.

        D = 1/M sum_i KL(softmax_j S^P_ij || softmax_j S^X_ij),    S_ij = F_i . F_j / (|F_i| |F_j|)

    S says how similar each position is to each other one. It is computed from the activations F (of relu3_1)
    at the M positions of the photograph P and of the image X. This is the CFSD of Chung, Hyun & Heo 2024
    (*Style Injection in Diffusion*). A position whose activations are all 0 has the similarity 0 to every
    position.

    Departs from the paper: similarities are cosines instead of products F_i . F_j, so that the distance does
    not depend on the scale of the network, and a few strong positions do not dominate the softmax.

    Args:
      features_HxWxC, photo_HxWxC: activations of the image and of the photograph, of the same size. The
        computation takes the memory of 1024 M numbers, since 512 rows of S are computed at a time.

    Raises:
      UserError: their sizes differ.
    """
    if features_HxWxC.shape != photo_HxWxC.shape:
        raise UserError(f"activations of {features_HxWxC.shape} and {photo_HxWxC.shape}: give equal sizes")
    unit_x, unit_p = (
        numerics.unit_rows(jnp.asarray(each, jnp.float32).reshape(-1, each.shape[-1]))
        for each in (features_HxWxC, photo_HxWxC)
    )
    count = len(unit_x)
    rows = min(ROWS, count)
    blocks = -(-count // rows)

    def divergences(index):
        # the last block ends at the last row, and computes some rows of the block before it once more
        start = jnp.minimum(index * rows, count - rows)
        s_x, s_p = (
            numerics.dot(jax.lax.dynamic_slice_in_dim(unit, start, rows), unit.T) for unit in (unit_x, unit_p)
        )
        # means of exponentials, because the logarithms of sums would lose digits of the difference
        log_x, log_p = (jnp.log(jnp.mean(jnp.exp(s), 1)) for s in (s_x, s_p))
        share = jnp.exp(s_p - log_p[:, None]) / count
        found = jnp.sum(share * (s_p - s_x), 1) - (log_p - log_x)
        return jnp.sum(jnp.where(start + jnp.arange(rows) >= index * rows, found, 0.0))

    return jnp.sum(jax.lax.map(divergences, jnp.arange(blocks))) / count


def coarse(features_HxWxC: jax.Array) -> jax.Array:
    """Averages activations over squares, so that at most 128 positions are left along an edge.

    Args:
      features_HxWxC: activations; rows and columns after the last whole square are left out.

    Returns:
      `hxwxC`; the activations themselves if they have at most 128 positions along each edge.
    """
    height, width, channels = features_HxWxC.shape
    edge = min(-(-max(height, width) // POSITIONS), height, width)
    if edge == 1:
        return features_HxWxC
    rows, columns = height // edge, width // edge
    whole = features_HxWxC[: rows * edge, : columns * edge]
    return whole.reshape(rows, edge, columns, edge, channels).mean((1, 3))
