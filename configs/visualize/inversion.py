"""Mahendran & Vedaldi 2015, *Understanding Deep Image Representations by Inverting Them*.

    python -m experiments.stylize --config=configs/visualize/inversion.py:relu4_1 \
        --config.content=photo.jpg --workdir=runs/inversion

After the colon: the layer. The relative distance of activations, |F - P|^2 / |P|^2, with two priors of what
pictures are like: the alpha-norm (a = 6) keeps pixels from leaving the range, total variation (beta = 2)
keeps neighbours alike. From noise; compare with configs/visualize/content.py, which has no prior.

Departs from the paper: L-BFGS in place of gradient descent with momentum; the priors are means, so that
their weights do not depend on the size; differences down and to the right are averaged apart; the alpha-norm
is around mid-grey (nst/losses/regularizers.py).
"""

from configs.visualize import content


def get_config(layer="relu4_1"):
    config = content.get_config(layer)
    config.tv.kind = "mean"  # of squares: beta = 2
    config.tv.weight = 3.0
    config.alpha_norm.weight = 0.1
    return config
