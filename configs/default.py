"""Every field, with its meaning. The other configs call get_config() and set what differs.

A field is set from the command line as `--config.optimizer.name=adam`; sequences as
`--config.style_loss.layers=relu1_1,relu2_1` or `"('relu1_1', 'relu2_1')"`.

The values make a good picture by themselves: VGG-19, relu layers, Gram matrices, L-BFGS from the
photograph, 512 pixels. Their balance is that of configs/gatys_notebook.py (chw_mse is hw_mse with weights
1/C^2, without which relu4_1 outweighs all other layers a hundredfold).

    python -m experiments.stylize --config=configs/default.py --config.content=photo.jpg \
        --config.style=painting.jpg --workdir=runs/first
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    config = ConfigDict()

    config.content = ""  # path of the photograph
    config.style = ("",)  # path of the painting, or several (a.jpg,b.jpg)
    config.size = 512  # pixels, of the edge that size_mode names; 0: the photograph's own size
    config.size_mode = "long"  # long or short edge; area: height * width = size^2
    config.resize_filter = "lanczos"  # lanczos, bicubic, bilinear, box; bilinear_aliased: no antialiasing
    config.style_size = 0  # pixels, as size, for the paintings; 0: size * style_scale
    config.style_scale = 1.0  # size of the paintings relative to `size`, > 0: scales the brush strokes
    config.coarse_steps = 0  # updates at half the size first, whose result is then the start; 0: none
    config.seed = 0  # of all randomness: noise starts, random weights
    config.steps = 500  # updates of the image; may be raised later to continue a finished run

    config.weights = ConfigDict()
    # vgg19, vgg16, vgg19_torchvision, vgg16_torchvision, vgg19_slim (comes with the code), random, or a path
    config.weights.name = "vgg19"
    config.weights.architecture = "vgg19"  # of a path or of random: vgg19, vgg16
    config.weights.preprocessing = ""  # caffe, torchvision; "": as trained (.h5: caffe, .pth: torchvision)
    config.weights.normalize = ""  # folder of images: scale each filter to mean activation 1 (Gatys 2015b)

    config.network = ConfigDict()
    config.network.pooling = "max"  # max, average, l2, lp, mixed, strided, blur (nst/pooling.py)
    config.network.pooling_p = 3.0  # exponent of lp, > 0
    config.network.pooling_mix = 0.5  # share of max in mixed, in [0, 1]
    config.network.pooling_gain = 1.0  # factor on the pooled values; 0: matches the mean of max pooling
    config.network.frame = "compact"  # of a slim network's activations: compact, vgg (nst/vgg.py, `compact`)
    config.network.padding = "zero"  # zero, reflect, replicate
    config.network.dtype = "float32"  # of the activations: float32, bfloat16; Grams are always float32
    config.network.precision = "float32"  # of products on GPU and TPU: float32, tf32, fast (the device's)
    config.network.input_scale = 0.0  # pixel value of white before the mean is subtracted; 0: as trained

    config.content_loss = ConfigDict()
    config.content_loss.layers = ("relu4_2",)  # any of conv1_1, relu1_1, pool1, ... pool5; () for none
    config.content_loss.layer_weights = (1.0,)  # one each, or one for all
    config.content_loss.weight = 1.0  # alpha
    config.content_loss.normalization = "mse"  # gatys, mse, sse, root, relative (nst/losses.py)

    config.style_loss = ConfigDict()
    config.style_loss.representation = "gram"  # gram, gram_shift (nst/styles.py)
    config.style_loss.normalization = "chw_mse"  # gatys, hw_mse, chw_sse, chw_mse, hw_sse, relative
    config.style_loss.shift = 1.0  # constant subtracted from the activations by gram_shift
    config.style_loss.layers = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
    config.style_loss.layer_weights = (1.0,)  # one each, or one for all
    config.style_loss.weight = 1e3  # beta
    config.style_loss.image_weights = (1.0,)  # one a painting, or one for all; they are scaled to sum 1
    config.style_loss.blend = "targets"  # of several paintings: targets (mean statistics), losses (sum)

    config.tv = ConfigDict()
    config.tv.weight = 0.0  # gamma; for pixels in [0, 1]
    config.tv.kind = "l2"  # l1, l2, mean, beta (nst/losses.py)
    config.tv.beta = 2.0  # exponent of beta, > 0

    config.init = ConfigDict()
    config.init.kind = "content"  # content, style, noise, grey, blend (noise over content), image
    config.init.noise = "normal"  # normal, uniform
    config.init.noise_scale = 0.1  # standard deviation, or half width, in units of white = 1
    config.init.center = (0.485, 0.458, 0.408)  # mean of the noise, and the grey: RGB in [0, 1] (ImageNet's)
    config.init.blend = 0.5  # share of the noise in blend, in [0, 1]
    config.init.image = ""  # path, for kind image: another result to continue from

    config.optimizer = ConfigDict()
    config.optimizer.name = "lbfgs"  # lbfgs, lbfgs_torch, gradient_descent, or one of optax (adam, ...)
    config.optimizer.learning_rate = 1.0  # for all but lbfgs with a line search; in units of pixel_range
    config.optimizer.memory = 20  # pairs that L-BFGS keeps; each costs two images
    config.optimizer.line_search = "zoom"  # of lbfgs: zoom (strong Wolfe), backtracking, none
    config.optimizer.max_line_search_steps = 20  # evaluations an update at most
    config.optimizer.options = ""  # keyword arguments of the optax optimiser: b1=0.9,b2=0.99
    config.optimizer.schedule = ""  # an optax schedule by name, such as cosine_decay_schedule; "": constant
    config.optimizer.schedule_options = ""  # its arguments: decay_steps=500
    config.optimizer.pixel_range = 1.0  # the optimiser sees pixels in [0, pixel_range]
    config.optimizer.clamp = False  # clip to the valid range each step; it spoils L-BFGS's curvature pairs
    config.optimizer.ema = 0.0  # decay of the average of the iterates that is the result; 0: the last one

    config.log = ConfigDict()
    config.log.every = 10  # steps between records in metrics.jsonl
    config.log.preview_every = 50  # steps between pictures in previews/; 0: none
    config.log.tensorboard = False  # also write TensorBoard events (pip install -e '.[tensorboard]')

    config.checkpoint = ConfigDict()
    config.checkpoint.seconds = 60.0  # between checkpoints; 0: at every record

    config.output = ConfigDict()
    config.output.format = "png"  # png, tiff, jpeg, webp
    config.output.bits = 8  # a channel; 16 for png and tiff

    config.resources = ConfigDict()  # of a run in a sweep that Ray launches
    config.resources.cpus = 1.0  # processors, which decides how many runs go on at a time
    config.resources.gpus = 0.0  # GPUs, or a fraction, which leaves several runs on one
    config.resources.tpus = 0.0  # TPU chips

    config.memory_limit_gb = 0.0  # refuse to start above this; 0: what the device has
    return config
