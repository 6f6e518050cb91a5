"""Measures of two artefacts of stylised pictures, grain and the grid that strides leave, and of its cause.

Grain and grid are measured in the power spectrum of luma, and the cause of the grid in the gradient of the
loss. All are computed in float64 on the CPU. Grain is a candidate, and not yet a measure of the instrument.
"""

from collections.abc import Sequence

import numpy as np

from nst.errors import UserError
from nst.metrics.measures import PERIODS

GRAIN_FREQUENCY = 0.35  # cycles per pixel; the highest along an axis is 0.5
# edges, in pixels, of the blocks whose spectra are averaged; the largest that fits is used. A block of 64 has
# the frequencies k/16 among its own.
BLOCKS = (64, 32, 16)
# variance of rounding to 8 bits, which is the power at each frequency of the rounding noise in every file
_ROUNDING = 1 / 12 / 255**2


def fine_share(luma_HxW: np.ndarray) -> float:
    """Computes the share of an image's energy that lies above a spatial frequency, in (0, 1).

        share = sum_{|f| > 0.35} |Y(f)|^2 / sum_f |Y(f)|^2

    Here Y is the Fourier transform of the luma, minus its mean and under a Hann window; f is in cycles per
    pixel, and |f| is its Euclidean length. White noise has a share of 0.615, the area of these frequencies.
    The power of rounding to 8 bits is added at every frequency, so that a constant image has the share of
    white noise.

    Args:
      luma_HxW: luma in [0, 1].
    """
    y = np.asarray(luma_HxW, np.float64)
    window = np.outer(*map(_hann, y.shape))
    y = y - (window * y).sum() / window.sum()
    power = np.abs(np.fft.fft2(window * y)) ** 2 + _ROUNDING * (window**2).sum()
    frequency = np.hypot(*np.meshgrid(*map(np.fft.fftfreq, y.shape), indexing="ij"))
    return float(power[frequency > GRAIN_FREQUENCY].sum() / power.sum())


def grain(luma_HxW: np.ndarray, sources: Sequence[np.ndarray]) -> float:
    """Computes how much more grain an image has than the pictures that it was made from, in dB.

        grain = 10 log10(share(image) / max_s share(s))

    The share is `fine_share`, and s runs over the photograph and the paintings. The value is 0 if the image
    has the largest share among them, and 3 if it has twice that share.

    Args:
      luma_HxW: luma of the image in [0, 1].
      sources: luma of the photograph and of the paintings, `HxW` each, of about the image's size.
    """
    return 10 * float(np.log10(fine_share(luma_HxW) / max(map(fine_share, sources))))


