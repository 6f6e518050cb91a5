"""Weights: every layout against the arrays it was written from, hostile files, searching and downloading."""

import collections
import contextlib
import hashlib
import io
import math
import os
import pickle
import socket
import sys
import tempfile
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import h5py
import numpy as np
import pytest

from nst import files
from nst.errors import UserError
from nst.networks import checkpoints, formats, table
from nst.networks.published import Checkpoint
from tests.helpers.narrow import narrow as narrow_vgg
from tests.helpers.weight_files import (
    CONVS,
    LAYERS,
    LAYOUTS,
    SHAPES,
    TORCHVISION,
    WRITERS,
    Call,
    Global,
    New,
    Reference,
    gatys_names,
    make_params,
    old_tensor,
    our_names,
    pickled,
    read_torch,
    storage,
    tensor,
    torch_names,
    write_h5,
    write_legacy,
    write_pth,
)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch, tmp_path):
    """No folder, mirror or proxy of whoever runs the tests; downloads go below tmp_path."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.startswith("NST_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("NST_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(urllib.request, "_opener", None)  # it remembers the proxies of its first use


def fails(*parts):
    """pytest.raises for a UserError of one line that holds every part."""

    class Raises:
        def __enter__(self):
            self.context = pytest.raises(UserError)
            self.info = self.context.__enter__()

        def __exit__(self, *exception):
            result = self.context.__exit__(*exception)
            message = str(self.info.value)
            assert "\n" not in message
            for part in parts:
                assert str(part) in message
            return result

    return Raises()


layouts = pytest.mark.parametrize("layout", LAYOUTS)
every_layout = pytest.mark.parametrize("file_name", WRITERS)


def assert_same(params, expected):
    assert list(params) == list(expected)
    for conv, arrays in expected.items():
        assert set(params[conv]) == {"kernel", "bias"}
        for part, array in arrays.items():
            assert params[conv][part].dtype == np.float32
            assert params[conv][part].flags.c_contiguous
            np.testing.assert_array_equal(params[conv][part], array)


# --- convention


def test_convention():
    """(architecture, preprocessing, widths), the last for slim networks only."""
    assert checkpoints.convention("vgg19", "vgg16", "") == ("vgg19", "caffe", ())
    assert checkpoints.convention("vgg16", "vgg19", "") == ("vgg16", "caffe", ())
    assert checkpoints.convention("vgg16_torchvision", "vgg19", "") == ("vgg16", "torchvision", ())
    assert checkpoints.convention("vgg19", "vgg19", "torchvision") == ("vgg19", "torchvision", ())
    assert checkpoints.convention("random", "vgg16", "") == ("vgg16", "torchvision", ())
    assert checkpoints.convention("a/b.h5", "vgg16", "") == ("vgg16", "caffe", ())
    assert checkpoints.convention("a/b.h5", "vgg19", "torchvision") == ("vgg19", "torchvision", ())
    assert checkpoints.convention("a/b.pth", "vgg19", "") == ("vgg19", "torchvision", ())
    assert checkpoints.convention("b.npz", "vgg19", "caffe") == ("vgg19", "caffe", ())


@pytest.mark.parametrize("path", ["b.npz", "b.safetensors"])
def test_convention_of_a_path_that_does_not_tell(path):
    with fails("weights.name", path, "weights.preprocessing"):
        checkpoints.convention(path, "vgg19", "")


def test_convention_refuses():
    with fails("weights.name", "'nothing'", "nst networks lists", ".safetensors"):
        checkpoints.convention("nothing", "vgg19", "")
    with fails("weights.name", "'vgg91'", "did you mean 'vgg19'?"):
        checkpoints.convention("vgg91", "vgg19", "")
    with fails("weights.name", "weights.ckpt", "a file ends in .h5"):
        checkpoints.convention("weights.ckpt", "vgg19", "caffe")
    with fails("weights.architecture", "'nothing'", "vgg16"):
        checkpoints.convention("vgg19", "nothing", "")
    with fails("weights.preprocessing", "'cafe'", "did you mean 'caffe'"):
        checkpoints.convention("vgg19", "vgg19", "cafe")


def test_official_files():
    """The names and hashes that Keras' and torchvision's sources hold, of the latter the first digits."""
    published = {
        "vgg19": (
            "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5",
            "md5:253f8cb515780f3b799900260a226db6",
        ),
        "vgg16": (
            "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
            "md5:6d6bbae143d832006294945121d1f1fc",
        ),
        "vgg19_torchvision": (
            "vgg19-dcbb9e9d.pth",
            "sha256:dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44",
        ),
        "vgg16_torchvision": (
            "vgg16-397923af.pth",
            "sha256:397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        ),
        "alexnet": (
            "alexnet-owt-7be5be79.pth",
            "sha256:7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
        ),
    }
    # bytes of torchvision's classifiers
    classifiers = {"vgg19_torchvision": 494e6, "vgg16_torchvision": 494e6, "alexnet": 234.5e6}
    downloads = {name: entry for name, entry in checkpoints.CHECKPOINTS.items() if "://" in entry.url}
    whole = {name: entry for name, entry in downloads.items() if not entry.slack}
    assert {name: (Path(entry.url).name, entry.hash) for name, entry in whole.items()} == published
    assert set(checkpoints.CHECKPOINTS) - set(downloads) == {"vgg19_slim"}
    for name, entry in whole.items():
        algorithm, digits = entry.hash.split(":")
        assert len(digits) == {"md5": 32, "sha256": 64}[algorithm]
        network = table.ARCHITECTURES[entry.architecture]
        shapes = network.parameter_shapes((), ("pool5",)).values()
        kernels = 4 * sum(math.prod(shape) for parts in shapes for shape in parts.values())
        assert entry.size == pytest.approx(kernels + classifiers.get(name, 0), rel=2e-3), name


# parameters of torchvision's networks, of which each of the files has 4 bytes
TORCHVISION_PARAMETERS = {
    "vgg11": 132_863_336, "vgg13": 133_047_848, "vgg11_bn": 132_868_840, "vgg13_bn": 133_053_736,
    "vgg16_bn": 138_365_992, "vgg19_bn": 143_678_248, "squeezenet1_0": 1_248_424,
    "squeezenet1_1": 1_235_496, "resnet18": 11_689_512, "resnet50": 25_557_032,
    "mobilenet_v2": 3_504_872 + 34_112,  # with its statistics, which are many beside so few parameters
    "convnext_tiny": 28_589_128, "vit_b_16": 86_567_656,
}  # fmt: skip


def test_official_files_of_which_only_the_first_digits_are_published():
    """Eight digits in the name of the file; the size is that of the parameters, the index and statistics."""
    short = {name: entry for name, entry in checkpoints.CHECKPOINTS.items() if entry.slack}
    assert set(short) == {*TORCHVISION_PARAMETERS, "googlenet"}  # which has classifiers that are not counted
    for name, entry in short.items():
        assert entry.architecture == name and entry.preprocessing == "torchvision" and entry.slack < 600
        stem, _, digits = Path(entry.url).stem.rpartition("-")
        assert entry.hash == f"sha256:{digits}" and len(digits) == 8 and int(digits, 16)
        assert stem.removesuffix("-owt") == name
        if name != "googlenet":
            count = 4 * TORCHVISION_PARAMETERS[name]
            assert count < entry.size < 1.005 * count + 40_000


# --- reading


@every_layout
def test_layouts_give_the_source_arrays(file_name, tmp_path):
    params = make_params()
    WRITERS[file_name](tmp_path / file_name, params)
    assert_same(formats.read(tmp_path / file_name, "vgg19", LAYERS), params)


@pytest.mark.parametrize("architecture", TORCHVISION)
@pytest.mark.parametrize("kind", ["torchvision", "gatys", "keras"])
def test_whole_network(architecture, kind, tmp_path, monkeypatch):
    """Every convolution from its published name; narrow, to keep the files small."""
    widths = (2, 3, 4, 5, 6)
    narrow_vgg(monkeypatch, widths, architecture)
    shapes, inputs = {}, 3
    for conv in CONVS[architecture]:
        shapes[f"conv{conv}"] = (3, 3, inputs, inputs := widths[int(conv[0]) - 1])
    params = make_params(shapes)
    positions = dict(zip(shapes, TORCHVISION[architecture], strict=True))
    if kind == "torchvision":
        arrays = torch_names(params, lambda conv: f"features.{positions[conv]}")
        arrays["classifier.0.weight"] = np.ones((4, 4), np.float32)
        write_pth(path := tmp_path / "w.pth", arrays, "legacy")
    elif kind == "gatys":
        write_pth(path := tmp_path / "w.pth", gatys_names(params), "zip")
    else:
        write_h5(path := tmp_path / "w.h5", params)
    assert_same(formats.read(path, architecture, ("pool5",)), params)


def test_only_what_is_needed_is_read(tmp_path):
    params = make_params()
    write_h5(path := tmp_path / "w.h5", params)
    assert list(formats.read(path, "vgg19", ("relu1_1", "conv1_2"))) == ["conv1_1", "conv1_2"]
    assert formats.read(path, "vgg19", ()) == {}


def test_other_float_types_become_float32(tmp_path):
    params = make_params()
    half = {conv: {part: array.astype(np.float16) for part, array in p.items()} for conv, p in params.items()}
    expected = {
        conv: {part: array.astype(np.float32) for part, array in p.items()} for conv, p in half.items()
    }
    np.savez(tmp_path / "w.npz", **our_names(half))
    assert_same(formats.read(tmp_path / "w.npz", "vgg19", LAYERS), expected)
    write_pth(tmp_path / "w.pth", torch_names(half), "legacy")
    assert_same(formats.read(tmp_path / "w.pth", "vgg19", LAYERS), expected)


def test_load_names_the_file_and_its_hash(tmp_path):
    params = make_params()
    write_h5(path := tmp_path / "w.h5", params)
    loaded = checkpoints.load(str(path), "vgg19", LAYERS)
    assert_same(loaded.params, params)
    assert loaded.path == path
    assert loaded.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@every_layout
def test_missing_layer(file_name, tmp_path):
    params = make_params()
    del params["conv1_2"]
    WRITERS[file_name](path := tmp_path / file_name, params)
    with fails(path, "conv1_2", "vgg16"):
        formats.read(path, "vgg16", LAYERS)


def test_missing_bias(tmp_path):
    arrays = our_names(make_params())
    del arrays["conv2_1/bias"]
    np.savez(path := tmp_path / "w.npz", **arrays)
    with fails(path, "no bias of conv2_1"):
        formats.read(path, "vgg19", LAYERS)


@every_layout
def test_wrong_shape(file_name, tmp_path):
    params = make_params()
    params["conv1_2"]["kernel"] = np.ones((3, 3, 64, 63), np.float32)
    WRITERS[file_name](path := tmp_path / file_name, params)
    with fails(path, "conv1_2", "shape", "63"):
        formats.read(path, "vgg19", LAYERS)


def test_wrong_rank(tmp_path):
    arrays = torch_names(make_params()) | {"features.2.weight": np.ones(7, np.float32)}
    write_pth(path := tmp_path / "w.pth", arrays, "zip")
    with fails(path, "weight of conv1_2", "(7,)"):
        formats.read(path, "vgg19", LAYERS)


@every_layout
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite(file_name, value, tmp_path):
    params = make_params()
    params["conv2_1"]["bias"][5] = value
    WRITERS[file_name](path := tmp_path / file_name, params)
    with fails(path, "bias of conv2_1", "not finite"):
        formats.read(path, "vgg19", LAYERS)
    formats.read(path, "vgg19", ("relu1_2",))  # deeper layers do not matter


def test_values_beyond_float32(tmp_path):
    params = make_params()
    params["conv1_1"]["kernel"] = np.full((3, 3, 3, 64), 1e300)
    np.savez(path := tmp_path / "w.npz", **our_names(params))
    with fails(path, "kernel of conv1_1", "not finite"):
        formats.read(path, "vgg19", LAYERS)


@pytest.mark.parametrize("dtype", [np.int32, "S4", bool])
def test_arrays_that_are_not_floats(dtype, tmp_path):
    params = make_params()
    params["conv1_1"]["bias"] = np.zeros(64, dtype)
    np.savez(path := tmp_path / "w.npz", **our_names(params))
    with fails(path, "bias of conv1_1", "type"):
        formats.read(path, "vgg19", LAYERS)


def test_objects_in_npz_are_not_unpickled(tmp_path):
    class Boom:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    arrays = our_names(make_params()) | {"conv1_1/bias": np.array([Boom()], dtype=object)}
    np.savez(path := tmp_path / "w.npz", **arrays)
    with fails(path):
        formats.read(path, "vgg19", LAYERS)
    assert not (tmp_path / "ran").exists()


def test_empty_dataset(tmp_path):
    write_h5(path := tmp_path / "w.h5", make_params())
    with h5py.File(path, "a") as file:
        del file["block1_conv2/block1_conv2_b_1:0"]
        file["block1_conv2/block1_conv2_b_1:0"] = h5py.Empty("f")
    with fails(path, "bias of conv1_2"):
        formats.read(path, "vgg19", LAYERS)


@every_layout
def test_truncated(file_name, tmp_path):
    WRITERS[file_name](path := tmp_path / file_name, make_params())
    whole = path.read_bytes()
    for length in (0, 1, 7, 100, len(whole) // 2, len(whole) - 500):
        path.write_bytes(whole[:length])
        with fails(path):
            formats.read(path, "vgg19", LAYERS)


@pytest.mark.parametrize("suffix", checkpoints.SUFFIXES)
@pytest.mark.parametrize(
    "text", ["404: Not Found\n", "<!DOCTYPE html>\n<html>\n", "version https://git-lfs\n"]
)
def test_text_under_a_wrong_name(suffix, text, tmp_path):
    path = tmp_path / f"page{suffix}"
    path.write_text(text)
    with fails(path):
        formats.read(path, "vgg19", LAYERS)


def test_folder_under_a_file_name(tmp_path):
    (tmp_path / "w.h5").mkdir()
    with fails("weights.name", tmp_path / "w.h5", "is not a file"):
        checkpoints.load(str(tmp_path / "w.h5"), "vgg19", LAYERS)


# --- .pth


@layouts
def test_views_of_storages(layout, tmp_path):
    """Strides, offsets, sharing and precisions, against numpy's own views of the same arrays."""
    rng = np.random.default_rng(0)
    floats = rng.normal(size=60).astype("<f4")
    halves = rng.normal(size=12).astype("<f2")
    doubles = rng.normal(size=5)
    longs = np.array([123], "<i8")
    flats = {"10": floats, "11": halves, "12": doubles, "13": longs}
    refs = {key: storage(key, flat, layout == "legacy") for key, flat in flats.items()}
    state = {
        "whole": tensor(refs["10"], 0, (3, 4, 5), (20, 5, 1)),
        "transposed": tensor(refs["10"], 0, (5, 4, 3), (1, 5, 20)),
        "slice": tensor(refs["10"], 21, (2, 3), (20, 2)),
        "expanded": tensor(refs["10"], 59, (1, 1), (0, 0)),
        "old": old_tensor(refs["10"], 7, (3,), (1,)),
        "half": tensor(refs["11"], 0, (12,), (1,)),
        "double": tensor(refs["12"], 1, (4,), (1,)),
        "scalar": tensor(refs["13"], 0, (), ()),
        "empty": tensor(refs["12"], 0, (0, 3), (3, 1)),
        "epoch": 3,
    }
    cube = floats.reshape(3, 4, 5)
    expected = {
        "whole": cube,
        "transposed": cube.T,
        "slice": np.array([[floats[21 + 20 * i + 2 * j] for j in range(3)] for i in range(2)]),
        "expanded": floats[59:].reshape(1, 1),
        "old": floats[7:10],
        "half": halves,
        "double": doubles[1:],
        "scalar": np.array(123),
        "empty": np.zeros((0, 3)),
    }
    LAYOUTS[layout](path := tmp_path / "w.pth", state, flats)
    found = read_torch(path)
    assert list(found) == list(expected)
    for name, array in expected.items():
        assert found[name].dtype == array.dtype, name
        np.testing.assert_array_equal(found[name], array, strict=True)


