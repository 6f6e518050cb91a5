"""Measures of two artefacts of stylised pictures: grain, and the grid that strides leave; and its cause.

Grain and grid are seen in the power spectrum of luma, the cause in the loss's gradient. All are computed in
float64 on the CPU. Grain is a candidate, and not a measure of the instrument.
"""

from collections.abc import Sequence

import numpy as np

from nst.errors import UserError
from nst.metrics.measures import PERIODS

GRAIN_FREQUENCY = 0.35  # cycles per pixel; the highest along an axis is 0.5
# pixels of the blocks whose spectra are averaged: the largest that fits; k/16 is one of the frequencies of 64
BLOCKS = (64, 32, 16)
# variance of rounding to 8 bits: the power at each frequency of the noise that every file has
_ROUNDING = 1 / 12 / 255**2


def fine_share(luma_HxW: np.ndarray) -> float:
    """Computes the share of an image's energy that lies above a spatial frequency, in (0, 1).

        share = sum_{|f| > 0.35} |Y(f)|^2 / sum_f |Y(f)|^2

    where Y is the Fourier transform of the luma, less its mean and under a Hann window, f is in cycles per
    pixel and |f| its Euclidean length. White noise has 0.615, the area of these frequencies. The power of
    rounding to 8 bits is added to every frequency, so that a constant image has a share too: that of white
    noise.

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
    """Computes how much more of an image is grain than of the pictures it was made of, in dB.

        grain = 10 log10(share(image) / max_s share(s))

    of their `fine_share`. It is 0 for an image as fine as the finer of photograph and painting, and 3 for one
    with twice that share.

    Args:
      luma_HxW: luma of the image in [0, 1].
      sources: luma of the photograph and of the paintings, `HxW` each, of about the image's size.
    """
    return 10 * float(np.log10(fine_share(luma_HxW) / max(map(fine_share, sources))))


def checkerboard(luma_HxW: np.ndarray) -> dict[str, float]:
    """Computes how far the frequencies of a grid stand out of the spectrum of an image, in dB.

        level(p) = 10 log10(mean_q P(q) / B(q)),    q = (i, j) / p cycles per pixel

    over the frequencies q of a grid of period p = 2, 4, 8, 16 that are not frequencies of a smaller period. P
    is the mean power spectrum of overlapping blocks of 64 px, each less its mean and under a Hann window
    (Welch 1967). Its phases are lost, so that an image has the same level when it is shifted, up to what
    enters and leaves at the borders. B(q), the smooth part of the spectrum, is the power around q: the
    geometric means of P at (q_x - 2/64, q_y) and (q_x + 2/64, q_y), and at (q_x, q_y - 2/64) and
    (q_x, q_y + 2/64), and of these the larger one, since the lines of a picture fill a row or a column of the
    spectrum, and a grid does not. Pictures without a grid have about 0, and a grid of period p with R times
    the power around it has 10 log10(1 + R). Networks leave such grids at the strides of their pooling and of
    their convolutions: Odena et al. 2016 (*Deconvolution and Checkerboard Artifacts*), Kinoshita & Kiya 2020.

    In a picture with an edge below 64 px the blocks have 32 or 16 px. A block shows the grids that it holds
    four times; the level of others is 0.

    Args:
      luma_HxW: luma in [0, 1], at least 16 px at each edge.

    Returns:
      {"checkerboard": the largest level, "checkerboard/2", ..., "checkerboard/16": levels}.

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
    # not 1 step, since the Hann window spreads a peak to its neighbours, and not 3, which is 1 from the next
    # peak where a block holds a grid four times
    return np.sqrt(np.roll(power, 2, 0) * np.roll(power, -2, 0))


def _block_power(y: np.ndarray, edge: int) -> np.ndarray:
    """Computes the mean power spectrum of the blocks of an image, `edge x edge`."""
    hann = _hann(edge)
    window = np.outer(hann, hann)
    blocks = np.lib.stride_tricks.sliding_window_view(y, (edge, edge))
    # half a block apart; the last of a row or a column ends at the border
    rows, columns = (sorted({*range(0, size - edge + 1, edge // 2), size - edge}) for size in y.shape)
    total = np.zeros((edge, edge))
    for row in rows:  # one row of blocks at a time, for the memory
        part = blocks[row, columns]
        mean = (window * part).sum((-2, -1), keepdims=True) / window.sum()
        total += (np.abs(np.fft.fft2(window * (part - mean))) ** 2).sum(0)
    return total / (len(rows) * len(columns) * (window**2).sum()) + _ROUNDING


def phase_energy(gradient_HxWxC: np.ndarray, period: int) -> np.ndarray:
    """Computes how the energy of a loss's pixel gradient is divided among the phases of a grid, `pxp`.

        E_ij = mean of g^2 over the pixels (y, x) with y = i and x = j modulo p / mean of g^2 over all pixels

    It is 1 everywhere where no phase is preferred. A layer of stride s reads pixels of different phases
    modulo s with different weights, and its backward pass gives them gradients of different sizes: the cause
    of the grids that `checkerboard` finds. Odena et al. 2016 (*Deconvolution and Checkerboard Artifacts*);
    Kinoshita & Kiya 2020 (*Checkerboard-Artifact-Free Image-Enhancement Network Considering Local and Global
    Features*).

    Args:
      gradient_HxWxC: g, at least `period` px at each edge; rows and columns that fill no period do not count.
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
    """Computes the periodic Hann window, whose spectrum has three values that are not 0."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(count) + 0.5) / count)
