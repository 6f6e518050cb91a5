"""Measures of a finished picture.

    measures     the measures, as functions of activations and images
    instrument   the network and the rules that are the same for every picture
    reader       a network that measures, and its compiled programs
    perceptual   LPIPS and DISTS
    linear       the files of their linear weights
    structure    how much of the photograph is kept, whatever the colours
    artefacts    the grid that strides leave, its cause, and grain

May import `images`, `networks`, `styles`, `losses` and `devices`.
"""
