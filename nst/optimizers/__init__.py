"""Optimisers as pure functions: `init`, `step` and `run`.

    steps   the state, one step, and the compiled loop
    lbfgs   the two-loop recursion
    wolfe   L-BFGS with our own line search
    bands   an optimiser that moves the bands of a Laplacian pyramid

Imports nothing of nst but `errors`, `options` and `numerics`.
"""
