"""init / step / run: the optimisation of the pixels, as pure functions around Optax.

`run` is a device loop of a variable number of steps: one compiled program for a (spec, shape), whatever
the chunks it is cut into, so an interrupted run continues to the same bytes.
"""

import dataclasses
import inspect
from functools import cache, partial

import flax.struct
import jax
import jax.numpy as jnp
import optax
from jax import lax

from nst import options
from nst.errors import UserError, choose
from nst.losses import problem as loss_problem
from nst.losses.problem import Problem
from nst.losses.spec import Spec
from nst.optimizers import wolfe
from nst.optimizers.bands import in_bands
from nst.optimizers.lbfgs import scale_by_lbfgs

OWN = ("lbfgs", "lbfgs_torch", "gradient_descent")  # beside every optimiser of optax, by its name there
LINE_SEARCHES = ("wolfe", "zoom", "backtracking", "none")
HISTORY = ("float32", "bfloat16")


@dataclasses.dataclass(frozen=True)
class Optimizer:
    """The static choices of the optimisation; hashable. Fields are the config's, validated here."""

    name: str = "lbfgs"
    learning_rate: float = 1.0
    memory: int = 20
    history_dtype: str = "float32"  # of the pairs
    line_search: str = "wolfe"
    max_line_search_steps: int = 20
    options: str = ""  # "b1=0.9,b2=0.99": keyword arguments of the optax optimiser
    schedule: str = ""  # an optax schedule by name; "" is a constant learning rate
    schedule_options: str = ""
    pixel_range: float = 1.0  # the optimiser sees pixels in [0, pixel_range]
    bands: int = 0  # of a Laplacian pyramid, which the optimiser moves; 0: pixels
    clamp: bool = False
    ema: float = 0.0
    ema_start: bool = False  # count the start as the first iterate

    def __post_init__(self):
        choose("optimizer.name", self.name, (*OWN, *filter(_is_optimizer, dir(optax))))
        choose("optimizer.line_search", self.line_search, LINE_SEARCHES)
        choose("optimizer.history_dtype", self.history_dtype, HISTORY)
        if self.history_dtype != "float32" and not (self.stepwise or self.name == "lbfgs_torch"):
            raise UserError(
                f"optimizer.history_dtype = {self.history_dtype}: for lbfgs_torch, and for lbfgs with "
                "line_search = wolfe"
            )
        if self.learning_rate <= 0:
            raise UserError(f"optimizer.learning_rate = {self.learning_rate}: must be positive")
        if self.memory < 1 or self.max_line_search_steps < 1:
            raise UserError("optimizer.memory and optimizer.max_line_search_steps must be at least 1")
        if self.pixel_range <= 0:
            raise UserError(f"optimizer.pixel_range = {self.pixel_range}: must be positive")
        if self.bands < 0:
            raise UserError(f"optimizer.bands = {self.bands}: must be at least 0")
        if self.bands and restarts(self):
            raise UserError(f"optimizer.bands: {self.name} moves pixels; use another, such as rmsprop")
        if not 0 <= self.ema < 1:
            raise UserError(f"optimizer.ema = {self.ema}: must lie in [0, 1); 0 is off")
        moves = None if self.stepwise else transformation(self)  # so that wrong options are found here
        if self.bands:
            try:
                jax.eval_shape(lambda x: moves.update(x, moves.init(x), value=0.0), jnp.zeros((1, 2, 2, 3)))
            except ValueError as error:
                raise UserError(
                    f"optimizer.bands: {self.name} needs the numbers that it moves; use one as rmsprop"
                ) from error

    @property
    def searches(self) -> bool:
        """Whether a line search evaluates the loss inside an update."""
        return self.name == "lbfgs" and self.line_search != "none"

    @property
    def stepwise(self) -> bool:
        """Whether that is our own (nst/optimizers/wolfe.py), not one of Optax."""
        return self.name == "lbfgs" and self.line_search == "wolfe"

    @property
    def search(self) -> dict:
        """The settings of nst.optimizers.wolfe."""
        return {"memory": self.memory, "dtype": self.history_dtype, "pixel_range": self.pixel_range}


@cache
def _is_optimizer(name: str) -> bool:
    """Whether optax's `name` is an optimiser: a function whose first argument is the learning rate."""
    function = getattr(optax, name)
    if not inspect.isfunction(function) or name in OWN or name.startswith(("_", "scale_by_")):
        return False
    return next(iter(inspect.signature(function).parameters), "") == "learning_rate"


