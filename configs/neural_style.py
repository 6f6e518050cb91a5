"""jcjohnson/neural-style (Lua, 2015-2017) with its defaults.

    nst stylize --config=neural_style --config.content=photo.jpg \
        --config.style=painting.jpg --workdir=runs/neural_style

The long edge has 512 px. Content is the mean square on relu4_2 with weight 5; style is the mean square of
Gram / (CHW) on relu1_1 .. relu5_1 with weight 100; total variation has weight 1e-3. Pooling is max pooling.
Torch7's L-BFGS makes 1000 updates without a line search, from noise of one thousandth of a pixel value around
the network's mean.

That program scales the image in [0, 1] by 256, not 255, and so does this config (with other weights, by the
same share more than in their training). The program's total variation acts on those pixels, hence the factor
256^2. The loss that it prints does not include total variation, while nst includes it.

At 256 px, with these weights, nothing of the photograph is left (raccoon in night, 150 updates).

For tuebingen_neckarfront + seated-nude the program printed these losses of the first iteration: content
2091179, and style 30021.3, 700350, 153033, 12404635 and 656.86. This config gives 2102916, 30021.3, 697597,
153207, 12747540 and 652.16 for the painting at that program's 393x512 px, with weights that have 8 bits from
conv4_1 on.

Departs from the program: edges are rounded to whole pixels, while Torch cuts off the fraction, so that this
painting would have 394x512 px; L-BFGS keeps 100 pairs, not as many as there are steps.
"""

from nst.configs import classic


def get_config():
    config = classic.get_config()
    config.size = 512
    config.resize_filter = "area"  # image.scale of Torch7
    config.steps = 1000
    config.network.input_scale = 256.0
    config.content_loss.weight = 5.0
    config.style_loss.normalization = "chw_mse"
    config.style_loss.weight = 1e2
    config.style_loss.layer_weights = (1.0,)
    config.tv.kind = "l2"
    config.tv.weight = 1e-3 * 256.0**2
    config.init.kind = "noise"
    config.init.noise_scale = 0.001 / 256
    config.init.center = (123.68 / 256, 116.779 / 256, 103.939 / 256)
    config.optimizer.name = "lbfgs_torch"
    config.optimizer.memory = 100
    config.optimizer.pixel_range = 256.0
    return config
