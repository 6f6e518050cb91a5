"""Stylises a photograph.

python -m experiments.stylize --config=configs/gatys2016.py --config.content=photo.jpg \
    --config.style=painting.jpg --workdir=runs/first
"""

import signal

from absl import flags

import nst
from experiments import cli

WORKDIR = flags.DEFINE_string("workdir", None, "The run folder; give it again to continue a run.")


def main(argv) -> int:
    del argv
    if not WORKDIR.value:
        raise nst.UserError("give a folder for the run: --workdir=runs/first")
    received = []

    def stop_later(number, frame):
        received.append(number)
        signal.signal(number, signal.SIG_DFL)  # a second one ends at once; what is on the disk is whole

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop_later)
    result = nst.stylize(None, None, cli.CONFIG.value, WORKDIR.value, stop=lambda: bool(received))
    if result.finished:
        return 0
    print(f"stopped at step {result.step} of {result.config['steps']}; the same command continues it")
    return 128 + received[0]


if __name__ == "__main__":
    cli.run(main)
