"""The network of `nst photo.jpg painting.jpg`: VGG-19, or the small network if VGG-19 is not available.

The losses of the default config are relative, so its style weight suits both networks. A picture that was
begun with one of them is continued with the same one. The config of the run names the network.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from nst.files import read_json
from nst.networks import checkpoints
from nst.networks.fallback import FULL, SMALL, full_or_small
from nst.runs import folder


def possible(name: str, chosen: bool) -> list[str]:
    """Returns the networks with which the same command may have made a finished picture.

    Args:
      name: `weights.name` of the config.
      chosen: whether the user has chosen the network; if not, it is VGG-19 or the small network, if its file
        is on this machine.
    """
    return [name] if chosen else [each for each in (FULL, SMALL) if checkpoints.on_disk(each)]


def begun(workdir: Path) -> str:
    """Returns FULL or SMALL if the run in a folder was begun with that network, else "".

    Args:
      workdir: the run folder.
    """
    if not folder.begun(workdir):
        return ""
    config = read_json(workdir / "config.json", {"weights": {"name": str}})
    name = config["weights"]["name"] if config else ""
    return name if name in (FULL, SMALL) else ""


def settle(before: Sequence[str], log: Callable[[str], None]) -> str:
    """Returns the network for pictures that have not been begun; VGG-19 is downloaded if necessary.

    Args:
      before: the networks of the pictures of this command that are finished or begun.
      log: receives a line if the small network is used.

    Raises:
      UserError: VGG-19 cannot be stored or used.
    """
    if not before:
        name, reason = full_or_small()
        if reason:
            log(f"using the small network, since VGG-19 cannot be downloaded ({reason}): see nst doctor")
        return name
    name = FULL if FULL in before else SMALL
    if name == SMALL:
        log(
            f"using the small network, with which this was begun; for VGG-19, begin again: --network={FULL} "
            "--overwrite"
        )
    return name
