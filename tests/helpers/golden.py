"""Numbers of torchvision's networks on weights that a rule makes, for tests of parity without PyTorch.

`python -m tests.helpers.golden` writes tests/networks/golden/ anew; it needs torchvision (0.29.1 with torch
2.14.1 wrote what is there) and efficientnet-lite-pytorch 0.1.0. A network has a row in MODELS: a function
that returns the model, and one that names its modules by the layers of nst. The model computes in float64.
"""

import json
from functools import partial
from pathlib import Path
from zlib import crc32

import numpy as np

FOLDER = Path(__file__).parents[1] / "networks" / "golden"
SIZE = 64
_VALUES = 8  # of each layer, at positions that a rule draws
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def image():
    return np.random.default_rng(0).uniform(0, 1, (1, SIZE, SIZE, 3)).astype(np.float32)


def tensor(name, shape):
    """Returns the tensor called `name` in a file of torchvision; layers keep about the same scale."""
    rng = np.random.default_rng(crc32(name.encode()))
    if name.endswith("running_var") or (name.endswith("weight") and len(shape) == 1):
        return rng.uniform(0.5, 1.5, shape).astype(np.float32)
    scale = (2 / np.prod(shape[1:])) ** 0.5 if len(shape) > 1 else 0.1
    return rng.standard_normal(shape, np.float32) * np.float32(scale)


def places(name, shape):
    """Returns the indices, into the raveled activation HxWxC, of the values that are kept."""
    return np.random.default_rng(crc32(name.encode())).integers(0, np.prod(shape), _VALUES)


def read(architecture):
    """Returns {layer: {shape, largest, values}} of an architecture."""
    return json.loads((FOLDER / f"{architecture}.json").read_text())


# --- with torchvision


def _sequence(model):
    """AlexNet and VGG: {conv1_1 or conv1: module}; the last module of a convolution is its normalisation."""
    modules, block, index = {}, 1, 0
    is_vgg = type(model).__name__ == "VGG"
    for module in model.features:
        kind = type(module).__name__
        index += kind == "Conv2d"
        name = f"{block}_{index}" if is_vgg else f"{index}"
        if kind == "MaxPool2d":
            modules[f"pool{block if is_vgg else index}"] = module
            block, index = block + 1, 0 if is_vgg else index
        else:
            modules[f"{'relu' if kind == 'ReLU' else 'conv'}{name}"] = module
    return modules


def _squeezenet(model):
    modules, number = {"conv1": model.features[0], "relu1": model.features[1], "pool1": model.features[2]}, 2
    for module in model.features:
        if type(module).__name__ == "Fire":
            modules |= {f"fire{number}.squeeze": module.squeeze, f"fire{number}": module}
            modules[f"fire{number}.expand3x3_relu"] = module.expand3x3_activation
            number += 1
    return modules


def _resnet(model):
    modules = {"conv1": model.bn1, "relu1": model.relu, "maxpool": model.maxpool}
    for name, module in model.named_modules():
        if type(module).__name__ in ("BasicBlock", "Bottleneck"):
            modules |= {name: module, f"{name}.conv1": module.bn1, f"{name}.conv2": module.bn2}
        if name.endswith("downsample"):
            modules[name] = module
    return modules


