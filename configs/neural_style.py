"""jcjohnson/neural-style (Lua, 2015-2017) with its defaults.

    python -m experiments.stylize --config=configs/neural_style.py --config.content=photo.jpg \
        --config.style=painting.jpg --workdir=runs/neural_style

Long edge 512, relu4_2 at weight 5, relu1_1 .. relu5_1 at weight 100, Gram/CHW with mean squares, total
variation 1e-3, max pooling, Torch7's L-BFGS without line search for 1000 steps, from noise of one thousandth
of a pixel value around the network's mean.

Its pixels run to 256, not 255 (it scales the [0, 1] image by 256), kept here. Total variation acts there on
those pixels, hence the factor 256^2; it is left out of the printed loss, and is in ours. Departs from it: the
images are resized with Torch's bilinear filter there, Pillow's antialiased bilinear here; its L-BFGS keeps as
many pairs as steps, ours 100.
"""

from configs import default


def get_config():
    config = default.get_config()
    config.size = 512
    config.resize_filter = "bilinear"
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
