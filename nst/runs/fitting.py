"""size = auto: the largest size of a photograph that the memory holds, chosen once for a run."""

import math
from collections.abc import Callable
from pathlib import Path

from ml_collections import ConfigDict

from nst import images
from nst.devices import memory
from nst.errors import UserError
from nst.runs import folder, pictures
from nst.runs.job import LoadNetwork, compile_run, largest, prepare

AUTO = "auto"
_GRAIN = 8  # pixels: rounded down to these, so that rounding of the other edge does not break the limit


def resolved(
    content, style, config: ConfigDict, workdir: Path | None, log: Callable[[str], None], load: LoadNetwork
) -> ConfigDict:
    """The config with a number for its size: as it is, that of the run to be continued, or what fits.

    Never larger than the photograph's own. It is found with the paintings as large as that size would have
    them, so it may err to the small side where their size counts.

    Raises:
      UserError: no size fits.
    """
    if config.size != AUTO:
        return config
    config = config.copy_and_resolve_references()
    with config.ignore_type():  # of which a resolved config holds "auto" as text
        config.size = _recorded(workdir) or _fitting(content, style, config, log, load)
    return config


def _fitting(content, style, config: ConfigDict, log, load: LoadNetwork) -> int:
    """The size that fits; leaves that of the photograph in the config."""
    source, _ = pictures.named_by(content, style, config)
    config.size = own = _number(images.read(source).rgb_HxWx3.shape[:2], config.size_mode)
    job = prepare(content, style, config, load)
    limit = memory.limit(config.memory_limit_gb)
    found = largest(job, compile_run(job), limit)
    if found is None:
        raise UserError(
            f"size = auto: no size fits in {memory.format_bytes(limit)}: ask for fewer layers or a smaller "
            "optimizer.memory"
        )
    size = own
    if found != job.content.rgb_HxWx3.shape[:2]:
        number = _number(found, config.size_mode)
        size = max(number // _GRAIN * _GRAIN, min(number, _GRAIN))
    log(f"size: auto, {size} of the photograph's {own} px ({config.size_mode})")
    return size


def _recorded(workdir: Path | None) -> int | None:
    """The size of the run that a folder holds, begun at least at a smaller size; None: there is none."""
    if workdir is None or not any([*workdir.glob(name)] for name in ("checkpoint.npz", "result.*", "size_*")):
        return None
    return (folder.read_json(workdir / "config.json") or {}).get("size")


def _number(shape: tuple[int, int], mode: str) -> int:
    """The `size` of a picture of this height and width; of an unknown mode, which is refused later, any."""
    return {"short": min(shape), "area": math.isqrt(shape[0] * shape[1])}.get(mode, max(shape))
