"""The records Network, Spec, LossWeights and Optimizer, made from a resolved config.

The numeric packages define these records and do not depend on configs, so the fields of configs/default.py
are mapped to the fields of the records here.
"""

import jax
from ml_collections import ConfigDict

from nst.errors import UserError
from nst.losses.regularizers import REGULARIZERS
from nst.losses.spec import Spec
from nst.losses.weights import LossWeights, WeightSettings, make_weights
from nst.networks import checkpoints
from nst.networks.checkpoints import Convention
from nst.networks.network import PREPROCESSING, Network
from nst.networks.pooling import SQUARE, resolve_gain
from nst.networks.table import ARCHITECTURES
from nst.optimizers.table import Optimizer
from nst.runs import settings


def layers(config: ConfigDict) -> tuple[str, ...]:
    """Returns every layer that a config names, for content and for style.

    Args:
      config: from `settings.resolve`.
    """
    return config.content_loss.layers + config.style_loss.layers


def make_network(config: ConfigDict, convention: Convention) -> Network:
    """Returns the Network that a config describes.

    Args:
      config: from `settings.resolve`.
      convention: the architecture, preprocessing and widths of the weights that the config names.

    Raises:
      UserError: a choice is unknown, or the gain that matches max pooling is not known for a pooling.
    """
    net = config.network
    windows = {layer.operation.sliding for layer in ARCHITECTURES[convention.architecture].layers
               if layer.kind == "pool"}  # fmt: skip
    if not net.pooling_gain and net.pooling != "max" and windows != {SQUARE}:
        raise UserError(
            "network.pooling_gain = 0: the matching gain is known for the poolings of VGG, not for those of "
            f"{convention.architecture}; give a number"
        )
    prepare = PREPROCESSING[convention.preprocessing]
    if net.input_scale:
        # input_scale is in units in which white was 255 in training, also if the network's own unit is white
        prepare = prepare._replace(scale=prepare.scale * net.input_scale / 255)
    return Network(
        architecture=convention.architecture,
        widths=convention.widths,
        preprocessing=prepare,
        pooling=net.pooling,
        pooling_p=net.pooling_p,
        pooling_mix=net.pooling_mix,
        pooling_gain=resolve_gain(net.pooling, net.pooling_gain, p=net.pooling_p, mix=net.pooling_mix),
        padding=net.padding,
        dtype=net.dtype,
        precision=_precision(config),
        convolution=_convolution(config),
        remat=net.remat,
    )


def _convolution(config: ConfigDict) -> str:
    """Returns the algorithm for the convolutions of wide layers.

    Winograd's method is chosen on a single CPU device only: accelerators choose algorithms of their own, and
    on several devices the method's tiles would cut across the rows that the devices exchange.
    """
    net = config.network
    if net.convolution != "auto":
        return net.convolution
    faster = jax.default_backend() == "cpu" and net.dtype == "float32" and config.devices == 1
    return "winograd" if faster else "direct"


def _precision(config: ConfigDict) -> str:
    """Returns the precision of products; auto is tf32 on a GPU, as in PyTorch's convolutions."""
    if config.network.precision != "auto":
        return config.network.precision
    return "tf32" if jax.default_backend() == "gpu" else "float32"


def notes(config: ConfigDict) -> list[str]:
    """Returns the lines of `settings.notes`, and a line on the choices for this device.

    Args:
      config: from `settings.resolve`.
    """
    chosen, lines = _precision(config), settings.notes(config)
    if chosen not in ("float32", config.network.precision):
        lines.append(f"network.precision: auto, {chosen} on this device")
    return lines


def make_spec(config: ConfigDict, network: Network) -> Spec:
    """Returns the Spec of the loss that a config describes.

    Args:
      config: from `settings.resolve`.
      network: from `make_network`.

    Raises:
      UserError: the choices exclude each other.
    """
    return Spec(
        network=network,
        smoothing=config.smoothing.kind,
        temperature=config.smoothing.temperature,
        content_layers=config.content_loss.layers,
        content_representation=config.content_loss.representation,
        content_normalization=config.content_loss.normalization,
        content_samples=config.content_loss.samples,
        style_layers=config.style_loss.layers,
        representation=config.style_loss.representation,
        style_normalization=config.style_loss.normalization,
        style_options=config.style_loss.options,
        style_blend=config.style_loss.blend,
        resample=config.style_loss.resample,
        regions=tuple(tuple(map(int, region.split("+"))) for region in config.guidance.styles),
        tv=config.tv.kind,
        tv_beta=config.tv.beta,
        regularizers=tuple(name for name in REGULARIZERS if config[name].weight),
        laplacian_pool=config.laplacian.pool,
        alpha_norm_power=config.alpha_norm.power,
        strip=config.strip,
    )


def read_network(config: ConfigDict) -> tuple[Convention, Spec]:
    """Returns the convention and the Spec of a config; no picture is read.

    Args:
      config: from `settings.resolve`.

    Returns:
      The convention of the config's weights, and the Spec of the loss with these weights.
    """
    weights = config.weights
    convention = checkpoints.convention(weights.name, weights.architecture, weights.preprocessing)
    return convention, make_spec(config, make_network(config, convention))


def make_problem_weights(config: ConfigDict, spec: Spec, style_count: int, long_edge: int = 1) -> LossWeights:
    """Returns the weights of the loss that a config names.

    The network's windows have a fixed number of pixels, so they cover a smaller part of a larger picture, and
    the activations of the content layers hold finer detail of the photograph. Above `content_loss.base_size`
    the weight of content therefore falls as 1 / size.

    Args:
      config: from `settings.resolve`.
      spec: from `make_spec`, for the same config.
      style_count: the number of paintings.
      long_edge: pixels of the image's longer edge; only the weight of content depends on it.

    Raises:
      UserError: the number of weights is wrong, or a weight is negative.
    """
    base = config.content_loss.base_size or long_edge
    values = WeightSettings(
        content=config.content_loss.weight * min(1.0, base / long_edge),
        style=config.style_loss.weight,
        content_layers=config.content_loss.layer_weights,
        style_layers=config.style_loss.layer_weights,
        representations=config.style_loss.representation_weights,
        styles=config.style_loss.image_weights,
        regions=config.guidance.weights,
        tv=config.tv.weight,
        regularizers={name: config[name].weight for name in REGULARIZERS},
    )
    return make_weights(spec, values, style_count)


def make_optimizer(config: ConfigDict) -> Optimizer:
    """Returns the Optimizer that a config describes.

    Args:
      config: from `settings.resolve`.
    """
    return Optimizer(**config.optimizer.to_dict())