PARAMETER = Global("torch.nn.parameter", "Parameter")
PARAMETERS = {
    "rebuilt": lambda made: Call(
        Global("torch._utils", "_rebuild_parameter"), made, True, collections.OrderedDict()
    ),
    "called": lambda made: Call(PARAMETER, made, True),
    "called_with_state": lambda made: Call(PARAMETER, made, state=(True, False, {})),  # 2017
    "new_with_state": lambda made: New(PARAMETER, made, state=(True, False, {})),
    "oldest": lambda made: New(PARAMETER, state=(made, None, {}, True, False)),  # 2016
}


@layouts
@pytest.mark.parametrize("kind", PARAMETERS)
def test_parameters(layout, kind, tmp_path):
    params = make_params()
    write_pth(path := tmp_path / "w.pth", torch_names(params), layout, parameter=PARAMETERS[kind])
    assert_same(formats.read(path, "vgg19", LAYERS), params)


@layouts
def test_wrapped_state_dict(layout, tmp_path):
    """Beside it other things, one of them a tensor that is not read."""
    params = make_params()
    other = storage("0", np.zeros(1, "<f4"), layout == "legacy")

    def wrap(state):
        momentum = tensor(other, 0, (1,), (1,))
        return {"epoch": 3, "optimizer": {"state": [momentum, {"lr": 0.1}]}, "state_dict": state}

    write_pth(path := tmp_path / "w.pth", torch_names(params), layout, wrap)
    assert_same(formats.read(path, "vgg19", LAYERS), params)


