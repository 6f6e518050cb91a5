"""Gatys et al. 2017, *Controlling Perceptual Factors in Neural Style Transfer*: the high-resolution recipe.

    nst stylize --config=gatys2017 --config.content=photo.jpg \
        --config.style=painting.jpg --workdir=runs/gatys2017

As in section 5 and the authors' code, the result of 500 updates on 512^2 pixels is enlarged, and is the start
of 200 updates on 1024^2 pixels. So the strokes become larger than if the optimisation began at 1024^2. The
loss is taken from the authors' notebook. For masks (section 4), set
--config.guidance.content_masks=sky.png,land.png and give a painting for each mask; for colour (section 3),
set --config.color.mode=luminance or match.

At 256 px, with these weights, the photograph's dark and light places are left, but the raccoon cannot be
recognised (raccoon in night, 150 updates). docs/quality.md has a style weight of a hundredth of this one.

Departs from the paper: filters are not scaled to mean activation 1 (--config.weights.normalize=FOLDER does
that).
"""

from nst.configs import classic


def get_config():
    config = classic.get_config()
    config.size = 1024
    config.size_mode = "area"
    config.resize_filter = "bilinear"
    config.steps = 200
    config.pyramid.min_size = 512
    config.pyramid.steps = (500,)
    config.style_loss.normalization = "hw_mse"
    config.style_loss.weight = 1e3
    config.style_loss.layer_weights = tuple(1 / channels**2 for channels in (64, 128, 256, 512, 512))
    return config
