"""The command `nst sweep`, started from a checkout: python -m experiments.sweep."""

import sys

from nst.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["sweep", *sys.argv[1:]]))
