"""Grain and grids: known spectra, injected ones, and pictures without any."""

import math

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from nst import images
from nst.errors import UserError
from nst.metrics import artefacts, measures
from tests.helpers.programs import ROOT

PHOTOS = ("cat", "coffee", "astronaut")


def luma(name, size=256):
    rgb = images.read(ROOT / f"nst/data/images/{name}.jpg").rgb_HxWx3
    rgb = images.resize(rgb, *images.target_size(*rgb.shape[:2], size, "long"), "lanczos")
    return np.asarray(measures.luma(rgb), np.float64)


def noise(seed=0, height=160, width=208, spread=0.1):
    return 0.5 + spread * np.random.default_rng(seed).normal(size=(height, width))


# --- grain


def test_the_share_of_white_noise_is_the_area_of_the_fine_frequencies():
    assert artefacts.fine_share(noise()) == pytest.approx(1 - math.pi * 0.35**2, abs=0.02)
    # rounding to 8 bits is white, and a constant has nothing else
    assert artefacts.fine_share(np.full((40, 56), 0.3)) == pytest.approx(1 - math.pi * 0.35**2, abs=0.02)


def wave(fx, fy, height=96, width=128):
    y, x = np.mgrid[:height, :width]
    return 0.5 + 0.2 * np.cos(2 * np.pi * (fx * x + fy * y) + 0.4)


@pytest.mark.parametrize(
    "fx, fy, fine", [(0.3, 0, 0), (0, 0.4, 1), (0.3, 0.3, 1), (0.2, 0.2, 0), (0.5, 0, 1)]
)
def test_a_wave_is_fine_above_the_frequency(fx, fy, fine):
    assert artefacts.fine_share(wave(fx, fy)) == pytest.approx(fine, abs=0.01)


def test_the_share_of_the_sum_of_two_waves():
    mixed = wave(0.1, 0) + 0.5 * (wave(0.4, 0.1) - 0.5)
    assert artefacts.fine_share(mixed) == pytest.approx(0.25 / 1.25, abs=0.01)


def test_grain_is_relative_to_the_finer_source():
    photo, painting = luma("cat"), luma("coffee")
    shares = [artefacts.fine_share(y) for y in (photo, painting)]
    fine, coarse = (photo, painting) if shares[0] > shares[1] else (painting, photo)
    assert artefacts.grain(fine, [photo, painting]) == pytest.approx(0)
    assert artefacts.grain(coarse, [photo, painting]) == pytest.approx(
        10 * math.log10(min(shares) / max(shares))
    )
    grainy = fine + 0.05 * np.random.default_rng(0).normal(size=fine.shape)
    assert artefacts.grain(grainy, [photo, painting]) > 6
    assert artefacts.grain(gaussian_filter(fine, 2), [photo, painting]) < -10


# --- grids


@pytest.mark.parametrize("name", PHOTOS)
def test_photographs_have_no_grid(name):
    for size in (256, 60):
        for found in artefacts.checkerboard(luma(name, size)).values():
            assert -4 < found < 1.5
    assert abs(artefacts.checkerboard(luma(name))["checkerboard"]) < 0.7


def test_white_noise_has_no_grid():
    for seed in range(3):
        assert all(abs(level) < 1.5 for level in artefacts.checkerboard(noise(seed)).values())


def grid(shape, period, amplitude):
    """Raised points, one a period in both directions."""
    y, x = np.indices(shape)
    return amplitude * ((y % period == 0) & (x % period == 0))


def expected_level(amplitude, period, spread, block):
    """Of a grid of raised points in white noise."""
    # every frequency of the grid has the coefficient a / p^2; a Hann window of n x n px takes the power of a
    # wave times (sum w)^2 / sum w^2 = n^2 (2/3)^2
    wave = (amplitude / period**2) ** 2 * (block * 2 / 3) ** 2
    return 10 * math.log10(1 + wave / spread**2)


