"""Makes a run in a run folder, or continues it.

nst stylize --config=gatys2016 --config.content=photo.jpg --config.style=painting.jpg --workdir=runs/first

--config.devices=8 divides a picture that is too large for one device among eight; 0 stands for all devices.
To use several hosts, start one process on each host, with the same options and these in addition:

    --config.devices=0 --coordinator=node0:12345 --processes=2 --process-id=0

Processes are numbered from 0. Under Slurm, MPI or Kubernetes, and on TPU pods, --distributed replaces the
last three options. All processes must see the same files, including the run folder; process 0 writes the
files and the log.
"""

import argparse
import signal

import nst
from nst.cli import catalogue, options, signals
from nst.cli.process import say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this command to a parser."""
    options.add_workdir(parser, "the run folder; give it again to continue")
    cluster = parser.add_argument_group("several processes")
    cluster.add_argument("--distributed", action="store_true", help="the cluster provides the three below")
    cluster.add_argument("--coordinator", metavar="HOST:PORT", help="address of process 0")
    cluster.add_argument("--processes", type=int, metavar="N", help="number of processes")
    cluster.add_argument("--process-id", type=int, metavar="N", help="number of this process, from 0")


def run(args: argparse.Namespace) -> int:
    """Makes or continues the run that the arguments describe; returns the exit status."""
    from nst.devices import processes  # imported here, since it imports JAX

    workdir = options.required(args.workdir, "the run", "runs/first")
    if catalogue.has_sweep(args.config_file):
        say(f"note: only the config of {args.config_file} is run, and not its sweep(): see nst sweep")
    cluster = args.coordinator, args.processes, args.process_id
    if args.distributed or any(value is not None for value in cluster):
        processes.initialize(*cluster, detect=args.distributed)
    received = signals.catch()  # after `initialize`, which installs signal handlers of its own
    result = nst.stylize(None, None, args.config, workdir, stop=lambda: bool(received), log=say)
    if result.finished:
        return 0
    processes.log_on_primary(say)("the same command continues it")
    return 128 + (received or [signal.SIGTERM])[0]  # without a signal here, another process received it
