"""Content reconstruction: what a layer keeps of the photograph (Gatys et al. 2015, figure 1, above).

    nst stylize --config=visualize/content:relu3_1 \
        --config.content=photo.jpg --workdir=runs/content

The word after the colon is the layer. An image is optimised from noise, without a style, until its
activations at that layer equal the photograph's. relu1_1 reproduces the pixels, relu5_1 only the
arrangement. The full network is --config.weights.name=vgg19.
"""

from nst.configs import trial


def get_config(layer="relu4_1"):
    config = trial.get_config()
    config.steps = 300
    config.style = ("",)  # no style is used
    config.content_loss.layers = (layer,)
    config.style_loss.layers = ()
    config.init.kind = "noise"
    config.init.noise_scale = 0.01  # stronger noise would remain where it changes no layer
    return config
