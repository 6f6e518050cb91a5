"""Moments of each channel, and second moments of all, against float64 loops."""

import jax
import numpy as np
import pytest

from nst.styles.moments import RawMoments, raw_moments
from nst.styles.positions import Positions
from tests.helpers.describing import check, close, device, layer, measure, pair, single, value

WEIGHTS = [False, True]


def naive_moment(X, p, c, k):
    mean = sum(p[m] * X[m, c] for m in range(len(X)))
    return mean if k == 1 else sum(p[m] * (X[m, c] - mean) ** k for m in range(len(X)))


@single
def naive_mean(X, Y, p, q):
    C = X.shape[1]
    return sum((naive_moment(X, p, c, 1) - naive_moment(Y, q, c, 1)) ** 2 for c in range(C)) / C


@single
def naive_moments(X, Y, p, q):
    C, total = X.shape[1], 0
    for c in range(C):
        total += (naive_moment(X, p, c, 1) - naive_moment(Y, q, c, 1)) ** 2
        total += (naive_moment(X, p, c, 2) ** 0.5 - naive_moment(Y, q, c, 2) ** 0.5) ** 2
    return total / C


def root(m, k, s):
    """m / s^(k-1) where it is small, the k-th root where it is large."""
    return m * (m**2 + s ** (2 * k)) ** ((1 - k) / (2 * k))


def naive_central(order):
    @single
    def naive(X, Y, p, q):
        C = X.shape[1]
        s = (sum(naive_moment(Y, q, c, 2) for c in range(C)) / C) ** 0.5
        total = 0
        for c in range(C):
            total += (naive_moment(X, p, c, 1) - naive_moment(Y, q, c, 1)) ** 2
            for k in range(2, order + 1):
                roots = (root(naive_moment(Z, w, c, k), k, s) for Z, w in ((X, p), (Y, q)))
                total += (next(roots) - next(roots)) ** 2
        return total / C

    return naive


def test_central_moments_are_in_units_of_an_activation():
    """An outlier of 1000 deviations counts by the root of its moment; a small moment as it is."""
    assert root(1e12, 4, 1.0) == pytest.approx(1e3) and root(-1e9, 3, 1.0) == pytest.approx(-1e3)
    assert root(1e-3, 4, 2.0) == pytest.approx(1e-3 / 2**3)
    target, found = layer(channels=1), layer(channels=1)
    found[0, 0, 0] = 1e3
    expected = naive_central(4)([found[0].astype(np.float64)], [target[0].astype(np.float64)],
                                *[[np.full((4, 5), 1 / 20)]] * 2)  # fmt: skip
    loss, (gradient,) = measure("moments_k")([found], [target])
    assert float(loss) == pytest.approx(expected, rel=1e-4) and loss < 3 * 1e3**2
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("given", WEIGHTS)
def test_mean(given):
    check("mmd_linear", lambda *of: 3 * naive_mean(*of), *pair(given))


@pytest.mark.parametrize("given", WEIGHTS)
def test_moments(given):
    check("moments", naive_moments, *pair(given))


@pytest.mark.parametrize("order", [2, 3, 5])
def test_central_moments(order):
    check("moments_k", naive_central(order), *pair(order == 3), text=f"order={order}")


def test_higher_moments_see_what_lower_ones_do_not():
    """Two values, and three with the same mean and variance: only the fourth moment differs."""
    two = np.tile([-1.0, 1.0], 12).astype(np.float32).reshape(1, 4, 6, 1)
    three = np.tile([-(2**0.5), 0, 0, 2**0.5], 6).astype(np.float32).reshape(1, 4, 6, 1)
    assert value("moments", [two], [three]) == pytest.approx(0, abs=1e-6)
    assert value("moments_k", [two], [three], text="order=3") == pytest.approx(0, abs=1e-6)
    assert value("moments_k", [two], [three], text="order=4") == pytest.approx(
        (root(1, 4, 1) - root(2, 4, 1)) ** 2, rel=1e-4
    )


def test_raw_moments_average_to_those_of_both_paintings():
    first, second = layer(seed=1), layer(seed=2)
    both = np.concatenate([first, second], 1)
    describe = [raw_moments(x, Positions()) for x in device([first, second, both])]
    mean = jax.tree.map(lambda a, b: (a + b) / 2, *describe[:2])
    assert isinstance(mean, RawMoments)
    for found, expected in zip(mean, describe[2], strict=True):
        close(np.asarray(found), np.asarray(expected), 1e-5)
