"""Helpers of the tests of style representations: small layers, compiled distances, numerical gradients."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nst.styles.positions import Positions, sample
from nst.styles.table import style

SAMPLE_KEY = 1  # for the sampled positions
KEY = 0  # for everything else that is random


def layer(height=4, width=5, channels=3, seed=0):
    return np.random.default_rng(seed).normal(0.3, 1, (1, height, width, channels)).astype(np.float32)


def shares(height=4, width=5, seed=0):
    """Weights of the positions, sum 1."""
    found = np.random.default_rng(seed).uniform(0.1, 1, (height, width))
    return (found / found.sum()).astype(np.float32)


def pair(given=False):
    """Two pictures of different shapes, and, if `given`, the weights of their positions."""
    of = ([shares(4, 5)], [shares(3, 6, 1)]) if given else ()
    return [layer(4, 5)], [layer(3, 6, seed=1) * 1.3], *of


def flat(features_HxWxC):
    """Positions x channels."""
    return features_HxWxC.reshape(-1, features_HxWxC.shape[-1])


def drawn(shape, weights=None, samples=1024):
    return np.asarray(sample(jax.random.key(SAMPLE_KEY), shape, weights, samples))


def plain(name):
    """The normalisation that leaves the distances of a representation unscaled."""
    return "hw_sse" if name.startswith("gram") else "none"


@cache
def measure(name, normalization="", text=""):
    """(distance of two pictures, its gradient with respect to the first's layers), compiled.

    Pictures are lists of layers; their weights are lists, too, or None.
    """
    (representation,) = style(name, normalization or plain(name), text).values()

    def describe(layers, weights):
        positions = []
        for index, features in enumerate(layers):
            of = None if weights is None else weights[index]
            at = None
            if representation.samples:
                at = sample(jax.random.key(SAMPLE_KEY), features.shape[1:3], of, representation.samples)
            positions.append(Positions(of, at, jax.random.key(KEY)))
        return representation.describe(layers, positions)

    def distance(found, target, found_weights=None, target_weights=None):
        channels = representation.channels([features.shape[-1] for features in target])
        blank = describe([0 * features for features in target], target_weights)
        constant = representation.target(describe(target, target_weights), blank, channels)
        return representation.distance(describe(found, found_weights), constant, channels)

    # twice as fast to compile, and nothing here is large
    return jax.jit(jax.value_and_grad(distance), compiler_options={"xla_backend_optimization_level": 0})


def value(name, found, target, *weights, normalization="", text=""):
    return float(measure(name, normalization, text)(found, target, *weights)[0])


def slopes(function, x, step=1e-5):
    """The gradient by central differences, in float64."""
    x, found = x.astype(np.float64), np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[index] += step
        down[index] -= step
        found[index] = (function(up) - function(down)) / (2 * step)
    return found


def close(found, expected, rel):
    """Asserts that arrays are equal up to `rel` of the largest expected value."""
    expected = np.asarray(expected)
    np.testing.assert_allclose(found, expected, rtol=rel, atol=rel * np.abs(expected).max())


def check(name, naive, found, target, found_weights=None, target_weights=None, *, text="", rel=1e-4):
    """Checks the value and all gradients against `naive(found, target, found_weights, target_weights)`.

    `naive` takes lists of layers HxWxC and of weights HxW, in float64; the weights are never None.
    """

    def even(layers):
        return [np.full(features.shape[1:3], 1 / features[0, ..., 0].size) for features in layers]

    def precise(layers):
        return [features[0].astype(np.float64) for features in layers]

    weights = [
        even(layers) if of is None else [w.astype(np.float64) for w in of]
        for layers, of in ((found, found_weights), (target, target_weights))
    ]
    loss, gradients = measure(name, "", text)(found, target, found_weights, target_weights)
    assert float(loss) == pytest.approx(naive(precise(found), precise(target), *weights), rel=rel)
    for index, gradient in enumerate(gradients):

        def moved(x, index=index):
            layers = precise(found)
            layers[index] = x
            return naive(layers, precise(target), *weights)

        close(gradient[0], slopes(moved, found[index][0]), 10 * rel)


def single(naive):
    """Turns a naive function of `positions x channels` and their weights into one for `check`."""

    def of_lists(found, target, p, q):
        return naive(flat(found[0]), flat(target[0]), p[0].ravel(), q[0].ravel())

    return of_lists


def device(layers):
    return [jnp.asarray(features) for features in layers]
