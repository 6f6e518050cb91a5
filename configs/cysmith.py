"""cysmith/neural-style-tf with its defaults (commit a2c374f).

    python -m experiments.stylize --config=configs/cysmith.py --config.content=photo.jpg \
        --config.style=painting.jpg --workdir=runs/cysmith

Gatys' style loss (eq. 4) with average pooling; the layers' weights are divided by their number twice, so
that each weighs 0.04 of 1e4. Content on conv4_2 (before the rectifier) with 1 / (2 sqrt(N) sqrt(M)),
weight 5; total variation 1e-3 (sum of absolute differences); L-BFGS with 10 pairs, 1000 updates, from the
photograph; long edge at most 512. Several paintings: the mean of the losses.

Departs from it: the painting is stretched to the photograph's shape there and here, its aspect lost; the
L-BFGS is Optax's with a strong Wolfe search in place of SciPy's with bounds; a photograph below 512 px is
enlarged.
"""

from configs import default


def get_config():
    config = default.get_config()
    config.style_fit = "stretch"
    config.resize_filter = "box"  # OpenCV's INTER_AREA
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
