"""The student as a file that weights.name takes."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import safetensors.numpy

from nst.files import replacing
from nst.networks.slim import compact


def finish(params: dict, scales: Mapping[str, float], dtype=np.float16) -> dict:
    """Returns the params of the shipped network, whose maps give the teacher's activations undivided.

    Maps of conv layers are put into the compact frame (nst.networks.slim.compact), which saves space.

    Args:
      params: the student's in training.
      scales: {layer: root mean square of the teacher's activations}, by which its maps divide.
      dtype: to which everything is rounded.
    """
    result = {}
    for name, layer in params.items():
        scale = float(scales[name.removesuffix("_map")]) if name.endswith("_map") else 1.0
        kernel, bias = (np.asarray(layer[part], np.float32) * scale for part in ("kernel", "bias"))
        if name.startswith("conv") and name.endswith("_map"):
            kernel, bias = compact(kernel, bias)
        # in C order, since safetensors writes the buffer as it is
        result[name] = {"kernel": kernel.astype(dtype, order="C"), "bias": bias.astype(dtype)}
    return result


def write(
    path: Path,
    widths: Sequence[int],
    params: dict,
    scales: Mapping[str, float],
    teacher_sha256: str,
    config_digest: str,
) -> None:
    """Writes the student in float16, with its shape and its origin in the file's metadata.

    Args:
      path: the safetensors file.
      widths: the student's channels, one number for each convolution.
      params: the student's in training.
      scales: {layer: scale} of its maps.
      teacher_sha256: of the teacher's file.
      config_digest: of the config of the distillation.
    """
    arrays = {
        f"{name}/{part}": array
        for name, layer in finish(params, scales).items()
        for part, array in layer.items()
    }
    teacher = "VGG-19, Visual Geometry Group, University of Oxford, CC BY 4.0"
    metadata = {
        "widths": list(widths),
        "preprocessing": "torchvision",
        "teacher": f"{teacher}; sha256 {teacher_sha256}",
        "config": config_digest,
    }
    with replacing(path) as file:
        # one metadata entry, since safetensors writes several in an arbitrary order
        file.write(safetensors.numpy.save(arrays, {"nst": json.dumps(metadata)}))
