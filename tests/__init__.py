import os

# XLA would write a page about each program that it reads back from the compilation cache, as in experiments/
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