def checkerboard(luma_HxW: np.ndarray) -> dict[str, float]:
    """Computes how far the frequencies of a grid stand out from the spectrum of an image, in dB.

        level(p) = 10 log10(mean_q P(q) / B(q)),    q = (i, j) / p cycles per pixel

    The mean is over the frequencies q of a grid of period p = 2, 4, 8, 16 that are not frequencies of a
    smaller period. P is the mean power spectrum of overlapping blocks of 64 px, each minus its mean and under
    a Hann window (Welch 1967). It has no phases, so the level does not change when an image is shifted,
    except for what enters and leaves at the borders. B(q), the smooth part of the spectrum, is the power
    around q. It is the larger of two geometric means of P: at (q_x - 2/64, q_y) and (q_x + 2/64, q_y), and at
    (q_x, q_y - 2/64) and (q_x, q_y + 2/64). The larger one is taken because the lines of a picture fill a row
    or a column of the spectrum, and a grid does not. Pictures without a grid have a level of about 0, and a
    grid of period p with R times the power around it has the level 10 log10(1 + R). Networks leave such grids
    at the strides of their poolings and convolutions: Odena et al. 2016 (*Deconvolution and Checkerboard
    Artifacts*), Kinoshita & Kiya 2020.

    If an edge of the picture is shorter than 64 px, the blocks have 32 or 16 px. A period is measured only if
    it fits four times into a block; the level of other periods is 0.

    Args:
      luma_HxW: luma in [0, 1], at least 16 px at each edge.

    Returns:
      {"checkerboard": the largest level, "checkerboard/2": level, ..., "checkerboard/16": level}.

    Raises:
      UserError: the image is smaller than a block of 16 px.
    """
    y = np.asarray(luma_HxW, np.float64)
    edge = next((block for block in BLOCKS if block <= min(y.shape)), None)
    if edge is None:
        size = f"{y.shape[1]}x{y.shape[0]} px"
        raise UserError(f"checkerboard: {size} is too small; give at least {BLOCKS[-1]} px an edge")
    power = _block_power(y, edge)
    ratio = power / np.maximum(_around(power), _around(power.T).T)
    levels, taken = {}, np.zeros_like(power, bool)
    taken[0, 0] = True
    for period in PERIODS:
        grid = np.zeros_like(taken)
        grid[:: edge // period, :: edge // period] = True
        seen = edge >= 4 * period
        levels[f"checkerboard/{period}"] = 10 * float(np.log10(ratio[grid & ~taken].mean())) if seen else 0.0
        taken |= grid
    return {"checkerboard": max(levels.values())} | levels


def _around(power: np.ndarray) -> np.ndarray:
    """Computes the geometric mean of the power 2 steps above and 2 steps below every frequency."""
    # not 1 step, since the Hann window spreads a peak to its neighbours, and not 3, which would be 1 step
    # from the next peak if a period fits four times into a block
    return np.sqrt(np.roll(power, 2, 0) * np.roll(power, -2, 0))


def _block_power(y: np.ndarray, edge: int) -> np.ndarray:
    """Computes the mean power spectrum of the blocks of an image, `edge x edge`."""
    hann = _hann(edge)
    window = np.outer(hann, hann)
    blocks = np.lib.stride_tricks.sliding_window_view(y, (edge, edge))
    # blocks are half a block apart; the last one of a row or a column ends at the border
    rows, columns = (sorted({*range(0, size - edge + 1, edge // 2), size - edge}) for size in y.shape)
    total = np.zeros((edge, edge))
    for row in rows:  # one row of blocks at a time, to save memory
        part = blocks[row, columns]
        mean = (window * part).sum((-2, -1), keepdims=True) / window.sum()
        total += (np.abs(np.fft.fft2(window * (part - mean))) ** 2).sum(0)
    return total / (len(rows) * len(columns) * (window**2).sum()) + _ROUNDING


def phase_energy(gradient_HxWxC: np.ndarray, period: int) -> np.ndarray:
    """Computes how the energy of a loss's pixel gradient is divided among the phases of a grid, `pxp`.

        E_ij = mean of g^2 over the pixels (y, x) with y = i and x = j modulo p / mean of g^2 over all pixels

    All E_ij are 1 if no phase is preferred. A layer of stride s reads pixels of different phases modulo s
    with different weights, so its backward pass gives them gradients of different sizes. This is the cause of
    the grids that `checkerboard` measures. Odena et al. 2016 (*Deconvolution and Checkerboard Artifacts*);
    Kinoshita & Kiya 2020 (*Checkerboard-Artifact-Free Image-Enhancement Network Considering Local and Global
    Features*).

    Args:
      gradient_HxWxC: g, at least `period` px at each edge; rows and columns after the last whole period do
        not count.
      period: p, in pixels.

    Returns:
      E; 1 everywhere if the gradient is 0.

    Raises:
      UserError: the gradient is smaller than a period.
    """
    height, width, channels = gradient_HxWxC.shape
    if min(height, width) < period:
        raise UserError(f"phases modulo {period}: {width}x{height} px is too small; give {period} px an edge")
    rows, columns = height // period, width // period
    whole = np.asarray(gradient_HxWxC, np.float64)[: rows * period, : columns * period]
    energy = (whole**2).reshape(rows, period, columns, period, channels).mean((0, 2, 4))
    mean = energy.mean()
    return energy / mean if mean > 0 else np.ones((period, period))


def phase_level(energy_pxp: np.ndarray) -> float:
    """Computes 10 log10(max E), in dB: 0 if no phase is preferred, 20 log10 p if only one has a gradient.

    Args:
      energy_pxp: E, from `phase_energy`.
    """
    return 10 * float(np.log10(energy_pxp.max()))


def _hann(count: int) -> np.ndarray:
    """Computes the periodic Hann window, whose spectrum has only three values that are not 0."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(count) + 0.5) / count)
