"""L-BFGS by the rules of Torch, with which most published style transfers were made.

Optax and Torch share the two-loop recursion (Nocedal & Wright 2006, algorithm 7.4). They differ in the first
step and in the pairs that they keep, and these differences determine the first fifty iterations of a
published run.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jax.scipy.linalg import solve_triangular

from nst.optimizers import bands

Metric = Callable[[jax.Array], jax.Array]


class LBFGSState(NamedTuple):
    """The last pairs (s, y) in ring buffers, of which slot `stored % memory` is the next to be written."""

    count: jax.Array  # updates made
    stored: jax.Array  # pairs accepted so far
    params: jax.Array  # at the previous update
    gradient: jax.Array  # at the previous update
    steps: jax.Array  # s_i = x_{i+1} - x_i, [memory, *shape]
    changes: jax.Array  # y_i = g_{i+1} - g_i, [memory, *shape]
    products: jax.Array  # s_i . y_j, [memory, memory], for pairs j that are not older than pair i
    scale: jax.Array  # gamma = y.s / y.My of the pair accepted last, with the metric M


def inner(a: jax.Array, b: jax.Array) -> jax.Array:
    """Returns a . b of two arrays of the same shape, without a reshape, so that they stay sharded."""
    return jnp.sum(a * b)


def inner_each(stack: jax.Array, x: jax.Array) -> jax.Array:
    """Returns the inner product of each array of a stack, `[memory, *shape]`, with x."""

    def one_by_one(stack, x):
        return lax.map(partial(inner, x), stack)

    def at_once(stack, x):
        return jnp.sum(stack * x, axis=range(1, stack.ndim))

    # at once, XLA:CPU would copy the stack or store the products; on a GPU, each iteration of a loop takes
    # microseconds to start
    return lax.platform_dependent(stack, x, cpu=one_by_one, default=at_once)


def combination(stack: jax.Array, factors_M: jax.Array) -> jax.Array:
    """Returns the sum of a stack's arrays, each multiplied by its factor, in the dtype of the factors."""

    def one_by_one(stack, factors_M):
        zero = jnp.zeros(stack.shape[1:], factors_M.dtype)
        return lax.scan(lambda total, pair: (total + pair[1] * pair[0], None), zero, (stack, factors_M))[0]

    def at_once(stack, factors_M):
        return jnp.sum(factors_M.reshape(-1, *[1] * (stack.ndim - 1)) * stack, axis=0)

    return lax.platform_dependent(stack, factors_M, cpu=one_by_one, default=at_once)


def torch_first(gradient: jax.Array) -> jax.Array:
    """Returns min(1, 1/||g||_1), the scale of Torch's first step; Optax's, with the 2-norm, is far larger."""
    return jnp.minimum(1.0, 1 / jnp.sum(jnp.abs(gradient)))


def scale_by_lbfgs(
    memory_size: int,
    first_scale: Callable[[jax.Array], jax.Array] = torch_first,
    min_curvature: float = 1e-10,
    dtype: str | None = None,
    count: int = 0,
) -> optax.GradientTransformation:
    """Preconditions the gradient as torch.optim.LBFGS and Torch7's optim.lbfgs do without a line search.

    - The first update is the gradient g times `first_scale(g)`; with a metric M, Mg takes the place of g.
    - A pair with y.s <= `min_curvature` is skipped: the memory and gamma stay as they were. Optax keeps every
      pair, and after one with y.s < 0 the approximation is no longer positive definite.

    Args:
      memory_size: number of pairs kept, >= 1; Torch's default is 100.
      first_scale: function of the first gradient, or of Mg; by default Torch's function.
      min_curvature: a pair is kept if y.s is greater than this number.
      dtype: dtype of the stored pairs; None: the dtype of the parameters. y.s and gamma are computed from the
        rounded pairs, so that the approximation stays positive definite.
      count: number of bands of the metric M in the first estimate gamma M of the inverse Hessian
        (`bands.metric`); 0: M is the identity.

    Returns:
      A transformation of a single array, of any shape.

    Source: pytorch/torch/optim/lbfgs.py and torch/optim/lbfgs.lua.
    Departs from them: s is the difference of the parameters, and therefore the step after clamping.
    """
    metric = bands.metric(count)

    def init(params):
        history = jnp.zeros((memory_size, *params.shape), dtype or params.dtype)
        zero = jnp.zeros((), jnp.int32)
        return LBFGSState(
            count=zero,
            stored=zero,
            params=jnp.zeros_like(params),
            gradient=jnp.zeros_like(params),
            steps=history,
            changes=history,
            products=jnp.zeros((memory_size, memory_size), params.dtype),
            scale=jnp.ones((), params.dtype),
        )

    def update(gradient, state, params):
        state = _remember(state, params, gradient, memory_size, min_curvature, metric)
        direction, first = _two_loop(state, gradient, memory_size, metric), metric(gradient)
        return jnp.where(state.count == 1, first_scale(first) * first, direction), state

    return optax.GradientTransformation(init, update)


