"""Measures of a finished picture.

    measures     the measures, as functions of activations and images
    instrument   the network and the rules that are the same for every picture
    reader       a network that measures, and its compiled programs
    perceptual   LPIPS and DISTS
    linear       the linear weights of LPIPS and DISTS
    structure    measures of how much of the photograph's structure is kept
    artefacts    measures of grain, of the grid that strides leave, and of the cause of the grid

May import `images`, `networks`, `styles`, `losses` and `devices`.
"""
