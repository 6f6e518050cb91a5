"""Benchmarks: the seconds and the memory that nst takes, and its losses, beside other programs."""
