"""The optimisation of one array, an image or any other, as pure functions: `init`, `step` and `run`.

    steps    the state of a run, one step, and the compiled loop
    table    the choices of an optimiser, and its method by name: add an optimiser here
    method   the protocol of an optimiser, for Optax's and our own
    lbfgs    the two-loop recursion, by the rules of Torch
    wolfe    L-BFGS with our own line search
    bands    the bands of a Laplacian pyramid in place of pixels, and as the metric of L-BFGS

Imports nothing of nst but `errors`, `options` and `numerics`.
"""
