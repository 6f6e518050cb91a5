"""Pictures of what a network's layers hold: reconstructions, projections, patches and curves.

Every module here computes arrays, and has one or two functions that draw them, which need matplotlib.

    network        the frozen network of a config; activations and channels
    figures        sheets of pictures, files
    receptive      the square of a picture that a unit depends on
    reconstruct    content and style by layer (Gatys et al. 2015)
    maps           feature maps and Gram matrices
    deconvnet      strong units projected back to pixels (Zeiler & Fergus 2013)
    patches        the patches of a collection that excite a channel most
    maximize       images made to excite a channel (Olah et al. 2017)
    invariance     how far features and Gram matrices move with the picture
    occlusion      which parts of a picture carry a loss
    distances      style distances between pictures

May import every package but `sweeps` and `report`.
"""
