"""The plain choices of 2015 and 2016, from which the papers' configs start; see the config gatys2016.

    nst stylize --config=classic --config.content=photo.jpg \
        --config.style=painting.jpg --workdir=runs/classic

There is one size and one content layer, and no term keeps the pixels in [0, 1]. The losses are means of
squares, as in neural-style, so the balance of content and style depends on the size, the number of updates,
the network and the pictures, and style_loss.weight has to be set for each pair. To make pictures, use the
config default; docs/quality.md compares the two configs.
"""

from ml_collections import ConfigDict

from nst.configs import default


def get_config() -> ConfigDict:
    config = default.get_config()
    config.steps = 500
    config.pyramid.min_size = 0
    config.pyramid.steps = ()
    config.content_loss.layers = ("relu4_2",)
    config.content_loss.layer_weights = (1.0,)
    config.content_loss.base_size = 0
    config.content_loss.normalization = "mse"
    config.style_loss.normalization = "chw_mse"
    config.style_loss.weight = 1e3
    config.range.weight = 0.0
    return config
