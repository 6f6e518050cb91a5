"""Measures of a finished picture.

    measures     the measures, as functions of activations and images
    instrument   one network that judges every picture alike

May import `images`, `networks` and `styles`.
"""
