"""Measures of a finished picture.

    measures     the measures, as functions of activations and images
    instrument   the network and the rules that are the same for every picture
    structure    candidates for the instrument: how much of the photograph is kept
    artefacts    candidates for the instrument: grain, and the grid that pooling leaves

May import `images`, `networks`, `styles`, `losses` and `devices`.
"""
