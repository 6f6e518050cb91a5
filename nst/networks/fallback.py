"""VGG-19, or the small network if VGG-19 is neither on this machine nor can be downloaded.

Only two callers may use either network: pictures for which the user has chosen no network, and the
instrument, which measures the results of a sweep. If the user has chosen a network, it is used, or there is
an error.
"""

from nst.errors import Unreachable
from nst.networks import checkpoints

FULL, SMALL = "vgg19", "vgg19_slim"


def full_or_small() -> tuple[str, str]:
    """Returns VGG-19, which is downloaded if necessary, or the small network if there is no connection.

    Returns:
      The name of the network, and the reason why it is the small one ("" for VGG-19).

    Raises:
      UserError: VGG-19 is on this machine or can be downloaded, but cannot be stored or used.
    """
    try:
        checkpoints.find(FULL)
    except Unreachable as error:
        return SMALL, error.reason
    return FULL, ""
