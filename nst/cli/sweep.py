"""Runs a sweep: every point of a config's sweep() in its own run folder, and measures all results alike.

nst sweep --config=sweeps/pooling --workdir=runs/pooling
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from nst.cli import options, signals
from nst.cli.catalogue import locate
from nst.cli.process import say
from nst.errors import UserError, choose
from nst.metrics.instrument import Instrument
from nst.runs import folder
from nst.sweeps import judge, local, progress, results, space
from nst.sweeps.launchers import LAUNCHERS, Options
from nst.sweeps.points import Point, make_points, select


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this command to a parser."""
    defaults = Options("")
    add = parser.add_argument
    options.add_workdir(parser, "the folder of the runs; give it again to continue")
    add("--launcher", default="local", help=f"how points are run: {', '.join(LAUNCHERS)} (%(default)s)")
    add(
        "--jobs",
        type=options.count,
        default=defaults.jobs,
        help="processes of the local launcher (%(default)s)",
    )
    add(
        "--batch",
        type=options.count,
        default=defaults.batch,
        help="most points in one batch (%(default)s)",
    )
    add("--ray-address", default=defaults.ray_address, help="a Ray cluster to join (this machine alone)")
    add("--only", action=options.Once, default="", help="indices of points to run: 3,7 or 3-7 (all)")
    add("--dry-run", action="store_true", help="list the points and run nothing")
    add("--retry-failed", action="store_true", help="also run unchanged points that have failed")
    add("--instrument", default="", help="the network that measures: a value of weights.name (vgg19)")
    add(
        "--target-loss",
        type=float,
        default=0.0,
        help="add the seconds until this loss to the table (none)",
    )


def run(args: argparse.Namespace) -> int:
    """Runs the sweep that the arguments describe, and returns the exit status."""
    launcher = LAUNCHERS[choose("launcher", args.launcher, LAUNCHERS)]
    chosen = Options(args.instrument, args.jobs, args.batch, args.ray_address)
    points = make_points(args.config, space.load_sweep(locate(args.config_file)))
    selected = select(points, args.only) if args.only else points
    if args.dry_run:
        workdir = Path(args.workdir) if args.workdir else None
        # in a new folder no point is finished, so the instrument need not be loaded
        begun = workdir and (workdir / folder.SWEEP).exists()
        if begun:
            results.check(workdir, args.config)
        name = _judge(args, workdir, points)[1].name if begun else ""
        print("\n".join(progress.list_points(workdir, selected, name)))
        return 0
    workdir = options.required(args.workdir, "the sweep", "runs/pooling")
    results.check(workdir, args.config)
    launcher.start(chosen)
    received = signals.catch()
    local.check(selected)
    network, instrument = _judge(args, workdir, points)
    request = results.Request(
        args.config_file, args.command, args.launcher, network, instrument.name, args.target_loss
    )
    results.enter(workdir, request, args.config, points)
    pending = local.pending(workdir, selected, instrument.name, args.retry_failed)
    say(f"{len(pending)} of {len(selected)} points to run, measured by {instrument.name}")
    launch = local.Launch(
        workdir=workdir,
        instrument=instrument,
        stop=lambda: bool(received),
        log=lambda line: say(f"    {line}"),
        on_end=progress.reporter(workdir, len(pending), say),
    )
    launcher.run(launch, pending, chosen._replace(network=network))
    return progress.conclude(workdir, selected, say, *received[:1])


def _judge(args: argparse.Namespace, workdir: Path, points: Sequence[Point]) -> tuple[str, Instrument]:
    """Returns the network and the instrument of the sweep; an error names the option that chose it."""
    try:
        return judge.load(args.instrument, workdir, points, say)
    except UserError as error:
        raise options.renamed(error, {"weights.name": "--instrument"} if args.instrument else {}) from error
