"""Stylises a photograph.

python -m experiments.stylize --config=configs/gatys2016.py --config.content=photo.jpg \
    --config.style=painting.jpg --workdir=runs/first

--config.devices=8 divides a picture that is too large for one device among eight; 0 stands for all. To use
several hosts, start one process on each with the same flags and these, numbered from 0:

    --config.devices=0 --coordinator=node0:12345 --processes=2 --process_id=0

Under Slurm, MPI or Kubernetes, and on TPU pods, --distributed replaces these three. All processes must see
the same files, including the run folder; process 0 writes the files and the log.
"""

import signal

from absl import flags

import nst
from experiments import cli
from experiments.process import say
from nst.devices import processes

DISTRIBUTED = flags.DEFINE_bool(
    "distributed", False, "Run as one of several processes, whose number and addresses the cluster provides."
)
COORDINATOR = flags.DEFINE_string("coordinator", None, "host:port of process 0, for several processes.")
PROCESSES = flags.DEFINE_integer("processes", None, "Number of processes.", lower_bound=1)
PROCESS_ID = flags.DEFINE_integer("process_id", None, "Number of this process, from 0.", lower_bound=0)


def main(argv) -> int:
    """Runs or continues the run that the flags describe; returns the exit status."""
    del argv
    workdir = cli.workdir("runs/first")
    cluster = COORDINATOR.value, PROCESSES.value, PROCESS_ID.value
    if DISTRIBUTED.value or any(value is not None for value in cluster):
        processes.initialize(*cluster, detect=DISTRIBUTED.value)
    received = cli.signals()  # after `initialize`, which installs signal handlers of its own
    result = nst.stylize(None, None, cli.CONFIG.value, workdir, stop=lambda: bool(received), log=say)
    if result.finished:
        return 0
    processes.log_on_primary(say)("the same command continues it")
    return 128 + (received or [signal.SIGTERM])[0]  # without a signal here, another process received it


if __name__ == "__main__":
    cli.run(main)
