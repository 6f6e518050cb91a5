"""L-BFGS by the rules of Torch, which most published style transfers ran under.

Optax and Torch share the two-loop recursion (Nocedal & Wright 2006, algorithm 7.4) and differ at its
edges; these edges decide the first fifty iterations of a published run.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax


class TorchLBFGSState(NamedTuple):
    """Ring buffers of the last pairs; slot `stored % memory` is the next to be written."""

    count: jax.Array  # updates made
    stored: jax.Array  # pairs accepted so far
    params: jax.Array  # at the previous update
    gradient: jax.Array  # at the previous update
    steps: jax.Array  # s_i = x_{i+1} - x_i, [memory, *shape]
    changes: jax.Array  # y_i = g_{i+1} - g_i, [memory, *shape]
    curvatures: jax.Array  # y_i . s_i, [memory]
    scale: jax.Array  # gamma = y.s / y.y of the last accepted pair


def scale_by_torch_lbfgs(memory_size: int) -> optax.GradientTransformation:
    """Preconditions the gradient as torch.optim.LBFGS and Torch7's optim.lbfgs do without a line search.

    - First update: the gradient times min(1, 1/||g||_1). Optax divides by the 2-norm, a far longer step.
    - A pair with y.s <= 1e-10 is skipped, and the memory and gamma stay as they were. Optax keeps every
      pair, and with y.s < 0 the approximation is no longer positive definite.

    The parameters must be one array (an image).

    Args:
      memory_size: pairs kept; Torch's default is 100.

    Source: pytorch/torch/optim/lbfgs.py and torch/optim/lbfgs.lua, read for their rules.
    Departs from them: s is the difference of the parameters, so clamped steps are seen as they were taken.
    """

    def init(params):
        history = jnp.zeros((memory_size, *params.shape), params.dtype)
        zero = jnp.zeros((), jnp.int32)
        return TorchLBFGSState(
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
        s, y = params - state.params, gradient - state.gradient
        curvature = jnp.vdot(y, s)
        accept = (state.count > 0) & (curvature > 1e-10)
        slot = state.stored % memory_size

        def put(buffer, value):
            return buffer.at[slot].set(jnp.where(accept, value, buffer[slot]))

        state = TorchLBFGSState(
            count=state.count + 1,
            stored=state.stored + accept,
            params=params,
            gradient=gradient,
            steps=put(state.steps, s),
            changes=put(state.changes, y),
            curvatures=put(state.curvatures, curvature),
            scale=jnp.where(accept, curvature / jnp.vdot(y, y), state.scale),
        )
        first = jnp.minimum(1.0, 1 / jnp.sum(jnp.abs(gradient)))
        direction = _two_loop(state, gradient, memory_size)
        return jnp.where(state.count == 1, first * gradient, direction), state

    return optax.GradientTransformation(init, update)


def _two_loop(state: TorchLBFGSState, gradient: jax.Array, memory_size: int) -> jax.Array:
    """H g by the two-loop recursion over the stored pairs, newest to oldest and back."""
    held = jnp.minimum(state.stored, memory_size)

    def slot(age):  # age 0 is the newest
        return (state.stored - 1 - age) % memory_size

    def backward(age, carry):
        q, alphas = carry
        i = slot(age)
        alpha = jnp.vdot(state.steps[i], q) / state.curvatures[i]
        return q - alpha * state.changes[i], alphas.at[age].set(alpha)

    def forward(k, r):
        age = held - 1 - k
        i = slot(age)
        beta = jnp.vdot(state.changes[i], r) / state.curvatures[i]
        return r + (alphas[age] - beta) * state.steps[i]

    alphas = jnp.zeros(memory_size, gradient.dtype)
    q, alphas = lax.fori_loop(0, held, backward, (gradient, alphas))
    return lax.fori_loop(0, held, forward, state.scale * q)
