"""Measures of how much of a photograph's structure a stylised picture has kept, whatever its colours are.

They are candidates, and not measures of the instrument: SSIM and the content distance also fall when a
picture only takes the painting's tones, and these are meant to fall less. All are computed in float64 on the
CPU.
"""

import numpy as np

from nst import images
from nst.errors import UserError
from nst.metrics import measures

EDGE_SIZE = 64  # pixels of the long edge at which edges are compared
FEATURES = "relu3_1"  # the layer of `self_similarity_distance`


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

    where e and f are the `edge_strength` of both after their long edge was reduced to 64 px (lanczos), so
    that outlines count and strokes do not. It does not change with the direction, offset or gain of tones. It
    is 0 if either has edges of one strength everywhere.

    Args:
      luma_HxW, photo_HxW: luma in [0, 1], of one size.
    """
    size = images.target_size(*luma_HxW.shape, min(EDGE_SIZE, max(luma_HxW.shape)), "long")
    e, f = (
        edge_strength(images.resize(np.asarray(luma, np.float32), *size, "lanczos"))
        for luma in (luma_HxW, photo_HxW)
    )
    e, f = e - e.mean(), f - f.mean()
    energy = (e**2).sum() * (f**2).sum()
    # below the rounding of float32, the strengths are equal
    return float((e * f).sum() / np.sqrt(energy)) if energy > 1e-24 * e.size**2 else 0.0


def matched_ssim(luma_HxW: np.ndarray, photo_HxW: np.ndarray) -> float:
    """Computes the SSIM of an image's luma X and a photograph's luma P that has taken the image's tones.

        P' = mean X + (std X / std P) (P - mean P)

    SSIM (measures.ssim) then compares local contrast and structure, without the change of the overall
    brightness and contrast. P' is the mean of X if P is constant.

    Args:
      luma_HxW, photo_HxW: luma in [0, 1], of one size, at least 11 px at each edge.

    Raises:
      UserError: the images are too small.
    """
    image, photo = (np.asarray(luma, np.float64) for luma in (luma_HxW, photo_HxW))
    spread = photo.std()
    gain = image.std() / spread if spread > 1e-6 else 0.0
    matched = image.mean() + gain * (photo - photo.mean())
    return float(measures.ssim(image.astype(np.float32), matched.astype(np.float32)))


def self_similarity_distance(features_HxWxC: np.ndarray, photo_HxWxC: np.ndarray) -> float:
    """Computes the distance of self-similarities (CFSD, content feature structural distance); 0 if equal.

        D = 1/M sum_i KL(softmax_j S^P_ij || softmax_j S^X_ij),    S_ij = F_i . F_j / (|F_i| |F_j|)

    over the M positions of the activations F (of relu3_1) of the photograph P and the image X: how similar
    every place is to every other place. It is the CFSD of Chung, Hyun & Heo 2024 (*Style Injection in
    Diffusion*).

    Departs from the paper: similarities are cosines instead of products F_i . F_j, so that the distance does
    not depend on the scale of the network, and a few strong positions do not take the whole of the softmax.

    Args:
      features_HxWxC, photo_HxWxC: activations of both, of one size. The memory is that of M^2 numbers.

    Raises:
      UserError: their sizes differ.
    """
    if features_HxWxC.shape != photo_HxWxC.shape:
        raise UserError(f"activations of {features_HxWxC.shape} and {photo_HxWxC.shape}: give equal sizes")
    log_x, log_p = _log_similarities(features_HxWxC), _log_similarities(photo_HxWxC)
    return float((np.exp(log_p) * (log_p - log_x)).sum() / len(log_p))


def _log_similarities(features_HxWxC: np.ndarray) -> np.ndarray:
    """Computes log softmax_j S_ij, `MxM`; a position without features is similar to none, itself included."""
    flat = np.asarray(features_HxWxC, np.float64).reshape(-1, features_HxWxC.shape[-1])
    norms = np.linalg.norm(flat, axis=1, keepdims=True)
    unit = np.divide(flat, norms, out=np.zeros_like(flat), where=norms > 0)
    similarity = unit @ unit.T
    return similarity - np.log(np.exp(similarity).sum(1, keepdims=True))
