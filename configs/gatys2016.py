"""x"""

from configs import default


def get_config():
    config = default.get_config()
    config.network.pooling = "average"
    config.content_loss.layers = ("conv4_2",)
    config.content_loss.normalization = "gatys"
    config.content_loss.weight = 1.0
    config.style_loss.layers = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")
    config.style_loss.normalization = "gatys"
    config.style_loss.layer_weights = (0.2,)
    config.style_loss.weight = 1e3
    config.init.kind = "noise"
    return config
