"""Stylises a photograph.

python -m experiments.stylize --config=configs/gatys2016.py --config.content=photo.jpg \
    --config.style=painting.jpg --workdir=runs/first
"""

import nst
from experiments import cli


def main(argv) -> int:
    del argv
    workdir = cli.workdir("runs/first")
    received = cli.signals()
    result = nst.stylize(None, None, cli.CONFIG.value, workdir, stop=lambda: bool(received))
    if result.finished:
        return 0
    print(f"stopped at step {result.step} of {result.config['steps']}; the same command continues it")
    return 128 + received[0]


if __name__ == "__main__":
    cli.run(main)
