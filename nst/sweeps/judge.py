"""The instrument of a sweep: one network measures all its pictures, so that their numbers can be compared."""

from collections.abc import Callable, Sequence
from pathlib import Path

from nst.files import read_json
from nst.metrics import instrument
from nst.metrics.instrument import Instrument
from nst.networks.fallback import FULL, SMALL, full_or_small
from nst.runs import folder
from nst.sweeps import results
from nst.sweeps.points import Point


def load(
    asked: str, workdir: Path, points: Sequence[Point], log: Callable[[str], None]
) -> tuple[str, Instrument]:
    """Loads the instrument of a sweep.

    The instrument uses the network that the user asked for, or else the network that has measured the sweep
    in the folder, or else VGG-19. If VGG-19 cannot be downloaded and no point needs it, the small network
    measures instead (nst/networks/fallback.py).

    Args:
      asked: a value of `weights.name`; "": the user has not asked for a network.
      workdir: the sweep's folder; it need not exist.
      points: the points of the sweep.
      log: receives a line if the small network measures.

    Returns:
      The network, a value of `weights.name`, and the instrument.

    Raises:
      UserError: the weights cannot be found or read.
    """
    network = asked or _recorded(workdir)
    if not network and any(point.config.weights.name == FULL for point in points):
        network = FULL
    if not network:
        network, reason = full_or_small()
        if reason:
            log(
                f"the small network, {SMALL}, measures, since VGG-19 cannot be downloaded ({reason}); its "
                f"numbers can only be compared with each other; --instrument={FULL} asks for VGG-19"
            )
    return network, instrument.load(network)


def _recorded(workdir: Path) -> str:
    """Returns the instrument's network of the sweep in a folder; "" if there is no sweep."""
    sweep = read_json(workdir / folder.SWEEP, results.SWEEP)
    return sweep["network"] if sweep else ""
