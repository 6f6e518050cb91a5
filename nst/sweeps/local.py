"""The local launcher, which runs the points of a sweep one after another, grouped by their program."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import jax
from ml_collections import ConfigDict

from nst import images
from nst.devices import programs as kept
from nst.errors import Busy, UserError
from nst.losses import problem, statistics
from nst.losses.spec import Spec
from nst.metrics.instrument import Instrument
from nst.optimizers import steps
from nst.optimizers.table import Optimizer
from nst.runs import fitting, settings, specs
from nst.runs.network import LoadNetwork, cached_loader, network_key
from nst.runs.pictures import fitted, sources, style_sizes
from nst.runs.stylize import stylize
from nst.sweeps import results
from nst.sweeps.identity import expected
from nst.sweeps.points import Point

# the functions whose compiled programs belong to a few points only; all points use the instrument's programs
PROGRAMS = steps.run, problem.measure, statistics.describe_content, statistics.describe_style

_MAX_KEYS = 32  # after so many keys, all compiled programs are dropped


class Launch(NamedTuple):
    """The settings of a sweep that every launcher needs in addition to the points."""

    workdir: Path  # the sweep's folder
    instrument: Instrument  # measures the finished images
    stop: Callable[[], bool]  # returns whether to stop early
    log: Callable[[str], None]  # receives lines of text
    on_end: Callable[[Point, str], None]  # called when a point ends, with its status or error


class ProgramKey(NamedTuple):
    """Everything that a point's compiled program and its network depend on."""

    spec: Spec
    optimizer: Optimizer
    shapes: tuple[tuple[int, int], ...]  # (height, width) of the content and each style image after resizing
    network: tuple  # from nst.runs.network.network_key


class Group(NamedTuple):
    """Points that share a compiled program, or that would all end with the same error."""

    key: ProgramKey | None  # None: the configs have an error
    error: str  # the error of the configs; "": there is none
    points: list[Point]


@dataclass
class Shared:
    """The network and the compiled programs that a process keeps from one call of a launcher to the next."""

    load: LoadNetwork = field(default_factory=cached_loader)  # keeps the network that was loaded last
    # keys of the groups whose programs may be in memory
    keys: list[ProgramKey | None] = field(default_factory=list)


def folder(workdir: Path, point: Point) -> Path:
    """Returns the run folder of a point.

    Args:
      workdir: the sweep's folder.
      point: a point of the sweep.
    """
    return workdir / point.name


def check(points: Sequence[Point]) -> None:
    """Checks that there is a point that can be run, before an instrument is downloaded to measure it.

    Args:
      points: points of the sweep.

    Raises:
      UserError: no point can be run.
    """
    errors = []
    for point in points:
        try:
            fitting.check(settings.resolve(point.config))
            return
        except (UserError, OSError) as error:
            errors.append(error)
        except Exception:  # the run will raise the error again, and will record it
            return
    if errors:
        raise UserError(f"no point can be run; {points[0].name}: {errors[0]}")


def pending(workdir: Path, points: Iterable[Point], instrument: str, retry_failed: bool) -> list[Point]:
    """Returns the points that still have to be run.

    A point whose folder has a damaged file has to be run: its run repairs the file, or fails. A point that
    has failed has to be run if its config or the files that it reads have changed since.

    Args:
      workdir: the sweep's folder.
      points: points of the sweep.
      instrument: the name of the sweep's instrument.
      retry_failed: whether points that have failed, and have not changed since, have to be run as well.
    """
    left = []
    for point in points:
        where = folder(workdir, point)
        state = results.state(where, expected(point.config), instrument)
        finished = state.status == results.FINISHED
        if not finished and (retry_failed or not results.has_failed(where, point.config)):
            left.append(point)
    return left


