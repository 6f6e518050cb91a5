"""Figures of what the layers of a network represent: reconstructions, projections, patches and curves.

Every module computes arrays, and has one or two functions that draw them, for which matplotlib is needed.

    network        the frozen network of a config; activations and channels
    figures        sheets of pictures, files
    receptive      the square of a picture that a unit depends on
    reconstruct    content and style by layer (Gatys et al. 2015)
    maps           feature maps and Gram matrices
    deconvnet      strong units projected back to pixels (Zeiler & Fergus 2013)
    patches        the patches of many pictures that excite a channel most
    maximize       images made to excite a channel (Olah et al. 2017)
    invariance     how far features and Gram matrices change when the picture moves
    occlusion      which parts of a picture a loss depends on
    phases         the pixel gradient of a loss by phase of a grid, the cause of checkerboards
    distances      style distances between pictures

May import `runs` and the packages that `runs` may import.
"""
