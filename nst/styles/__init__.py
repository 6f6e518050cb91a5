"""Representations of style: statistics of activations, and distances between them.

    table           name -> factory of a representation
    representation  the type `Representation`, and functions that the factories share
    positions       the positions of a layer that are compared, and their weights
    grams           Gram matrices
    moments         moments of each channel, and second moments of all
    transport       histograms, sliced and Gaussian Wasserstein distances
    mmd             maximum mean discrepancies
    matching        patches, contextual similarity, relaxed earth mover's distance

May import `networks`, `errors`, `options` and `numerics`.
"""
