"""init / step / run: the optimisation of one array, as pure functions around a `Method`.

The array may be an image, a sound or a block of voxels; it is used only through an objective, a function of
the problem, the array and the step. `run` is a loop on the device with a variable number of steps. There is
one compiled program for each (objective, optimizer, shapes), however many calls the steps are divided into,
so an interrupted run that is continued gives the same bytes.
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
# array of any shape, that of `init`. An objective is a static argument, so it is hashable and compared by
# equality: a function of a module, or a frozen dataclass with a method `__call__`.
Objective = Callable[[Any, jax.Array, jax.Array], jax.Array]


# Updates over which the change of the loss is measured: the losses of L-BFGS fall unevenly, and those of
# first-order optimisers also rise
WINDOW = 10


@flax.struct.dataclass
class Window:
    """The losses of the present `WINDOW` updates, and how much those of the one before differed."""

    low: jax.Array  # the least loss so far
    high: jax.Array  # the greatest loss so far
    change: jax.Array  # (high - low) / max(|high|, |low|) of the last full window; inf: there was none


@flax.struct.dataclass
class State:
    """Everything that a run carries from step to step; a run continued from it gives the same bytes."""

    pixels: jax.Array  # the present iterate, in units of 1 / pixel_range
    optimizer: optax.OptState  # of the loss times `scale`
    scale: jax.Array  # a power of two, see the function `scale`
    step: jax.Array  # int32, updates made
    evaluations: jax.Array  # int32, evaluations of the loss with its gradient
    ema: jax.Array | None  # moving average of the iterates, before bias correction
    window: Window | None  # None: `tolerance` is 0


class Carried(NamedTuple):
    """What a run takes over from the end of another one."""

    optimizer: optax.OptState
    scale: jax.Array


# The range of losses, at the start, that are minimised as they are. The losses of the published programs lie
# in it, so that Adam's epsilon and Torch's thresholds mean what they mean there. Squares of a gradient leave
# the range of float32 at about 1e19 and 1e-19; the rest is a margin for single pixels, for steps that
# overshoot, and for losses that have fallen far.
_LEAST, _MOST = 2.0**-20, 2.0**40


def scale(optimizer: Optimizer, loss: float) -> float:
    """Returns the power of two by which a run multiplies its loss while it minimises it.

    Gradients and their squares then stay in the range of float32, however large or small the weights of the
    loss are. The factor is 1 for losses in a wide range, and brings others to the nearer end of it. A power
    of two changes no rounding: L-BFGS with line_search = wolfe makes the same iterates, bit for bit, for all
    losses that differ by one. Where updates are proportional to the gradient, the learning rate is meant for
    the loss as it is, and the factor is always 1.

    Args:
      optimizer: static choices.
      loss: at the start of the run.
    """
    loss = abs(loss)
    if method(optimizer).proportional or not 0 < loss < math.inf:
        return 1.0
    nearest = min(max(loss, _LEAST), _MOST)
    return 2.0 ** (math.frexp(nearest)[1] - math.frexp(loss)[1])


def init(optimizer: Optimizer, image: jax.Array, carried: Carried | None = None) -> State:
    """Returns the state before the first step.

    Args:
      optimizer: static choices.
      image: the start, of any shape; an image `1xHxWx3` in [0, 1].
      carried: from another run, in this image's shape; None: the optimiser's state is a new one, and
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

    With `ema` d > 0 it is sum_i d^(t-i) x_i / sum_i d^(t-i) over the iterates x_i of all steps and, with
    `ema_start`, the start (Kingma & Ba 2014, section 3, bias correction).

    Args:
      optimizer: static choices, as for `init`.
      state: at any step.

    Returns:
      The image, of the shape and in the units of `init`'s, not clipped.
    """
    pixels = state.pixels
    if optimizer.ema:
        count = state.step + optimizer.ema_start
        average = state.ema / jnp.maximum(1 - optimizer.ema**count, 1e-30)
        pixels = jnp.where(count > 0, average, pixels)
    return pixels / optimizer.pixel_range


def step(objective: Objective, optimizer: Optimizer, problem: Any, state: State) -> tuple[State, jax.Array]:
    """Makes one step of the optimiser.

    That is an update of the image. A line search that does not know the loss at its point yet only evaluates
    it, and `state.step` stays.

    Args:
      objective: what is minimised.
      optimizer: static choices.
      problem: first argument of the objective, a pytree of arrays.
      state: from `init` or from an earlier step.

    Returns:
      The new state, and the loss at the old one.
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
    # the state of a loop must keep its dtypes, and some of Optax's optimisers return other ones
    new = jax.tree.map(lambda leaf, old: lax.convert_element_type(leaf, old.dtype), new, state)
    return new, update.value / state.scale


def _averaged(optimizer: Optimizer, update: Update, ema: jax.Array | None) -> jax.Array | None:
    """Returns the moving average of the iterates with the new one, if there is a new one."""
    if not optimizer.ema:
        return None
    return jnp.where(update.updated, optimizer.ema * ema + (1 - optimizer.ema) * update.x, ema)


def _empty(change: jax.Array) -> Window:
    return Window(low=jnp.full((), jnp.inf), high=jnp.full((), -jnp.inf), change=change)


def _widened(state: State, update: Update) -> Window | None:
    """Returns the window with the loss before an update; a full one begins anew."""
    if state.window is None:
        return None
    low, high = jnp.minimum(state.window.low, update.value), jnp.maximum(state.window.high, update.value)
    largest = jnp.maximum(jnp.abs(low), jnp.abs(high))
    change = (high - low) / jnp.where(largest > 0, largest, 1)
    full = update.updated & ((state.step + 1) % WINDOW == 0)
    wider = Window(low, high, state.window.change)
    return jax.tree.map(partial(jnp.where, full), _empty(change), wider)


def settled(optimizer: Optimizer, state: State) -> jax.Array | bool:
    """Returns whether a run has ended because its loss hardly changes any more.

    The updates are taken ten at a time, as one to ten, eleven to twenty. A run has ended after ten at whose
    starts the losses f differed by no more than `optimizer.tolerance`:

        max f - min f <= tolerance max |f|

    Unlike a loss that falls, one that rises for a while, as after a step that was too long, has not settled.
    Compared are ten losses, not two as with SciPy's `ftol`, and no absolute number, so that the weights of
    the loss do not matter.

    Args:
      optimizer: static choices, as for `init`; with `tolerance` 0, no run ends so.
      state: at any step.
    """
    return False if state.window is None else state.window.change <= optimizer.tolerance


@partial(jax.jit, static_argnums=(0, 1), donate_argnums=3)
def run(
    objective: Objective, optimizer: Optimizer, problem: Any, state: State, count: jax.Array
) -> tuple[State, jax.Array]:
    """Makes `count` updates on the device; it stops early where the loss has settled or is not finite.

    Args:
      objective: what is minimised; static, so equal objectives share a compiled program.
      optimizer: static choices.
      problem: first argument of the objective, a pytree of arrays.
      state: from `init` or from an earlier run. It is donated: its arrays cannot be used afterwards.
      count: int32, >= 0; not static, so chunks of any length share a compiled program.

    Returns:
      The new state, and the loss at the start of the last step made (0 if none was).

    Where the loss is not finite, the update that began there is the last one.
    """
    last = state.step + count

    def unfinished(carry):
        state, value = carry
        going = (state.step < last) & jnp.isfinite(value)
        return going if state.window is None else going & ~settled(optimizer, state)

    def body(carry):
        return step(objective, optimizer, problem, carry[0])

    return lax.while_loop(unfinished, body, (state, jnp.zeros((), jnp.float32)))
