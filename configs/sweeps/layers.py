"""Which layers are best? How deep the style layers reach, and where the content is compared.

    nst sweep --config=sweeps/layers --workdir=runs/layers

- Style from the first layer, the first two, ... up to relu5_1: the rows of Gatys et al. 2015, figure 3, and
  the style reconstructions of 2016, figure 1. The more layers, the larger the structures that are
  transferred.
- Content from the first block to the fifth: Gatys et al. 2016, figure 5, compares conv2_2 with conv4_2. The
  deeper the layer, the more the picture may depart from the photograph's lines. Each layer is tried before
  its rectifier (conv, as in the paper) and after it (relu, as in the authors' later code).

There are 14 points. Those that vary the style layers have content at relu4_2; those that vary the content
layer have all five style layers.

Departs from the paper: each style layer keeps its weight when others are added, while the paper's w_l = 1/n
divides one weight by the number of layers; conv5_1 takes the place of conv5_2, which the small network does
not have.

Result (cat in swirls, small network, relu layers, measured by VGG-19): as style layers are added one by one,
the style distance falls from 0.40 to 0.31, 0.22, 0.15 and 0.11, and the content distance rises from 0.83 to
1.55. A layer is matched only if it is in the loss (relu5_1: 0.55 without it, 0.31 with it). Content at
relu1_2 keeps most of the photograph's pixels (SSIM 0.48, against 0.36 at relu4_2), at the expense of style
(0.15). The deeper the content layer, the smaller the style distance (relu2_2 0.147, relu3_2 0.114, relu4_2
0.106, relu5_1 0.098). This is one pair of pictures and one start.
"""

from nst.configs.sweeps import pooling
from nst.sweeps.space import chain, grid

STYLE = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")  # the base config has these and relu5_1
CONTENT = ("conv1_2", "conv2_2", "conv3_2", "conv4_2", "conv5_1")


def get_config():
    return pooling.get_config()


def sweep():
    rectified = [layer.replace("conv", "relu") for layer in CONTENT]
    return chain(
        grid({"style_loss.layers": [STYLE[:count] for count in range(1, 5)]}),
        grid({"content_loss.layers": [(layer,) for layer in (*CONTENT, *rectified)]}),
    )
