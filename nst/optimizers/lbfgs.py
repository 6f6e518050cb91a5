"""L-BFGS: the two-loop recursion, by the rules of Torch, which most published style transfers ran under.

Optax and Torch share the recursion (Nocedal & Wright 2006, algorithm 7.4) and differ at its edges; these
edges decide the first fifty iterations of a published run.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax


class LBFGSState(NamedTuple):
    """Ring buffers of the last pairs; slot `stored % memory` is the next to be written."""

    count: jax.Array  # updates made
    stored: jax.Array  # pairs accepted so far
    params: jax.Array  # at the previous update
    gradient: jax.Array  # at the previous update
    steps: jax.Array  # s_i = x_{i+1} - x_i, [memory, *shape]
    changes: jax.Array  # y_i = g_{i+1} - g_i, [memory, *shape]
    curvatures: jax.Array  # y_i . s_i, [memory]
    scale: jax.Array  # gamma = y.s / y.y of the last accepted pair


def inner(a: jax.Array, b: jax.Array) -> jax.Array:
    """a . b of two images; unlike jnp.vdot it flattens nothing, so that images stay divided among devices."""
    return jnp.sum(a * b)


def torch_first(gradient: jax.Array) -> jax.Array:
    """min(1, 1/||g||_1), the length of Torch's first step. Optax divides by the 2-norm, a far longer step."""
    return jnp.minimum(1.0, 1 / jnp.sum(jnp.abs(gradient)))


def scale_by_lbfgs(
    memory_size: int,
    first: Callable[[jax.Array], jax.Array] = torch_first,
    least: float = 1e-10,
    dtype: str | None = None,
) -> optax.GradientTransformation:
    """Preconditions the gradient, by default as torch.optim.LBFGS and Torch7's optim.lbfgs without a search.

    - First update: the gradient times `first(gradient)`.
    - A pair with y.s <= `least` is skipped, and the memory and gamma stay as they were. Optax keeps every
      pair, and with y.s < 0 the approximation is no longer positive definite.

    The parameters must be one array (an image).

    Args:
      memory_size: pairs kept; Torch's default is 100.
      first: the scale of the first step.
      least: curvature of a pair that is kept, exclusive.
      dtype: of the pairs, None: of the parameters; y.s and gamma are those of the rounded pairs, so that the
        approximation stays positive definite.

    Source: pytorch/torch/optim/lbfgs.py and torch/optim/lbfgs.lua, read for their rules.
    Departs from them: s is the difference of the parameters, so clamped steps are seen as they were taken.
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
        moves = params - state.params, gradient - state.gradient
        rounded = [move.astype(dtype or params.dtype) for move in moves]
        s, y = (pair.astype(params.dtype) for pair in rounded)
        curvature = inner(y, s)
        accept = (state.count > 0) & (curvature > least)
        slot = state.stored % memory_size

        def put(buffer, value):
            return buffer.at[slot].set(jnp.where(accept, value, buffer[slot]))

        state = LBFGSState(
            count=state.count + 1,
            stored=state.stored + accept,
            params=params,
            gradient=gradient,
            steps=put(state.steps, rounded[0]),
            changes=put(state.changes, rounded[1]),
            curvatures=put(state.curvatures, curvature),
            scale=jnp.where(accept, curvature / inner(y, y), state.scale),
        )
        direction = _two_loop(state, gradient, memory_size)
        return jnp.where(state.count == 1, first(gradient) * gradient, direction), state

    return optax.GradientTransformation(init, update)


def _two_loop(state: LBFGSState, gradient: jax.Array, memory_size: int) -> jax.Array:
    """H g by the two-loop recursion over the stored pairs, newest to oldest and back."""
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
