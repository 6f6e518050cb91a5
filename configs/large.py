"""4096 pixels overnight in 8 GB, from small sizes to large; the larger sizes are computed in strips.

    nst stylize --config=large --config.content=photo.jpg \
        --config.style=painting.jpg --workdir=runs/large

This follows Gatys et al. 2017, *Controlling Perceptual Factors in Neural Style Transfer*, section 5: the
strokes form at a small size, and each larger size only sharpens the result before it, in fewer and fewer
updates. The sizes are 512, 1024, 2048 and 4096 pixels, for the long edges of the photograph and the
painting. From 1024 px on, 256 rows of the image are in the network at a time, with 80 more on either side
(nst/losses/strips.py). The loss and its gradient are the same as for the whole image. They take about twice
the work, since the rows on either side are computed as well and each strip is computed twice.

At 4096x3072 px the run logs a forecast of 7.0 GB of memory. A strip takes 3.0 of them, and each image that
L-BFGS keeps 0.15 (about a dozen with memory = 5). --config.strip=128, or --config.optimizer.name=adam with a
learning rate, takes less. If the run is stopped, the same command continues it.

One evaluation at 4096x3072 px takes 211 seconds on two cores (docs/benchmarks.md). The whole run is estimated
at four hours: 1.8 at 4096 px, 1.2 at 2048 px and 1 at the smaller sizes. It has not been run from start to
end. Its style weight of 1 was judged at 384 and 768 px only (docs/quality.md): the photograph is kept, and
painted with strokes throughout.
"""

from nst.configs import default


def get_config():
    config = default.get_config()
    config.size = 4096
    config.strip = 256
    config.steps = 30
    config.pyramid.min_size = 512
    config.pyramid.steps = (300, 200, 80)
    config.content_loss.layers = ("relu4_2",)  # the activations of relu2_1 and relu3_1 would take 2.4 GB more
    config.content_loss.layer_weights = (1.0,)
    config.optimizer.memory = 5
    config.log.preview_every = 10
    return config
