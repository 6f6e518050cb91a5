"""Li, Wang, Liu & Hou 2017, *Demystifying Neural Style Transfer*: style as a distribution, four kernels.

    python -m experiments.stylize --config=configs/demystifying.py:polynomial --config.content=photo.jpg \
        --config.style=painting.jpg --workdir=runs/demystifying

After the colon: `linear`, `polynomial` (which is the Gram loss), `gaussian`, or `moments` (batch
normalisation statistics). VGG-19 with average pooling, content on relu4_2, style on relu1_1 .. relu5_1
with equal weights, from noise; section 4.

Departs from the paper: each loss is divided by that of an image without features, so that one weight
balances all four (the paper sets a factor for each); L-BFGS in place of gradient descent at 1e-3; the
Gaussian's estimate, as nst/styles/mmd.py says.
"""

from configs import default
from nst.errors import choose

VARIANTS = {
    "linear": ("mmd_linear", ""),
    "polynomial": ("mmd_polynomial", "degree=2"),
    "gaussian": ("mmd_gaussian", "bandwidth=1.0"),
    "moments": ("moments", ""),
}


def get_config(variant="polynomial"):
    config = default.get_config()
    choose("configs/demystifying.py", variant, VARIANTS)
    config.style_loss.representation, config.style_loss.options = VARIANTS[variant]
    config.network.pooling = "average"
    config.content_loss.normalization = "relative"
    config.style_loss.normalization = "relative"
    config.style_loss.weight = 10.0
    config.init.kind = "noise"
    return config
