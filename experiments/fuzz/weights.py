"""Hostile files of weights: sound small ones, damaged; and files written to do harm."""

import functools
import io
import json
import os
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import safetensors.numpy

from experiments.fuzz import archives, hdf5, pickles, places
from experiments.fuzz.cases import Case, Wrong, check, damage, pick
from nst.networks import checkpoints
from nst.networks.table import ARCHITECTURES

_LAYERS = ("relu1_1", "relu1_2")


def make(rng: np.random.Generator, number: int, folder: Path, shared: Path) -> Case:
    """Makes a case: a file of weights, or what stands in its place.

    Args:
      rng: of this case.
      number: of this case; cases with consecutive numbers are of different sorts.
      folder: an empty folder for the file.
      shared: of all cases; not used.
    """
    names, layer = sorted(_SORTS), pick(rng, _LAYERS)
    name = names[number % len(names)]
    os.chdir(folder)  # where a command of a hostile file would leave its file
    label, path, must_be_refused = _SORTS[name](rng, folder, layer)
    load = functools.partial(_load, rng, path, layer)
    return Case(
        f"{name}: {label}, {path.name}", functools.partial(_refused, load) if must_be_refused else load
    )


def _load(rng: np.random.Generator, path: Path, layer: str) -> None:
    """Loads the weights as a run does, and checks what is promised of them."""
    name = str(path)
    if rng.random() < 0.1:  # under the name of a published file, where any file of the format is taken
        official = {".pth": "vgg19_torchvision", ".h5": "vgg19"}.get(path.suffix, "vgg19")
        if path.exists() and path.suffix in (".pth", ".h5"):
            path = path.rename(path.with_name(Path(checkpoints.CHECKPOINTS[official].url).name))
            os.environ["NST_WEIGHTS_DIR"], name = str(path.parent), official
    try:
        convention = checkpoints.convention(name, "vgg19", pick(rng, ("", "caffe", "torchvision")))
        loaded = checkpoints.load(name, convention.architecture, (layer,))
    finally:
        check(not (path.parent / "ran").exists() and not Path("ran").exists(), "code of the file was run")
    shapes = ARCHITECTURES["vgg19"].parameter_shapes(convention.widths, (layer,))
    check(loaded.params.keys() == shapes.keys(), f"parameters {sorted(loaded.params)}")
    for parameter, parts in shapes.items():
        for part, shape in parts.items():
            array = loaded.params[parameter][part]
            check(
                array.shape == shape and array.dtype == np.float32, f"{parameter} {array.shape} {array.dtype}"
            )
            check(bool(np.isfinite(array).all()), f"{parameter} is not finite")


def _refused(load: Callable[[], None]) -> None:
    load()
    raise Wrong("accepted, and should have been refused")


# --- sound files


def arrays(rng: np.random.Generator, layer: str, suffix: str) -> dict[str, np.ndarray]:
    """Returns random parameters under the names of published files.

    Args:
      rng: the source of randomness.
      layer: the deepest that is needed.
      suffix: of the file, which decides the names and the layout.
    """
    made = {}
    files = ARCHITECTURES["vgg19"].file_names
    part = "weight" if suffix == ".pth" else "kernel"
    for name, shapes in ARCHITECTURES["vgg19"].parameter_shapes((), (layer,)).items():
        kernel, bias = (rng.standard_normal(shape).astype(np.float32) for shape in shapes.values())
        if part == "weight":
            kernel = np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))
        for key, array in (((name, part), kernel), ((name, "bias"), bias)):
            stored = [file for file, target in files.items() if target == key]
            made[pick(rng, stored)] = array
    return made


def sound(rng: np.random.Generator, made: dict[str, np.ndarray], suffix: str) -> bytes:
    """Returns a sound file with these parameters.

    Args:
      rng: chooses among the layouts of a format.
      made: from `arrays`.
      suffix: of the file.
    """
    if suffix == ".pth":
        return pickles.sound(made, bool(rng.integers(2)))
    if suffix == ".safetensors":
        return safetensors.numpy.save(made, {"format": "np"})
    if suffix == ".h5":
        return hdf5.sound(made)
    buffer = io.BytesIO()
    (np.savez_compressed if rng.integers(2) else np.savez)(buffer, **made)
    return buffer.getvalue()


def _write(folder: Path, suffix: str, data: bytes) -> Path:
    path = folder / f"weights{suffix}"
    path.write_bytes(data)
    return path


def _damaged(rng, folder, layer):
    suffix = pick(rng, sorted(checkpoints.SUFFIXES))
    data, done = sound(rng, arrays(rng, layer, suffix), suffix), "as it was"
    if rng.random() < 0.9:
        done, data = damage(rng, data)
    if rng.random() < 0.1:
        suffix = pick(rng, sorted(checkpoints.SUFFIXES))
    return done, _write(folder, suffix, data), False