def _remember(
    state: LBFGSState,
    params: jax.Array,
    gradient: jax.Array,
    memory_size: int,
    min_curvature: float,
    metric: Metric,
) -> LBFGSState:
    """Returns the state with the pair of the last step, unless its curvature is too small."""
    moves = params - state.params, gradient - state.gradient
    rounded = [move.astype(state.steps.dtype) for move in moves]
    s, y = (pair.astype(params.dtype) for pair in rounded)
    curvature = inner(y, s)
    accept = (state.count > 0) & (curvature > min_curvature)  # before the first update there is no pair
    slot = state.stored % memory_size

    def put(buffer, value):
        # the select is applied to one slot, since a select of whole buffers would copy every pair
        return buffer.at[slot].set(jnp.where(accept, value, buffer[slot]))

    steps = put(state.steps, rounded[0])
    return LBFGSState(
        count=state.count + 1,
        stored=state.stored + accept,
        params=params,
        gradient=gradient,
        steps=steps,
        changes=put(state.changes, rounded[1]),
        products=put(state.products.T, inner_each(steps, y)).T,
        scale=jnp.where(accept, curvature / inner(y, metric(y)), state.scale),
    )


def _two_loop(state: LBFGSState, gradient: jax.Array, memory_size: int, metric: Metric) -> jax.Array:
    """Returns H g by the two-loop recursion over the stored pairs, from newest to oldest and back.

    Each loop is a triangular system for its coefficients. With the pairs as rows of S and Y, the newest
    first, with L_ij = s_i . y_j for j <= i and with D the diagonal of L, the systems are

        L a = S g,   r = gamma M (g - a Y),   L^T c = D a - Y r,   H g = r + c S.

    So S and Y are each read twice, in four passes. Loops would read them as often, but in one pass for each
    pair, would write and read a vector after each pair, and on a GPU would wait for each iteration.
    """
    ages = (state.stored - 1 - jnp.arange(memory_size)) % memory_size  # slots, the newest first
    held = jnp.arange(memory_size) < state.stored
    lower_MxM = jnp.tril(state.products[ages][:, ages])
    # a row without a pair is set to the row of the identity, so that its coefficient is 0
    lower_MxM = jnp.where(held[:, None], lower_MxM, jnp.eye(memory_size, dtype=lower_MxM.dtype))

    def solve(right_M, transposed):
        return solve_triangular(lower_MxM, jnp.where(held, right_M, 0), trans=int(transposed), lower=True)

    def combined(stack, factors_M):
        return combination(stack, jnp.zeros_like(factors_M).at[ages].set(factors_M))

    a = solve(inner_each(state.steps, gradient)[ages], transposed=False)
    r = state.scale * metric(gradient - combined(state.changes, a))
    c = solve(jnp.diagonal(lower_MxM) * a - inner_each(state.changes, r)[ages], transposed=True)
    return r + combined(state.steps, c)
