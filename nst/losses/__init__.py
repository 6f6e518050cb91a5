"""The loss: what the optimisation minimises, as a pure function of an image.

    spec           the static choices, which decide the compiled program
    weights        how much each term counts
    problem        the terms of the loss, and their targets
    regularizers   content distances, total variation and the other terms that are not style
    guidance       masks through the layers of a network
    strips         the loss of a large image, computed in strips

May import `images`, `networks`, `styles`, `optimizers` and `devices`.
"""
