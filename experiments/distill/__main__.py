from experiments import cli
from experiments.distill.train import main

cli.run(main)
