"""Texture synthesis: the style of a painting at some layers (Gatys et al. 2015, figure 1, below; 2015b).

    nst stylize --config=visualize/texture:relu3_1 \
        --config.style=painting.jpg --workdir=runs/texture

The word after the colon is a layer, which stands for the first layer of each block up to this one, or several
layers joined by +. The start is noise, there is no content, and the image has the painting's shape. The
deeper the layers, the larger the structures.
"""

from nst.configs import trial

LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")


def get_config(layers="relu5_1"):
    config = trial.get_config()
    config.steps = 300
    config.content = ""  # no content is used
    config.content_loss.layers = ()
    config.style_loss.layers = upto(layers)
    config.init.kind = "noise"
    config.init.noise_scale = 0.01  # stronger noise would remain where it changes no layer
    return config


def upto(layers: str) -> tuple[str, ...]:
    """Returns (relu1_1, relu2_1, relu3_1) for "relu3_1", and (relu1_1, relu3_1) for "relu1_1+relu3_1"."""
    named = tuple(layers.split("+"))
    return LAYERS[: LAYERS.index(layers) + 1] if layers in LAYERS else named
