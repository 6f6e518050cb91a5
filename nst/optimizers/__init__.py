"""The optimisation of one array, an image or any other, as pure functions: `init`, `step` and `run`.

    steps    the state of a run, one step, and the compiled loop
    table    the choices of an optimiser, and the table of optimisers by name
    method   the interface of an optimiser, and adapters for Optax's optimisers
    lbfgs    L-BFGS by the rules of Torch
    wolfe    L-BFGS with a line search
    bands    optimisation in the bands of a Laplacian pyramid in place of pixels, and the metric of L-BFGS

May import `errors`, `options` and `numerics`.
"""
