"""The interface of an optimiser, `Method(init, step)`, and adapters for Optax's transformations."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax


class Update(NamedTuple):
    """The result of one step of an optimiser."""

    x: jax.Array
    state: Any
    evaluations: int | jax.Array  # number of evaluations of the objective with its gradient
    value: jax.Array  # value of the objective at x before the step
    updated: bool | jax.Array  # False: the step evaluated the objective and did not change x


def _unchanged(state: Any, moved: bool | jax.Array) -> Any:
    return state


class Method(NamedTuple):
    """An optimiser of one array x, as pure functions."""

    init: Callable[[jax.Array], Any]  # x -> state
    step: Callable[[Callable[[jax.Array], jax.Array], jax.Array, Any], Update]  # (objective, x, state)
    # (state, moved) -> the state, changed where `moved` says that the caller has moved x, as clamping does
    displaced: Callable[[Any, bool | jax.Array], Any] = _unchanged
    carries: bool = True  # whether the state can be used for another size of x or another objective
    # whether updates are proportional to the gradient, so that the learning rate is in units of the loss
    proportional: bool = False


def forget_value(state: Any, moved: bool | jax.Array) -> Any:
    """Marks the value of the objective at x as unknown in a state that keeps it as `value`.

    Args:
      state: state of a method that keeps the value at x so that it need not be evaluated again.
      moved: boolean scalar, whether x has changed; if not, the state is returned as it is.
    """
    value = jnp.where(moved, jnp.inf, optax.tree.get(state, "value"))
    return optax.tree.set(state, value=value)


def from_optax(
    transformation: optax.GradientTransformation, carries: bool = True, proportional: bool = False
) -> Method:
    """Returns a method whose step is one evaluation and one update of `transformation`.

    Args:
      transformation: an Optax transformation, whose update may use `value`, the objective at x.
      carries, proportional: fields of `Method`.
    """
    transformation = optax.with_extra_args_support(transformation)

    def step(objective, x, state):
        value, gradient = jax.value_and_grad(objective)(x)
        updates, state = transformation.update(gradient, state, x, value=value)
        return Update(optax.apply_updates(x, updates), state, evaluations=1, value=value, updated=True)

    return Method(transformation.init, step, carries=carries, proportional=proportional)


def from_optax_search(transformation: optax.GradientTransformation) -> Method:
    """Returns a method for a `transformation` that ends in one of Optax's line searches.

    The search evaluates the objective inside the update, and stores the value and the gradient at the
    accepted point in the state, so that the next step need not evaluate them again.
    """
    transformation = optax.with_extra_args_support(transformation)

    def step(objective, x, state):
        unknown = ~jnp.isfinite(optax.tree.get(state, "value"))  # at the first step, and after `displaced`
        value, gradient = optax.value_and_grad_from_state(objective)(x, state=state)
        updates, state = transformation.update(
            gradient, state, x, value=value, grad=gradient, value_fn=objective
        )
        evaluations = unknown + optax.tree.get(state, "num_linesearch_steps")
        return Update(optax.apply_updates(x, updates), state, evaluations, value, updated=True)

    return Method(transformation.init, step, displaced=forget_value, carries=False)
