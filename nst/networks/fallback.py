"""VGG-19, or the small network where VGG-19 is neither on this machine nor to be downloaded.

Only what may use either asks here: pictures whose network nobody has chosen, and the instrument of a sweep. A
network that was asked for is used, or it is an error.
"""

from nst.errors import Unreachable
from nst.networks import checkpoints

FULL, SMALL = "vgg19", "vgg19_slim"


def full_or_small() -> tuple[str, str]:
    """Returns VGG-19, which is downloaded if necessary, or the small network if there is no connection.

    Returns:
      The name of the network, and why it is the small one; "" for VGG-19.

    Raises:
      UserError: VGG-19 is there, or can be downloaded, but cannot be stored or used.
    """
    try:
        checkpoints.find(FULL)
    except Unreachable as error:
        return SMALL, error.reason
    return FULL, ""
