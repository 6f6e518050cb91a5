"""The notebook of leongatys/PytorchNeuralStyleTransfer (2017), reproduced exactly: the numeric reference.

    nst stylize --config=gatys_notebook --config.content=photo.jpg \
        --config.style=painting.jpg --workdir=runs/notebook

The short edge has 512 px. Weights are Caffe's (BGR, 0 to 255) with max pooling; style is the mean square of
Gram / (HW) on relu layers with weights 1e3 / C^2; torch.optim.LBFGS runs at its defaults (100 pairs, no line
search) from the photograph. Pictures are resized bilinearly without antialiasing, as the printed losses
imply. The notebook's "Iteration n" is the loss of closure call n - 1, that is, after n - 2 updates.

At 256 px, with these weights, the photograph's dark and light places are left, but the raccoon cannot be
recognised (raccoon in night, 150 updates).

For tuebingen_neckarfront + starry_night the notebook printed 1388532 at iteration 50, 707861 at 100, 538045
at 150 and 469375 at 200. This config gives 1387883, 705952, 526211 and 459295 after 50, 100, 150 and 200
updates, on jax 0.10 with an 8-bit copy of the weights from conv4_1 on. This is within 3 %, including the
difference of two updates (2.5 % at 50). The second step overshoots, which makes the next ten depend on
rounding: machines differ early and agree by step 50. The run takes about 8 minutes on two CPU cores.
"""

from nst.configs import classic


def get_config():
    config = classic.get_config()
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
