"""L-BFGS by the rules of Torch, with which most published style transfers were made.

Optax and Torch share the two-loop recursion (Nocedal & Wright 2006, algorithm 7.4). They differ in the first
step and in the pairs that they keep, and these decide the first fifty iterations of a published run.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax


class LBFGSState(NamedTuple):
    """The last pairs (s, y) in ring buffers, of which slot `stored % memory` is the next to be written."""

    count: jax.Array  # updates made
    stored: jax.Array  # pairs accepted so far
    params: jax.Array  # at the previous update
    gradient: jax.Array  # at the previous update
    steps: jax.Array  # s_i = x_{i+1} - x_i, [memory, *shape]
    changes: jax.Array  # y_i = g_{i+1} - g_i, [memory, *shape]
    curvatures: jax.Array  # y_i . s_i, [memory]
    scale: jax.Array  # gamma = y.s / y.y of the last accepted pair


def inner(a: jax.Array, b: jax.Array) -> jax.Array:
    """Returns a . b of two arrays of one shape, without a reshape, so that they stay sharded."""
    return jnp.sum(a * b)


def torch_first(gradient: jax.Array) -> jax.Array:
    """Returns min(1, 1/||g||_1), the scale of Torch's first step; with Optax's 2-norm it is far longer."""
    return jnp.minimum(1.0, 1 / jnp.sum(jnp.abs(gradient)))


def scale_by_lbfgs(
    memory_size: int,
    first_scale: Callable[[jax.Array], jax.Array] = torch_first,
    min_curvature: float = 1e-10,
    dtype: str | None = None,
) -> optax.GradientTransformation:
    """Preconditions the gradient as torch.optim.LBFGS and Torch7's optim.lbfgs do without a line search.

    - The first update is the gradient times `first_scale(gradient)`.
    - A pair with y.s <= `min_curvature` is skipped, and the memory and gamma stay as they were. Optax keeps
      every pair, and with y.s < 0 the approximation is no longer positive definite.

    Args:
      memory_size: number of pairs kept, >= 1; Torch's default is 100.
      first_scale: function of the first gradient; Torch's by default.
      min_curvature: a pair is kept if y.s is greater than this.
      dtype: dtype of the stored pairs; None: that of the parameters. y.s and gamma are computed from the
        rounded pairs, so that the approximation stays positive definite.

    Returns:
      A transformation of a single array, of any shape.

    Source: pytorch/torch/optim/lbfgs.py and torch/optim/lbfgs.lua, read for their rules.
    Departs from them: s is the difference of the parameters, so that it is the step after clamping.
    """

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
            curvatures=jnp.ones(memory_size, params.dtype),
            scale=jnp.ones((), params.dtype),
        )

    def update(gradient, state, params):
        state = _remember(state, params, gradient, memory_size, min_curvature)
        direction = _two_loop(state, gradient, memory_size)
        return jnp.where(state.count == 1, first_scale(gradient) * gradient, direction), state

    return optax.GradientTransformation(init, update)


def _remember(
    state: LBFGSState, params: jax.Array, gradient: jax.Array, memory_size: int, min_curvature: float
) -> LBFGSState:
    """Returns the state with the pair of the last step, unless its curvature is too small."""
    moves = params - state.params, gradient - state.gradient
    rounded = [move.astype(state.steps.dtype) for move in moves]
    s, y = (pair.astype(params.dtype) for pair in rounded)
    curvature = inner(y, s)
    accept = (state.count > 0) & (curvature > min_curvature)  # before the first update there is no pair
    slot = state.stored % memory_size

    def put(buffer, value):
        # the slot alone is selected, since a select of whole buffers would copy every pair
        return buffer.at[slot].set(jnp.where(accept, value, buffer[slot]))

    return LBFGSState(
        count=state.count + 1,
        stored=state.stored + accept,
        params=params,
        gradient=gradient,
        steps=put(state.steps, rounded[0]),
        changes=put(state.changes, rounded[1]),
        curvatures=put(state.curvatures, curvature),
        scale=jnp.where(accept, curvature / inner(y, y), state.scale),
    )


def _two_loop(state: LBFGSState, gradient: jax.Array, memory_size: int) -> jax.Array:
    """Returns H g by the two-loop recursion over the stored pairs, from newest to oldest and back."""
    held = jnp.minimum(state.stored, memory_size)

    def slot(age):  # age 0 is the newest
        return (state.stored - 1 - age) % memory_size

    def backward(age, carry):
        q, alphas = carry
        i = slot(age)
        alpha = inner(state.steps[i], q) / state.curvatures[i]
        return q - alpha * state.changes[i], alphas.at[age].set(alpha)

    def forward(k, r):
        age = held - 1 - k
        i = slot(age)
        beta = inner(state.changes[i], r) / state.curvatures[i]
        return r + (alphas[age] - beta) * state.steps[i]

    alphas = jnp.zeros(memory_size, gradient.dtype)
    q, alphas = lax.fori_loop(0, held, backward, (gradient, alphas))
    return lax.fori_loop(0, held, forward, state.scale * q)
