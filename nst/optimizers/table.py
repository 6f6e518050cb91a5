"""The static choices of the optimisation, and the table of the optimisers."""

import dataclasses
import inspect
from collections.abc import Callable
from functools import cache

import jax
import jax.numpy as jnp
import optax

from nst import options
from nst.errors import UserError, choose
from nst.optimizers import wolfe
from nst.optimizers.bands import in_bands
from nst.optimizers.lbfgs import scale_by_lbfgs
from nst.optimizers.method import Method, from_optax, from_optax_search

HISTORY_DTYPES = ("float32", "bfloat16")
# optimisers whose updates (of radam, the first five) are proportional to the gradient; the updates of all
# others are the same for any multiple of the gradient that is large compared with their epsilon
PROPORTIONAL = ("gradient_descent", "sgd", "optimistic_gradient_descent", "radam")


@dataclasses.dataclass(frozen=True)
class Optimizer:
    """The static choices of the optimisation, as fields of the config; constructing it checks them."""

    name: str = "lbfgs"
    learning_rate: float = 1.0
    memory: int = 20  # pairs that L-BFGS keeps
    history_dtype: str = "float32"  # dtype of these pairs, one of HISTORY_DTYPES
    line_search: str = "wolfe"  # a key of LINE_SEARCHES, for lbfgs
    max_line_search_steps: int = 20  # per update
    options: str = ""  # "b1=0.9,b2=0.99": keyword arguments of the optax optimiser
    schedule: str = ""  # an optax schedule by name; "" is a constant learning rate
    schedule_options: str = ""
    pixel_range: float = 1.0  # the optimiser works on values in [0, pixel_range]
    bands: int = 0  # bands of a Laplacian pyramid that are optimised in place of pixels; 0: pixels
    clamp: bool = False  # whether each step is clipped to [0, pixel_range]
    ema: float = 0.0  # decay of the average of the iterates; 0: no average
    ema_start: bool = False  # whether the start counts as the first iterate
    tolerance: float = 0.0  # relative; the run ends where the loss changes by less (steps.converged); 0: off

    def __post_init__(self):
        choose("optimizer.name", self.name, optimizer_names())
        choose("optimizer.line_search", self.line_search, LINE_SEARCHES)
        choose("optimizer.history_dtype", self.history_dtype, HISTORY_DTYPES)
        if self.learning_rate <= 0:
            raise UserError(f"optimizer.learning_rate = {self.learning_rate}: must be positive")
        if self.memory < 1 or self.max_line_search_steps < 1:
            raise UserError("optimizer.memory and optimizer.max_line_search_steps must be at least 1")
        if self.pixel_range <= 0:
            raise UserError(f"optimizer.pixel_range = {self.pixel_range}: must be positive")
        if self.bands < 0:
            raise UserError(f"optimizer.bands = {self.bands}: must be at least 0")
        if not 0 <= self.ema < 1:
            raise UserError(f"optimizer.ema = {self.ema}: must lie in [0, 1); 0 is off")
        if not 0 <= self.tolerance < 1:
            raise UserError(f"optimizer.tolerance = {self.tolerance}: must lie in [0, 1); 0 is off")
        self._check_history()
        self._check_unused()
        # a wrong schedule is an error even for an optimiser that does not use it
        schedule = _learning_rate(self)
        if self.schedule and (failure := _failure(schedule, jax.ShapeDtypeStruct((), jnp.int32))):
            raise UserError(f"optimizer.schedule_options = {self.schedule_options!r}: {failure}")
        built = method(self)  # this checks the options
        if self.name not in METHODS or self.bands:
            self._check_step(built)

    def _check_unused(self) -> None:
        """Raises UserError for options and schedules that the optimiser would not read."""
        if self.options and self.name in METHODS:
            raise UserError(
                f"optimizer.options = {self.options!r}: {self.name} takes none; leave it empty, or choose an "
                "optimiser of Optax, such as optimizer.name = adam"
            )
        if self.schedule and self.name == "lbfgs" and self.line_search != "none":
            raise UserError(
                f"optimizer.schedule = {self.schedule!r}: lbfgs with a line search has no learning rate; "
                "leave it empty, or choose another optimiser"
            )

    def _check_history(self) -> None:
        """Raises UserError if `history_dtype` is set but Optax keeps the pairs, which ignores it."""
        ours = self.name == "lbfgs_torch" or (self.name == "lbfgs" and self.line_search == "wolfe")
        if self.history_dtype != "float32" and not ours:
            raise UserError(
                f"optimizer.history_dtype = {self.history_dtype}: only lbfgs_torch, and lbfgs with "
                "line_search = wolfe, have it"
            )

    def _check_step(self, built: Method) -> None:
        """Raises UserError for a method that cannot make a step; Optax checks some options only in a step."""
        wolfe_search = self.name == "lbfgs" and self.line_search == "wolfe"
        if not built.carries and not wolfe_search:
            search = f" with line_search = {self.line_search}" if self.name == "lbfgs" else ""
            raise UserError(
                f"optimizer.bands: {self.name}{search} works on pixels only; use lbfgs with "
                "line_search = wolfe, or another optimiser, such as rmsprop"
            )
        image = jax.ShapeDtypeStruct((1, 2, 2, 3), jnp.float32)
        failure = _failure(lambda x: built.step(jnp.sum, x, built.init(x)).x, image)
        if not failure:
            return
        if self.bands:
            dataclasses.replace(self, bands=0)  # raises UserError if the bands are not the reason
            # Optax misses the parameters, see `bands.in_bands`
            raise UserError(
                f"optimizer.bands: {self.name} needs the values of the bands; use another, such as rmsprop"
            )
        given = f", optimizer.options = {self.options!r}" if self.options else ""
        raise UserError(f"optimizer.name = {self.name!r}{given}: {failure}")


