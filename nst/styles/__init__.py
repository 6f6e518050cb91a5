"""Representations of style: statistics of activations, and distances between them.

    table       name -> representation, with its options
    positions   which positions of a layer count, and by how much
    grams       Gram matrices
    transport   moments, histograms, sliced and Gaussian Wasserstein distances
    mmd         maximum mean discrepancies
    matching    patches, contextual similarity, relaxed earth mover's distance

May import `networks`, beside the modules of the ground floor.
"""
