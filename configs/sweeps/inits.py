"""Which start is best? The photograph, the painting, grey, noise and blends: Gatys et al. 2016, figure 6.

    nst sweep --config=sweeps/inits --workdir=runs/inits

The paper (section 3.3) says that the start has no strong effect, but that the picture is biased towards its
start, and that only noise gives more than one picture. There are 10 points: content (A in the figure), style
(B), four noises (C), and starts that the figure does not show: grey, and three blends of noise and
photograph.

Result (cat in swirls, small network, 200 updates, measured by VGG-19):

    start              painting  grey  noises        blends        photograph
    style distance     0.05      0.08  0.08 .. 0.09  0.09 .. 0.10  0.11
    content distance   1.86      1.81  1.69 .. 1.76  1.53 .. 1.58  1.55
    SSIM               0.11      0.15  0.09 .. 0.11  0.24 .. 0.34  0.36

So within 200 updates the start does matter: the picture stays near its start, and the pictures from noise
differ less from one another than from the picture that started from the photograph. This is one pair of
pictures.
"""

from nst.configs.sweeps import pooling
from nst.sweeps.space import chain, grid


def get_config():
    return pooling.get_config()


def sweep():
    return chain(
        grid({"init.kind": ("content", "style", "grey")}),
        grid({"init.kind": ["noise"], "seed": range(4)}),
        grid({"init.kind": ["blend"], "init.blend": (0.25, 0.5, 0.75)}),
    )
