"""Maximum mean discrepancies against all pairs in float64, and the Gram loss."""

from functools import partial

import jax
import numpy as np
import pytest

from nst.styles import grams, mmd
from nst.styles.moments import raw_moments
from nst.styles.positions import Positions
from tests.helpers.describing import KEY, check, close, layer, measure, shares, single, value

WEIGHTS = [False, True]


def pair(given=False, size=(4, 5), other=(3, 6)):
    of = ([shares(*size)], [shares(*other, 1)]) if given else ()
    return [layer(*size)], [layer(*other, seed=1) * 1.3], *of


FEW = {"size": (3, 4), "other": (2, 5)}  # positions, for kernels of all pairs, each of which is a call


def naive(k):
    """E k(x, x') + E k(y, y') - 2 E k(x, y), pair by pair.

    k is a function of x, y and the mean squared distance of two of the painting's activations.
    """

    @single
    def discrepancy(X, Y, p, q):
        s2 = scale(Y, q)

        def mean(A, of, B, weights):
            return sum(of[i] * weights[j] * k(A[i], B[j], s2) for i in range(len(A)) for j in range(len(B)))

        return mean(X, p, X, p) + mean(Y, q, Y, q) - 2 * mean(X, p, Y, q)

    return discrepancy


def scale(Y, q):
    return sum(q[i] * q[j] * ((Y[i] - Y[j]) ** 2).sum() for i in range(len(Y)) for j in range(len(Y)))


def cosine(x, y, s2):
    return x @ y / (x @ x) ** 0.5 / (y @ y) ** 0.5


def gaussian(x, y, s2, b=1.0):
    return np.exp(-((x - y) ** 2).sum() / (2 * b * s2))


LENGTHS = np.linspace(-8, 8, 1601)
NORMAL = np.exp(-(LENGTHS**2) / 2) / np.exp(-(LENGTHS**2) / 2).sum()


def laplacian(x, y, s2, b=1.0):
    """exp(-r) as a mixture of Gaussians, exp(-r^2 / 2 g^2) of a normal g; those narrower than 0.1 widened."""
    r = ((x - y) ** 2).sum() ** 0.5 / (b * s2**0.5)
    assert np.exp(-(r**2) / (2 * LENGTHS[LENGTHS != 0] ** 2)) @ NORMAL[LENGTHS != 0] == pytest.approx(
        np.exp(-r), abs=0.01
    )
    return np.exp(-(r**2) / (2 * np.maximum(np.abs(LENGTHS), 0.1) ** 2)) @ NORMAL


def polynomial(degree, offset):
    return lambda x, y, s2: (x @ y + offset) ** degree


@pytest.mark.parametrize("given", WEIGHTS)
@pytest.mark.parametrize(
    "name, text, k",
    [
        ("mmd_linear", "", polynomial(1, 0)),
        ("mmd_polynomial", "degree=1,offset=2.5", polynomial(1, 2.5)),
        ("mmd_polynomial", "", polynomial(2, 0)),
        ("mmd_polynomial", "offset=0.7", polynomial(2, 0.7)),
        ("mmd_cosine", "", cosine),
    ],
)
def test_kernels_that_are_means(name, text, k, given):
    check(name, naive(k), *pair(given, **FEW), text=text)


RANDOM = [
    ("mmd_polynomial", "degree=3,offset=0.5", polynomial(3, 0.5)),
    ("mmd_gaussian", "", gaussian),
    pytest.param("mmd_gaussian", "bandwidth=0.3", partial(gaussian, b=0.3), marks=pytest.mark.slow),
    ("mmd_laplacian", "", laplacian),
    pytest.param("mmd_laplacian", "bandwidth=2.0", partial(laplacian, b=2.0), marks=pytest.mark.slow),
]


@pytest.mark.parametrize("given", WEIGHTS)
@pytest.mark.parametrize("name, text, k", RANDOM)
def test_many_random_features_come_to_the_kernel_of_all_pairs(name, text, k, given):
    """Their error is of the order 1 / sqrt(D) of the kernel's mean."""
    options = f"{text},features=60000" if text else "features=60000"
    if name == "mmd_laplacian":  # the slope of whose features, of Cauchy's frequencies, has no variance
        found, target, *of = pair(given, **FEW)
        expected = naive(k)(*([x[0]] for x in (*found, *target)), *of or [even(found), even(target)])
        assert value(name, found, target, *of, text=options) == pytest.approx(expected, rel=0.03)
    else:
        check(
            name, naive(k), *pair(given, **FEW), text=options, rel=0.1 if name == "mmd_polynomial" else 0.03
        )


