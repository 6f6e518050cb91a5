"""The instrument of a sweep: one network measures all its pictures, so that their numbers can be compared."""

from collections.abc import Callable, Sequence
from pathlib import Path

from nst.errors import UserError
from nst.files import read_json
from nst.metrics import instrument
from nst.metrics.instrument import Instrument
from nst.sweeps import results
from nst.sweeps.points import Point

USUAL, SMALL = "vgg19", "vgg19_slim"


def load(
    asked: str, workdir: Path, points: Sequence[Point], log: Callable[[str], None]
) -> tuple[str, Instrument]:
    """Loads the instrument of a sweep.

    It is the one that was asked for; or else that of the folder's sweep; or else VGG-19. If VGG-19 is not on
    this machine and cannot be downloaded, and no point needs it, the small network measures instead.

    Args:
      asked: a value of `weights.name`; "": none was asked for.
      workdir: the sweep's folder; it need not exist.
      points: of the sweep.
      log: receives a line if the small network measures instead.

    Returns:
      The network, a value of `weights.name`, and the instrument.

    Raises:
      UserError: the weights cannot be found or read.
    """
    if network := asked or _recorded(workdir):
        return network, instrument.load(network)
    try:
        return USUAL, instrument.load(USUAL)
    except UserError as error:
        if any(point.config.weights.name == USUAL for point in points):
            raise
        log(
            f"the small network {SMALL} measures, since {USUAL} is not available ({error}); its numbers can "
            f"only be compared with each other; --instrument={USUAL} asks for {USUAL}"
        )
        return SMALL, instrument.load(SMALL)


def _recorded(workdir: Path) -> str:
    """Returns the network of the instrument of the folder's sweep; "" if there is no sweep."""
    sweep = read_json(workdir / "sweep.json", results.SWEEP)
    return sweep["network"] if sweep else ""
