"""Programs with flags, one file each; benchmarks/ and distill/ are for the developers of nst."""

import os
import sys

from experiments import process

if sys.argv[0] == "-m":  # Python is looking for the program that it was told to run
    process.prepare()

# XLA logs a page of text, at the level of errors, for each program that it reads from the compilation cache
# and that another process compiled. These logs are turned off; a true error also raises an exception. JAX
# sets the variable to 1 in every process that imports it, and programs that are started there, as from a
# notebook, inherit it. So 1 does not mean that the user chose it.
if os.environ.get("TF_CPP_MIN_LOG_LEVEL", "1") == "1":
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
