"""Random hostile inputs, each given to nst in a process with limits (python -m experiments.fuzz)."""
