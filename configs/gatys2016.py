"""Gatys, Ecker & Bethge 2016, *Image Style Transfer Using Convolutional Neural Networks*: the CVPR paper.

    nst stylize --config=gatys2016 --config.content=photo.jpg \
        --config.style=painting.jpg --workdir=runs/gatys2016

These are the paper's equations (content eq. 1, style eqs. 3-5, total eq. 7) at 512 px: content on conv4_2,
style on conv1_1 .. conv5_1 with w_l = 1/5, average pooling, L-BFGS from white noise.

Departs from the paper: alpha/beta is 1e-4, while the paper's figure 3 has 5e-3 to 5e-4. With the unscaled
weights of Oxford, those ratios keep nearly all of the photograph; the paper scales each filter to mean
activation 1, which `--config.weights.normalize=<folder of photographs>` does. The noise is faint (0.02 around
grey), because with average pooling strong noise leaves a grain that takes hundreds of steps to fade.

The weights of the losses suit 512 px. At 256 px and below, hardly anything of the photograph is left.

For tuebingen_neckarfront + starry_night, the loss after 400 steps is 1.2e11, which takes about 12 minutes on
two CPU cores.
"""

from nst.configs import classic


def get_config():
    config = classic.get_config()
    config.network.pooling = "average"
    config.content_loss.layers = ("conv4_2",)
    config.content_loss.normalization = "gatys"
    config.content_loss.weight = 1.0
    config.style_loss.layers = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")
    config.style_loss.normalization = "gatys"
    config.style_loss.layer_weights = (0.2,)
    config.style_loss.weight = 1e4
    config.init.kind = "noise"
    config.init.noise_scale = 0.02
    return config