def _failure(function: Callable, argument: jax.ShapeDtypeStruct) -> str:
    """Returns the reason why a function of Optax cannot be applied to an argument, or "" if it can."""
    try:
        jax.eval_shape(function, argument)
    except Exception as error:  # whatever Optax or JAX raises for an option that does not fit
        return str(error).strip().split("\n")[0] or type(error).__name__
    return ""


def method(optimizer: Optimizer) -> Method:
    """Builds the method that an `Optimizer` describes.

    Args:
      optimizer: the choices of the config.

    Returns:
      The method, which works on pixels in [0, pixel_range]. Clamping and averaging are not part of it:
      nst/optimizers/steps.py does both, for every method.

    Raises:
      UserError: the optimiser or the schedule does not accept `options` or `schedule_options`.
    """
    return METHODS.get(optimizer.name, _named_in_optax)(optimizer)


def optimizer_names() -> tuple[str, ...]:
    """Returns the values that `Optimizer.name` may have.

    Returns:
      The keys of METHODS and the names of Optax's optimisers.
    """
    return (*METHODS, *filter(_is_optimizer, dir(optax)))


def schedule_names() -> tuple[str, ...]:
    """Returns the values that `Optimizer.schedule` may have.

    Returns:
      The names of Optax's schedules.
    """
    return tuple(
        name for name in dir(optax) if name.endswith("_schedule") and not name.startswith("scale_by")
    )


@cache
def _is_optimizer(name: str) -> bool:
    """Returns whether optax.`name` is an optimiser that can be chosen.

    The first argument of an optimiser is the learning rate. Optimisers with a random key cannot be chosen,
    since a checkpoint cannot hold their state.
    """
    function = getattr(optax, name)
    if not inspect.isfunction(function) or name in METHODS or name.startswith(("_", "scale_by_")):
        return False
    parameters = inspect.signature(function).parameters
    return next(iter(parameters), "") == "learning_rate" and "key" not in parameters


