"""The choice of the size for `size = auto`, and the check that a run fits into memory."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import jax
from ml_collections import ConfigDict

from nst import images
from nst.devices import memory, mesh
from nst.errors import UserError
from nst.files import read_json
from nst.images import Source
from nst.losses import strips
from nst.networks.convolution import parameter_count
from nst.networks.table import minimum_size, multiples
from nst.runs import folder, forecast, pictures, sharding, specs
from nst.runs.compiling import Size, compile_run
from nst.runs.job import Job, prepare
from nst.runs.log import Detail
from nst.runs.network import FrozenNetwork, LoadNetwork
from nst.runs.settings import AUTO

# sizes are rounded down to a multiple of this many pixels, which leaves a margin for rounding the other edge
_GRAIN = 8


def choose_size(
    content: Source | None,
    style: Source | Sequence[Source] | None,
    config: ConfigDict,
    workdir: Path | None,
    *,
    log: Callable[[str], None],
    load: LoadNetwork,
) -> ConfigDict:
    """Returns a config whose size is a number.

    With `size = auto`, it is the size of the run to continue or, for a new run, the largest size that fits
    into memory, up to the photograph's own. While smaller sizes are tried, the paintings stay as large as at
    the photograph's own size, so the result may be smaller than necessary if their size follows `size`.

    Args:
      content, style: as for `prepare`.
      config: from `settings.resolve`.
      workdir: the run folder, or None.
      log: receives one line of text.
      load: loads the network.

    Raises:
      UserError: no size fits.
    """
    if config.size != AUTO:
        return config
    # a continued run keeps its size, even if another amount of memory is free now
    size = _recorded_size(workdir)
    if size is None:
        size = _fitting_size(content, style, config, log=log, load=load)
    return _with_size(config, size)


def check(config: ConfigDict) -> None:
    """Checks a run as far as that is possible without the weights of its network, which are not loaded.

    Args:
      config: from `settings.resolve`, with its pictures.

    Raises:
      UserError: as from `prepare`.
    """
    if config.size == AUTO:
        config = _with_size(config, max(1, _bounds(None, None, config)[1]))
    prepare(None, None, config, load=lambda *_: FrozenNetwork({}, {}, ()))


def _with_size(config: ConfigDict, size: int) -> ConfigDict:
    config = config.copy_and_resolve_references()
    with config.ignore_type():  # the field holds the text "auto"
        config.size = size
    return config


def _bounds(content, style, config: ConfigDict) -> tuple[int, int]:
    """Returns the photograph's own size, and a size that may fit, from which `_fitting_size` searches down.

    The search cannot begin at the photograph's own size, since even its arrays may be too much.
    """
    photo, _ = pictures.sources(content, style, config)
    shape = images.read(photo, config.max_megapixels).rgb_HxWx3.shape[:2]
    own, limit = images.measure(*shape, config.size_mode), memory.limit(config.memory_limit_gb)
    pixels = forecast.image_bytes(specs.read_network(config)[1], specs.make_optimizer(config), *shape)
    scale = forecast.largest_scale(pixels // (config.devices or jax.device_count()), limit)
    return own, min(own, int(own * scale))


def _fitting_size(content, style, config: ConfigDict, *, log, load: LoadNetwork) -> int:
    """Returns the largest size that fits, up to the photograph's own."""
    (own, begin), limit = _bounds(content, style, config), memory.limit(config.memory_limit_gb)
    job = prepare(content, style, _with_size(config, begin), load) if begin else None
    fitting = job and largest(job, compile_run(job), limit)
    if job is None or fitting is None:
        raise UserError(
            f"size = auto: no size fits in {memory.format_bytes(limit)}: ask for fewer layers or a smaller "
            "optimizer.memory"
        )
    size = begin
    if fitting != job.content.rgb_HxWx3.shape[:2]:
        exact = images.measure(*fitting, config.size_mode)
        size = max(exact // _GRAIN * _GRAIN, min(exact, _GRAIN))
    log(f"size: auto, {size} of the photograph's {own} px ({config.size_mode})")
    return size


def _recorded_size(workdir: Path | None) -> int | None:
    """Returns the size of the run in a folder, or None if the run has not been begun."""
    if workdir is None or not folder.begun(workdir):
        return None
    return (read_json(workdir / "config.json", {"size": int}) or {}).get("size")


def largest(job: Job, compiled: jax.stages.Compiled, limit: int) -> Size | None:
    """Returns about the largest size, up to the job's own, at which a job fits into memory.

    Args:
      job: from `prepare`.
      compiled: the loop of the job, at its own size.
      limit: bytes that the run may use.

    Returns:
      Height and width, which were checked by compiling the loop for them; None if no size fits.
    """
    height, width = job.content.rgb_HxWx3.shape[:2]
    least = minimum_size(job.spec.network, job.spec.layers)
    rows, columns = multiples(job.spec.network, job.spec.layers)
    rows, weights_bytes = math.lcm(rows, sharding.height_multiple(job.spec, job.mesh)), _weights_bytes(job)
    need, size, scale = memory.forecast(compiled, weights_bytes), (height, width), 1.0
    if need > limit:
        # the memory grows with the pixels, except for the network's weights and the process's own memory
        constant = need - memory.program_bytes(compiled) + weights_bytes
        scale = math.sqrt(max(limit - constant, 0) / (need - constant)) if need > constant else 0.0
    while min(height, width) * scale >= least:
        size = mesh.rounded(round(height * scale), rows), mesh.rounded(round(width * scale), columns)
        if all(size) and memory.forecast(compile_run(job, size), weights_bytes) <= limit:
            return size
        scale *= 0.95  # the estimate was too large
    return None


def check_memory(job: Job, compiled: jax.stages.Compiled, limit: int) -> int:
    """Returns the bytes that a run needs.

    Args:
      job: from `prepare`.
      compiled: the loop of the job.
      limit: bytes that the run may use.

    Raises:
      UserError: the run needs more than `limit`; the message names the largest size and the highest strips
        that fit, or the painting that is too large.
    """
    need = memory.forecast(compiled, _weights_bytes(job))
    if need <= limit:
        for index, style in enumerate(job.styles):  # paintings may be larger than the image
            shape = style.rgb_HxWx3.shape[:2]
            forecast.check_painting(
                job.spec, f"style {index}", shape, job.mesh.size if job.mesh else 1, limit
            )
        return need
    height, width = job.content.rgb_HxWx3.shape[:2]
    smaller = largest(job, compiled, limit)
    advice = "no size fits: ask for fewer layers or a smaller optimizer.memory"
    if smaller:
        advice = f"the largest size that fits is about {smaller[1]}x{smaller[0]} (long edge {max(smaller)})"
    if strip := _fitting_strip(job, limit):
        advice += f"; or, at this size, --config.strip={strip}"
    needed, available = memory.format_bytes(need), memory.format_bytes(limit)
    raise UserError(f"{width}x{height} px needs {needed}, and {available} are available: {advice}")


def _fitting_strip(job: Job, limit: int) -> int:
    """Returns the greatest height of strips that fits and is less than the job's own; 0 if none fits."""
    height = job.content.rgb_HxWx3.shape[0]
    for strip in (512, 256, 128, 64):
        try:
            spec = dataclasses.replace(job.spec, strip=strip)
        except UserError:  # the loss needs the whole image
            return 0
        lower = strip < (job.spec.strip or height)
        if lower and strips.layout(spec, spec.layers, height):
            if memory.forecast(compile_run(job._replace(spec=spec)), _weights_bytes(job)) <= limit:
                return strip
    return 0


def _weights_bytes(job: Job) -> int:
    """Returns the bytes of the network's weights, which do not grow with the image."""
    return sum(leaf.nbytes for leaf in jax.tree.leaves(job.variables))


def description(job: Job, need: int) -> str:
    """Returns a line for the log with the device of a run and the memory that the run needs.

    Args:
      job: from `prepare`.
      need: bytes that the run needs, from `check_memory`.
    """
    device, count = jax.devices()[0], job.mesh.size if job.mesh else 1
    parameters = f"{parameter_count(job.variables) / 1e6:.1f} M parameters"
    share = f" on each of {count}, which share the height" if count > 1 else ""
    where = f"device: {device.device_kind} ({device.platform})"
    return Detail(f"{where}, {parameters}, {memory.format_bytes(need)} needed{share}")