def _values(rng, folder, layer):
    """A sound file with parameters of odd values, types or shapes, or without one of them."""
    suffix = pick(rng, (".safetensors", ".npz"))
    made = arrays(rng, layer, suffix)
    name = pick(rng, sorted(made))
    with np.errstate(all="ignore"):
        odd = (made[name] * pick(rng, (0, np.nan, np.inf, 1e39, 1e30))).astype(
            pick(rng, ("f8", "f4", "f2", "i4"))
        )
    changes = (odd, odd[..., :1], odd.T, np.zeros((0, 3)), np.float32(1), np.zeros((3,) * 20, "?")[:0], None)
    change = pick(rng, range(len(changes)))
    made = {key: changes[change] if key == name else array for key, array in made.items()}
    made = {key: np.ascontiguousarray(array) for key, array in made.items() if array is not None}
    buffer = io.BytesIO()
    np.savez(buffer, **made)
    data = buffer.getvalue() if suffix == ".npz" else safetensors.numpy.save(made)
    return f"change {change} of {name}", _write(folder, suffix, data), False


# --- .pth


def _pickle(rng, folder, layer):
    label, data = pickles.hostile(rng, (64, 3, 3, 3))
    return label, _write(folder, ".pth", data), True


def _archive(rng, folder, layer):
    label, suffix, data, must_be_refused = archives.make(rng)
    return label, _write(folder, suffix, data), must_be_refused


# --- .safetensors


def _header(rng, folder, layer):
    """A header of JSON that states other places, types and shapes than there are."""
    made = arrays(rng, layer, ".safetensors")
    header, place = {}, 0
    for name, array in made.items():
        header[name] = {"dtype": "F32", "shape": array.shape, "data_offsets": [place, place + array.nbytes]}
        place += array.nbytes
    changed = header[pick(rng, sorted(header))]
    changed[pick(rng, ("dtype", "shape", "data_offsets", "more"))] = _json(rng)
    text = json.dumps(header).encode()
    text = pick(
        rng, (text, text, text, b"[" * 10**6, b'{"a":' * 10**5, text + b" " * 10**6, b"{}", b"null", b"\xff")
    )
    length = pick(rng, (len(text), len(text), 0, 2**62, 10**8 - 1, len(text) - 1))
    return (
        text[:60].decode(errors="replace"),
        _write(folder, ".safetensors", struct.pack("<Q", length) + text + bytes(place)),
        False,
    )


def _metadata(rng, folder, layer):
    """What experiments/distill writes about a slim network, and what else could stand there."""
    made, stated = arrays(rng, layer, ".safetensors"), {"widths": _json(rng), "preprocessing": _json(rng)}
    if rng.random() < 0.4:
        stated = {"widths": [8, 8], "preprocessing": _json(rng)}
    text = pick(
        rng, (json.dumps(stated), json.dumps(stated), "[" * 10**5, "", "NaN", '{"widths": 1e999}', "9" * 5000)
    )
    return text[:80], _write(folder, ".safetensors", safetensors.numpy.save(made, {"nst": text})), False


def _json(rng):
    """A value of JSON that is rarely the right one."""
    values = (
        *(
            None,
            True,
            0,
            -1,
            2**70,
            1.5,
            "F32",
            "F64",
            "BF16",
            "I64",
            "caffe",
            "torchvision",
            "x" * 999,
            [],
            {},
        ),
        *(
            [0],
            [64],
            [0, 0],
            [-1, 4],
            [2**62, 2**62],
            [1e400],
            [None],
            [[]],
            ["64"],
            [8] * 999,
            [2**31],
            [True],
        ),
        *([3, 3, 3, 64], {"a": 1}, [0, 2**63], [10, 5], [10**9], [8, 8, 8, 8]),
    )
    return pick(rng, values)


# --- .h5, and what is no file


def _hdf5(rng, folder, layer):
    label, must_be_refused = hdf5.hostile(rng, folder / "weights.h5")
    return label, folder / "weights.h5", must_be_refused


def _place(rng, folder, layer):
    suffix = pick(rng, (*sorted(checkpoints.SUFFIXES), "", ".bin", ".pt", ".PTH"))
    return *places.make(rng, folder, f"weights{suffix}"), True


_SORTS = {
    "damaged": _damaged,
    "damaged again": _damaged,
    "damaged once more": _damaged,
    "hdf5": _hdf5,
    "metadata": _metadata,
    "archive": _archive,
    "archive again": _archive,
    "pickle": _pickle,
    "pickle again": _pickle,
    "place": _place,
    "safetensors": _header,
    "values": _values,
}