@pytest.mark.parametrize("period, amplitude, height, block", [
    (2, 0.05, 160, 64), (4, 0.05, 160, 64), (8, 0.1, 160, 64), (16, 0.3, 160, 64),
    (2, 0.05, 63, 32), (8, 0.2, 63, 32), (2, 0.05, 20, 16), (4, 0.2, 20, 16),
])  # fmt: skip
def test_an_injected_grid_is_found_at_its_level(period, amplitude, height, block):
    spread, shape = 0.02, (height, 408)
    found = artefacts.checkerboard(noise(0, *shape, spread) + grid(shape, period, amplitude))
    expected = expected_level(amplitude, period, spread, block)
    assert expected > 4
    for other in (2, 4, 8, 16):
        # a grid of period p also has the frequencies of smaller periods
        level = expected if other <= period else 0
        assert found[f"checkerboard/{other}"] == pytest.approx(level, abs=1.5)
        if 4 * other > block:
            assert found[f"checkerboard/{other}"] == 0
    assert found["checkerboard"] == max(found[f"checkerboard/{p}"] for p in (2, 4, 8, 16))


@pytest.mark.parametrize("period", [2, 4, 8, 16])
def test_a_grid_on_a_photograph_is_found(period):
    photo = luma("cat")
    clean = artefacts.checkerboard(photo)[f"checkerboard/{period}"]
    levels = [
        artefacts.checkerboard(photo + grid(photo.shape, period, amplitude))[f"checkerboard/{period}"]
        for amplitude in (0.1, 0.4)
    ]
    assert levels[0] > clean + 1 and levels[1] > levels[0] + 6


def test_a_shifted_picture_has_the_same_level():
    picture = luma("coffee") + grid(luma("coffee").shape, 4, 0.1)
    levels = [
        artefacts.checkerboard(part)["checkerboard"]
        for part in (picture[:-1, :-1], picture[1:, :-1], picture[:-1, 1:], picture[1:, 1:])
    ]
    assert levels[0] > 10 and max(levels) - min(levels) < 0.3


def test_a_picture_on_its_side_has_the_same_level():
    picture = luma("cat")
    turned, found = artefacts.checkerboard(picture.T), artefacts.checkerboard(picture)
    assert turned == pytest.approx(found, abs=1e-9)


def test_lines_are_not_taken_for_a_grid():
    """A picture of edges in one direction fills a row of the spectrum."""
    columns = (np.random.default_rng(0).uniform(size=26) > 0.5).repeat(8).astype(float)
    edges = np.tile(gaussian_filter(columns, 1), (160, 1)) + noise(1, spread=0.01) - 0.5
    assert artefacts.checkerboard(edges)["checkerboard/8"] < 3


def test_a_constant_and_the_smallest_picture_have_numbers():
    for edge in (64, 32, 16):
        found = artefacts.checkerboard(np.full((edge, 70), 0.7))
        assert list(found.values()) == pytest.approx([0] * 5, abs=1e-6)
    with pytest.raises(UserError, match="40x15 px is too small; give at least 16 px"):
        artefacts.checkerboard(np.zeros((15, 40)))


# --- phases of a gradient


def test_the_energy_of_phases_is_that_of_a_loop():
    g = np.random.default_rng(0).normal(size=(13, 10, 3))
    for period in (2, 4, 8):
        found = artefacts.phase_energy(g, period)
        sums = np.zeros((period, period))
        for y in range(13 // period * period):
            for x in range(10 // period * period):
                sums[y % period, x % period] += (g[y, x] ** 2).sum()
        assert found == pytest.approx(sums / sums.mean(), rel=1e-12) and found.mean() == pytest.approx(1)


def test_phases_of_known_gradients():
    even = np.ones((16, 16, 3))
    assert artefacts.phase_level(artefacts.phase_energy(even, 8)) == pytest.approx(0)
    assert artefacts.phase_level(artefacts.phase_energy(0 * even, 8)) == 0
    one = even * grid((16, 16), 4, 1)[..., None]
    assert artefacts.phase_level(artefacts.phase_energy(one, 4)) == pytest.approx(20 * math.log10(4))
    assert artefacts.phase_energy(one, 2) == pytest.approx(np.array([[4, 0], [0, 0]]))
    with pytest.raises(UserError, match="phases modulo 8: 16x7 px is too small; give 8 px"):
        artefacts.phase_energy(even[:7], 8)
