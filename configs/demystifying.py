"""Li, Wang, Liu & Hou 2017, *Demystifying Neural Style Transfer*: style as a distribution, four kernels.

    nst stylize --config=demystifying:polynomial --config.content=photo.jpg \
        --config.style=painting.jpg --workdir=runs/demystifying

The word after the colon is `linear`, `polynomial` (which is the Gram loss), `gaussian` or `moments` (batch
normalisation statistics). As in section 4, the network is VGG-19 with average pooling, content is on relu4_2,
style is on relu1_1 .. relu5_1 with equal weights, and the start is noise.

At 256 px the raccoon's face and the leaves are left with `linear` and `gaussian`, less of them with
`moments`, and little more than eyes, nose and the largest leaves with `polynomial` (raccoon in night, 150
updates).

Departs from the paper: each loss is divided by that of an image without features, so that one weight
balances all four (the paper sets a factor for each); L-BFGS takes the place of gradient descent at 1e-3; the
Gaussian kernel's mean is estimated as nst/styles/mmd.py says.
"""

from nst.configs import classic
from nst.errors import choose

VARIANTS = {
    "linear": ("mmd_linear", ""),
    "polynomial": ("mmd_polynomial", "degree=2"),
    "gaussian": ("mmd_gaussian", "bandwidth=1.0"),
    "moments": ("moments", ""),
}


def get_config(variant="polynomial"):
    config = classic.get_config()
    choose("--config=demystifying:...", variant, VARIANTS)
    config.style_loss.representation, config.style_loss.options = VARIANTS[variant]
    config.network.pooling = "average"
    config.content_loss.normalization = "relative"
    config.style_loss.normalization = "relative"
    config.style_loss.weight = 10.0
    config.init.kind = "noise"
    return config
