"""The command `nst visualize`, started from a checkout: python -m experiments.visualize."""

import sys

from nst.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["visualize", *sys.argv[1:]]))
