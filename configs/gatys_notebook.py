"""The notebook of leongatys/PytorchNeuralStyleTransfer, to the letter: the numeric reference.

    python -m experiments.stylize --config=configs/gatys_notebook.py --config.content=photo.jpg \
        --config.style=painting.jpg --workdir=runs/notebook
"""

from configs import default


def get_config():
    config = default.get_config()
    config.size = 512
    config.size_mode = "short"
    config.resize_filter = "bilinear_aliased"
    config.steps = 500
    config.style_loss.normalization = "hw_mse"
    config.style_loss.weight = 1e3
    config.style_loss.layer_weights = tuple(1 / channels**2 for channels in (64, 128, 256, 512, 512))
    config.optimizer.name = "lbfgs_torch"
    config.optimizer.learning_rate = 1.0
    config.optimizer.memory = 100
    config.optimizer.pixel_range = 255.0
    return config
