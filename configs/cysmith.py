"""cysmith/neural-style-tf with its defaults (commit a2c374f).

    nst stylize --config=cysmith --config.content=photo.jpg \
        --config.style=painting.jpg --workdir=runs/cysmith

Style is the loss of Gatys et al. (eq. 4) with average pooling. That program divides the layers' weights by
their number twice, so that each is 0.04 of 1e4. Content is taken on conv4_2 (before the rectifier) with
factor 1 / (2 sqrt(N) sqrt(M)) and weight 5. Total variation (sum of absolute differences) has weight 1e-3.
L-BFGS with 10 pairs makes 1000 updates from the photograph; the long edge has 512 px. The losses of several
paintings are averaged. The painting is stretched to the photograph's shape, as in that program.

At 256 px, with these weights, the photograph's dark and light places are left, but the raccoon cannot be
recognised (raccoon in night, 150 updates).

Departs from the program: L-BFGS has a strong Wolfe search and no bounds, while SciPy's has bounds; a
photograph smaller than 512 px is enlarged; enlarged pictures are interpolated, while INTER_AREA makes blocks.
"""

from nst.configs import classic


def get_config():
    config = classic.get_config()
    config.style_fit = "stretch"
    config.resize_filter = "area"  # OpenCV's INTER_AREA
    config.steps = 1000
    config.network.pooling = "average"
    config.content_loss.layers = ("conv4_2",)
    config.content_loss.normalization = "root"
    config.content_loss.weight = 5.0
    config.style_loss.weight = 1e4
    config.style_loss.layer_weights = (0.04,)
    config.style_loss.normalization = "gatys"
    config.style_loss.blend = "losses"
    config.tv.kind = "l1"
    config.tv.weight = 1e-3 * 255
    config.optimizer.memory = 10
    config.optimizer.pixel_range = 255.0
    return config
