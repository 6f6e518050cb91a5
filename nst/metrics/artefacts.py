"""Measures of two artefacts of stylised pictures: grain, and the grid that pooling leaves.

They are candidates, and not measures of the instrument. Both look at the power spectrum of luma, in float64
on the CPU.
"""

from collections.abc import Sequence

import numpy as np

from nst.errors import UserError

GRAIN_FREQUENCY = 0.35  # cycles per pixel; the highest along an axis is 0.5
PERIODS = (2, 4, 8)  # pixels: the strides of relu2_1, relu3_1 and relu4_1
BLOCK = 32  # pixels of the blocks whose spectra are averaged; every frequency k/8 is one of theirs
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

    over the frequencies q of a grid of period p = 2, 4, 8 that are not frequencies of a smaller period. P is
    the mean power spectrum of overlapping blocks of 32 px, each less its mean and under a Hann window (Welch
    1967); its phases are lost, so that an image has about the same level when it is shifted. B(q) is the
    power around q: the geometric means of P at (q_x - 2/32, q_y) and (q_x + 2/32, q_y), and at (q_x, q_y -
    2/32) and (q_x, q_y + 2/32), and of these the larger one, since the lines of a picture fill a row or a
    column of the spectrum, and a grid does not. Pictures without a grid have about 0, and a grid of period p
    with R times the power around it has 10 log10 R. Convolution networks leave such grids at the strides of
    their pooling: Odena et al. 2016 (*Deconvolution and Checkerboard Artifacts*).

    Args:
      luma_HxW: luma in [0, 1], at least 32 px at each edge.

    Returns:
      {"checkerboard": the largest level, "checkerboard/2", "checkerboard/4", "checkerboard/8": levels}.

    Raises:
      UserError: the image is smaller than a block.
    """
    power = _block_power(np.asarray(luma_HxW, np.float64))
    ratio = power / np.maximum(_around(power), _around(power.T).T)
    step = BLOCK // max(PERIODS)
    levels, taken = {}, np.zeros((BLOCK, BLOCK), bool)
    taken[0, 0] = True
    for period in PERIODS:
        grid = np.zeros_like(taken)
        grid[:: step * max(PERIODS) // period, :: step * max(PERIODS) // period] = True
        levels[f"checkerboard/{period}"] = 10 * float(np.log10(ratio[grid & ~taken].mean()))
        taken |= grid
    return {"checkerboard": max(levels.values())} | levels


def _around(power: np.ndarray) -> np.ndarray:
    """Computes the geometric mean of the power 2 steps above and 2 steps below every frequency."""
    # not 1 step, since the Hann window spreads a peak to its neighbours, and not 3, which is 1 from the next
    # peak
    return np.sqrt(np.roll(power, 2, 0) * np.roll(power, -2, 0))


def _block_power(y: np.ndarray) -> np.ndarray:
    """Computes the mean power spectrum of the blocks of an image, `BLOCKxBLOCK`."""
    height, width = y.shape
    if min(height, width) < BLOCK:
        raise UserError(f"checkerboard: {width}x{height} px is too small; give at least {BLOCK} px an edge")
    hann = _hann(BLOCK)
    window = np.outer(hann, hann)
    blocks = np.lib.stride_tricks.sliding_window_view(y, (BLOCK, BLOCK))
    # half a block apart; the last of a row or a column ends at the border
    rows, columns = (
        sorted({*range(0, edge - BLOCK + 1, BLOCK // 2), edge - BLOCK}) for edge in (height, width)
    )
    blocks = blocks[np.ix_(rows, columns)]
    mean = (window * blocks).sum((-2, -1), keepdims=True) / window.sum()
    power = np.abs(np.fft.fft2(window * (blocks - mean))) ** 2
    return power.mean((0, 1)) / (window**2).sum() + _ROUNDING


def _hann(count: int) -> np.ndarray:
    """Computes the periodic Hann window, whose spectrum has three values that are not 0."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(count) + 0.5) / count)
