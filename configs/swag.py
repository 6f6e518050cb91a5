"""Wang, Li & Vasconcelos 2021, *Rethinking and Improving the Robustness of Image Style Transfer*: ResNet-50.

    nst stylize --config=swag:softmax --config.content=photo.jpg --config.style=painting.jpg \
        --config.weights.name=resnet50 --workdir=runs/swag

The word after the colon is

    softmax  the paper's method: activations are smoothed by a softmax over all positions and channels
    plain    the same without it, which the paper calls a failure of residual networks
    code     the authors' program as published: no softmax, but layer3 and layer4 times 0.001

Without --config.weights.name the network is untrained, which the paper shows as well; `resnet50` is the one
that torchvision trained. The layers are those of the program: style at the first rectifier and after the
last block of each stage, content after the last block of the third.

A factor of 0.001 on activations only changes weights: the content term is divided by 1e6, and the Gram terms
of layer3 and layer4 by 1e12. So `code` is a Gram loss of the first three layers, from the photograph.

The temperature of the paper is 1 in units of the activations, so what the softmax does depends on their
scale. Those of an untrained ResNet-50, whose batch normalisations have seen no image, grow with depth: for
the cat that comes with nst their entropy (a column of sweeps) is 0.92 to 0.94 at all five layers, and after
the softmax 0.97, 0.13, 0.05, 0.00 and 0.00, which is peaky and not smooth. A larger smoothing.temperature
leaves them smoother. docs/networks.md compares pictures with and without the softmax.

Departs from the paper: `softmax` and `plain` have relative losses (configs/default.py), since the scale of
smoothed activations depends on the size. `code` keeps the aspect ratio, and stops after 500 updates, where
the program squeezes pictures to 512x512 px and stops after 1000 evaluations.
"""

from nst.configs import classic
from nst.errors import choose

VARIANTS = ("softmax", "plain", "code")


def get_config(variant="softmax"):
    config = classic.get_config()
    choose("configs/swag.py", variant, VARIANTS)
    config.weights.name = "random"
    config.weights.architecture = "resnet50"
    config.style_loss.layers = ("relu1", "layer1.2", "layer2.3", "layer3.5", "layer4.2")
    config.content_loss.layers = ("layer3.5",)
    if variant == "code":
        config.content_loss.weight = 0.001**2
        config.style_loss.weight = 1e17
        config.style_loss.layer_weights = (1.0, 1.0, 1.0, 0.001**4, 0.001**4)
        return config
    config.content_loss.normalization = "relative"
    config.style_loss.normalization = "relative"
    if variant == "softmax":
        config.smoothing.kind = "softmax"
    return config
