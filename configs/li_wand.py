"""Li & Wand 2016, *Combining Markov Random Fields and Convolutional Neural Networks for Image Synthesis*.

    nst stylize --config=li_wand --config.content=photo.jpg \
        --config.style=painting.jpg --workdir=runs/li_wand

The loss compares every 3x3 patch of relu3_1 and relu4_1, at every second position, with the most similar
patch of the painting. Content is on relu4_1, and total variation is added. There are three sizes up to 384
px, each twice the size before, with 100 updates of L-BFGS at each, from the photograph. The weights are taken
from pystiche_papers' replication (commit a8a87f4): content 20, style 1e-4 (of a sum of squares), total
variation 1e-3.

At 256 px and at 384 px, with these weights, nothing of the photograph is left, and the picture is a new
arrangement of the painting's stars and cypresses (raccoon in night).

Departs from that replication: the style distance is a mean over patches and their values, so the weight here
is 1e-4 times the number of values at 384 px (for a square picture); rotated and scaled copies of the painting
are not added.
"""

from nst.configs import classic


def get_config():
    config = classic.get_config()
    config.size = 384
    config.resize_filter = "area"  # image.scale of Torch7, in which the authors' program is written
    config.steps = 100
    config.pyramid.min_size = 96
    config.content_loss.layers = ("relu4_1",)
    config.content_loss.weight = 20.0
    config.style_loss.representation = "mrf"
    config.style_loss.normalization = "none"
    config.style_loss.layers = ("relu3_1", "relu4_1")
    config.style_loss.layer_weights = (1e-4 * 46 * 46 * 2304, 1e-4 * 22 * 22 * 4608)
    config.style_loss.weight = 1.0
    config.tv.kind = "l2"
    config.tv.weight = 1e-3 * 255**2
    return config
