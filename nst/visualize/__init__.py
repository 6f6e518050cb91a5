"""What the network sees: reconstructions, projections, patches and curves, each with its figure.

Every room here computes arrays, and has one function that draws them; the figures need matplotlib.
"""