def run_points(launch: Launch, points: Sequence[Point], shared: Shared | None = None) -> None:
    """Runs points in this process; points that share a compiled program follow each other.

    Args:
      launch: the settings of the sweep.
      points: the points to run.
      shared: the network and compiled programs of an earlier call; None: there was no earlier call.
    """
    shared = Shared() if shared is None else shared
    for group in group_by_program(points):
        drop_other_programs(shared, group.key)
        for point in group.points:
            if launch.stop():
                return
            attempt(launch, point, lambda point=point: run_point(launch, point, shared.load))


def drop_other_programs(shared: Shared, key: ProgramKey | None, programs: Sequence = PROGRAMS) -> None:
    """Drops the compiled programs of points with another key, whose memory would add up.

    Programs that all points use, such as the instrument's, take seconds to compile and are kept. After
    `_MAX_KEYS` keys all programs are dropped, since in a sweep in which every picture has its own shape the
    memory of these programs adds up, too.

    Args:
      shared: the programs of this process; the key is added to `keys`.
      key: the key of the points that are run next.
      programs: jitted functions.
    """
    if shared.keys and shared.keys[-1] != key:
        for program in programs:
            program.clear_cache()
        kept.drop()
        if len(shared.keys) == _MAX_KEYS:
            jax.clear_caches()
            shared.keys.clear()
    if key not in shared.keys[-1:]:
        shared.keys.append(key)


def run_point(launch: Launch, point: Point, load: LoadNetwork | None = None) -> bool:
    """Runs a point and measures its image; returns whether it has finished (False: it was stopped).

    Args:
      launch: the settings of the sweep.
      point: the point to run, or to continue from its checkpoint.
      load: as for nst.stylize.
    """
    where = folder(launch.workdir, point)
    result = stylize(None, None, point.config, where, stop=launch.stop, log=launch.log, load=load)
    if result.finished:
        results.measure(where, point, launch.instrument)
    return result.finished


def attempt(launch: Launch, point: Point, work: Callable[[], bool]) -> bool:
    """Calls `work` for a point; an error is recorded in the point's folder and reported, but not raised.

    Args:
      launch: the settings of the sweep; `on_end` is called if the point has finished or failed, or if another
        process holds it.
      point: the point for which `work` is called.
      work: runs the point, and returns whether it has finished.

    Returns:
      Whether there was no error.
    """
    try:
        if work():
            launch.on_end(point, results.FINISHED)
        return True
    except Busy as error:
        launch.on_end(point, f"skipped: {error}")
    except Exception as error:  # an error of any kind must not end the other points
        where = folder(launch.workdir, point)
        launch.on_end(point, results.record_failure(where, point.config, error))
    return False


def group_by_program(points: Iterable[Point]) -> list[Group]:
    """Returns the points in groups that share a compiled program and a network, in order of first appearance.

    Args:
      points: points of a sweep. Points whose configs have an error are grouped by the message of the error.
    """
    groups = {}
    for point in points:
        try:
            key, error = program_key(point.config), ""
        except Exception as caught:  # the run will raise the error again, and will record it
            key, error = None, str(caught)
        groups.setdefault((key, error), Group(key, error, [])).points.append(point)
    return list(groups.values())


def program_key(config: ConfigDict) -> ProgramKey:
    """Returns the key of everything that the compiled program of a run and its network depend on.

    Args:
      config: the config of the run, with `content` and `style`.

    Raises:
      UserError: as from `nst.stylize`.
    """
    config = settings.resolve(config)
    _, spec = specs.read_network(config)
    content, paths = sources(None, None, config)
    shapes = [fitted(_shape(content, config.max_megapixels), config.size, config)]
    shapes += [
        fitted(_shape(path, config.max_megapixels), size, config, shapes[0])
        for path, size in zip(paths, style_sizes(config, len(paths)), strict=True)
    ]
    return ProgramKey(spec, specs.make_optimizer(config), tuple(shapes), network_key(config))


@lru_cache(maxsize=256)
def _shape(path: str, max_megapixels: float) -> tuple[int, int]:
    """Returns the (height, width) of a picture file; cached, since many points of a sweep share it."""
    return images.read(path, max_megapixels).rgb_HxWx3.shape[:2]
