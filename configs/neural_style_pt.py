"""ProGamerGov/neural-style-pt with exactly its defaults (neural_style.py, commit 7251405).

    nst stylize --config=neural_style_pt --config.content=photo.jpg \
        --config.style=painting.jpg --workdir=runs/neural_style_pt

Content is the mean square with weight 5; style is the mean square of Gram / (CHW) with weight 100 on each of
relu1_1 .. relu5_1; total variation (sum of absolute differences of pixels up to 255, part of the loss) has
weight 1e-3. Torch's L-BFGS with 100 pairs makes 1000 updates from faint noise. The long edge has 512 px, the
weights are Caffe's, and pooling is max pooling. Pixels lie in [0, 1] here, so the weight of total variation
is multiplied by 255.

At 256 px, with these weights, nothing of the photograph can be recognised (raccoon in night, 150 updates);
docs/quality.md has other pairs, and a style weight of a hundredth of this one.

Departs from the program: there is no `-normalize_gradients`, which multiplies the gradient despite its name.
"""

from nst.configs import classic


def get_config():
    config = classic.get_config()
    config.resize_filter = "bilinear"
    config.steps = 1000
    config.content_loss.weight = 5.0
    config.style_loss.weight = 100.0
    config.style_loss.normalization = "chw_mse"
    config.tv.kind = "l1"
    config.tv.weight = 1e-3 * 255
    config.init.kind = "noise"
    config.init.noise_scale = 0.001 / 255
    config.optimizer.name = "lbfgs_torch"
    config.optimizer.learning_rate = 1.0
    config.optimizer.memory = 100
    config.optimizer.pixel_range = 255.0
    return config