def _learning_rate(optimizer: Optimizer):
    """A number, or an optax schedule of the step that starts at (or peaks at) `learning_rate`."""
    if not optimizer.schedule:
        return optimizer.learning_rate
    names = [name for name in dir(optax) if name.endswith("_schedule")]
    function = getattr(optax, choose("optimizer.schedule", optimizer.schedule, names))
    given = options.parse("optimizer.schedule_options", optimizer.schedule_options, function)
    main = [n for n in ("peak_value", "init_value", "value") if n in inspect.signature(function).parameters]
    try:
        return function(**({main[0]: optimizer.learning_rate} | given))
    except (TypeError, ValueError, IndexError) as error:
        raise UserError(f"optimizer.schedule = {optimizer.schedule!r}: {error}") from error


def transformation(optimizer: Optimizer) -> optax.GradientTransformationExtraArgs:
    """The Optax transformation that `optimizer` describes.

    Raises:
      UserError: unknown or ill-fitting options.
    """
    steps = _of_pixels(optimizer)
    return in_bands(steps, optimizer.bands) if optimizer.bands else steps


def _of_pixels(optimizer: Optimizer) -> optax.GradientTransformationExtraArgs:
    rate = _learning_rate(optimizer)
    if optimizer.name == "lbfgs_torch":
        pairs = scale_by_lbfgs(optimizer.memory, dtype=optimizer.history_dtype)
        steps = optax.chain(pairs, optax.scale_by_learning_rate(rate))
        return optax.with_extra_args_support(steps)
    if optimizer.name == "gradient_descent":
        return optax.with_extra_args_support(optax.sgd(rate))
    if optimizer.name == "lbfgs":
        searches = {
            "zoom": lambda: optax.scale_by_zoom_linesearch(
                max_linesearch_steps=optimizer.max_line_search_steps, initial_guess_strategy="one"
            ),
            "backtracking": lambda: optax.scale_by_backtracking_linesearch(
                max_backtracking_steps=optimizer.max_line_search_steps, store_grad=True
            ),
        }
        if optimizer.searches:
            rate = None
        search = searches[optimizer.line_search]() if optimizer.searches else None
        steps = optax.lbfgs(rate, memory_size=optimizer.memory, linesearch=search)
        return optax.with_extra_args_support(steps)
    function = getattr(optax, optimizer.name)
    given = options.parse("optimizer.options", optimizer.options, function)
    try:
        return optax.with_extra_args_support(function(rate, **given))
    except (TypeError, ValueError) as error:
        raise UserError(f"optimizer.name = {optimizer.name!r}: {error}") from error


@flax.struct.dataclass
class State:
    """Everything that a run carries from step to step; saved whole, it continues to the same bytes."""

    pixels: jax.Array  # 1xHxWx3, in [0, pixel_range]
    optimizer: optax.OptState
    step: jax.Array  # int32, updates made
    evaluations: jax.Array  # int32, losses with gradient computed
    ema: jax.Array | None  # sum of decayed pixels, not yet corrected for its start


def restarts(optimizer: Optimizer) -> bool:
    """Whether its state has no meaning for another size of image or another loss: that of L-BFGS."""
    return optimizer.name.startswith("lbfgs")


def init(optimizer: Optimizer, image_1xHxWx3: jax.Array, carried: optax.OptState | None = None) -> State:
    """The state before the first step, from an image in [0, 1]; `carried`: from another run's optimiser."""
    pixels = optimizer.pixel_range * jnp.asarray(image_1xHxWx3, jnp.float32)
    if carried is None and optimizer.stepwise:
        carried = wolfe.init(pixels, **optimizer.search)
    state = State(
        pixels=pixels,
        optimizer=transformation(optimizer).init(pixels) if carried is None else carried,
        step=jnp.zeros((), jnp.int32),
        evaluations=jnp.zeros((), jnp.int32),
        ema=(1 - optimizer.ema) * optimizer.ema_start * pixels if optimizer.ema else None,
    )
    # Optax starts with weakly typed scalars, which would compile the loop a second time, and with leaves
    # that share a buffer, which cannot be donated
    return jax.tree.map(lambda leaf: jnp.array(leaf, leaf.dtype, copy=True), state)


