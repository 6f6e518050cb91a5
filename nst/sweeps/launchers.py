"""The table of launchers: the ways in which the points of a sweep can be run."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from nst.sweeps import batched, local, processes, ray
from nst.sweeps.local import Launch
from nst.sweeps.points import Point


class Options(NamedTuple):
    """The options of all launchers; each launcher uses those that concern it."""

    network: str  # network of the instrument that measures the images, a value of `weights.name`
    jobs: int = 1  # local: number of processes, at least 1
    batch: int = batched.MOST  # batched: largest number of points in one program
    ray_address: str = ""  # ray: address of the cluster to join, as for `ray.init`; "": this machine


class Launcher(NamedTuple):
    """A way to run points."""

    run: Callable[[Launch, Sequence[Point], Options], None]
    # called before JAX starts and before the program handles signals
    start: Callable[[Options], None] = lambda options: None


def _run_local(launch: Launch, points: Sequence[Point], options: Options) -> None:
    if options.jobs > 1:
        processes.run_points(launch, points, options.network, options.jobs)
    else:
        local.run_points(launch, points)


def _run_batched(launch: Launch, points: Sequence[Point], options: Options) -> None:
    batched.batched(launch, points, options.batch)


def _run_ray(launch: Launch, points: Sequence[Point], options: Options) -> None:
    ray.run_points(launch, points, options.network)


LAUNCHERS = {
    "local": Launcher(_run_local),
    "batched": Launcher(_run_batched),
    "ray": Launcher(_run_ray, start=lambda options: ray.start(options.ray_address)),
}
