"""What is style? Every representation of nst/styles/table.py with the same two pairs of pictures.

    nst sweep --config=sweeps/styles --workdir=runs/styles
    nst report --workdir=runs/styles

Each distance is relative, that is, 1 for an image without features, so that the same weight nearly balances
each of them with the content. If a representation has one or two terms instead of five, or a few large terms,
its weight is larger or smaller to compensate. There are 34 points with 100 updates each. The first is the
Gram matrix (Gatys et al. 2016); the docstring of each representation has its equation and its source.

Result (small network, measured by VGG-19: style distance, content distance, and distance of the mean colour
from the painting's; the cat in swirls, then the astronaut in mosaic):

                                   style          content       colour
      gram                         0.123  0.093   1.60  0.77   0.057  0.034
      gram_shift                   0.123  0.091   1.57  0.78   0.059  0.035
      gram_cross                   0.109  0.106   1.52  0.72   0.035  0.031
      gram_long                    0.119  0.098   1.65  0.83   0.052  0.031
      moments                      0.100  0.113   1.33  0.65   0.007  0.004
      moments_k                    0.108  0.121   1.28  0.68   0.028  0.028
      histogram                    0.093  0.097   1.39  0.74   0.001  0.001
      sliced_wasserstein           0.101  0.104   1.29  0.67   0.003  0.002
      wasserstein_gaussian         0.063  0.090   1.71  0.94   0.016  0.012
      mmd_linear                   0.130  0.127   1.28  0.63   0.004  0.006
      mmd_polynomial               0.267  0.184   1.36  0.64   0.110  0.063
      mmd_gaussian                 0.119  0.119   1.29  0.64   0.011  0.002
      mmd_laplacian                0.139  0.139   1.17  0.57   0.004  0.013
      mmd_cosine                   0.391  0.154   0.69  0.67   0.026  0.012
      mrf                          0.345  0.234   1.29  0.87   0.116  0.068
      contextual                   0.527  0.385   0.64  0.41   0.114  0.062
      remd+column_moments+palette  0.357  0.257   1.30  0.79   0.114  0.060

The Gaussian Wasserstein distance comes nearest to the painting, even though Gram matrices measure the
distance, at the expense of the content. Gram matrices leave large plain areas as grey as they were (products
of small numbers count little) and exaggerate the darkest and the brightest areas. The higher the power, the
stronger this effect is, as the polynomial kernel of degree 3 shows. Means, deviations, histograms and the
bounded kernels fill the plain areas with the painting's colours and keep more of the photograph. The cosine
kernel ignores contrast. mrf copies patches, which gives the most brush marks and the least likeness.
contextual uses deep layers alone and so leaves the colours as they are. With L-BFGS, the relaxed earth
mover's distance, whose gradient affects only nearest pairs, changes textures but hardly colours; it works as
intended in the config strotss, which samples new points at each step and updates a Laplacian pyramid. These
are two pairs of pictures with one start and 100 updates, and weights that were balanced by hand.
"""

from nst.configs.sweeps import pooling
from nst.data import picture
from nst.sweeps.space import grid, zipped

DEEP = ("relu3_1", "relu4_1")
# representation -> (style_loss.options, style_loss.weight, style_loss.layers if not all five)
REPRESENTATIONS = {
    "gram": ("", 10.0),
    "gram_shift": ("", 10.0),
    "gram_cross": ("", 12.0),
    "gram_long": ("", 10.0),
    "moments": ("", 10.0),
    "moments_k": ("", 10.0),
    "histogram": ("", 10.0),
    "sliced_wasserstein": ("", 10.0),
    "wasserstein_gaussian": ("", 10.0),
    "mmd_linear": ("", 10.0),
    "mmd_polynomial": ("degree=3", 10.0),
    "mmd_gaussian": ("", 10.0),
    "mmd_laplacian": ("", 10.0),
    "mmd_cosine": ("", 30.0),
    "mrf": ("", 10.0, DEEP),
    "contextual": ("", 5.0, DEEP),
    "remd+column_moments+palette": ("", 20.0),
}


def get_config():
    config = pooling.get_config()
    config.steps = 100
    return config


def sweep():
    every = get_config().style_loss.layers
    pairs = zipped(
        {
            "content": (picture("cat.jpg"), picture("astronaut.jpg")),
            "style": (picture("swirls.jpg"), picture("mosaic.jpg")),
        }
    )
    kinds = [
        {
            "style_loss.representation": name,
            "style_loss.options": options,
            "style_loss.weight": weight,
            "style_loss.layers": layers[0] if layers else every,
        }
        for name, (options, weight, *layers) in REPRESENTATIONS.items()
    ]
    return grid(pairs, kinds)
