"""init / step / run: the optimisation of one array, as pure functions around a `Method`.

The array may be an image, a sound or a block of voxels; it is used only through an objective, which is a
function of the problem, the array and the step. `run` is a loop on the device with a variable number of
steps. There is one compiled program for each (objective, optimizer, shapes), even if the steps are divided
into several calls, so an interrupted run that is continued gives the same bytes.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import flax.struct
import jax
import jax.numpy as jnp
import optax
from jax import lax

from nst.optimizers.method import Update
from nst.optimizers.table import Optimizer, method

# (problem, image, step) -> the scalar to be minimised. The problem is a pytree of arrays; the image is an
# array with the shape of the start that `init` got. An objective is a static argument, so it must be hashable
# and compared by equality: a function of a module, or a frozen dataclass with a method `__call__`.
Objective = Callable[[Any, jax.Array, jax.Array], jax.Array]


# Number of updates over which the change of the loss is measured. It is more than one, because the loss falls
# unevenly with L-BFGS and sometimes rises with first-order optimisers.
WINDOW = 10


@flax.struct.dataclass
class Window:
    """The range of the losses in the current `WINDOW` updates, and the change in the `WINDOW` before them."""

    low: jax.Array  # the least loss so far
    high: jax.Array  # the greatest loss so far
    change: jax.Array  # (high - low) / max(|high|, |low|) of the last full window; inf: there was none


@flax.struct.dataclass
class State:
    """The complete state of a run between two steps; a run continued from it gives the same bytes."""

    pixels: jax.Array  # the current iterate, in units of 1 / pixel_range
    optimizer: optax.OptState  # the optimiser's state; the optimiser minimises the loss times `scale`
    scale: jax.Array  # a power of two, see the function `scale`
    step: jax.Array  # int32, number of updates made
    evaluations: jax.Array  # int32, number of evaluations of the loss with its gradient
    ema: jax.Array | None  # moving average of the iterates, before bias correction
    window: Window | None  # None: `tolerance` is 0


class CarriedState(NamedTuple):
    """The part of the state that a run takes over from the end of another run."""

    optimizer: optax.OptState
    scale: jax.Array


# A loss that lies in this range at the start is minimised as it is. The losses of the published programs lie
# in the range, so Adam's epsilon and Torch's thresholds have the same effect as in those programs. Squares of
# a gradient leave the range of float32 where the gradient is about 1e19 or 1e-19; the rest is a margin for
# single pixels, for steps that overshoot, and for losses that have fallen far.
_LEAST, _MOST = 2.0**-20, 2.0**40


def scale(optimizer: Optimizer, loss: float) -> float:
    """Returns the power of two by which a run multiplies the loss that it minimises.

    Gradients and their squares then stay in the range of float32, however large or small the weights of the
    loss are. The factor is 1 for losses in a wide range, and brings any other loss to the nearer end of that
    range. A power of two does not change rounding: L-BFGS with line_search = wolfe has the same iterates, bit
    for bit, for all losses that differ by a power of two. If updates are proportional to the gradient, the
    learning rate is meant for the loss as it is, and the factor is always 1.

    Args:
      optimizer: static choices.
      loss: the loss at the start of the run.
    """
    loss = abs(loss)
    if method(optimizer).proportional or not 0 < loss < math.inf:
        return 1.0
    nearest = min(max(loss, _LEAST), _MOST)
    return 2.0 ** (math.frexp(nearest)[1] - math.frexp(loss)[1])


def init(optimizer: Optimizer, image: jax.Array, carried: CarriedState | None = None) -> State:
    """Returns the state before the first step.

    Args:
      optimizer: static choices.
      image: the start, an image `1xHxWx3` in [0, 1], or any other array.
      carried: state from another run, in the shape of `image`; None: the optimiser's state is new, and
        `State.scale` is 1.
    """
    pixels = optimizer.pixel_range * jnp.asarray(image, jnp.float32)
    state = State(
        pixels=pixels,
        optimizer=method(optimizer).init(pixels) if carried is None else carried.optimizer,
        scale=jnp.ones((), jnp.float32) if carried is None else carried.scale,
        step=jnp.zeros((), jnp.int32),
        evaluations=jnp.zeros((), jnp.int32),
        ema=(1 - optimizer.ema) * optimizer.ema_start * pixels if optimizer.ema else None,
        window=_empty(jnp.full((), jnp.inf)) if optimizer.tolerance else None,
    )
    # Optax starts with weakly typed scalars, which would compile the loop a second time, and with leaves
    # that share a buffer, which cannot be donated
    return jax.tree.map(lambda leaf: jnp.array(leaf, leaf.dtype, copy=True), state)


def image(optimizer: Optimizer, state: State) -> jax.Array:
    """Returns the result of a state: the iterate, or the average of the iterates.

    With `ema` d > 0, the average is sum_i d^(t-i) x_i / sum_i d^(t-i) over the iterates x_i of all steps and,
    with `ema_start`, the start (Kingma & Ba 2014, section 3, bias correction).

    Args:
      optimizer: static choices, as for `init`.
      state: the state at any step.

    Returns:
      The image, with the shape and the units of the image that `init` got, not clipped.
    """
    pixels = state.pixels
    if optimizer.ema:
        count = state.step + optimizer.ema_start
        average = state.ema / jnp.maximum(1 - optimizer.ema**count, 1e-30)
        pixels = jnp.where(count > 0, average, pixels)
    return pixels / optimizer.pixel_range


def step(objective: Objective, optimizer: Optimizer, problem: Any, state: State) -> tuple[State, jax.Array]:
    """Makes one step of the optimiser, which is usually one update of the image.

    If a line search does not know the loss at the current image yet, the step only evaluates it, and
    `state.step` does not change.

    Args:
      objective: the function that is minimised.
      optimizer: static choices.
      problem: first argument of the objective, a pytree of arrays.
      state: the state from `init` or from an earlier step.

    Returns:
      The new state, and the loss at the old state.
    """

    def loss(pixels):
        return state.scale * objective(problem, pixels / optimizer.pixel_range, state.step)

    rule = method(optimizer)
    update = rule.step(loss, state.pixels, state.optimizer)
    if optimizer.clamp:
        clipped = jnp.clip(update.x, 0, optimizer.pixel_range)
        moved = jnp.any(clipped != update.x)
        update = update._replace(x=clipped, state=rule.displaced(update.state, moved))
    new = State(
        pixels=update.x,
        optimizer=update.state,
        scale=state.scale,
        step=state.step + update.updated,
        evaluations=state.evaluations + update.evaluations,
        ema=_averaged(optimizer, update, state.ema),
        window=_widened(state, update),
    )
    # the state of a loop must keep its dtypes, and some optimisers of Optax change them
    new = jax.tree.map(lambda leaf, old: lax.convert_element_type(leaf, old.dtype), new, state)
    return new, update.value / state.scale


def _averaged(optimizer: Optimizer, update: Update, ema: jax.Array | None) -> jax.Array | None:
    """Returns the moving average of the iterates, updated with the new iterate if there is one."""
    if not optimizer.ema:
        return None
    return jnp.where(update.updated, optimizer.ema * ema + (1 - optimizer.ema) * update.x, ema)


def _empty(change: jax.Array) -> Window:
    return Window(low=jnp.full((), jnp.inf), high=jnp.full((), -jnp.inf), change=change)


def _widened(state: State, update: Update) -> Window | None:
    """Returns the window that includes the loss before an update; a full window starts again."""
    if state.window is None:
        return None
    low, high = jnp.minimum(state.window.low, update.value), jnp.maximum(state.window.high, update.value)
    largest = jnp.maximum(jnp.abs(low), jnp.abs(high))
    change = (high - low) / jnp.where(largest > 0, largest, 1)
    full = update.updated & ((state.step + 1) % WINDOW == 0)
    wider = Window(low, high, state.window.change)
    return jax.tree.map(partial(jnp.where, full), _empty(change), wider)


def converged(optimizer: Optimizer, state: State) -> jax.Array | bool:
    """Returns whether a run has ended because its loss hardly changes any more.

    The updates are divided into groups of ten: one to ten, eleven to twenty, and so on. A run has ended after
    a group in which the losses f at the starts of the updates differed by no more than `optimizer.tolerance`:

        max f - min f <= tolerance max |f|

    A loss that rises for a while, as after a step that was too long, does not end the run. Ten losses are
    compared, not two as with SciPy's `ftol`, and the change is relative, so that the weights of the loss do
    not matter.

    Args:
      optimizer: static choices, as for `init`; with `tolerance` 0, the result is always False.
      state: the state at any step.
    """
    return False if state.window is None else state.window.change <= optimizer.tolerance


@partial(jax.jit, static_argnums=(0, 1), donate_argnums=3)
def run(
    objective: Objective, optimizer: Optimizer, problem: Any, state: State, count: jax.Array
) -> tuple[State, jax.Array]:
    """Makes `count` updates on the device; stops earlier if the loss has settled or is not finite.

    If the loss is not finite, the update that started from it is the last one.

    Args:
      objective: the function that is minimised; static, so equal objectives share a compiled program.
      optimizer: static choices.
      problem: first argument of the objective, a pytree of arrays.
      state: the state from `init` or from an earlier call. It is donated: its arrays cannot be used
        afterwards.
      count: number of updates, int32, >= 0; not static, so calls with any count share a compiled program.

    Returns:
      The new state, and the loss at the start of the last step (0 if no step was made).
    """
    last = state.step + count

    def unfinished(carry):
        state, value = carry
        going = (state.step < last) & jnp.isfinite(value)
        return going if state.window is None else going & ~converged(optimizer, state)

    def body(carry):
        return step(objective, optimizer, problem, carry[0])

    return lax.while_loop(unfinished, body, (state, jnp.zeros((), jnp.float32)))
