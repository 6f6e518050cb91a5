"""The command `nst report`, started from a checkout: python -m experiments.report."""

import sys

from nst.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["report", *sys.argv[1:]]))
