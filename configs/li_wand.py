"""Li & Wand 2016, *Combining Markov Random Fields and Convolutional Neural Networks for Image Synthesis*.

    python -m experiments.stylize --config=configs/li_wand.py --config.content=photo.jpg \
        --config.style=painting.jpg --workdir=runs/li_wand

Every 3x3 patch of relu3_1 and relu4_1, two apart, is drawn to the painting's most similar one; content on
relu4_1; total variation. Three sizes, by two, to 384 px, 100 updates of L-BFGS each; from the photograph.
The numbers are those of pystiche_papers' replication (commit a8a87f4): content 20, style 1e-4 (of a sum
of squares), total variation 1e-3.

Departs from it: the distance is a mean over patches and their values, so that style weighs what 1e-4
times their number is at 384 px (about 3e3 of a square picture); the paintings are not rotated nor scaled
beside.
"""

from configs import default


def get_config():
    config = default.get_config()
    config.size = 384
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
