"""Empty caches for measurements of the first run, with the weights where they are."""

from pathlib import Path

from nst.networks import checkpoints


def variables(folder: str | Path, network: str) -> dict[str, str]:
    """Returns the environment variables that make a folder nst's cache.

    Args:
      folder: for the caches, at first an empty one.
      network: value of weights.name; its file may be in the usual cache, where it stays.
    """
    found = {"NST_CACHE_DIR": str(folder)}
    if network in checkpoints.CHECKPOINTS:
        found["NST_WEIGHTS_DIR"] = str(checkpoints.find(network).parent)
    return found
