"""The local launcher: the points of a sweep one after another, those that share a program together."""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import jax
from ml_collections import ConfigDict

from nst import images
from nst.errors import Busy
from nst.losses import problem
from nst.metrics.instrument import Instrument
from nst.optimizers import steps
from nst.runs import settings
from nst.runs.job import LoadNetwork, cached_loader, network_key
from nst.runs.pictures import fitted, named_by, style_sizes
from nst.runs.stylize import stylize
from nst.sweeps import results
from nst.sweeps.space import Point

PROGRAMS = steps.run, problem.measure, problem.describe_content, problem.describe_style


class Launch(NamedTuple):
    """What every launcher needs."""

    workdir: Path  # the sweep's
    instrument: Instrument
    stop: Callable[[], bool]
    say: Callable[[str], None]
    told: Callable[[Point, str], None]  # a point has come to its end, with this status or error


def folder(workdir: Path, point: Point) -> Path:
    return workdir / point.name


def due(workdir: Path, points: Iterable[Point], retry_failed: bool) -> list[Point]:
    """The points that are still to be run."""
    skip = {results.FINISHED} if retry_failed else {results.FINISHED, results.FAILED}
    return [
        point for point in points if results.status(folder(workdir, point), point.config.steps) not in skip
    ]


def local(launch: Launch, points: Sequence[Point], load: LoadNetwork | None = None) -> None:
    """Runs points in this process, by `grouped`; `load`: from `cached_loader`, to keep a network for later."""
    load = load or cached_loader()
    for key, group in grouped(points):
        forget_others(key)
        for point in group:
            if launch.stop():
                return
            attempt(launch, point, lambda point=point: run(launch, point, load))


def forget_others(key, programs: Sequence = PROGRAMS) -> None:
    """Drops the compiled programs of points with another key, which would add up.

    What all points share, as the instrument, stays, since it takes seconds to compile; but now and then
    everything goes, for the sake of sweeps in which every picture has a shape of its own.
    """
    if _last and _last[-1] != key:
        for made in programs:
            made.clear_cache()
        if len(_last) == _KEYS:
            jax.clear_caches()
            _last.clear()
    if key not in _last[-1:]:
        _last.append(key)


_last, _KEYS = [], 32


def run(launch: Launch, point: Point, load: LoadNetwork | None = None) -> bool:
    """Runs a point to its end, and judges it; whether it came to its end."""
    where = folder(launch.workdir, point)
    result = stylize(None, None, point.config, where, stop=launch.stop, log=launch.say, load=load)
    if result.finished:
        results.measure(where, point, launch.instrument)
    return result.finished


def attempt(launch: Launch, point: Point, work: Callable[[], bool]) -> bool:
    """Does work for a point that says whether it has finished it; an error is recorded and told, not raised.

    Returns whether there was no error.
    """
    try:
        if work():
            launch.told(point, results.FINISHED)
        return True
    except Busy as error:
        launch.told(point, f"skipped: {error}")
    except Exception as error:  # whatever it is, the other points are not to suffer
        launch.told(point, f"failed: {results.record_failure(folder(launch.workdir, point), error)}")
    return False


def grouped(points: Iterable[Point]) -> list[tuple[object, list[Point]]]:
    """(key, points that share a compiled program), in order of first appearance."""
    groups = {}
    for point in points:
        groups.setdefault(program(point.config), []).append(point)
    return list(groups.items())


def program(config: ConfigDict) -> tuple | str:
    """What decides the compiled program of a run, and its network; or the error that it would end with."""
    try:
        _, spec = settings.read_network(config)
        content, paths = named_by(None, None, config)
        shapes = [images.target_size(*_shape(content), config.size, config.size_mode)]
        shapes += [
            fitted(_shape(path), size, config.size_mode, config.style_fit, shapes[0])
            for path, size in zip(paths, style_sizes(config, len(paths)), strict=True)
        ]
        return spec, settings.make_optimizer(config), tuple(shapes), network_key(config)
    except Exception as error:  # the run itself will meet it
        return str(error)


@lru_cache(maxsize=256)
def _shape(path: str) -> tuple[int, int]:
    return images.read(path).rgb_HxWx3.shape[:2]
