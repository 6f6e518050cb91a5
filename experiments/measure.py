"""The command `nst measure`, started from a checkout: python -m experiments.measure."""

import sys

from nst.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["measure", *sys.argv[1:]]))
