"""Runs and sweeps that are killed at random moments and continued (python -m experiments.kill)."""
