"""Every field, with its meaning. The other configs call get_config() and set what differs.

A field is set from the command line as `--config.optimizer.name=adam`; sequences as
`--config.style_loss.layers=relu1_1,relu2_1` or `"('relu1_1', 'relu2_1')"`.

The values make a good picture by themselves: VGG-19, relu layers, Gram matrices, L-BFGS from the
photograph, 512 pixels. Their balance is that of configs/gatys_notebook.py (chw_mse is hw_mse with weights
1/C^2, without which relu4_1 outweighs all other layers a hundredfold).

    python -m experiments.stylize --config=configs/default.py --config.content=photo.jpg \
        --config.style=painting.jpg --workdir=runs/first
"""

from ml_collections import ConfigDict, FieldReference


def get_config() -> ConfigDict:
    config = ConfigDict()

    config.content = ""  # path of the photograph; may be left out without content_loss.layers
    config.style = ("",)  # path of the painting, or several (a.jpg,b.jpg); likewise
    # pixels, of the edge that size_mode names; 0: the photograph's own size; auto: as much of it as the
    # memory holds
    config.size = FieldReference(512, field_type=object)
    config.size_mode = "long"  # long or short edge; area: height * width = size^2
    config.resize_filter = "lanczos"  # lanczos, bicubic, bilinear, box; bilinear_aliased: no antialiasing
    config.style_size = 0  # pixels, as size, for the paintings; 0: size
    config.style_scale = (1.0,)  # factors on that, > 0, scaling the brush strokes: one, or one a painting
    # scale: as said; shrink: but never larger; width: the photograph's; stretch: both edges the photograph's
    config.style_fit = "scale"
    config.seed = 0  # of all randomness: noise starts, random weights
    config.strip = (
        0  # rows in the network at a time, for images that do not fit (nst/losses/strips.py); 0: all
    )
    config.steps = 500  # updates of the image; may be raised later to continue a finished run

    config.pyramid = ConfigDict()  # smaller sizes first, each the start of the next (nst/runs/pyramid.py)
    config.pyramid.min_size = 0  # pixels, as size: the smallest; 0: the full size alone
    config.pyramid.factor = 2.0  # between two sizes, > 1
    config.pyramid.steps = ()  # updates at the smaller sizes, smallest first, the last repeated; (): steps
    config.pyramid.style = "scaled"  # the paintings shrink with the picture; fixed: they keep their size
    config.pyramid.content_factor = 1.0  # on content_loss.weight, at each smaller size once more
    config.pyramid.carry = True  # resample Adam's moments (and their like); False: start the optimiser anew

    config.weights = ConfigDict()
    # vgg19, vgg16, vgg19_torchvision, vgg16_torchvision, vgg19_slim (comes with the code), random, or a path
    config.weights.name = "vgg19"
    config.weights.architecture = "vgg19"  # of a path or of random: vgg19, vgg16
    config.weights.preprocessing = ""  # caffe, torchvision; "": as trained (.h5: caffe, .pth: torchvision)
    config.weights.normalize = ""  # folder of images: scale each filter to mean activation 1 (Gatys 2015b)

    config.network = ConfigDict()
    config.network.pooling = "max"  # max, average, l2, lp, mixed, strided, blur (nst/networks/pooling.py)
    config.network.pooling_p = 3.0  # exponent of lp, > 0
    config.network.pooling_mix = 0.5  # share of max in mixed, in [0, 1]
    config.network.pooling_gain = 1.0  # factor on the pooled values; 0: matches the mean of max pooling
    config.network.frame = (
        "compact"  # of a slim network's activations: compact, vgg (nst/networks/vgg.py, `compact`)
    )
    config.network.padding = "zero"  # zero, reflect, replicate; replicate_first: at conv1_1, zero elsewhere
    config.network.dtype = "float32"  # of the activations: float32, bfloat16; Grams are always float32
    config.network.precision = "float32"  # of products on GPU and TPU: float32, tf32, fast (the device's)
    config.network.convolution = (
        "auto"  # direct, winograd (nst/networks/winograd.py), auto: that on a CPU, in float32
    )
    # what the gradient keeps of the forward pass: none: saves nothing; layer: a bit of each rectified value,
    # a quarter less temporary memory for 2 to 4 % of time; block: also computes layers again (l2, lp pooling)
    config.network.remat = "none"
    config.network.input_scale = 0.0  # pixel value of white before the mean is subtracted; 0: as trained

    config.content_loss = ConfigDict()
    # any of conv1_1, relu1_1, pool1, ... pool5, and image, the picture itself; () for none
    config.content_loss.layers = ("relu4_2",)
    config.content_loss.layer_weights = (1.0,)  # one each, or one for all
    config.content_loss.weight = 1.0  # alpha
    config.content_loss.representation = "activations"  # or self_similarity, of all the layers together
    config.content_loss.samples = 1024  # positions that self_similarity compares
    config.content_loss.normalization = (
        "mse"  # gatys, mse, sse, root, scaled, relative (nst/losses/regularizers.py)
    )

    config.style_loss = ConfigDict()
    config.style_loss.representation = "gram"  # of nst/styles/table.py; several are added: gram+histogram
    config.style_loss.representation_weights = (1.0,)  # one each, or one for all
    config.style_loss.options = ""  # of the representation (nst/styles/table.py): degree=3,samples=512
    # of Gram matrices: gatys, hw_mse, chw_sse, chw_mse, hw_sse, scaled; of the others: none; of all: relative
    config.style_loss.normalization = "chw_mse"
    config.style_loss.resample = False  # draw positions anew at each step; for first-order optimisers only
    config.style_loss.layers = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
    config.style_loss.layer_weights = (1.0,)  # one each, or one for all
    config.style_loss.weight = 1e3  # beta
    config.style_loss.image_weights = (1.0,)  # one a painting, or one for all; they are scaled to sum 1
    config.style_loss.blend = "targets"  # of several paintings: targets (mean statistics), losses (sum)

    config.color = ConfigDict()  # whose colours the picture has (nst/images/color.py)
    # none: the painting's; match: it first takes the photograph's; luminance: only that is stylised, all else
    # is the photograph's; after: the result is matched to the photograph
    config.color.mode = "none"
    config.color.transform = "pca"  # of match and after: cholesky, pca, symmetric, histogram
    config.color.space = "srgb"  # srgb, yiq, lab, oklab; for luminance not srgb

    config.guidance = ConfigDict()  # style by region (nst/losses/guidance.py)
    config.guidance.content_masks = ()  # a file for each region of the photograph, white inside; or all
    config.guidance.style_masks = ()  # one each, of the region's painting; (): all of it
    config.guidance.styles = ()  # each region's painting, by its number: 0, or 0+1; (): its own number
    config.guidance.weights = (1.0,)  # one a region, or one for all
    config.guidance.propagation = "simple"  # of masks through the layers: simple, inside, all

    config.tv = ConfigDict()
    config.tv.weight = 0.0  # gamma; for pixels in [0, 1]
    config.tv.kind = "l2"  # l1, l2, mean, beta, diagonal (nst/losses/regularizers.py)
    config.tv.beta = 2.0  # exponent of beta, > 0

    config.laplacian = ConfigDict()  # keeps the photograph's edges
    config.laplacian.weight = 0.0  # 0: off
    config.laplacian.pool = 4  # pixels, side of the averages that it is computed of

    config.range = ConfigDict()  # keeps pixels in [0, 1]
    config.range.weight = 0.0  # 0: off

    config.photorealism = ConfigDict()  # keeps colours affine in the photograph's, locally
    config.photorealism.weight = 0.0  # 0: off

    config.alpha_norm = ConfigDict()  # keeps pixels near mid-grey (Mahendran & Vedaldi 2015)
    config.alpha_norm.weight = 0.0  # 0: off
    config.alpha_norm.power = 6.0  # > 1: large ones bound the values, and leave the middle alone

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
    config.optimizer.history_dtype = "float32"  # of these pairs: float32, bfloat16
    config.optimizer.line_search = "wolfe"  # of lbfgs: wolfe (our own), zoom, backtracking, none
    config.optimizer.max_line_search_steps = 20  # evaluations an update at most
    config.optimizer.options = ""  # keyword arguments of the optax optimiser: b1=0.9,b2=0.99
    config.optimizer.schedule = ""  # an optax schedule by name, such as cosine_decay_schedule; "": constant
    config.optimizer.schedule_options = ""  # its arguments: decay_steps=500
    config.optimizer.pixel_range = 1.0  # the optimiser sees pixels in [0, pixel_range]
    config.optimizer.bands = (
        0  # > 0: moves the bands of a Laplacian pyramid, not pixels (nst/optimizers/bands.py)
    )
    config.optimizer.clamp = False  # clip to the valid range each step; it spoils L-BFGS's curvature pairs
    config.optimizer.ema = 0.0  # decay of the average of the iterates that is the result; 0: the last one
    config.optimizer.ema_start = False  # whether that average counts the start as the first iterate

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

    config.devices = (
        1  # that share the picture's height, which is rounded for it; 0: all (nst/devices/mesh.py)
    )
    config.memory_limit_gb = 0.0  # refuse to start above this on a device; 0: what the device has
    return config
