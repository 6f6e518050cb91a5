"""Runs a sweep: every point of a config's sweep() in a run folder of its own, all measured by one instrument.

python -m experiments.sweep --config=configs/sweeps/pooling.py --workdir=runs/pooling
"""

import sys
from pathlib import Path

from absl import flags
from ml_collections import config_flags

from experiments import cli
from experiments.process import say
from nst.errors import choose
from nst.sweeps import judge, local, progress, results, space
from nst.sweeps.launchers import LAUNCHERS, Options
from nst.sweeps.points import make_points, select

DEFAULTS = Options("")
LAUNCHER = flags.DEFINE_string("launcher", "local", f"How points are run: {', '.join(LAUNCHERS)}.")
JOBS = flags.DEFINE_integer("jobs", DEFAULTS.jobs, "Processes of the local launcher.", lower_bound=1)
BATCH = flags.DEFINE_integer("batch", DEFAULTS.batch, "Points in one batch, at most.", lower_bound=1)
RAY_ADDRESS = flags.DEFINE_string(
    "ray_address", DEFAULTS.ray_address, "A Ray cluster to join; empty: this machine."
)
ONLY = flags.DEFINE_string("only", "", "Indices of points to run: 3,7 or 3-7.", allow_overwrite=False)
DRY_RUN = flags.DEFINE_bool("dry_run", False, "List the points and run nothing.")
RETRY_FAILED = flags.DEFINE_bool("retry_failed", False, "Also run the points that have failed.")
INSTRUMENT = flags.DEFINE_string(
    "instrument", "", "The network that measures the images: a value of weights.name; empty: vgg19."
)
TARGET_LOSS = flags.DEFINE_float(
    "target_loss", 0.0, "Tabulate the seconds until this loss is reached.", lower_bound=0
)


def main(argv) -> int:
    """Runs the sweep of the flags, and returns the exit status."""
    del argv
    launcher = LAUNCHERS[choose("launcher", LAUNCHER.value, LAUNCHERS)]
    options = Options(INSTRUMENT.value, JOBS.value, BATCH.value, RAY_ADDRESS.value)
    workdir, config = Path(cli.workdir("runs/pooling")), cli.CONFIG.value
    file = config_flags.get_config_filename(flags.FLAGS["config"])
    points = make_points(config, space.load_sweep(file))
    selected = select(points, ONLY.value) if ONLY.value else points
    if DRY_RUN.value:
        # in a new folder no point is finished, whatever the instrument is
        begun = (workdir / "sweep.json").exists()
        name = judge.load(INSTRUMENT.value, workdir, points, say)[1].name if begun else ""
        say("\n".join(progress.list_points(workdir, selected, name)))
        return 0
    launcher.start(options)
    received = cli.signals()
    network, instrument = judge.load(INSTRUMENT.value, workdir, points, say)
    request = results.Request(file, sys.argv, LAUNCHER.value, network, instrument.name, TARGET_LOSS.value)
    results.enter(workdir, request, config, points)
    pending = local.pending(workdir, selected, instrument.name, RETRY_FAILED.value)
    say(f"{len(pending)} of {len(selected)} points to run, measured by {instrument.name}")
    launch = local.Launch(
        workdir=workdir,
        instrument=instrument,
        stop=lambda: bool(received),
        log=lambda line: say(f"    {line}"),
        on_end=progress.reporter(workdir, len(pending), say),
    )
    launcher.run(launch, pending, options._replace(network=network))
    return progress.conclude(workdir, selected, say, *received[:1])


if __name__ == "__main__":
    cli.run(main)
