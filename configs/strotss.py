"""Kolkin, Salavon & Shakhnarovich 2019, *Style Transfer by Relaxed Optimal Transport and Self-Similarity*.

    nst stylize --config=strotss --config.content=photo.jpg \
        --config.style=painting.jpg --workdir=runs/strotss

The features are hypercolumns of nine layers of torchvision's VGG-16 and of the image itself, at 1024
positions that are sampled again at each step. Style is the relaxed earth mover's distance (cosine), means and
covariances, and the palette with weight 1 / alpha; content is self-similarity with weight alpha. Everything
is divided by 2 + alpha + 1 / alpha. Sizes are 64, 128, 256 and 512 px, with 250 updates of RMSprop (torch's)
at 2e-3 each. RMSprop updates a Laplacian pyramid of five levels and its remainder. alpha is 16 at the largest
size and doubles at each smaller one. Means and covariances are at the scale of torchvision's networks; other
networks need --config.weights.normalize=FOLDER.

At 256 px, two of three photographs take on the painting's composition, and a style weight ten times or a
tenth as large hardly changes that (docs/quality.md). 512 px and all 1000 updates were not tried.

Departs from the paper: the start is the photograph, not its Laplacian around the painting's mean colour; the
learning rate is not halved at the last size; the palette and the divisor use the alpha of the largest size
at every size.
"""

from nst.configs import classic

ALPHA = 16.0
LAYERS = (
    "image", "relu1_1", "relu1_2", "relu2_1", "relu2_2", "relu3_1", "relu3_2", "relu3_3", "relu4_3",
    "relu5_3",
)  # fmt: skip


def get_config():
    config = classic.get_config()
    total = 2 + ALPHA + 1 / ALPHA
    config.steps = 250
    config.pyramid.min_size = 64
    config.pyramid.content_factor = 2.0
    config.pyramid.carry = False
    config.weights.name = "vgg16_torchvision"
    config.content_loss.representation = "self_similarity"
    config.content_loss.layers = LAYERS
    config.content_loss.weight = ALPHA / total
    config.style_loss.representation = "remd+column_moments+palette"
    config.style_loss.representation_weights = (1.0, 1.0, 1 / ALPHA)
    config.style_loss.layers = LAYERS
    config.style_loss.normalization = "none"
    config.style_loss.weight = 1 / total
    config.style_loss.resample = True
    config.optimizer.name = "rmsprop"
    config.optimizer.learning_rate = 2e-3
    config.optimizer.options = "decay=0.99,eps_in_sqrt=False"
    config.optimizer.bands = 6
    return config
