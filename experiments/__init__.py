"""Programs of a checkout, one file each; benchmarks/, distill/ and fuzz/ are for the developers of nst."""

import sys

from nst.cli import process  # whose package turns XLA's logs off

if sys.argv[0] == "-m":  # Python is looking for the program that it was told to run
    process.prepare()
