"""The slim network that comes with the code: VGG-19 as a loss at a fifth of the work.

    python -m experiments.distill --config=configs/distill.py --config.photos=photos \
        --config.paintings=paintings --workdir=runs/distill
    python -m experiments.distill.fidelity --config=configs/distill.py --config.photos=photos \
        --config.paintings=paintings --workdir=runs/fidelity --networks=runs/distill/slim.safetensors,random

After Wang et al. 2020 (*Collaborative Distillation for Ultra-Resolution Universal Style Transfer*); what
differs stands in experiments/distill/fit.py. The shipped file was made of BSDS500's photographs and 27 paintings. Every
layer is fitted by least squares, twice (about 8 minutes on two CPU cores, 10 GB of memory), which already
gives nearly all of the fidelity; then the layers after relu4_1 are trained (about 15 minutes).

What was found on the way: training all layers with Adam from the fit, on CPU for some hundred steps, first
destroys it (above a learning rate of 2e-4) and then does not come back to it; wide layers where activations
are read and narrow ones between are better than one width a block; the error that is left is relu5_1's, which
needs many rectifiers in conv4_3 and conv4_4, and more pictures than 640 to train on: on these its error is
0.34, on others 0.41. The numbers of the result are in nst/data/vgg19_slim.md.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    config = ConfigDict()

    config.photos = ""  # folder of photographs
    config.paintings = ""  # folder of paintings and patterns
    config.held_out_photos = 50  # kept for validation: every n-th by name
    config.held_out_paintings = (  # kept for validation: names
        "brushstrokes.jpg",
        "escher_sphere.jpg",
        "fns_candy.jpg",
        "picasso_self_portrait.jpg",
        "woman_with_hat_matisse.jpg",
    )
    config.seed = 0  # of all randomness

    config.weights = "vgg19"  # the teacher, as weights.name of configs/default.py
    # the student's channels, one a convolution: wide where activations are read, narrow between
    config.widths = (32, 24, 64, 48, 128, 96, 96, 96, 256, 192, 224, 320, 256)
    config.layers = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu4_2", "relu5_1")  # of the loss

    config.warm_start = ConfigDict()
    config.warm_start.batches = 40  # that the layers are fitted on
    config.warm_start.batch = 4  # images each
    config.warm_start.size = 192  # pixels, of either edge
    config.warm_start.renewals = 1  # further fits, on pictures made with the student among the others
    config.warm_start.rounds = 8  # of experiments/distill/fit.py, `fit`

    config.steps = 474  # updates; a finished run goes on with more
    config.after = "relu4_1"  # train what lies after this layer, whose error is small already; "": everything
    config.batch = 16  # crops
    config.pool = 40  # batches of crops on which the teacher's activations are kept, until they are renewed
    config.size = 192  # pixels, of either edge
    config.learning_rate = 2e-4  # of Adam, after the warm-up
    config.decay_steps = 1200  # after which the learning rate, a cosine, is 0
    config.warm_up = 100  # steps
    config.gram_weight = 5.0  # of the Gram matrices' error, beside the activations' own

    # crops of a batch come from: photographs, paintings, pictures that the student made, patterns
    config.shares = (0.4, 0.2, 0.3, 0.1)
    config.stylised = ConfigDict()
    config.stylised.every = 1200  # steps between renewals of the student's own pictures
    config.stylised.pairs = 16  # photographs and paintings that they are made from
    config.stylised.size = 192  # pixels, of either edge
    config.stylised.snapshots = (10, 30, 80)  # steps after which a picture is kept

    # experiments/distill/fidelity.py: pictures made with each network from held-out pairs, judged by the teacher
    config.fidelity = ConfigDict()
    config.fidelity.pairs = 12  # held-out photographs, each with one of the held-out paintings in turn
    config.fidelity.size = 256  # pixels, of the long edge
    config.fidelity.steps = 196  # of L-BFGS from the photograph: about 200 evaluations
    config.fidelity.style_weight = 3.0  # beside a content weight of 1; both losses relative

    config.log_every = 100  # steps between records in metrics.jsonl
    config.validate_every = 400  # steps between validations
    config.checkpoint_seconds = 120.0  # between checkpoints
    return config
