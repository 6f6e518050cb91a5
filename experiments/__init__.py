"""Programs with flags: one file for each; benchmarks/ and distill/ are for the makers of nst."""

import os

# XLA would write a page about each program that it reads back from the compilation cache; what is an error
# raises an exception as well
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
