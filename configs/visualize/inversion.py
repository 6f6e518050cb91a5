"""Mahendran & Vedaldi 2015, *Understanding Deep Image Representations by Inverting Them*.

    nst stylize --config=visualize/inversion:relu4_1 \
        --config.content=photo.jpg --workdir=runs/inversion

The word after the colon is the layer. The loss is the relative distance of activations, |F - P|^2 / |P|^2,
with two priors of natural images: the alpha-norm (a = 6) keeps pixels in their range, and total variation
(beta = 2) keeps neighbours similar. The start is noise. Compare the result with that of the config
visualize/content, which has no prior.

Departs from the paper: L-BFGS takes the place of gradient descent with momentum; the priors are means, so
that their weights do not depend on the size; vertical and horizontal differences are averaged separately; the
alpha-norm is centred on mid-grey (nst/losses/regularizers.py).
"""

from nst.configs.visualize import content


def get_config(layer="relu4_1"):
    config = content.get_config(layer)
    config.tv.kind = "mean"  # of squares: beta = 2
    config.tv.weight = 3.0
    config.alpha_norm.weight = 0.1
    return config
