"""Programs with flags: one file for each; benchmarks/ and distill/ are for the makers of nst."""

import os

# XLA writes a page as an error about each program that it reads back from the compilation cache and that another
# process compiled; what is an error raises an exception as well. JAX puts 1 into the environment of every process
# that imports it, and so into that of programs started there, from a notebook say: 1 is nobody's choice.
if os.environ.get("TF_CPP_MIN_LOG_LEVEL", "1") == "1":
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
