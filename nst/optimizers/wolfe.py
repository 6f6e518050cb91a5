"""L-BFGS with a line search whose loop contains a single evaluation of the loss.

A compiled step therefore contains the network once; with Optax's zoom search it contains it three times. The
length t of a step along the direction d is found by bracketing, and satisfies the weak Wolfe conditions
(Nocedal & Wright 2006, section 3.1 and 3.5; Lewis & Overton 2013, *Nonsmooth Optimization via Quasi-Newton
Methods*, algorithm 2.6):

    f(x + t d) <= f(x) + c1 t g.d     and     g(x + t d).d >= c2 g.d

The second condition implies y.s > 0 for every pair, which is all that L-BFGS requires of a line search.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax

from nst.optimizers.lbfgs import LBFGSState, inner, scale_by_lbfgs
from nst.optimizers.method import Method, Update, forget_value

# c1 and c2 of the conditions, with the values that Nocedal & Wright recommend for quasi-Newton methods
C1, C2 = 1e-4, 0.9
# The first step changes no value by more than this share of the range of values. The length of a gradient
# depends on the scale of the loss, so it is no guide to the length of a step; ten of 255 levels are a visible
# but small change.
_FIRST = 10 / 255
# Where f(x + t d) and f(x) differ by less than this share, which rounding in float32 may cause, the slopes
# decide whether a point is accepted (Hager & Zhang 2005, "approximate Wolfe")
_ROUNDING = 1e-6


class Settings(NamedTuple):
    """The static choices of the search."""

    memory: int  # number of pairs that are kept
    dtype: str  # dtype of the pairs
    value_range: float  # range of the values of x, which limits the first step
    max_evaluations: int  # most evaluations in one update
    bands: int = 0  # number of bands of the metric (`bands.metric`); 0: the identity


class SearchState(NamedTuple):
    """The pairs of L-BFGS, the loss at x, and the direction of the next search."""

    memory: LBFGSState
    value: jax.Array  # the loss at x; inf: not evaluated yet
    direction: jax.Array  # of the next search; 0: no search can lower the loss


class _Trial(NamedTuple):
    """The state of a line search along a direction d: its bracket, and the point evaluated last."""

    length: jax.Array  # t of the next point, x + t d
    # the longest step that is known not to be too long, with its loss and slope
    low: jax.Array
    low_value: jax.Array
    low_slope: jax.Array
    # the shortest step that is known to be too long, with its loss; inf: none is known
    high: jax.Array
    high_value: jax.Array
    # the point evaluated last, with its loss and gradient
    x: jax.Array
    value: jax.Array
    gradient: jax.Array
    evaluations: jax.Array
    accepted: jax.Array


class _Point(NamedTuple):
    """A point at which the loss and its gradient have been evaluated."""

    x: jax.Array
    value: jax.Array
    gradient: jax.Array
    slope: jax.Array  # along the direction of the search


class _Start(NamedTuple):
    """The point from which a search starts."""

    value: jax.Array
    slope: jax.Array
    unknown: jax.Array  # whether the loss at this point has not been evaluated yet
    ended: jax.Array  # whether no search can lower the loss


def method(settings: Settings) -> Method:
    """Returns L-BFGS with this search as a method of nst/optimizers/method.py.

    A step is one update of x or, if the loss at x is not known, only its evaluation. The loss is not known at
    the first step and after clamping has moved x. Such a step uses the same loop as an update, so that the
    program contains the network only once.

    Args:
      settings: the static choices.
    """
    return Method(
        init=partial(init, settings),
        step=partial(step, settings),
        displaced=forget_value,
        carries=False,
    )


def _first_scale(settings: Settings, gradient: jax.Array) -> jax.Array:
    """Returns the factor that scales the largest entry of a gradient to _FIRST of the range of values."""
    largest = jnp.max(jnp.abs(gradient))
    return _FIRST * settings.value_range / jnp.where(largest > 0, largest, 1)


def _lbfgs(settings: Settings) -> optax.GradientTransformation:
    # a pair is kept for any y.s > 0, since the second condition bounds y.s from below
    first = partial(_first_scale, settings)
    return scale_by_lbfgs(
        settings.memory, first, min_curvature=0.0, dtype=settings.dtype, count=settings.bands
    )


def init(settings: Settings, x: jax.Array) -> SearchState:
    """Returns the state before the first evaluation."""
    return SearchState(_lbfgs(settings).init(x), jnp.full((), jnp.inf, x.dtype), jnp.zeros_like(x))


def step(
    settings: Settings, objective: Callable[[jax.Array], jax.Array], x: jax.Array, state: SearchState
) -> Update:
    """Makes one update of x or, if the loss at x is not known yet, evaluates it.

    If the search finds no better point in `max_evaluations`, x does not change and the pairs are dropped, so
    that the next search follows the gradient. If the search along the gradient fails too, later ones would
    fail in the same way. From then on, and wherever the gradient is 0, steps evaluate nothing and do not
    change x.
    """
    unknown = ~jnp.isfinite(state.value)
    slope = inner(state.memory.gradient, state.direction)
    start = _Start(state.value, slope, unknown, ended=~unknown & ~jnp.any(state.direction))
    trial = _search(settings, objective, x, state.direction, start)
    # where the evaluations ran out, any lower loss is better than none
    good = trial.accepted | (trial.value < state.value)
    x = jnp.where(good, trial.x, x)
    scaled, memory = _lbfgs(settings).update(trial.gradient, state.memory, x)
    # rounding may have turned the direction uphill; then the gradient is used
    downhill = inner(scaled, trial.gradient) > 0
    direction = -jnp.where(downhill, scaled, _first_scale(settings, trial.gradient) * trial.gradient)
    ended = start.ended | (~good & (state.memory.count == 1))  # 1: the direction was the gradient's
    # with the same pairs, the next search would fail in the same way
    memory = memory._replace(count=jnp.where(good, memory.count, 0), stored=jnp.where(good, memory.stored, 0))
    # after a failed search, x is not the point evaluated last, so its gradient has to be evaluated again
    found = jnp.where(ended, start.value, jnp.where(good, trial.value, jnp.inf))
    state = SearchState(memory, found, jnp.where(ended, 0, direction))
    value = jnp.where(unknown, trial.value, start.value)
    # a start whose loss is not finite counts as an update, so that the loop ends there
    return Update(x, state, trial.evaluations, value, updated=~unknown | ~jnp.isfinite(value))


def _search(
    settings: Settings, objective: Callable, x: jax.Array, direction: jax.Array, start: _Start
) -> _Trial:
    """Searches along a direction until a point is accepted or the evaluations are used up."""
    evaluate = jax.value_and_grad(objective)

    def turn(trial: _Trial) -> _Trial:
        # x itself is evaluated by the same code, so that the program contains the objective only once
        point = jnp.where(start.unknown, x, x + trial.length * direction)
        value, gradient = evaluate(point)
        return _judge(trial, _Point(point, value, gradient, inner(gradient, direction)), start)

    zero, infinite = jnp.zeros_like(start.slope), jnp.full_like(start.slope, jnp.inf)
    # a quasi-Newton direction already has the right length, so a step of 1 is tried first
    first = _Trial(
        length=jnp.ones_like(start.slope),
        low=zero,
        low_value=start.value,
        low_slope=start.slope,
        high=infinite,
        high_value=infinite,
        x=x,
        value=infinite,
        gradient=jnp.zeros_like(x),
        evaluations=jnp.zeros((), jnp.int32),
        accepted=start.ended,
    )
    return lax.while_loop(
        lambda trial: ~trial.accepted & (trial.evaluations < settings.max_evaluations), turn, first
    )


def _judge(trial: _Trial, point: _Point, start: _Start) -> _Trial:
    """Returns the search after an evaluation: accepted, or with the next length to try."""
    # the first condition or, where rounding hides it, the condition of Hager & Zhang: slope <= (2 c1 - 1) g.d
    near = (point.value <= start.value + _ROUNDING * jnp.abs(start.value)) & (
        point.slope <= (2 * C1 - 1) * start.slope
    )
    enough = jnp.isfinite(point.value) & (
        (point.value <= start.value + C1 * trial.length * start.slope) | near
    )
    accepted = start.unknown | (enough & (point.slope >= C2 * start.slope))
    # the point is the new lower end if it meets the first condition, else the new upper end
    take = partial(jnp.where, enough)
    low, low_value = take(trial.length, trial.low), take(point.value, trial.low_value)
    low_slope = take(point.slope, trial.low_slope)
    high, high_value = take(trial.high, trial.length), take(trial.high_value, point.value)
    longer = _beyond(trial.low, trial.low_slope, low, point.slope)
    between = _between(low, low_value, low_slope, high, high_value)
    length = jnp.where(jnp.isfinite(high), between, longer)
    return _Trial(
        length=jnp.where(accepted, trial.length, length),
        low=low,
        low_value=low_value,
        low_slope=low_slope,
        high=high,
        high_value=high_value,
        x=point.x,
        value=point.value,
        gradient=point.gradient,
        evaluations=trial.evaluations + 1,
        accepted=accepted,
    )


def _beyond(before: jax.Array, slope_before: jax.Array, low: jax.Array, slope: jax.Array) -> jax.Array:
    """Returns the next length if no step has been too long yet: the length at which the slope's secant is 0.

    The length is at least 2 times `low`, so that few evaluations are needed to reach a step of any length,
    and at most 10 times `low`, since the secant of two nearly equal slopes may give any length.
    """
    secant = low + (low - before) * slope / (slope_before - slope)
    return jnp.where(jnp.isfinite(secant), jnp.clip(secant, 2 * low, 10 * low), 2 * low)


def _between(
    low: jax.Array, low_value: jax.Array, low_slope: jax.Array, high: jax.Array, high_value: jax.Array
) -> jax.Array:
    """Returns the next length inside the bracket: the minimum of a parabola.

    The parabola has the losses of both ends and the slope of the lower one. The length stays a tenth of the
    bracket away from either end, so that every evaluation shrinks the bracket. If the loss at the upper end
    is not finite, the length is the middle of the bracket.
    """
    width = high - low
    curve = high_value - low_value - low_slope * width
    least = low - low_slope * width**2 / (2 * curve)
    inside = jnp.isfinite(least) & jnp.isfinite(high_value)
    return jnp.where(inside, jnp.clip(least, low + 0.1 * width, high - 0.1 * width), low + 0.5 * width)
