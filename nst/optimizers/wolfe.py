"""L-BFGS with a line search that evaluates the loss once a turn of its loop.

So a compiled step holds the network once; Optax's zoom search holds it three times. An update takes the weak
Wolfe conditions, found by bracketing (Nocedal & Wright 2006, section 3.1 and 3.5; Lewis & Overton 2013,
*Nonsmooth Optimization via Quasi-Newton Methods*, algorithm 2.6):

    f(x + t d) <= f(x) + c1 t g.d     and     g(x + t d).d >= c2 g.d

The second gives every pair y.s > 0, which is all that L-BFGS needs of a search.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from nst.optimizers.lbfgs import LBFGSState, inner, scale_by_lbfgs

C1, C2 = 1e-4, 0.9
_FIRST = 10 / 255  # of the range of pixels: how far the first step moves the pixel that moves most
# Where float32 cannot tell f(x + t d) from f(x), the slope decides (Hager & Zhang 2005, "approximate Wolfe")
_ROUNDING = 1e-6


class SearchState(NamedTuple):
    """What is known at the pixels, and where to go from there."""

    memory: LBFGSState
    value: jax.Array  # the loss at the pixels; inf: not evaluated yet
    direction: jax.Array


class _Trial(NamedTuple):
    """A point of the search, the losses and slopes at the ends of the bracket, all along the direction."""

    length: jax.Array  # of the next point: x + length * direction
    low: jax.Array  # the longest step known to be not too long, its loss and slope
    low_value: jax.Array
    low_slope: jax.Array
    high: jax.Array  # the shortest known to be too long; inf: none
    high_value: jax.Array
    pixels: jax.Array  # of the last point evaluated, with its loss and gradient
    value: jax.Array
    gradient: jax.Array
    count: jax.Array  # of evaluations
    accepted: jax.Array


def _lbfgs(memory: int, dtype: str, pixel_range: float):
    def first(gradient):
        largest = jnp.max(jnp.abs(gradient))
        return _FIRST * pixel_range / jnp.where(largest > 0, largest, 1)

    # the search sees to y.s > 0 itself
    return first, scale_by_lbfgs(memory, first, least=0.0, dtype=dtype)


def init(pixels: jax.Array, memory: int, dtype: str, pixel_range: float) -> SearchState:
    """The state before the first evaluation."""
    state = _lbfgs(memory, dtype, pixel_range)[1].init(pixels)
    return SearchState(state, jnp.full((), jnp.inf, pixels.dtype), jnp.zeros_like(pixels))


def step(
    objective: Callable[[jax.Array], jax.Array],
    pixels: jax.Array,
    state: SearchState,
    *,
    most: int,
    memory: int,
    dtype: str,
    pixel_range: float,
) -> tuple[jax.Array, SearchState, jax.Array, jax.Array]:
    """One update of the pixels; or, where their loss is not known yet, its evaluation.

    A search that fails in `most` evaluations leaves the pixels where they were, and the pairs are forgotten.

    Returns (pixels, state, evaluations, the loss that the pixels had).
    """
    first, lbfgs = _lbfgs(memory, dtype, pixel_range)
    fresh = ~jnp.isfinite(state.value)
    slope = inner(state.memory.gradient, state.direction)
    evaluate = jax.value_and_grad(objective)

    def turn(trial: _Trial) -> _Trial:
        point = jnp.where(fresh, pixels, pixels + trial.length * state.direction)
        value, gradient = evaluate(point)
        found = point, value, gradient, inner(gradient, state.direction)
        return _judge(trial, *found, state.value, slope, fresh)

    zero, infinite = jnp.zeros_like(slope), jnp.full_like(slope, jnp.inf)
    trial = lax.while_loop(
        lambda trial: ~trial.accepted & (trial.count < most),
        turn,
        _Trial(
            jnp.ones_like(slope), zero, state.value, slope, infinite, infinite, pixels, infinite,
            jnp.zeros_like(pixels), jnp.zeros((), jnp.int32), jnp.zeros((), bool),
        ),
    )  # fmt: skip
    good = trial.accepted | (trial.value < state.value)
    pixels = jnp.where(good, trial.pixels, pixels)
    scaled, known = lbfgs.update(trial.gradient, state.memory, pixels)
    # rounding may have spoilt a direction
    downhill = inner(scaled, trial.gradient) > 0
    direction = -jnp.where(downhill, scaled, first(trial.gradient) * trial.gradient)
    known = known._replace(count=jnp.where(good, known.count, 0), stored=jnp.where(good, known.stored, 0))
    found = SearchState(known, jnp.where(good, trial.value, jnp.inf), direction)
    return pixels, found, trial.count, jnp.where(fresh, trial.value, state.value)


def _judge(trial, point, value, gradient, slope, before, slope_before, fresh) -> _Trial:
    """The search after an evaluation: accepted, or with the next length to try."""
    near = (value <= before + _ROUNDING * jnp.abs(before)) & (slope <= (2 * C1 - 1) * slope_before)
    enough = jnp.isfinite(value) & ((value <= before + C1 * trial.length * slope_before) | near)
    accepted = fresh | (enough & (slope >= C2 * slope_before))
    take = partial(jnp.where, enough)
    low, low_value, low_slope = (
        take(new, old)
        for new, old in (
            (trial.length, trial.low), (value, trial.low_value), (slope, trial.low_slope),
        )
    )  # fmt: skip
    high, high_value = take(trial.high, trial.length), take(trial.high_value, value)
    # without an end, where the slopes' secant vanishes, two to ten times as far
    secant = low + (low - trial.low) * slope / (trial.low_slope - slope)
    longer = jnp.where(jnp.isfinite(secant), jnp.clip(secant, 2 * low, 10 * low), 2 * low)
    # between the ends, the least of the parabola, not too near to either
    width = high - low
    curve = high_value - low_value - low_slope * width
    least = low - low_slope * width**2 / (2 * curve)
    inside = jnp.isfinite(least) & jnp.isfinite(high_value)
    between = jnp.where(inside, jnp.clip(least, low + 0.1 * width, high - 0.1 * width), low + 0.5 * width)
    length = jnp.where(jnp.isfinite(high), between, longer)
    return _Trial(
        jnp.where(accepted, trial.length, length), low, low_value, low_slope, high, high_value, point, value,
        gradient, trial.count + 1, accepted,
    )  # fmt: skip
