"""crowsonkb/style-transfer-pytorch as it was until 2023 (commit 1107fe6): Gram matrices, scaled losses.

    nst stylize --config=crowsonkb_gram --config.content=photo.jpg \
        --config.style=painting.jpg --workdir=runs/crowsonkb_gram

It differs from the config crowsonkb in these points: style is Gram / (HW); the style and content losses are
sum d^2 / (sum |d| + 1e-8), whose gradients have about the same size at any distance from the target; total
variation (mean squares) has weight 2; Adam has its default betas; pictures are resized by Lanczos.

At 256 px the photograph's large leaves are left, but the raccoon cannot be recognised (raccoon in night, 100
updates at 128 px and 50 each at 181 and 256 px, with --config.weights.name=vgg19). The config crowsonkb keeps
more of the photograph.
"""

from nst.configs import crowsonkb


def get_config():
    config = crowsonkb.get_config()
    config.resize_filter = "lanczos"
    config.content_loss.normalization = "scaled"
    config.style_loss.representation = "gram"
    config.style_loss.options = ""
    config.style_loss.normalization = "scaled"
    config.tv.kind = "mean"
    config.optimizer.options = ""
    return config