def test_legacy_storage_of_tensors_that_are_not_read(tmp_path):
    first, second = np.arange(3, dtype="<f8"), np.arange(4, dtype="<f4")
    item = {
        "optimizer": [tensor(storage("1", first, True), 0, (3,), (1,))],
        "state_dict": {"x": tensor(storage("2", second, True), 0, (4,), (1,))},
    }
    write_legacy(path := tmp_path / "w.pth", item, {"1": first, "2": second})
    np.testing.assert_array_equal(read_torch(path)["x"], second)


def test_module_metadata(tmp_path):
    """The attribute that torch sets on the ordered dictionary of a state dict."""

    def wrap(state):
        state._metadata = collections.OrderedDict({"": {"version": 1}})
        return state

    params = make_params()
    write_pth(path := tmp_path / "w.pth", torch_names(params), "zip", wrap)
    assert_same(formats.read(path, "vgg19", LAYERS), params)


@layouts
def test_files_of_torch_itself(layout, tmp_path):
    torch = pytest.importorskip("torch")
    params = make_params()
    base = torch.arange(24.0).reshape(4, 6)
    state = {name: torch.from_numpy(array) for name, array in torch_names(params).items()}
    state |= {"view": base[1:, ::2].T, "shared": base, "half": base.half(), "p": torch.nn.Parameter(base)}
    zipped = layout == "zip"
    torch.save({"state_dict": state}, path := tmp_path / "w.pth", _use_new_zipfile_serialization=zipped)
    assert_same(formats.read(path, "vgg19", LAYERS), params)
    found = read_torch(path)
    assert found.keys() == state.keys()
    for name, value in state.items():
        np.testing.assert_array_equal(found[name], value.detach().numpy(), strict=True)


