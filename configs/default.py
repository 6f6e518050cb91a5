"""Every field of a run, with its meaning. The other configs call get_config() and set what differs.

A field is set on the command line as `--config.optimizer.name=adam`. A sequence has commas and no spaces, as
in `--config.style_loss.layers=relu1_1,relu2_1`. A path with spaces needs quotes, as in
`--config.style="my painting.jpg"`.

The values here make a good picture of most photographs and paintings (docs/quality.md shows how they were
chosen): VGG-19, Gram matrices, L-BFGS from the photograph, and 512 pixels after 128 and 256. Every term of
the losses is relative to its target, so that it is 1 for an image without features, and in larger pictures
content counts less (content_loss.base_size). So style_loss.weight has about the same effect for any
photograph, painting, size and network: with 0.1 the photograph hardly changes, with 1 photograph and painting
are both visible, and with 10 little but the style is left.

The config classic has the plain choices of 2015 and 2016, from which the papers' configs start.

    nst stylize --config=default --config.content=photo.jpg \
        --config.style=painting.jpg --workdir=runs/first
"""

from ml_collections import ConfigDict, FieldReference


def get_config() -> ConfigDict:
    config = ConfigDict()

    config.content = ""  # path of the photograph; may be empty if content_loss.layers is empty
    # paths of the paintings: a.jpg,b.jpg; transparent parts do not count; may be empty if style_loss.layers
    # is empty
    config.style = ("",)
    # length in pixels of the edge that size_mode names; 0: the photograph's own size; auto: the largest size,
    # up to the photograph's own, that fits into memory
    config.size = FieldReference(512, field_type=object)
    config.size_mode = "long"  # which edge has `size` pixels: long, short; area: height * width = size^2
    # largest picture that is read, in millions of pixels; 250 is a scan of 16000x15600
    config.max_megapixels = 250.0
    # lanczos, bicubic, bilinear, box (Pillow's); area: exact means of areas (Torch7's image.scale, OpenCV's
    # INTER_AREA); bilinear_aliased: no antialiasing
    config.resize_filter = "lanczos"
    # size of the paintings in pixels, measured as `size` is; 0: the same as `size`, or if `size` is 0, the
    # paintings' own size
    config.style_size = 0
    # factor > 0 on the paintings' size, and so on the size of the strokes: one for all, or one per painting
    config.style_scale = (1.0,)
    # scale: the paintings get the size above; shrink: the same, but they are never enlarged; width: they get
    # the photograph's width; stretch: they get its width and height, and lose their proportions
    config.style_fit = "scale"
    config.seed = 0  # seed of all randomness: noise, random weights, sampled positions
    # rows of the image that are in the network at a time, for images that do not fit into memory
    # (nst/losses/strips.py); 0: all
    config.strip = 0
    config.steps = 100  # updates at the full size; a finished run continues if this is raised

    config.pyramid = ConfigDict()  # smaller sizes first, each the start of the next (nst/runs/pyramid.py)
    # smallest size in pixels, measured as `size` is; 0, or more than `size`: only the full size. A size that
    # is too small for the layers, the masks or another field is left out
    config.pyramid.min_size = 96
    config.pyramid.factor = 2.0  # ratio of each size to the size before, > 1
    # one number of updates for each smaller size, smallest first; the last number is repeated, and numbers
    # beyond the sizes are not used. A size that is left out still uses up its number. (): `steps` for each
    config.pyramid.steps = (200, 100)
    config.pyramid.style = "scaled"  # paintings at smaller sizes: scaled with the image, or fixed
    config.pyramid.content_factor = 1.0  # > 0; content_loss.weight is multiplied by it once per smaller size
    config.pyramid.carry = True  # whether Adam's moments (and similar) are resampled to the next size

    config.weights = ConfigDict()
    # vgg19, resnet50 and others, which `nst networks` lists; vgg19_slim (comes with the code), random, or the
    # path of a .h5, .pth, .safetensors or .npz file
    config.weights.name = "vgg19"
    config.weights.architecture = "vgg19"  # architecture of a path or of random, which `nst networks` lists
    # input that the weights expect: caffe (BGR, 0 to 255, minus the mean), torchvision (RGB, standardised);
    # "": as in their training (.h5: caffe, .pth: torchvision)
    config.weights.preprocessing = ""
    # folder of images on which each filter is scaled to mean activation 1 (Gatys et al. 2015b); "": none
    config.weights.normalize = ""

    config.network = ConfigDict()
    # max, average, l2, lp, mixed, strided, blur, hann (nst/networks/pooling.py)
    config.network.pooling = "max"
    config.network.pooling_p = 3.0  # exponent of lp pooling, > 0
    config.network.pooling_mix = 0.5  # share of max pooling in mixed, in [0, 1]
    config.network.pooling_gain = 1.0  # factor on pooled values; 0: the one that matches max pooling's mean
    # border of the convolutions: zero, reflect, replicate; replicate_first: replicate at conv1_1, else zero;
    # circular: opposite borders meet, for pictures that are laid as tiles; circular_x: left and right meet,
    # for panoramas of 360 degrees. Regularisers and poolings continue across these borders as well; resizing,
    # optimizer.bands and guidance.propagation do not. Edges that wrap are rounded to whole strides of the
    # deepest layer. If the borders of the photograph do not meet, the seam stays, as any edge of its content
    config.network.padding = "zero"
    config.network.dtype = "float32"  # of activations: float32, bfloat16; Gram matrices are always float32
    # precision of the products in convolutions and Gram matrices on GPU and TPU: float32; tf32, whose factors
    # have 10 bits of mantissa and whose sums are float32, as in PyTorch's convolutions; fast, the device's
    # default; auto: tf32 on a GPU, else float32. A CPU always multiplies in float32
    config.network.precision = "auto"
    # algorithm: direct, winograd (nst/networks/winograd.py); auto: winograd on a CPU in float32, else direct
    config.network.convolution = "auto"
    # values of the forward pass that are kept for the gradient: none: every activation; layer: one bit per
    # rectified value, which saves a quarter of the temporary memory and takes 2 to 4 % more time; block: the
    # layers of a block are computed again (useful for l2 and lp pooling)
    config.network.remat = "none"
    # value of white before the network's mean is subtracted, in units in which white was 255 when the network
    # was trained, whatever its preprocessing; 0: as trained
    config.network.input_scale = 0.0

    config.smoothing = ConfigDict()  # of activations before both losses (nst/losses/smoothing.py)
    # none; softmax: over all positions and channels of a layer, for residual networks (Wang et al. 2021)
    config.smoothing.kind = "none"
    config.smoothing.temperature = 1.0  # divides the activations, > 0; larger is smoother; the paper has 1

    config.content_loss = ConfigDict()
    # layers of the network, which `nst networks vgg19` lists, or image, which is the image itself; auto: for
    # VGG relu2_1,relu3_1,relu4_2, and for other networks three similar layers; (): no content loss
    config.content_loss.layers = ("auto",)
    # one weight per layer, or one for all; if you set other layers, set this as well
    config.content_loss.layer_weights = (0.15, 0.25, 0.6)
    config.content_loss.weight = 1.0  # alpha, the weight of the content loss
    # long edge in pixels above which that weight falls as 1 / size, so that a large picture keeps its strokes
    # and not more of the photograph's finest detail; 0: the same weight for every size
    config.content_loss.base_size = 256
    # activations, or self_similarity, which takes all layers together
    config.content_loss.representation = "activations"
    config.content_loss.samples = 1024  # number of positions that self_similarity compares
    # gatys, mse, sse, root, scaled, relative: factor of the squared distance (nst/losses/content.py)
    config.content_loss.normalization = "relative"

    config.style_loss = ConfigDict()
    config.style_loss.representation = "gram"  # of nst/styles/table.py; + adds several: gram+histogram
    config.style_loss.representation_weights = (1.0,)  # one weight per representation, or one for all
    config.style_loss.options = ""  # of the representation (nst/styles/table.py): degree=3,samples=512
    # for Gram matrices: gatys, hw_mse, chw_sse, chw_mse, hw_sse, scaled; for others: none; for all: relative,
    # with which the loss is 1 for an image without features
    config.style_loss.normalization = "relative"
    # whether new positions are sampled at each step; for first-order optimisers only
    config.style_loss.resample = False
    # layers of the network, or image; auto: for VGG relu1_1,relu2_1,relu3_1,relu4_1,relu5_1, and for other
    # networks five similar layers; (): no style loss
    config.style_loss.layers = ("auto",)
    config.style_loss.layer_weights = (1.0,)  # one weight per layer, or one for all
    # beta, the weight of the style loss: with 0.1 the photograph hardly changes, with 10 it becomes abstract
    config.style_loss.weight = 1.0
    config.style_loss.image_weights = (1.0,)  # one weight per painting, or one for all; scaled to sum 1
    # for several paintings: targets: their statistics are averaged; losses: their losses are added
    config.style_loss.blend = "targets"

    config.color = ConfigDict()  # where the colours come from (nst/images/color.py)
    # none: from the painting; match: from the painting, which first takes the photograph's colours;
    # luminance: only the luminance is stylised, and the rest is the photograph's; after: the result takes the
    # photograph's colours
    config.color.mode = "none"
    config.color.transform = "pca"  # method of match and after: cholesky, pca, symmetric, histogram
    config.color.space = "srgb"  # colour space of the mode: srgb, yiq, lab, oklab; for luminance, not srgb

    config.guidance = ConfigDict()  # style by region (nst/losses/guidance.py)
    # for each region of the photograph, a mask file that is white inside, or all
    config.guidance.content_masks = ()
    # for each region, a mask file of the part of its painting that counts, or all; (): all for each
    config.guidance.style_masks = ()
    # for each region, the index of its painting, such as 0, or of several: 0+1; (): region i has painting i
    config.guidance.styles = ()
    config.guidance.weights = (1.0,)  # one weight per region, or one for all
    config.guidance.propagation = "simple"  # how masks pass through the layers: simple, inside, all

    config.tv = ConfigDict()  # total variation, which smooths the image
    config.tv.weight = 0.0  # gamma, for pixels in [0, 1]; 0: off
    config.tv.kind = "l2"  # l1, l2, mean, beta, diagonal (nst/losses/regularizers.py)
    config.tv.beta = 2.0  # exponent of kind beta, > 0

    config.laplacian = ConfigDict()  # keeps the photograph's edges (Li et al. 2017)
    config.laplacian.weight = 0.0  # 0: off
    config.laplacian.pool = 4  # pixels: edge of the averages whose Laplacians are compared

    config.range = ConfigDict()  # keeps pixels in [0, 1]
    # 0: off; without it, values of bright and dark places lie outside [0, 1] and are clipped in the file
    config.range.weight = 1000.0

    # keeps colours that are locally an affine function of the photograph's colours (Luan et al. 2017)
    config.photorealism = ConfigDict()
    config.photorealism.weight = 0.0  # 0: off

    config.alpha_norm = ConfigDict()  # keeps pixels near mid-grey (Mahendran & Vedaldi 2015)
    config.alpha_norm.weight = 0.0  # 0: off
    config.alpha_norm.power = 6.0  # > 1; a large power bounds the values and hardly changes those near grey

    config.init = ConfigDict()
    config.init.kind = "content"  # content, style, noise, grey, blend (noise over the photograph), image
    config.init.noise = "normal"  # distribution: normal, uniform
    config.init.noise_scale = 0.1  # standard deviation (normal) or half width (uniform); white = 1
    # mean of the noise, and the colour of grey; RGB in [0, 1] (by default the mean of ImageNet)
    config.init.center = (0.485, 0.458, 0.408)
    config.init.blend = 0.5  # share of the noise in blend, in [0, 1]
    config.init.image = ""  # path of the start for kind image, for example another result

    config.optimizer = ConfigDict()
    config.optimizer.name = "lbfgs"  # lbfgs, lbfgs_torch, gradient_descent, or one of Optax (adam, ...)
    config.optimizer.learning_rate = 1.0  # in units of pixel_range; not used by lbfgs with a line search
    config.optimizer.memory = 20  # pairs that L-BFGS keeps; each takes the memory of two images
    config.optimizer.history_dtype = "float32"  # of these pairs: float32, bfloat16
    # of lbfgs: wolfe (nst/optimizers/wolfe.py), zoom and backtracking (of Optax), none
    config.optimizer.line_search = "wolfe"
    config.optimizer.max_line_search_steps = 20  # most evaluations in one update
    config.optimizer.options = ""  # keyword arguments of the Optax optimiser: b1=0.9,b2=0.99
    config.optimizer.schedule = ""  # name of an Optax schedule, such as cosine_decay_schedule; "": constant
    config.optimizer.schedule_options = ""  # keyword arguments of the schedule: decay_steps=500
    config.optimizer.pixel_range = 1.0  # the optimiser works on pixels in [0, pixel_range]
    # > 0: number of bands of a Laplacian pyramid that are optimised instead of pixels
    # (nst/optimizers/bands.py); not with lbfgs_torch, and with lbfgs only if line_search = wolfe
    config.optimizer.bands = 0
    # whether pixels are clipped to [0, 1] after each step, which harms L-BFGS's curvature pairs
    config.optimizer.clamp = False
    # decay, in [0, 1), of the average of the iterates, which is the result; 0: the last iterate is the result
    config.optimizer.ema = 0.0
    config.optimizer.ema_start = False  # whether that average counts the start as its first iterate
    # a size ends earlier, after ten updates at whose starts the losses differ by no more than this share of
    # the largest loss, in [0, 1); 0: a size always makes its number of updates
    config.optimizer.tolerance = 0.0

    config.log = ConfigDict()
    config.log.every = 10  # steps between records in metrics.jsonl
    config.log.preview_every = 50  # steps between pictures in previews/; 0: none
    config.log.tensorboard = False  # also write TensorBoard events (pip install 'nst[tensorboard]')

    config.checkpoint = ConfigDict()
    config.checkpoint.seconds = 60.0  # seconds between checkpoints; 0: a checkpoint at every record

    config.output = ConfigDict()
    config.output.format = "png"  # png, tiff, webp; jpeg, in which transparent parts become white
    config.output.bits = 8  # bits per channel: 8, or for png and tiff also 16

    config.resources = ConfigDict()  # resources of one run when Ray launches a sweep
    config.resources.cpus = 1.0  # processors; they limit how many runs are active at a time
    config.resources.gpus = 0.0  # GPUs; a fraction lets several runs share one
    config.resources.tpus = 0.0  # TPU chips

    # devices that divide the image's height among them, which is rounded so that it divides evenly; 0: all
    # (nst/devices/mesh.py)
    config.devices = 1
    config.memory_limit_gb = 0.0  # GB per device above which a run is refused; 0: all available memory
    return config.lock()  # so that a misspelt field is an error in Python code, too