def _learning_rate(optimizer: Optimizer):
    """Returns the learning rate, or an Optax schedule that starts at it or has it as its peak."""
    if not optimizer.schedule:
        return optimizer.learning_rate
    function = getattr(optax, choose("optimizer.schedule", optimizer.schedule, schedule_names()))
    arguments = options.parse("optimizer.schedule_options", optimizer.schedule_options, function)
    # the parameter that `learning_rate` sets has another name in each schedule
    main = [n for n in ("peak_value", "init_value", "value") if n in inspect.signature(function).parameters]
    try:
        return function(**({main[0]: optimizer.learning_rate} | arguments))
    except Exception as error:  # whatever Optax raises for options that do not fit
        raise UserError(f"optimizer.schedule = {optimizer.schedule!r}: {error}") from error


def _first_order(optimizer: Optimizer, transformation: optax.GradientTransformation) -> Method:
    """Returns the method that applies a transformation to the pixels or, if `bands` > 0, to the bands."""
    extended = optax.with_extra_args_support(transformation)
    moved = in_bands(extended, optimizer.bands) if optimizer.bands else extended
    return from_optax(moved, proportional=optimizer.name in PROPORTIONAL)


def _named_in_optax(optimizer: Optimizer) -> Method:
    function, rate = getattr(optax, optimizer.name), _learning_rate(optimizer)
    arguments = options.parse("optimizer.options", optimizer.options, function)
    try:
        transformation = function(rate, **arguments)
    except Exception as error:  # as above
        raise UserError(f"optimizer.name = {optimizer.name!r}: {error}") from error
    return _first_order(optimizer, transformation)


def _gradient_descent(optimizer: Optimizer) -> Method:
    return _first_order(optimizer, optax.sgd(_learning_rate(optimizer)))


def _lbfgs_torch(optimizer: Optimizer) -> Method:
    pairs = scale_by_lbfgs(optimizer.memory, dtype=optimizer.history_dtype)
    rate = optax.scale_by_learning_rate(_learning_rate(optimizer))
    return from_optax(optax.chain(pairs, rate), carries=False)


def _wolfe(optimizer: Optimizer) -> Method:
    return wolfe.method(
        wolfe.Settings(
            memory=optimizer.memory,
            dtype=optimizer.history_dtype,
            value_range=optimizer.pixel_range,
            max_evaluations=optimizer.max_line_search_steps,
            bands=optimizer.bands,
        )
    )


def _zoom(optimizer: Optimizer) -> Method:
    search = optax.scale_by_zoom_linesearch(
        max_linesearch_steps=optimizer.max_line_search_steps, initial_guess_strategy="one"
    )
    return from_optax_search(optax.lbfgs(None, memory_size=optimizer.memory, linesearch=search))


def _backtracking(optimizer: Optimizer) -> Method:
    search = optax.scale_by_backtracking_linesearch(
        max_backtracking_steps=optimizer.max_line_search_steps, store_grad=True
    )
    return from_optax_search(optax.lbfgs(None, memory_size=optimizer.memory, linesearch=search))


def _without_search(optimizer: Optimizer) -> Method:
    rate = _learning_rate(optimizer)
    return from_optax(optax.lbfgs(rate, memory_size=optimizer.memory, linesearch=None), carries=False)


LINE_SEARCHES: dict[str, Callable[[Optimizer], Method]] = {
    "wolfe": _wolfe, "zoom": _zoom, "backtracking": _backtracking, "none": _without_search,
}  # fmt: skip

# in addition, every optimiser of Optax can be chosen by its name there
METHODS: dict[str, Callable[[Optimizer], Method]] = {
    "lbfgs": lambda optimizer: LINE_SEARCHES[optimizer.line_search](optimizer),
    "lbfgs_torch": _lbfgs_torch,
    "gradient_descent": _gradient_descent,
}
