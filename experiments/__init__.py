"""Programs with flags: one file for each; benchmarks/ and distill/ are for the makers of nst."""

import os

# XLA logs a page, as an error, about each program that it reads back from the compilation cache and that another
# process compiled. Real errors raise an exception as well, so nothing is lost without that log. JAX sets the
# variable to 1 in every process that imports it, and programs started from there inherit it: 1 was not chosen.
if os.environ.get("TF_CPP_MIN_LOG_LEVEL", "1") == "1":
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