HOSTILE = {
    "os.system": lambda mark: Call(Global("os", "system"), f"touch {mark}"),
    "posix.mkdir": lambda mark: Call(Global("posix", "mkdir"), mark),
    "builtins.eval": lambda mark: Call(Global("builtins", "eval"), f"open({mark!r}, 'w')"),
    "__builtin__.eval": lambda mark: Call(Global("__builtin__", "eval"), f"open({mark!r}, 'w')"),
    "builtins.getattr": lambda mark: Call(Global("builtins", "getattr"), {}, "get"),
    "torch.nn.Module": lambda mark: Call(Global("torch.nn", "Module")),
    "torch.os.system": lambda mark: Call(Global("torch", "os.system"), f"touch {mark}"),
    "torch.load": lambda mark: Call(Global("torch", "load"), mark),
    "collections.namedtuple": lambda mark: Call(Global("collections", "namedtuple"), "X", "x"),
    "nst.networks.torchfile._Storage": lambda mark: Call(
        Global("nst.networks.torchfile", "_Storage"), "0", "O"
    ),
}


@layouts
@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("place", ["value", "argument", "nested", "header"])
def test_pickles_that_name_anything_else(layout, name, place, tmp_path):
    hostile = HOSTILE[name](str(tmp_path / "ran"))
    path = tmp_path / "w.pth"
    if place == "header":
        path.write_bytes(pickled(hostile))
    else:
        item = {
            "value": {"x": hostile},
            "argument": {"x": tensor(hostile, 0, (1,), (1,))},
            "nested": {"state_dict": {"x": {"y": [(hostile,)]}}},
        }[place]
        LAYOUTS[layout](path, item, {})
    with fails(path, "refused", name):
        read_torch(path)
    assert not (tmp_path / "ran").exists()


def test_a_refused_name_cannot_break_the_line(tmp_path):
    pickle_of_two_lines = b"\x80\x04\x8c\x05os\n\x1b[\x8c\x06system\x93."
    (tmp_path / "w.pth").write_bytes(pickle_of_two_lines)
    with fails("refused", r"os\n\x1b[.system"):
        read_torch(tmp_path / "w.pth")


FLOAT = Global("torch", "FloatStorage")
REFERENCES = {
    "another kind": Reference("module", FLOAT, "0", "cpu", 4),
    "another storage": Reference("storage", "ObjectStorage", "0", "cpu", 4),
    "a list for a storage": Reference("storage", [], "0", "cpu", 4),
    "a view of a storage": Reference("storage", FLOAT, "0", "cpu", 4, ("0", 2, 2)),
    "too short": Reference("storage", FLOAT),
    "another key": Reference("storage", FLOAT, "9", "cpu", 4),
    "a path for a key": Reference("storage", FLOAT, "../version", "cpu", 4),
}


@layouts
@pytest.mark.parametrize("kind", REFERENCES)
def test_hostile_references(layout, kind, tmp_path):
    item = {"x": tensor(REFERENCES[kind], 0, (4,), (1,))}
    LAYOUTS[layout](path := tmp_path / "w.pth", item, {"0": np.zeros(4, "<f4")})
    with fails(path):
        read_torch(path)


BEYOND = {
    "shape": (0, (5,), (1,)),
    "offset": (1, (4,), (1,)),
    "offset of a scalar": (4, (), ()),
    "stride": (0, (2, 2), (3, 1)),
    "negative stride": (3, (4,), (-1,)),
    "negative offset": (-1, (4,), (1,)),
    "negative size": (0, (-4,), (1,)),
    "two negative sizes": (0, (-2, -2), (2, 1)),
    "negative and long": (0, (1000, -5), (1, 10**6)),
    "overflow": (0, (5,), (2**60,)),  # in bytes 4 * 2**62: zero in numpy's arithmetic
    "overflow of 2": (0, (2**62, 2), (4, 2**62)),
    "huge": (0, (2**80,), (2**80,)),
    "huge and empty": (2**70, (0, 2**70), (2**70, 1)),
    "fewer strides": (0, (2, 2), (1,)),
    "float": (0.0, (4,), (1,)),
    "nan": (float("nan"), (4,), (1,)),
    "nan stride": (0, (4,), (float("nan"),)),
    "string": (0, "44", "11"),
    "none": (None, None, None),
}


@layouts
@pytest.mark.parametrize("kind", BEYOND)
def test_tensors_beyond_their_storage(layout, kind, tmp_path):
    flat = np.zeros(4, "<f4")
    item = {"x": tensor(storage("0", flat, layout == "legacy"), *BEYOND[kind])}
    LAYOUTS[layout](path := tmp_path / "w.pth", item, {"0": flat})
    with fails(path):
        read_torch(path)


@layouts
@pytest.mark.parametrize(
    "forged",
    [
        ("0", "O"),
        "0",
        None,
        Call(Global("collections", "OrderedDict"), state={"key": "0", "dtype": "<f4"}),
        Call(Global("collections", "OrderedDict"), state={"key": "0", "dtype": "O"}),
    ],
    ids=["tuple", "string", "none", "object", "object of objects"],
)
def test_forged_storages(layout, forged, tmp_path):
    flat = np.zeros(4, "<f4")
    real = tensor(storage("0", flat, layout == "legacy"), 0, (4,), (1,))
    item = {"real": real, "x": tensor(forged, 0, (1,), (1,))}
    LAYOUTS[layout](path := tmp_path / "w.pth", item, {"0": flat})
    with fails(path):
        read_torch(path)


@layouts
@pytest.mark.parametrize("item", [[1, 2], None, 7, "text", {"state_dict": [1]}, ({},)], ids=repr)
def test_not_a_state_dict(layout, item, tmp_path):
    LAYOUTS[layout](path := tmp_path / "w.pth", item, {})
    with fails(path):
        read_torch(path)


def test_pickle_of_a_list(tmp_path):
    (tmp_path / "w.pth").write_bytes(pickle.dumps([1, 2, 3]))
    with fails(tmp_path / "w.pth"):
        read_torch(tmp_path / "w.pth")


def test_zip_without_a_pickle(tmp_path):
    np.savez(tmp_path / "w.npz", x=1)
    (tmp_path / "w.npz").rename(tmp_path / "w.pth")
    with fails(tmp_path / "w.pth"):
        read_torch(tmp_path / "w.pth")


@layouts
def test_every_truncation(layout, tmp_path):
    flats = {"0": np.ones(4, "<f4"), "1": np.ones(2, "<f4")}
    item = {
        key: tensor(storage(key, flat, layout == "legacy"), 0, flat.shape, (1,))
        for key, flat in flats.items()
    }
    LAYOUTS[layout](path := tmp_path / "w.pth", item, flats)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with fails(path):
            read_torch(path)


def test_bits_that_flipped_in_a_zip(tmp_path):
    write_pth(path := tmp_path / "w.pth", {"x": np.ones(1000, np.float32)}, "zip")
    whole = bytearray(path.read_bytes())
    whole[whole.index(np.ones(10, "<f4").tobytes()) + 8] ^= 1
    path.write_bytes(whole)
    with fails(path):
        read_torch(path)


