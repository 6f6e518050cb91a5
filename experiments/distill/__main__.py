"""`python -m experiments.distill`: the program of experiments/distill/train.py."""

from experiments import cli
from experiments.distill.train import main

cli.run(main)
