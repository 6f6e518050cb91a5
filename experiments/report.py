"""Writes the report of a sweep: a folder with an HTML page that opens from the disk and works offline.

python -m experiments.report --workdir=runs/pooling

The page is runs/pooling/report/index.html; the folder report/ can be copied to any other place. The program
may run while the sweep is running, and again later: files that have not changed are not written again.
"""

from experiments import cli
from nst import report
from nst.sweeps import results


def main(argv) -> None:
    """Writes the report of the sweep that --workdir holds."""
    del argv
    workdir = cli.workdir("runs/pooling")
    sweep = results.read_sweep(workdir)
    rows = results.rows(workdir, sweep)
    path = report.write(workdir, sweep, rows)
    print(f"{path}: {len(rows)} points: {results.summary(rows)}")


if __name__ == "__main__":
    cli.run(main, config=False)
