"""The functions by which the caller of a run follows it and stops it."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from nst.runs.log import Log
from nst.runs.network import LoadNetwork


class Progress(NamedTuple):
    """How far a run has come at one of its sizes."""

    step: int  # steps made at this size
    steps: int  # of this size
    height: int  # of the image at this size, in pixels
    width: int
    loss: float  # at the start of the last step
    image: Callable[[], np.ndarray]  # fetches the image, HxWx3 in [0, 1]; it works during the call only


class Hooks(NamedTuple):
    """What a run calls while it is made."""

    stop: Callable[[], bool]  # called between steps; True ends the run
    log: Log
    load: LoadNetwork  # loads the network
    progress: Callable[[Progress], None] | None = None  # called after every few steps
    lines: bool = True  # whether the log receives a line for each record, too
    describe: Log = lambda line: None  # receives the lines that describe the run at each of its sizes
