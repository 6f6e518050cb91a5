"""Benchmarks: the time, the memory and the losses of nst, compared with other programs."""
