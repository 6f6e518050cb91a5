"""The command `nst stylize`, started from a checkout: python -m experiments.stylize."""

import sys

from nst.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["stylize", *sys.argv[1:]]))
