"""Measures of a finished picture.

    measures     the measures, as functions of activations and images
    instrument   the network and the rules that are the same for every picture

May import `images`, `networks`, `styles`, `losses` and `devices`.
"""