# --- random weights


def test_random_weights_are_reproducible():
    first, again, other = (checkpoints.load("random", "vgg19", LAYERS, seed) for seed in (3, 3, 4))
    assert_same(again.params, first.params)
    assert first[1:] == (None, "", "")
    for conv in SHAPES:
        assert first.params[conv]["kernel"].shape == SHAPES[conv]
        assert not first.params[conv]["bias"].any()
        assert not np.array_equal(first.params[conv]["kernel"], other.params[conv]["kernel"])


def test_random_weights_have_the_variance_of_he():
    params = checkpoints.load("random", "vgg16", ("relu3_1",)).params
    for conv, arrays in params.items():
        kernel = arrays["kernel"].astype(np.float64)
        expected = 2 / (9 * kernel.shape[2])
        error = 5 * (2 / kernel.size) ** 0.5  # five standard errors; 2 % at conv1_2
        assert np.mean(kernel**2) == pytest.approx(expected, rel=error), conv
        assert abs(kernel.mean()) < 5 * (expected / kernel.size) ** 0.5


def test_deeper_layers_do_not_change_the_shallower_random_weights():
    deep = checkpoints.load("random", "vgg19", ("relu3_1", "relu1_1"), 5).params
    shallow = checkpoints.load("random", "vgg19", LAYERS, 5).params
    assert_same({conv: deep[conv] for conv in shallow}, shallow)
    flat = [arrays["kernel"].ravel()[:1000] for arrays in deep.values()]
    assert len({kernel.tobytes() for kernel in flat}) == len(flat)


# --- search order

OFFICIAL = "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5"


@pytest.fixture
def no_download(monkeypatch):
    monkeypatch.setattr(checkpoints, "download", lambda *entry: pytest.fail("went to the network"))


@pytest.fixture
def folder(tmp_path, monkeypatch, no_download):
    """An empty `NST_WEIGHTS_DIR`."""
    (tmp_path / "weights").mkdir()
    monkeypatch.setenv("NST_WEIGHTS_DIR", str(tmp_path / "weights"))
    return tmp_path / "weights"


def test_a_path_below_the_home_of_nobody():
    assert checkpoints.convention("~nobody-of-this-name/w.h5", "vgg19", "") == ("vgg19", "caffe", ())


def test_explicit_path(folder, tmp_path, monkeypatch):
    write_h5(tmp_path / "mine.h5", make_params())
    assert checkpoints.find(str(tmp_path / "mine.h5")) == tmp_path / "mine.h5"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert checkpoints.find("~/mine.h5") == tmp_path / "mine.h5"
    with fails("weights.name", "no such file", tmp_path / "other.h5"):
        checkpoints.find(str(tmp_path / "other.h5"))
    for name in ("~nobody-of-this-name/other.h5", "null\0.h5", str(tmp_path / "mine.h5/inner.h5")):
        with fails("weights.name", "no such file"):
            checkpoints.find(name)
    with fails("weights.name", "cannot be read (File name too long)"):
        checkpoints.find("x" * 300 + ".h5")


def test_folder_official_name_first(folder):
    write_h5(folder / "vgg19_a.h5", make_params())
    write_h5(folder / OFFICIAL, make_params(seed=1))
    assert checkpoints.find("vgg19", LAYERS) == folder / OFFICIAL
    assert_same(checkpoints.load("vgg19", "vgg19", LAYERS).params, make_params(seed=1))


def test_folder_any_file_that_fits(folder):
    write_h5(folder / "vgg16.h5", make_params())  # of another architecture
    write_h5(folder / "vgg19_a.h5", make_params({"conv1_1": (3, 3, 3, 8)}))  # too narrow
    (folder / "vgg19_b.h5").write_text("nonsense")
    np.savez(folder / "vgg19_c.npz", **our_names(make_params()))  # of another layout
    write_h5(folder / "vgg19_mine.h5", make_params())
    assert checkpoints.find("vgg19", LAYERS) == folder / "vgg19_mine.h5"
    assert checkpoints.load("vgg19", "vgg19", LAYERS).path == folder / "vgg19_mine.h5"
    assert checkpoints.find("vgg16", LAYERS) == folder / "vgg16.h5"


def test_folder_without_a_file_that_fits(folder):
    write_h5(folder / "vgg19_a.h5", make_params({"conv1_1": (3, 3, 3, 8)}))
    (folder / "vgg19_b.h5").write_text("nonsense")
    with fails("NST_WEIGHTS_DIR", folder / "vgg19_a.h5", "(3, 3, 3, 8)", folder / "vgg19_b.h5"):
        checkpoints.find("vgg19", LAYERS)


def test_damaged_official_file_in_the_folder(folder):
    (folder / OFFICIAL).write_text("nonsense")
    with fails(folder / OFFICIAL):
        checkpoints.load("vgg19", "vgg19", LAYERS)


def test_empty_folder_then_cache(folder, tmp_path):
    cached = tmp_path / "cache/weights" / OFFICIAL
    cached.parent.mkdir(parents=True)
    write_h5(cached, make_params())
    assert files.cache_folder("weights") == cached.parent
    assert checkpoints.find("vgg19", LAYERS) == cached
    write_h5(folder / OFFICIAL, make_params())
    assert checkpoints.find("vgg19", LAYERS) == folder / OFFICIAL


def test_missing_folder(tmp_path, monkeypatch, no_download):
    monkeypatch.setenv("NST_WEIGHTS_DIR", str(tmp_path / "nowhere"))
    with fails("NST_WEIGHTS_DIR", tmp_path / "nowhere", "no such folder"):
        checkpoints.find("vgg19", LAYERS)


def test_cache_folder_of_the_user(monkeypatch):
    monkeypatch.delenv("NST_CACHE_DIR")
    folder = files.cache_folder("weights")
    assert folder.is_absolute() and folder.parts[-2:] == ("nst", "weights")


# --- files that are not the published ones


def publish(monkeypatch, path, algorithm="md5"):
    """Makes the bytes of `path` those that were published as vgg19."""
    entry = checkpoints.CHECKPOINTS["vgg19"]._replace(hash=f"{algorithm}:{files.digest(path, algorithm)}")
    monkeypatch.setitem(checkpoints.CHECKPOINTS, "vgg19", entry)


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
@pytest.mark.parametrize("file_name", [OFFICIAL, "vgg19_mine.h5"])
def test_another_file_in_the_folder_is_used_and_said(file_name, algorithm, folder, monkeypatch):
    write_h5(folder / file_name, make_params())
    publish(monkeypatch, folder / file_name, algorithm)
    assert checkpoints.load("vgg19", "vgg19", LAYERS).note == ""
    write_h5(folder / file_name, make_params(seed=1))
    loaded = checkpoints.load("vgg19", "vgg19", LAYERS)
    assert_same(loaded.params, make_params(seed=1))
    assert "\n" not in loaded.note
    for part in (folder / file_name, "not the published vgg19", algorithm, "used as it is"):
        assert str(part) in loaded.note
    assert checkpoints.load(str(folder / file_name), "vgg19", LAYERS).note == ""  # a path promises nothing


