"""The table of published weights; to add a file, add a row."""

from typing import NamedTuple


class Checkpoint(NamedTuple):
    """A published file of weights."""

    architecture: str  # a key of table.ARCHITECTURES
    preprocessing: str  # a key of network.PREPROCESSING
    url: str  # URL of the file, or the name of a file in nst/data
    # "md5:..." or "sha256:..."; torchvision publishes only the first digits, in the name of the file, and the
    # size in units of 2^20 bytes with three decimals
    hash: str
    size: int  # bytes
    slack: int = 0  # bytes by which the size may differ


_KERAS = "https://storage.googleapis.com/tensorflow/keras-applications"
_TORCH = "https://download.pytorch.org/models"


def _torchvision(architecture: str, file: str, size: float) -> Checkpoint:
    """Returns a checkpoint of torchvision, whose file is called `file`-(first digits of the hash).pth."""
    digits = file.rpartition("-")[2]
    url, size = f"{_TORCH}/{file}.pth", round(size * 2**20)
    return Checkpoint(architecture, "torchvision", url, f"sha256:{digits}", size, slack=525)


CHECKPOINTS = {
    # Simonyan & Zisserman's own training (Oxford, Caffe convention), in Keras' no-top files
    "vgg19": Checkpoint(
        "vgg19",
        "caffe",
        f"{_KERAS}/vgg19/vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "md5:253f8cb515780f3b799900260a226db6",
        80_134_624,
    ),
    "vgg16": Checkpoint(
        "vgg16",
        "caffe",
        f"{_KERAS}/vgg16/vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "md5:6d6bbae143d832006294945121d1f1fc",
        58_889_256,
    ),
    # retrained by torchvision; artists mostly prefer the Oxford weights
    "vgg19_torchvision": Checkpoint(
        "vgg19",
        "torchvision",
        f"{_TORCH}/vgg19-dcbb9e9d.pth",
        "sha256:dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44",
        574_673_361,
    ),
    "vgg16_torchvision": Checkpoint(
        "vgg16",
        "torchvision",
        f"{_TORCH}/vgg16-397923af.pth",
        "sha256:397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        553_433_881,
    ),
    "alexnet": Checkpoint(
        "alexnet",
        "torchvision",
        f"{_TORCH}/alexnet-owt-7be5be79.pth",
        "sha256:7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
        244_408_911,
    ),
    # of the hashes of these files, torchvision's sources give only the first digits
    "vgg11": _torchvision("vgg11", "vgg11-8a719046", 506.840),
    "vgg13": _torchvision("vgg13", "vgg13-19584684", 507.545),
    "vgg11_bn": _torchvision("vgg11_bn", "vgg11_bn-6002323d", 506.881),
    "vgg13_bn": _torchvision("vgg13_bn", "vgg13_bn-abd245e5", 507.590),
    "vgg16_bn": _torchvision("vgg16_bn", "vgg16_bn-6c64b313", 527.866),
    "vgg19_bn": _torchvision("vgg19_bn", "vgg19_bn-c79401a0", 548.143),
    "squeezenet1_0": _torchvision("squeezenet1_0", "squeezenet1_0-b66bff10", 4.778),
    "squeezenet1_1": _torchvision("squeezenet1_1", "squeezenet1_1-b8a52dc0", 4.729),
    "resnet18": _torchvision("resnet18", "resnet18-f37072fd", 44.661),
    "resnet50": _torchvision("resnet50", "resnet50-0676ba61", 97.781),  # of torchvision's two, the first
    "mobilenet_v2": _torchvision("mobilenet_v2", "mobilenet_v2-b0353104", 13.555),
    "convnext_tiny": _torchvision("convnext_tiny", "convnext_tiny-983f1562", 109.119),
    "vit_b_16": _torchvision("vit_b_16", "vit_b_16-c867db91", 330.285),
    "googlenet": _torchvision("googlenet", "googlenet-1378be20", 49.731),
    # distilled from vgg19 by experiments/distill/train.py; comes with the code (nst/data/vgg19_slim.md)
    "vgg19_slim": Checkpoint(
        "vgg19",
        "torchvision",
        "vgg19_slim.safetensors",
        "sha256:a09a2e22d9459af6e1a52de498959fe96506d95df42877f9b574316da2f8cd57",
        7_925_666,
    ),
}
