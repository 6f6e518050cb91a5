"""Texture synthesis: what some layers call a painting's style (Gatys et al. 2015, figure 1, below; 2015b).

    python -m experiments.stylize --config=configs/visualize/texture.py:relu3_1 \
        --config.style=painting.jpg --workdir=runs/texture

After the colon: a layer, which stands for the first convolution of each block up to its own, or several
joined by +. From noise, without a content, in the painting's shape. Structures grow with the depth.
"""

from configs import quickstart

LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")


def get_config(layers="relu5_1"):
    config = quickstart.get_config()
    config.size = 256
    config.pyramid.min_size = 0
    config.steps = 300
    config.content = ""  # none is used
    config.content_loss.layers = ()
    config.style_loss.layers = upto(layers)
    config.init.kind = "noise"
    config.init.noise_scale = 0.01  # stronger noise stays where no layer sees it
    return config


def upto(layers: str) -> tuple[str, ...]:
    """(relu1_1, relu2_1, relu3_1) of "relu3_1"; those named of "relu1_1+relu3_1"."""
    named = tuple(layers.split("+"))
    return LAYERS[: LAYERS.index(layers) + 1] if layers in LAYERS else named
