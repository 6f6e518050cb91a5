"""The loss: what the optimisation minimises, as a pure function of an image.

    problem        the loss as in the paper, the arrays that it needs, and its targets
    statistics     the statistics of an image's activations from which the losses are computed
    smoothing      smoothing of activations before the losses, and the entropy of activations
    spec           the static choices, which determine the compiled program
    weights        the weight of each term
    content        content distances
    regularizers   total variation and the other terms of the pixels alone
    guidance       masks through the layers of a network
    strips         the loss of a large image, computed in strips

May import `images`, `networks`, `styles`, `optimizers` and `devices`.
"""
