"""AlexNet as torchvision has it (Krizhevsky 2014, *One weird trick for parallelizing CNNs*)."""

from nst.networks.layers import connect
from nst.networks.operations import conv, pool, relu, sliding

STYLE = ("relu1", "relu2", "relu3", "relu4", "relu5")

LAYERS = connect([
    conv("conv1", 64, sliding(11, 4, 2), file="features.0"),
    relu("relu1"),
    pool("pool1", sliding(3, 2)),
    conv("conv2", 192, sliding(5, pad=2), file="features.3"),
    relu("relu2"),
    pool("pool2", sliding(3, 2)),
    conv("conv3", 384, sliding(3, pad=1), file="features.6"),
    relu("relu3"),
    conv("conv4", 256, sliding(3, pad=1), file="features.8"),
    relu("relu4"),
    conv("conv5", 256, sliding(3, pad=1), file="features.10"),
    relu("relu5"),
    pool("pool5", sliding(3, 2)),
])  # fmt: skip
