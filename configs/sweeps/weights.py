"""How much style is best? alpha / beta over four decades, with two pairs of pictures.

    nst sweep --config=sweeps/weights --workdir=runs/weights
    nst sweep --config=sweeps/weights --workdir=runs/weights --launcher=batched

Gatys et al. 2015, figure 3 (columns: alpha / beta from 1e-5 to 1e-2), and 2016, figure 4 (1e-4 to 1e-1), go
from a texture with a trace of the photograph to the photograph with a trace of the style. Their losses are
sums over the activations; nst's are relative to the targets' energies here, so that the same range lies at
alpha / beta from 1e-3 to 10: beta = style_loss.weight from 1000 to 0.1, alpha = 1.

There are 18 points. All weights of a pair share one compiled program, and so do both pairs if their pictures
have the same shapes.

Result (small network, 200 updates from the photograph, measured by VGG-19):

    style_loss.weight    0.1   0.316  1     3.16  10    31.6  100   316   1000
    cat in swirls
      style distance     0.38  0.26   0.18  0.13  0.11  0.09  0.08  0.07  0.07
      content distance   0.67  0.88   1.14  1.37  1.55  1.74  1.99  2.14  2.22
    astronaut in mosaic
      style distance     0.23  0.16   0.13  0.11  0.09  0.08  0.07  0.08  0.08
      content distance   0.33  0.45   0.55  0.66  0.76  0.91  1.04  1.10  1.12

With each decade one distance falls and the other rises. Above 100 the style distance does not fall any more,
while content is still lost. The astronaut comes nearer to the mosaic than the cat to the swirls, and loses
less content. These are two pairs and one start.
"""

from nst.configs.sweeps import pooling
from nst.data import picture
from nst.sweeps.space import grid, zipped


def get_config():
    return pooling.get_config()


def sweep():
    pairs = zipped(
        {
            "content": (picture("cat.jpg"), picture("astronaut.jpg")),
            "style": (picture("swirls.jpg"), picture("mosaic.jpg")),
        }
    )
    return grid(pairs, {"style_loss.weight": (0.1, 0.316, 1.0, 3.16, 10.0, 31.6, 100.0, 316.0, 1000.0)})
