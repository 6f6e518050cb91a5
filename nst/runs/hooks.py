"""The functions with which the caller of a run follows it and stops it."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from nst.runs.log import Log
from nst.runs.network import LoadNetwork


class Progress(NamedTuple):
    """The progress of a run at one of its sizes."""

    step: int  # number of steps made at this size
    steps: int  # number of steps that are to be made at this size
    height: int  # height of the image at this size, in pixels
    width: int
    loss: float  # loss at the start of the last step
    # fetches the image, HxWx3 in [0, 1]; it can be called only while the progress function runs
    image: Callable[[], np.ndarray]


class Hooks(NamedTuple):
    """The functions of the caller that a run calls."""

    stop: Callable[[], bool]  # called between steps; if it returns True, the run ends
    log: Log
    load: LoadNetwork  # loads the network
    progress: Callable[[Progress], None] | None = None  # called after every few steps
    lines: bool = True  # whether the log also receives a line for each record
    describe: Log = lambda line: None  # receives the lines that describe the run at each of its sizes