def _thin():
    """A ResNet-50 of half the width, with the strides of a block in its first convolution."""
    import torch
    from torchvision.models import resnet

    class Thin(resnet.ResNet):
        def _make_layer(self, block, planes, blocks, stride=1, dilate=False):
            layer = super()._make_layer(block, planes // 2, blocks, stride, dilate)
            layer[0].conv1.stride, layer[0].conv2.stride = layer[0].conv2.stride, layer[0].conv1.stride
            return layer

    model = Thin(resnet.Bottleneck, [3, 4, 6, 3])
    model.maxpool = torch.nn.Sequential(torch.nn.ZeroPad2d((0, 1, 0, 1)), torch.nn.MaxPool2d(3, 2))
    model.fc = torch.nn.Identity()
    return model


def _googlenet(model):
    modules = {}
    for name, module in model.named_modules():
        if type(module).__name__ in ("BasicConv2d", "MaxPool2d", "Inception"):
            modules[name] = module
        if name.endswith(".bn") and not name.startswith(("inception4", "inception5")):
            modules[f"{name.removesuffix('.bn')}.conv"] = module
    return modules


def _mobilenet(model):
    modules = {}
    for name, module in model.named_modules():
        kind = type(module).__name__
        if kind == "Conv2dNormActivation" and name.count(".") == 1:  # the first and the last one
            modules |= {name: module, f"{name}.conv": module[1]}
        if kind == "InvertedResidual":
            *expand, depthwise = (
                part for part in module.conv if type(part).__name__ == "Conv2dNormActivation"
            )
            modules |= {f"{name}.expand": part[1] for part in expand}
            modules |= {f"{name}.depthwise": depthwise[1], f"{name}.depthwise_relu": depthwise, name: module}
            if module.use_res_connect:
                modules[f"{name}.project"] = module.conv[-1]
    return modules


def _efficientnet(model):
    modules = {"stem.conv": model._bn0, "head.conv": model._bn1}
    for index, block in enumerate(model._blocks):
        name = f"blocks.{index}"
        modules |= {name: block, f"{name}.depthwise": block._bn1}
        if block._block_args.expand_ratio > 1:
            modules[f"{name}.expand"] = block._bn0
        if (
            block._block_args.stride == 1
            and block._project_conv.out_channels == block._block_args.input_filters
        ):
            modules[f"{name}.project"] = block._bn2
    return modules


_CHANNELS_LAST = ("LayerNorm", "Linear", "GELU")  # modules of ConvNeXt's blocks


def _convnext(model):
    modules = {"features.0.conv": model.features[0][0], "features.0": model.features[0]}
    parts = {"depthwise": 0, "norm": 2, "expand": 3, "gelu": 4}
    for name, module in model.named_modules():
        if type(module).__name__ == "CNBlock":
            modules |= {name: module} | {f"{name}.{part}": module.block[at] for part, at in parts.items()}
    for stage in (2, 4, 6):
        modules |= {
            f"features.{stage}.norm": model.features[stage][0],
            f"features.{stage}": model.features[stage],
        }
    return modules


def _vit(model):
    """The modules of blocks, without those of the sums; `embedding` is the input of the first block."""
    modules = {
        "embedding": model.encoder.dropout,
        "encoder.ln": model.encoder.ln,
        "conv_proj": model.conv_proj,
    }
    for name, module in model.named_modules():
        if type(module).__name__ == "EncoderBlock":
            modules |= {name: module, f"{name}.self_attention": module.self_attention}
            modules |= {
                f"{name}.{part}": module.get_submodule(part) for part in ("ln_1", "ln_2", "mlp.0", "mlp.3")
            }
    return modules


def _resized_vit():
    """ViT-B/16 for images of SIZE, with the embeddings of 14x14 positions resized as timm does."""
    import torch

    def resize(model, _):
        model.image_size, own = SIZE, model.encoder.pos_embedding
        grid = own[:, 1:].reshape(1, 14, 14, -1).movedim(-1, 1)
        edge = SIZE // model.patch_size
        grid = torch.nn.functional.interpolate(grid, (edge, edge), mode="bicubic", antialias=True)
        own.data = torch.cat([own[:, :1], grid.movedim(1, -1).reshape(1, edge * edge, -1)], 1)

    model = _model("vit_b_16")
    model.register_forward_pre_hook(resize)
    return model


def _lite(name):
    from efficientnet_lite_pytorch import EfficientNet

    return EfficientNet.from_name(name)


def _model(name, **options):
    from torchvision import models

    return models.get_model(name, weights=None, **options)


_VGGS = [f"vgg{depth}{suffix}" for depth in (11, 13, 16, 19) for suffix in ("", "_bn")]
# architecture -> (its model, the names of its modules)
MODELS = {
    **{name: (partial(_model, name), _sequence) for name in ("alexnet", *_VGGS)},
    **{name: (partial(_model, name), _squeezenet) for name in ("squeezenet1_0", "squeezenet1_1")},
    **{name: (partial(_model, name), _resnet) for name in ("resnet18", "resnet50")},
    "resnet50_thin": (_thin, _resnet),
    "mobilenet_v2": (partial(_model, "mobilenet_v2"), _mobilenet),
    "efficientnet_lite0": (partial(_lite, "efficientnet-lite0"), _efficientnet),
    "convnext_tiny": (partial(_model, "convnext_tiny"), _convnext),
    "vit_b_16": (_resized_vit, _vit),
    "googlenet": (
        partial(_model, "googlenet", transform_input=True, aux_logits=False, init_weights=False), _googlenet,
    ),
}  # fmt: skip


def activations(architecture):
    """Returns {layer: `HxWxC` in float64} of torchvision's network with the weights of the rule."""
    import torch

    make, name_modules = MODELS[architecture]
    model = make().eval()
    weights = {name: torch.tensor(tensor(name, tuple(value.shape)))
               for name, value in model.state_dict().items() if value.dtype.is_floating_point}  # fmt: skip
    model.load_state_dict(weights, strict=False)
    found = {}

    def keep(name, module, inputs, output):
        output = output[0] if isinstance(output, tuple) else output  # of attention, without its weights
        # a copy, since a rectifier may work in place
        array = output.detach().clone()[0].numpy()
        if array.ndim == 2:  # tokens, the class's first
            edge = int(len(array) ** 0.5)
            found[name] = array[1:].reshape(edge, edge, -1)
        else:
            is_last = architecture == "convnext_tiny" and type(module).__name__ in _CHANNELS_LAST
            found[name] = array if is_last else np.moveaxis(array, 0, -1)

    for name, module in name_modules(model).items():
        module.register_forward_hook(partial(keep, name))
    with torch.no_grad():
        x = (image().astype(np.float64) - _MEAN) / _STD
        model.double()(torch.tensor(x).movedim(-1, 1))
    return found


def main():
    FOLDER.mkdir(exist_ok=True)
    for architecture in MODELS:
        found = {}
        for name, array in activations(architecture).items():
            values = array.ravel()[places(name, array.shape)]
            found[name] = {"shape": list(array.shape), "largest": float(f"{np.abs(array).max():.7g}"),
                           "values": [float(f"{value:.7g}") for value in values]}  # fmt: skip
        lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in found.items())
        (FOLDER / f"{architecture}.json").write_text(f"{{\n{lines}\n}}\n")
        print(architecture, len(found), "layers")


if __name__ == "__main__":
    main()
