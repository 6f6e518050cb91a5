"""The loss: what the optimisation minimises, as a pure function of an image.

    problem        the loss as in the paper, the arrays that it needs, and its targets
    statistics     what the losses compute from an image's activations
    smoothing      activations smoothed before the losses, and their entropy
    spec           the static choices, which decide the compiled program
    weights        how much each term counts
    content        content distances
    regularizers   total variation and the other terms of the pixels alone
    guidance       masks through the layers of a network
    strips         the loss of a large image, computed in strips

May import `images`, `networks`, `styles`, `optimizers` and `devices`.
"""
