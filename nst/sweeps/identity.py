"""The identity of a point, its config and inputs, which shows whether saved numbers belong to the point."""

import functools
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from ml_collections import ConfigDict

from nst import files
from nst.errors import UserError
from nst.images import folders
from nst.networks import checkpoints
from nst.runs import masks, settings, specs
from nst.runs.pictures import sources

# schema (nst/files.py) of the identity in a file of numbers
IDENTITY = {"config_digest": str, "inputs": {str: str}}


def expected(config: ConfigDict) -> dict | None:
    """Returns the identity that the run of a config would have now.

    Args:
      config: the config of a point.

    Returns:
      A dict of the schema `IDENTITY`: the digest of the fields that can change the result, and {role: sha256}
      of the files that the run reads, with the roles of its manifest. None if a file is missing or the config
      has an error.
    """
    try:
        config = settings.resolve(config)
        return {"config_digest": digest(config), "inputs": dict(_inputs(config))}
    except Exception:  # the run of the point will raise the error again, and will record it
        return None


def digest(config: ConfigDict) -> str:
    """Returns the digest of a config; `size = auto` counts as auto, not as the size that fits into memory.

    Args:
      config: the config of a point.
    """
    return settings.digest(settings.as_dict(settings.resolve(config)))


def attempt(config: ConfigDict) -> str:
    """Returns a digest of everything on which a failure may depend: all fields, and the files that are read.

    Args:
      config: the config of a point; it may have errors.
    """
    plain = json.loads(config.to_json_best_effort())
    return hashlib.sha256(json.dumps([plain, expected(config)], sort_keys=True).encode()).hexdigest()


def _inputs(config: ConfigDict) -> Iterator[tuple[str, str]]:
    """Yields (role, sha256) of each input, as nst.runs.job.prepare records them."""
    content, paintings = sources(None, None, config)
    paths = {"content": content} | {f"style {index}": path for index, path in enumerate(paintings)}
    for role, group in (("content mask", "content_masks"), ("style mask", "style_masks")):
        given = enumerate(config.guidance[group])
        paths |= {f"{role} {index}": path for index, path in given if path != masks.WHOLE}
    if config.init.kind == "image":
        paths["init.image"] = config.init.image
    yield from ((role, _sha256(path)) for role, path in paths.items())
    weights, (_, spec) = config.weights, specs.read_network(config)
    yield "weights", "" if weights.name == "random" else _sha256(_weights(weights.name, spec.layers))
    if weights.normalize:
        found = folders.files(weights.normalize, "weights.normalize")
        yield "weights.normalize", hashlib.sha256("".join(map(_sha256, found)).encode()).hexdigest()


@functools.lru_cache(maxsize=64)
def _weights(name: str, layers: Sequence[str]) -> Path | str:
    """Returns the file of some weights, or "" if it is not found; it is searched for once."""
    try:
        return checkpoints.find(name, layers)
    except UserError:
        return ""


def _sha256(path: str | Path) -> str:
    # cached, since many points read the same files; a changed file has another time, size or inode
    found = os.stat(path)
    return _known_sha256(str(path), (found.st_mtime_ns, found.st_size, found.st_ino))


@functools.lru_cache(maxsize=4096)
def _known_sha256(path: str, version: tuple[int, ...]) -> str:
    del version
    return files.digest(path)
