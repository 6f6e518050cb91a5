"""Stylises a photograph.

python -m experiments.stylize --config=configs/gatys2016.py --config.content=photo.jpg \
    --config.style=painting.jpg --workdir=runs/first

A picture that is too large for one device is divided among several with --config.devices=8, or 0 for all.
Over several hosts start one process on each, with the same flags and these, numbered from 0:

    --config.devices=0 --coordinator=node0:12345 --processes=2 --process_id=0

Under Slurm, MPI or Kubernetes, and on TPU pods, --distributed stands for these three. All must see the same
files, the run folder among them; the first process writes there, and speaks.
"""

import signal

from absl import flags

import nst
from experiments import cli
from nst.devices import processes

DISTRIBUTED = flags.DEFINE_bool("distributed", False, "One of several processes, as the cluster tells.")
COORDINATOR = flags.DEFINE_string("coordinator", None, "host:port of the first of several processes.")
PROCESSES = flags.DEFINE_integer("processes", None, "How many there are.", lower_bound=1)
PROCESS_ID = flags.DEFINE_integer("process_id", None, "Which this is, from 0.", lower_bound=0)


def main(argv) -> int:
    del argv
    workdir = cli.workdir("runs/first")
    given = COORDINATOR.value, PROCESSES.value, PROCESS_ID.value
    if DISTRIBUTED.value or any(value is not None for value in given):
        processes.initialize(*given, detect=DISTRIBUTED.value)
    received = cli.signals()  # after joining, which takes the signals for itself
    result = nst.stylize(None, None, cli.CONFIG.value, workdir, stop=lambda: bool(received))
    if result.finished:
        return 0
    if processes.is_primary():
        print(f"stopped at step {result.step} of {result.config['steps']}; the same command continues it")
    return 128 + (received or [signal.SIGTERM])[0]  # another process was told


if __name__ == "__main__":
    cli.run(main)
