"""Stretches of time in a run: what it does at each moment, for a table whose seconds add up."""

import time
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
from jax.experimental import serialize_executable

from nst.networks import checkpoints
from nst.runs import loop, network, pictures, stylize

IMPORT, UPDATES, REST = "import", "updates", "the rest"
# what is measured by wrapping a function: row -> (where its callers find it, its name)
WRAPPED = {
    "pictures": (pictures, "read"),
    "weights: read": (checkpoints, "load"),
    "weights: freeze": (network, "freeze"),
    "programs: read": (serialize_executable, "deserialize_and_load"),
    "programs: write": (serialize_executable, "serialize"),
    "targets": (stylize, "make_problem"),
    "first state": (loop, "first_state"),
    "record": (loop, "_terms"),
}
# what JAX reports itself
EVENTS = {
    "/jax/core/compile/jaxpr_trace_duration": "trace",
    "/jax/core/compile/jaxpr_to_mlir_module_duration": "lower",
    "/jax/core/compile/backend_compile_duration": "compile",
}
ROWS = (IMPORT, *WRAPPED, *EVENTS.values(), UPDATES, REST)


class Span(NamedTuple):
    """A stretch of time that belongs to a row."""

    row: str
    begin: float
    end: float


def seconds_by_row(spans: list[Span], begin: float, end: float) -> dict[str, float]:
    """Divides the time from `begin` to `end` among the rows; a moment belongs to the shortest span around it.

    Args:
      spans: of one thread, in any order.
      begin, end: of the whole.

    Returns:
      {row: seconds}, of which the sum is the whole; REST has what is in no span.
    """
    borders = sorted({begin, end} | {min(max(edge, begin), end) for span in spans for edge in span[1:]})
    seconds = Counter()
    for low, high in zip(borders, borders[1:], strict=False):
        around = [span for span in spans if span.begin <= low and high <= span.end]
        innermost = min(around, key=lambda span: span.end - span.begin, default=Span(REST, low, high))
        seconds[innermost.row] += high - low
    return dict(seconds)


def watch(spans: list[Span]) -> None:
    """Records spans from now on, for the rest of the process.

    Args:
      spans: receives them.
    """

    def wrapped(row: str, function: Callable) -> Callable:
        def timed(*args, **kwargs) -> Any:
            began = time.time()
            try:
                return function(*args, **kwargs)
            finally:
                spans.append(Span(row, began, time.time()))

        return timed

    for row, (owner, name) in WRAPPED.items():
        setattr(owner, name, wrapped(row, getattr(owner, name)))

    def on_event(event: str, duration: float, **details) -> None:
        if event in EVENTS:
            spans.append(Span(EVENTS[event], time.time() - duration, time.time()))

    jax.monitoring.register_event_duration_secs_listener(on_event)
