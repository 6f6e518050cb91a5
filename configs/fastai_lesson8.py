"""fast.ai, *Cutting Edge Deep Learning for Coders*, lesson 8 (2017): style transfer in Keras.

    nst stylize --config=fastai_lesson8 --config.content=photo.jpg \
        --config.style=painting.jpg --workdir=runs/fastai

The network is VGG-16 with average pooling. Style is the mean square of Gram / (CHW) on the second convolution
(rectified) of the five blocks with weights .05, .2, .2, .25 and .3; content is on block4_conv2, divided by
10. The start is faint uniform noise.

At 256 px the raccoon and the leaves are kept, in the painting's colours and with fine dark lines (raccoon in
night, 150 updates, with --config.weights.name=vgg19).

Departs from the lesson, which calls SciPy's L-BFGS-B ten times for 20 evaluations each and clips the pixels
in between: here L-BFGS makes 200 updates without interruption.
"""

from nst.configs import classic


def get_config():
    config = classic.get_config()
    config.weights.name = "vgg16"
    config.steps = 200
    config.network.pooling = "average"
    config.content_loss.layers = ("relu4_2",)
    config.content_loss.weight = 0.1
    config.style_loss.normalization = "chw_mse"
    config.style_loss.layers = ("relu1_2", "relu2_2", "relu3_2", "relu4_2", "relu5_2")
    config.style_loss.layer_weights = (0.05, 0.2, 0.2, 0.25, 0.3)
    config.style_loss.weight = 1.0
    config.init.kind = "noise"
    config.init.noise = "uniform"
    config.init.noise_scale = 0.025 / 255  # +-2.5 / 100 of a pixel value
    config.init.center = (123.68 / 255, 116.779 / 255, 103.939 / 255)
    config.optimizer.memory = 10
    return config
