"""The distillation of the slim network that comes with the code: VGG-19 as a loss at a fifth of the work.

    python -m experiments.distill --config=experiments/distill/config.py --config.photos=photos \
        --config.paintings=paintings --workdir=runs/distill
    python -m experiments.distill.fidelity --config=experiments/distill/config.py --config.photos=photos \
        --config.paintings=paintings --workdir=runs/fidelity --networks=runs/distill/slim.safetensors,random

The method follows Wang et al. 2020 (*Collaborative Distillation for Ultra-Resolution Universal Style
Transfer*); experiments/distill/fit.py says what differs. The shipped file was made from BSDS500's photographs
and 27 paintings. Every layer is fitted by least squares, twice (about 8 minutes on two CPU cores, 10 GB of
memory), which already gives nearly all of the fidelity; then the layers after relu4_1 are trained (about 15
minutes).

Observations:
- If all layers are trained with Adam from the fit, for some hundred steps on a CPU, the training first
  destroys the fit (above a learning rate of 2e-4) and then does not recover it.
- Layers that are wide where activations are read and narrow in between are better than one width per block.
- relu5_1 has the largest remaining error. This layer needs many rectifiers in conv4_3 and conv4_4, and
  more than 640 pictures to train on: its error is 0.34 on these pictures and 0.41 on others.

nst/data/vgg19_slim.md has the numbers of the result.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    config = ConfigDict()

    config.photos = ""  # folder of photographs
    config.paintings = ""  # folder of paintings and patterns
    config.held_out_photos = 50  # number kept for validation, evenly spaced by name
    config.held_out_paintings = (  # file names of the paintings kept for validation
        "brushstrokes.jpg",
        "escher_sphere.jpg",
        "fns_candy.jpg",
        "picasso_self_portrait.jpg",
        "woman_with_hat_matisse.jpg",
    )
    config.seed = 0  # seed of all randomness

    config.weights = "vgg19"  # the teacher: a value of weights.name in configs/default.py
    # the student's channels, one number per convolution: wide where activations are read, narrow in between
    config.widths = (32, 24, 64, 48, 128, 96, 96, 96, 256, 192, 224, 320, 256)
    config.layers = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu4_2", "relu5_1")  # layers of the loss

    config.warm_start = ConfigDict()
    config.warm_start.batches = 40  # batches that the layers are fitted on
    config.warm_start.batch = 4  # images per batch
    config.warm_start.size = 192  # pixels of either edge
    config.warm_start.renewals = 1  # further fits, for which the images include pictures made by the student
    # how often negative targets are replaced (experiments/distill/fit.py, `fit`)
    config.warm_start.rounds = 8

    config.steps = 474  # updates; a finished run continues if this is raised
    # only the layers after this layer are trained, since its error is small already; "": all layers
    config.after = "relu4_1"
    config.batch = 16  # crops per update
    # batches of crops whose teacher activations are kept in memory until the pool is renewed
    config.pool = 40
    config.size = 192  # pixels of either edge
    config.learning_rate = 2e-4  # learning rate of Adam after the warm-up
    config.decay_steps = 1200  # steps after which the learning rate, a cosine, is 0
    config.warm_up = 100  # steps over which the learning rate rises from 0
    config.gram_weight = 5.0  # weight of the Gram matrices' error; the activations' error has weight 1

    # shares of a batch: crops of photographs, of paintings, of the student's own pictures, and patterns
    config.shares = (0.4, 0.2, 0.3, 0.1)
    config.stylised = ConfigDict()
    config.stylised.every = 1200  # steps between renewals of the student's own pictures
    config.stylised.pairs = 16  # pairs of a photograph and a painting from which these pictures are made
    config.stylised.size = 192  # pixels of either edge
    config.stylised.snapshots = (10, 30, 80)  # steps after which a picture is kept

    # experiments/distill/fidelity.py: pictures are made from held-out pairs and measured by the teacher
    config.fidelity = ConfigDict()
    config.fidelity.pairs = 12  # held-out photographs, each with one of the held-out paintings in turn
    config.fidelity.size = 256  # pixels of the long edge
    config.fidelity.steps = 196  # updates of L-BFGS from the photograph: about 200 evaluations
    config.fidelity.style_weight = 3.0  # the content weight is 1; both losses are relative

    config.log_every = 100  # steps between records in metrics.jsonl
    config.validate_every = 400  # steps between validations
    config.checkpoint_seconds = 120.0  # seconds between checkpoints
    return config
