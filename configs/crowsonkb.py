"""crowsonkb/style-transfer-pytorch with exactly its defaults (commit e7e2c71).

    nst stylize --config=crowsonkb --config.content=photo.jpg \
        --config.style=painting.jpg --workdir=runs/crowsonkb

Style is the Gaussian Wasserstein distance (mean and covariance with 1e-4 on the diagonal, square roots by 12
steps of Newton-Schulz) on relu1_1 .. relu5_1 with weights 256 : 64 : 16 : 4 : 1; content is the mean square
on relu4_2 with weight 0.015; total variation with diagonals has weight 2. Sizes grow from 128 px (1000
updates) by factors of sqrt 2 to 512 px (500 updates at each). Adam has a learning rate of 0.02 and betas
(0.9, 0.99), pixels are clipped, and Adam's moments are carried from size to size. The result of each size is
the average of the iterates with decay 0.99, in which the start counts. The network is torchvision's VGG-19
(550 MB, downloaded once), whose first convolution repeats the border.

The picture keeps the photograph at 256 px as well (docs/quality.md).

Departs from the program: pictures are enlarged by Pillow's bicubic filter (a = -0.5); torch's filter has
a = -0.75.
"""

from nst.configs import classic


def get_config():
    config = classic.get_config()
    config.style_fit = "shrink"
    config.resize_filter = "bicubic"
    config.steps = 500
    config.pyramid.min_size = 128
    config.pyramid.factor = 2**0.5
    config.pyramid.steps = (1000, 500)
    config.weights.name = "vgg19_torchvision"
    config.network.padding = "replicate_first"
    config.content_loss.weight = 0.015
    config.style_loss.representation = "wasserstein_gaussian"
    config.style_loss.options = "floor=1e-4,iterations=12"
    config.style_loss.normalization = "none"
    config.style_loss.layer_weights = tuple(weight / 341 for weight in (256, 64, 16, 4, 1))
    config.style_loss.weight = 1.0
    config.tv.kind = "diagonal"
    config.tv.weight = 2.0
    config.optimizer.name = "adam"
    config.optimizer.learning_rate = 0.02
    config.optimizer.options = "b2=0.99"
    config.optimizer.clamp = True
    config.optimizer.ema = 0.99
    config.optimizer.ema_start = True
    return config
