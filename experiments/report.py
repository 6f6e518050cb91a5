"""The report of a sweep: a folder with a page that opens from the disk, and needs nothing else.

python -m experiments.report --workdir=runs/pooling

The page is runs/pooling/report/index.html; the folder report/ can be copied anywhere. It may be written
while the sweep is running, and again later: what has not changed is not made again.
"""

from experiments import cli
from nst import report
from nst.sweeps import results


def main(argv) -> None:
    del argv
    workdir = cli.workdir("runs/pooling")
    sweep = results.read_sweep(workdir)
    rows = results.rows(workdir, sweep)
    path = report.write(workdir, sweep, rows)
    print(f"{path}: {len(rows)} points: {results.summary(rows)}")


if __name__ == "__main__":
    cli.run(main, config=False)
