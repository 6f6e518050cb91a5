"""anishathalye/neural-style with exactly its defaults (commit d0a1148).

    nst stylize --config=anishathalye --config.content=photo.jpg \
        --config.style=painting.jpg --workdir=runs/anishathalye

Style is the mean square of Gram / (HWC) with a fifth of the weight 500 on each of relu1_1 .. relu5_1; content
is the mean square on relu4_2 with weight 5; total variation (mean squares) has weight 100. Adam makes 1000
updates with a learning rate of 10 on pixels up to 255, from faint noise, at the photograph's own size. The
paintings get the photograph's width. The losses of several paintings are added with weights.

The means (123.68, 116.779, 103.939) are those of the Caffe weights, and pixels are not clipped during the
optimisation; that program does the same.

At 256 px, with these weights, nothing of the photograph is left (raccoon in night, 150 updates).
"""

from nst.configs import classic


def get_config():
    config = classic.get_config()
    config.size = 0
    config.style_fit = "width"
    config.resize_filter = "bilinear"
    config.steps = 1000
    config.content_loss.weight = 5.0
    config.style_loss.weight = 500.0
    config.style_loss.layer_weights = (0.2,)
    config.style_loss.normalization = "chw_mse"
    config.style_loss.blend = "losses"
    config.tv.kind = "mean"
    config.tv.weight = 1e2 * 255**2
    config.init.kind = "noise"
    config.init.noise_scale = 0.256 / 255
    config.optimizer.name = "adam"
    config.optimizer.learning_rate = 10.0
    config.optimizer.pixel_range = 255.0
    return config