def image(optimizer: Optimizer, state: State) -> jax.Array:
    """The picture of a state, `1xHxWx3`, not clipped: the iterate, or the average of the iterates.

    With `ema` d > 0 it is sum_i d^(t-i) x_i / sum_i d^(t-i) over the iterates after the first step, with
    `ema_start` from the start on (Kingma & Ba 2014, section 3, bias correction).
    """
    pixels = state.pixels
    if optimizer.ema:
        count = state.step + optimizer.ema_start
        average = state.ema / jnp.maximum(1 - optimizer.ema**count, 1e-30)
        pixels = jnp.where(count > 0, average, pixels)
    return pixels / optimizer.pixel_range


def step(spec: Spec, optimizer: Optimizer, problem: Problem, state: State) -> tuple[State, jax.Array]:
    """One update of the pixels: the new state, and the loss that the old pixels had.

    With the search of nst/optimizers/wolfe.py, where the loss of the pixels is not known yet: its evaluation alone.
    """

    def objective(pixels):
        return loss_problem.loss(spec, problem, pixels / optimizer.pixel_range, state.step)

    moved = 1
    if optimizer.stepwise:
        known = jnp.isfinite(state.optimizer.value)
        pixels, inner, evaluations, value = wolfe.step(
            objective, state.pixels, state.optimizer, most=optimizer.max_line_search_steps, **optimizer.search
        )
        moved = known | ~jnp.isfinite(value)
    else:
        pixels, inner, evaluations, value = _update(optimizer, objective, state)
    if optimizer.clamp:
        pixels = jnp.clip(pixels, 0, optimizer.pixel_range)
        if optimizer.searches:  # what the search left belongs to the point before clamping
            unknown = jnp.where(moved, jnp.inf, optax.tree.get(inner, "value"))
            inner = optax.tree.set(inner, value=unknown)
    ema = None
    if optimizer.ema:
        ema = jnp.where(moved, optimizer.ema * state.ema + (1 - optimizer.ema) * pixels, state.ema)
    new = State(
        pixels=pixels,
        optimizer=inner,
        step=state.step + moved,
        evaluations=state.evaluations + evaluations,
        ema=ema,
    )
    return jax.tree.map(lambda leaf, old: lax.convert_element_type(leaf, old.dtype), new, state), value


def _update(optimizer: Optimizer, objective, state: State):
    """One update of Optax: (pixels, optimiser's state, evaluations, the loss that the old pixels had)."""
    update = transformation(optimizer).update
    if optimizer.searches:
        # the search has left the loss and gradient of its accepted point, unless it is the first step
        fresh = ~jnp.isfinite(optax.tree.get(state.optimizer, "value"))
        value, gradient = optax.value_and_grad_from_state(objective)(state.pixels, state=state.optimizer)
        updates, inner = update(
            gradient, state.optimizer, state.pixels, value=value, grad=gradient, value_fn=objective
        )
        evaluations = fresh + optax.tree.get(inner, "num_linesearch_steps")
    else:
        value, gradient = jax.value_and_grad(objective)(state.pixels)
        # optimisers such as polyak_sgd read the value
        updates, inner = update(gradient, state.optimizer, state.pixels, value=value)
        evaluations = 1
    return optax.apply_updates(state.pixels, updates), inner, evaluations, value


@partial(jax.jit, static_argnums=(0, 1), donate_argnums=3)
def run(
    spec: Spec, optimizer: Optimizer, problem: Problem, state: State, count: jax.Array
) -> tuple[State, jax.Array]:
    """`count` steps on the device, or fewer: it stops after a step that began at a non-finite loss.

    Returns the state and the loss at the start of the last step made. `state` is donated.
    """

    last = state.step + count

    def unfinished(carry):
        state, value = carry
        return (state.step < last) & jnp.isfinite(value)

    def body(carry):
        return step(spec, optimizer, problem, carry[0])

    return lax.while_loop(unfinished, body, (state, jnp.zeros((), jnp.float32)))


@partial(jax.jit, static_argnums=(0, 1))
def measure(spec: Spec, optimizer: Optimizer, problem: Problem, state: State) -> dict[str, jax.Array]:
    """The weighted terms of the loss at the state's pixels, for the record: a forward pass."""
    return loss_problem.terms(spec, problem, state.pixels / optimizer.pixel_range, state.step)