def even(layers):
    return [np.full(x.shape[1:3], 1 / x[0, ..., 0].size) for x in layers]


def waves(frequencies):
    """|E phi(x) - E phi(y)|^2 of given frequencies, wave by wave."""

    @single
    def discrepancy(X, Y, p, q):
        s, total = scale(Y, q) ** 0.5, 0.0
        for w in frequencies.T:
            x, y = (
                sum(of[i] * np.exp(1j * (w @ A[i]) / s) for i in range(len(A))) for A, of in ((X, p), (Y, q))
            )
            total += abs(x - y) ** 2
        return total / frequencies.shape[1]

    return discrepancy


def products(signs, offset):
    """The same of products of given signs."""

    @single
    def discrepancy(X, Y, p, q):
        total = 0.0
        for d in range(signs.shape[2]):
            x, y = (sum(of[i] * np.prod([w[:, d] @ np.append(A[i], offset**0.5) for w in signs])
                        for i in range(len(A))) for A, of in ((X, p), (Y, q)))  # fmt: skip
            total += (x - y) ** 2
        return total / signs.shape[2]

    return discrepancy


@pytest.mark.parametrize("given", WEIGHTS)
@pytest.mark.parametrize(
    "name, draw", [("mmd_gaussian", mmd.gaussian_frequencies), ("mmd_laplacian", mmd.laplacian_frequencies)]
)
def test_few_waves_are_what_they_are_said_to_be(name, draw, given):
    frequencies = np.asarray(draw(jax.random.key(KEY), 3, 7, 0.6), np.float64)
    check(name, waves(frequencies), *pair(given), text="bandwidth=0.6,features=7", rel=1e-3)


def test_few_products_are_what_they_are_said_to_be():
    signs = np.asarray(mmd.polynomial_signs(jax.random.key(KEY), 3, 5, 4), np.float64)
    assert signs.shape == (4, 4, 5) and set(signs.ravel()) == {-1, 1}
    check(
        "mmd_polynomial", products(signs, 0.7), *pair(True), text="degree=4,offset=0.7,features=5", rel=1e-3
    )


def test_degree_2_is_the_gram_loss():
    """Li et al. 2017, eq. 5-8."""
    found, target = [layer(4, 5)], [layer(3, 6, seed=1)]
    for of in ((), ([shares(4, 5)], [shares(3, 6)])):
        loss, gradient = measure("mmd_polynomial")(found, target, *of)
        expected, slope = measure("gram", "hw_sse")(found, target, *of)
        assert float(loss) == pytest.approx(float(expected), rel=1e-5)
        close(np.asarray(gradient[0]), np.asarray(slope[0]), 1e-5)
    second = raw_moments(found[0], Positions()).second_CxC
    np.testing.assert_allclose(second, grams.gram(found[0])[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["mmd_gaussian", "mmd_laplacian"])
def test_scale_is_the_paintings(name):
    found, target = pair()
    expected = value(name, found, target)
    for factor in (1e-3, 1e3):
        again = value(name, [factor * found[0]], [factor * target[0]])
        assert again == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("given", WEIGHTS)
@pytest.mark.parametrize("name, text", [("mmd_gaussian", ""), ("mmd_polynomial", "degree=3,")])
def test_blocks_are_the_whole(name, text, given, monkeypatch):
    pictures = pair(given)
    loss, (gradient,) = measure(name, "", f"{text}features=8")(*pictures)
    monkeypatch.setattr(mmd, "_BLOCK", 50)  # 20 positions and 8 features: blocks of 5, and padded ones of 18
    again, (slope,) = measure.__wrapped__(name, "", f"{text}features=8")(*pictures)
    assert float(again) == pytest.approx(float(loss), rel=1e-5)
    close(np.asarray(slope), np.asarray(gradient), 1e-4)