def test_another_file_in_the_cache_is_refused(tmp_path, monkeypatch, no_download):
    cached = tmp_path / "cache/weights" / OFFICIAL
    cached.parent.mkdir(parents=True)
    write_h5(cached, make_params())
    publish(monkeypatch, cached)
    assert_same(checkpoints.load("vgg19", "vgg19", LAYERS).params, make_params())
    write_h5(cached, make_params(seed=1))
    with fails(cached, "not the published vgg19", "delete it to fetch it again", "NST_WEIGHTS_DIR"):
        checkpoints.load("vgg19", "vgg19", LAYERS)
    monkeypatch.setenv("NST_WEIGHTS_DIR", str(cached.parent))
    assert "used as it is" in checkpoints.load("vgg19", "vgg19", LAYERS).note


def test_a_file_of_the_code_that_was_changed(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    shipped = (checkpoints.DATA / "vgg19_slim.safetensors").read_bytes()
    (tmp_path / "data/vgg19_slim.safetensors").write_bytes(shipped[:-1] + bytes([shipped[-1] ^ 1]))
    monkeypatch.setattr(checkpoints, "DATA", tmp_path / "data")
    with fails("vgg19_slim", "not the published", "install nst again"):
        checkpoints.load("vgg19_slim", "vgg19", LAYERS)


@pytest.fixture
def ordinary_user():
    """(a folder that all may read, a function that ends root's rights): permissions do not stop root."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        is_root = os.geteuid() == 0
        yield Path(folder), lambda: os.seteuid(12345) if is_root else None
        if is_root:
            os.seteuid(0)
        for path in Path(folder).rglob("*"):
            path.chmod(0o700)


@pytest.mark.parametrize("private", ["folder", "file"])
def test_a_private_folder_of_weights(private, ordinary_user, monkeypatch, no_download):
    folder, become = ordinary_user
    write_h5(folder / OFFICIAL, make_params())
    (folder / "inner").mkdir()
    (folder / OFFICIAL).rename(folder / "inner" / OFFICIAL)
    (folder / "inner" if private == "folder" else folder / "inner" / OFFICIAL).chmod(0)
    monkeypatch.setenv("NST_WEIGHTS_DIR", str(folder / "inner"))
    become()
    for name in ("vgg19", str(folder / "inner" / OFFICIAL)):
        with fails(folder / "inner", "cannot be read (Permission denied)"):
            checkpoints.load(name, "vgg19", LAYERS)


@pytest.mark.parametrize("mode", [0, 0o555])
def test_a_private_cache(mode, tiny, ordinary_user, monkeypatch):
    folder, become = ordinary_user
    (folder / "weights").mkdir()
    (folder / "weights").chmod(mode)
    monkeypatch.setenv("NST_CACHE_DIR", str(folder))
    become()
    with fails("tiny", "cannot write", folder / "weights", "Permission denied", "NST_CACHE_DIR"):
        checkpoints.find("tiny")


def test_without_a_home(monkeypatch, no_download):
    """No HOME, and no entry in the list of users."""
    monkeypatch.delenv("NST_CACHE_DIR")
    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    with fails("no home folder", "NST_CACHE_DIR"):
        checkpoints.load("vgg19", "vgg19", LAYERS)
    with fails("no such file"):
        checkpoints.load("~/mine.h5", "vgg19", LAYERS)


# --- download

BODY = np.random.default_rng(0).bytes(100_000)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        mode, body = self.server.mode, self.server.body
        self.server.requests.append((self.path, self.headers.get("Range")))
        if not self.path.endswith("/tiny.h5"):
            return self.send_error(404)
        time.sleep(self.server.delay)
        if ":" in mode or "/" in mode:  # a redirection
            self.send_response(302)
            self.send_header("Location", mode)
            return self.end_headers()
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        if mode == "whole" or not start:
            start = 0
            self.send_response(200)
        elif start >= len(body):
            return self.send_error(416)
        else:
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        if mode != "unsized":
            self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        if mode == "trickles":
            return self.trickle(body[start:])
        self.wfile.write(body[start : len(body) // 2] if mode in ("breaks", "stalls") else body[start:])
        if mode == "stalls":
            time.sleep(0.5)

    def trickle(self, body):
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for at in range(20):
                self.wfile.write(body[at : at + 1])
                time.sleep(0.05)

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.mode, server.body, server.delay, server.requests = "ranges", BODY, 0, []
        server.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def tiny(server, monkeypatch, tmp_path):
    """A checkpoint of 100 kB at the server; the path where it will be cached."""
    entry = Checkpoint(
        "vgg19", "caffe", f"{server.url}/models/tiny.h5", f"md5:{hashlib.md5(BODY).hexdigest()}", len(BODY)
    )
    monkeypatch.setitem(checkpoints.CHECKPOINTS, "tiny", entry)
    return tmp_path / "cache/weights/tiny.h5"


def start_partial(target, content):
    target.parent.mkdir(parents=True)
    target.with_name("tiny.h5.part").write_bytes(content)


def parts(target):
    return [path.name for path in target.parent.iterdir() if path.suffix not in (".h5", ".lock")]


def test_download(tiny, server):
    assert checkpoints.find("tiny") == tiny
    assert tiny.read_bytes() == BODY
    assert server.requests == [("/models/tiny.h5", None)]
    assert parts(tiny) == []
    assert checkpoints.find("tiny") == tiny and len(server.requests) == 1  # from the cache


def test_download_checked_by_sha256(tiny, monkeypatch):
    def expect(digits):
        entry = checkpoints.CHECKPOINTS["tiny"]._replace(hash=f"sha256:{digits}")
        monkeypatch.setitem(checkpoints.CHECKPOINTS, "tiny", entry)

    right = hashlib.sha256(BODY).hexdigest()
    expect(right[:-1] + "x")
    with fails(right, f"not {right[:-1]}x", "deleted"):
        checkpoints.find("tiny")
    expect(right)
    assert checkpoints.find("tiny").read_bytes() == BODY


@pytest.mark.parametrize("off", [0, 525, -525])
def test_download_of_a_file_of_which_size_and_hash_are_rounded(off, tiny, server, monkeypatch):
    def publish_digits(digits, size):
        entry = checkpoints.CHECKPOINTS["tiny"]._replace(hash=f"sha256:{digits}", size=size, slack=525)
        monkeypatch.setitem(checkpoints.CHECKPOINTS, "tiny", entry)

    digits = hashlib.sha256(BODY).hexdigest()[:8]
    publish_digits("00000000", len(BODY) + off)
    with fails("sha256", digits, "not 00000000", "deleted"):
        checkpoints.find("tiny")
    publish_digits(digits, len(BODY) + off + (1 if off >= 0 else -1) * 1000)
    with fails(f"it offers {len(BODY)} bytes"):
        checkpoints.find("tiny")
    publish_digits(digits, len(BODY) + off)
    tiny.with_name("tiny.h5.part").write_bytes(BODY[:33_333])
    assert checkpoints.find("tiny").read_bytes() == BODY
    assert server.requests[-1] == ("/models/tiny.h5", "bytes=33333-")
    tiny.unlink()
    tiny.with_name("tiny.h5.part").write_bytes(BODY)  # whole, but for its name: begun again
    assert checkpoints.find("tiny").read_bytes() == BODY and parts(tiny) == []
    assert server.requests[-1] == ("/models/tiny.h5", None)


def test_a_file_of_rounded_size_is_bounded_and_whole(tiny, server, monkeypatch):
    entry = checkpoints.CHECKPOINTS["tiny"]._replace(size=len(BODY) + 100, slack=525)
    monkeypatch.setitem(checkpoints.CHECKPOINTS, "tiny", entry)
    server.mode = "breaks"
    with fails(f"the connection broke at {len(BODY) // 2} of {len(BODY)} bytes"):
        checkpoints.find("tiny")
    server.mode, server.body = "unsized", BODY + bytes(1000)
    with fails(f"it sends more than {len(BODY) + 625} bytes"):
        checkpoints.find("tiny")
    assert not tiny.exists()


def test_a_file_of_another_architecture_of_a_similar_name_is_left_alone(folder, no_download):
    for name in ("vgg19_bn-mine.h5", "vgg19_bn-c79401a0.h5"):
        (folder / name).write_bytes(b"")
    assert checkpoints.on_disk("vgg19", LAYERS) is None


def test_download_resumes(tiny, server):
    start_partial(tiny, BODY[:33_333])
    assert checkpoints.find("tiny").read_bytes() == BODY
    assert server.requests == [("/models/tiny.h5", "bytes=33333-")]
    assert parts(tiny) == []


def test_download_from_a_server_without_ranges(tiny, server):
    server.mode = "whole"
    start_partial(tiny, b"\0" * 33_333)
    assert checkpoints.find("tiny").read_bytes() == BODY
    assert server.requests == [("/models/tiny.h5", "bytes=33333-")]


def test_download_of_unknown_length(tiny, server):
    server.mode = "unsized"
    assert checkpoints.find("tiny").read_bytes() == BODY


def test_download_with_nothing_left_to_fetch(tiny, server):
    start_partial(tiny, BODY)
    assert checkpoints.find("tiny").read_bytes() == BODY
    assert server.requests == []


def test_download_of_more_than_the_file(tiny, server):
    """Said by the server, or not; and what an earlier attempt left."""
    server.body = BODY + b"more"
    with fails("tiny", "it offers 100004 bytes, not 100000"):
        checkpoints.find("tiny")
    server.mode = "unsized"
    with fails("tiny", "it sends more than 100000 bytes"):
        checkpoints.find("tiny")
    assert tiny.with_name("tiny.h5.part").stat().st_size <= len(BODY)
    server.mode, server.body = "ranges", BODY
    tiny.with_name("tiny.h5.part").write_bytes(BODY + b"more")
    assert checkpoints.find("tiny").read_bytes() == BODY


def test_download_of_less_than_the_file(tiny, server):
    server.body = b"<html>not here</html>"
    with fails("tiny", "it offers 21 bytes, not 100000"):
        checkpoints.find("tiny")
    server.mode = "unsized"
    with fails("tiny", "broke at 21 of 100000 bytes"):
        checkpoints.find("tiny")
    server.mode, server.body = "ranges", BODY[:10]  # shorter than what was resumed
    with fails("tiny", "Range Not Satisfiable"):
        checkpoints.find("tiny")
    assert not tiny.exists()


@pytest.mark.parametrize("mode", ["stalls", "trickles"])
def test_download_from_a_server_that_holds_the_line(mode, tiny, server, monkeypatch):
    monkeypatch.setattr("nst.networks.download._STALL_SECONDS", 0.2)
    server.mode = mode
    with fails("tiny", "timed out" if mode == "stalls" else "bytes in 0 s", "run again to resume"):
        checkpoints.find("tiny")
    assert BODY.startswith(tiny.with_name("tiny.h5.part").read_bytes())
    server.mode = "ranges"
    assert checkpoints.find("tiny").read_bytes() == BODY


@pytest.mark.parametrize("scheme", ["file", "data", "again"])
def test_download_that_is_sent_elsewhere(scheme, tiny, server, tmp_path):
    (tmp_path / "secret").write_bytes(BODY)
    server.mode = {"file": (tmp_path / "secret").as_uri(), "data": "data:,x", "again": "/tiny.h5"}[scheme]
    with fails("tiny", "redirect" if scheme == "again" else "Redirect"):
        checkpoints.find("tiny")
    assert parts(tiny) == [] and not tiny.exists()


def test_download_that_breaks_is_completed_by_the_next(tiny, server):
    server.mode = "breaks"
    with fails("tiny", server.url, "50000 of 100000", "run again to resume", "NST_WEIGHTS_DIR"):
        checkpoints.find("tiny")
    assert parts(tiny) == ["tiny.h5.part"] and not tiny.exists()
    assert tiny.with_name("tiny.h5.part").read_bytes() == BODY[:50_000]
    server.mode = "ranges"
    assert checkpoints.find("tiny").read_bytes() == BODY
    assert server.requests[-1] == ("/models/tiny.h5", "bytes=50000-")


def test_download_with_a_wrong_hash(tiny, server):
    server.body = BODY[:-1] + b"\0"
    with fails("tiny", server.url, "md5", hashlib.md5(server.body).hexdigest(), "deleted"):
        checkpoints.find("tiny")
    assert parts(tiny) == [] and not tiny.exists()
    server.body = BODY
    assert checkpoints.find("tiny").read_bytes() == BODY


def test_download_resumed_from_other_bytes(tiny):
    start_partial(tiny, b"\0" * 10)
    with fails("md5", "deleted"):
        checkpoints.find("tiny")
    assert checkpoints.find("tiny").read_bytes() == BODY


def test_download_not_found(tiny, server, monkeypatch):
    monkeypatch.setenv("NST_WEIGHTS_URL", server.url)
    monkeypatch.setitem(
        checkpoints.CHECKPOINTS,
        "tiny",
        checkpoints.CHECKPOINTS["tiny"]._replace(url="http://weights.invalid/x.h5"),
    )
    with fails("tiny", f"{server.url}/x.h5", "Not Found", "http://weights.invalid/x.h5"):
        checkpoints.find("tiny")
    assert parts(tiny) == []


def test_download_without_a_network(tiny, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("NST_WEIGHTS_URL", f"http://127.0.0.1:{port}")
    with fails("tiny", f"http://127.0.0.1:{port}/tiny.h5", "refused", "NST_WEIGHTS_DIR"):
        checkpoints.find("tiny")
    assert parts(tiny) == []


@pytest.mark.parametrize("mirror", ["no-scheme/weights", "gopher://127.0.0.1/w", "http://127.0.0.1:port/"])
def test_download_from_a_senseless_mirror(mirror, tiny, monkeypatch):
    monkeypatch.setenv("NST_WEIGHTS_URL", mirror)
    with fails("tiny", mirror.rstrip("/")):
        checkpoints.find("tiny")


@pytest.mark.parametrize("slash", ["", "/"])
def test_mirror(slash, tiny, server, monkeypatch):
    monkeypatch.setitem(
        checkpoints.CHECKPOINTS,
        "tiny",
        checkpoints.CHECKPOINTS["tiny"]._replace(url="http://weights.invalid/deep/down/tiny.h5"),
    )
    monkeypatch.setenv("NST_WEIGHTS_URL", f"{server.url}/mirror/of{slash}")
    assert checkpoints.find("tiny").read_bytes() == BODY
    assert server.requests == [("/mirror/of/tiny.h5", None)]


def test_mirror_in_a_folder(tiny, tmp_path, monkeypatch):
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror/tiny.h5").write_bytes(BODY)
    monkeypatch.setenv("NST_WEIGHTS_URL", (tmp_path / "mirror").as_uri())
    assert checkpoints.find("tiny").read_bytes() == BODY


def test_proxy(tiny, server, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.setenv("NST_WEIGHTS_URL", "http://weights.invalid/models")
    assert checkpoints.find("tiny").read_bytes() == BODY
    assert server.requests == [("http://weights.invalid/models/tiny.h5", None)]


def test_no_proxy(tiny, server, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert checkpoints.find("tiny").read_bytes() == BODY
    assert server.requests == [("/models/tiny.h5", None)]


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("terminal", [False, True])
def test_progress(terminal, tiny, monkeypatch):
    shown = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr(sys, "stderr", shown)
    assert checkpoints.find("tiny").read_bytes() == BODY
    assert ("tiny.h5" in shown.getvalue()) == terminal


@pytest.mark.parametrize("blocked", ["cache", "cache/weights", "cache/weights/tiny.h5.part/"])
def test_cache_that_cannot_be_written(blocked, tiny, tmp_path, monkeypatch):
    """A file in the way of a folder, and the reverse; permissions do not stop root."""
    if blocked.endswith("/"):
        (tmp_path / blocked).mkdir(parents=True)
    else:
        (tmp_path / blocked).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / blocked).write_text("in the way")
    with fails("tiny", "cannot write", tmp_path / "cache", "NST_CACHE_DIR"):
        checkpoints.find("tiny")


def test_no_progress_where_standard_error_is_closed(tiny, monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    assert checkpoints.find("tiny").read_bytes() == BODY


def test_two_downloads_at_once_are_one(tiny, server):
    server.delay = 0.2
    found = []
    threads = [threading.Thread(target=lambda: found.append(checkpoints.find("tiny"))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [tiny] * 3
    assert tiny.read_bytes() == BODY
    assert len(server.requests) == 1


# --- the real thing

REAL = Path(__file__).parents[3] / "shared" / "weights"


def test_real_weights(monkeypatch, no_download):
    found = sorted(REAL.glob("vgg19*.h5"))
    if not found:
        pytest.skip("no VGG-19 file in ../shared/weights")
    monkeypatch.setenv("NST_WEIGHTS_DIR", str(REAL))
    loaded = checkpoints.load("vgg19", "vgg19", ("relu5_1", "relu1_1"))
    assert loaded.path in found
    assert loaded.sha256 == files.digest(loaded.path)
    is_published = files.digest(loaded.path, "md5") in checkpoints.CHECKPOINTS["vgg19"].hash
    assert is_published != ("not the published vgg19" in loaded.note)
    assert len(loaded.params) == 13 and list(loaded.params)[-1] == "conv5_1"
    assert loaded.params["conv1_1"]["kernel"].shape == (3, 3, 3, 64)
    assert loaded.params["conv5_1"]["kernel"].shape == (3, 3, 512, 512)
    with h5py.File(loaded.path) as file:
        kernel = file["block4_conv2/block4_conv2_W_1:0"][()]
    np.testing.assert_array_equal(loaded.params["conv4_2"]["kernel"], kernel)


# --- files


def test_replacing(tmp_path):
    path = tmp_path / "result.bin"
    with files.replacing(path) as file:
        file.write(b"first")
        assert not path.exists()
    assert path.read_bytes() == b"first"
    with files.replacing(str(path)) as file:
        file.write(b"second")
        file.flush()
        assert path.read_bytes() == b"first"
    assert path.read_bytes() == b"second"
    assert list(tmp_path.iterdir()) == [path]
    mask = os.umask(0)
    os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~mask


@pytest.mark.parametrize("error", [ValueError, OSError, KeyboardInterrupt])
@pytest.mark.parametrize("existed", [False, True])
def test_replacing_nothing_when_the_writer_fails(error, existed, tmp_path):
    path = tmp_path / "result.bin"
    if existed:
        path.write_bytes(b"old")
    with pytest.raises(error):
        with files.replacing(path) as file:
            file.write(b"half")
            raise error
    assert list(tmp_path.iterdir()) == ([path] if existed else [])
    assert not existed or path.read_bytes() == b"old"


def test_replacing_in_the_way_of_a_folder(tmp_path):
    (tmp_path / "result.bin").mkdir()
    with pytest.raises(OSError), files.replacing(tmp_path / "result.bin") as file:
        file.write(b"new")
    assert list(tmp_path.iterdir()) == [tmp_path / "result.bin"]
    with pytest.raises(FileNotFoundError), files.replacing(tmp_path / "nowhere/result.bin"):
        pass


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_digest(algorithm, tmp_path):
    (tmp_path / "x").write_bytes(BODY)
    assert files.digest(tmp_path / "x", algorithm) == hashlib.new(algorithm, BODY).hexdigest()
