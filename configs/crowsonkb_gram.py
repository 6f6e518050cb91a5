"""crowsonkb/style-transfer-pytorch as it was until 2023 (commit 1107fe6): Gram matrices, scaled losses.

    python -m experiments.stylize --config=configs/crowsonkb_gram.py --config.content=photo.jpg \
        --config.style=painting.jpg --workdir=runs/crowsonkb_gram

configs/crowsonkb.py but for: Gram / (HW); style and content losses sum d^2 / (sum |d| + 1e-8), whose
gradients have about one size however far the image is; total variation 2 of mean squares; Adam's default
betas; Lanczos.
"""

from configs import crowsonkb


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
