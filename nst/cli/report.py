"""Writes the report of a sweep: a folder with an HTML page that opens from the disk and works offline.

nst report --workdir=runs/pooling

The page is runs/pooling/report/index.html; the folder report/ can be copied to any other place. The command
may run while the sweep is running, and again later: files that have not changed are not written again.
"""

import argparse

from nst.cli import options
from nst.cli.tables import counted


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this command to a parser."""
    options.add_workdir(parser, "the folder of the sweep")


def run(args: argparse.Namespace) -> int:
    """Writes the report of the sweep in the folder of --workdir; returns the exit status."""
    from nst import report  # imported here, since it imports JAX
    from nst.sweeps import results

    workdir = options.required(args.workdir, "a sweep", "runs/pooling")
    sweep = results.read_sweep(workdir)
    rows = results.rows(workdir, sweep)
    path = report.write(workdir, sweep, rows)
    print(f"{path}: {counted(len(rows), 'point')}: {results.summary(rows)}")
    return 0
