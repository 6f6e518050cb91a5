"""Files of weights that claim too much, point elsewhere or hold a bomb: one line, little memory, at once."""

import io
import json
import os
import pickle
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
import safetensors.numpy

from nst.errors import UserError
from nst.networks import checkpoints, formats, pickles, stored
from tests.helpers.weight_files import (
    LAYERS,
    LAYOUTS,
    make_params,
    our_names,
    pickled,
    read_torch,
    storage,
    tensor,
    write_h5,
    write_legacy,
)  # fmt: skip

ROOT = Path(__file__).parents[2]
PROTO, STOP = pickle.PROTO + b"\2", pickle.STOP
STATE = pickle.GLOBAL + b"collections\nOrderedDict\n"


def refused(path, *parts):
    with pytest.raises(UserError) as error:
        formats.read(path, "vgg19", LAYERS)
    message = str(error.value)
    assert "\n" not in message and len(message) < 600 and message.startswith(str(path)), message
    for part in parts:
        assert part in message


# --- pickles

DEEP = pickle.EMPTY_TUPLE + pickle.TUPLE1 * 90_000
PICKLES = {
    "an index of the memo that makes a table of gigabytes": (
        pickle.EMPTY_DICT + pickle.LONG_BINPUT + b"\xff\xff\xff\x0f" + STOP, "no kernel of conv1_1",
    ),
    "a deeply nested key": (
        pickle.EMPTY_DICT + DEEP + pickle.NONE + pickle.SETITEM + STOP, "no kernel of conv1_1",
    ),
    "a deeply nested key of an ordered dictionary": (
        STATE + b"(((" + DEEP + b"NtltR" + STOP, "no kernel of conv1_1",
    ),
    "a deeply nested tensor": (
        pickle.GLOBAL + b"torch.nn.parameter\nParameter\n" + DEEP + pickle.TUPLE1 + pickle.REDUCE + STOP,
        "a parameter is not a tensor",
    ),
    "a deeply nested reference": (
        pickle.MARK + b"X\x07\0\0\0storage" + DEEP + b"X\1\0\0\0a" * 3 + b"tQ" + STOP, "not a plain storage",
    ),
    "more instructions than any": (pickle.NONE * 100_001 + STOP, "more than 100,000 instructions"),
    "an array of bytes that is filled at once": (b"\x96" + struct.pack("<Q", 1 << 40) + STOP, ""),
    "a long text": (b"\x8d" + struct.pack("<Q", 1 << 40) + STOP, ""),
    "a long number": (pickle.LONG4 + struct.pack("<i", 1 << 30) + STOP, ""),
    "a long number that is there": (pickle.LONG4 + b"\4\0\0\0" + b"1234" + STOP, "instruction LONG4"),
    "a number as text": (b"I" + b"9" * 5000 + b"\n" + STOP, ""),
    "a class of an extension": (b"\x82\1" + STOP, "instruction EXT1"),
    "an instance of a class": (b"(ios\nsystem\n" + STOP, "instruction INST"),
    "an empty stack": (pickle.APPEND + STOP, "cannot be read"),
    "no mark": (pickle.NONE + pickle.TUPLE + STOP, "cannot be read"),
    "two values": (pickle.NONE * 2 + STOP, "cannot be read"),
    "no end": (pickle.NONE, "cannot be read"),
    "a list filled like a dictionary": (pickle.EMPTY_LIST + b"NN" + pickle.SETITEM + STOP, "fills a list"),
}  # fmt: skip


@pytest.mark.parametrize("kind", PICKLES)
def test_pickles_that_are_bombs(kind, tmp_path):
    body, reason = PICKLES[kind]
    with zipfile.ZipFile(path := tmp_path / "w.pth", "w") as archive:
        archive.writestr("archive/data.pkl", PROTO + body)
    assert path.stat().st_size < 200_000
    refused(path, reason)


@pytest.mark.parametrize("place", range(5))
def test_bombs_in_any_pickle_of_a_legacy_file(place, tmp_path):
    parts = [pickled(part) for part in (0x1950A86A20F9469CFC6C, 1001, {}, {}, [])]
    parts[place] = PROTO + pickle.NONE * 100_001 + STOP
    (tmp_path / "w.pth").write_bytes(b"".join(parts))
    refused(tmp_path / "w.pth", "more than 100,000 instructions")


def test_instructions_that_pytorch_writes_are_those_of_python():
    """Against Python's own unpickler, for every protocol."""
    value = {
        "a": [1, -300, 1 << 40, 2.5, None, True, False, "é" * 200],
        5: ((), (1,), (1, 2)),
    }
    value["again"] = [value["a"], (1, 2, 3), (1, 2, 3, 4), {}, [], {"x": ()}]
    for protocol in (2, 3, 4, 5):
        data = pickle.dumps(value, protocol)
        found = pickles.read(data + b"more", {}, None, None)
        assert found.size == len(data) and found.value == pickle.loads(data)
        assert found.value["again"][0] is found.value["a"]


def test_a_compressed_storage_is_refused(tmp_path):
    """100 kB that would become 100 MB."""
    flat = np.zeros(64, "<f4")
    view = tensor(storage("0", flat, False), 0, (64,), (1,))
    with zipfile.ZipFile(path := tmp_path / "w.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", pickled({"features.0.bias": view}), zipfile.ZIP_STORED)
        archive.writestr("archive/data/0", bytes(1 << 20))
    with pytest.raises(UserError, match="is compressed"):
        read_torch(path)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_tensor_that_lies_over_more_than_it_needs(layout, tmp_path, monkeypatch):
    monkeypatch.setattr("nst.networks.torchfile.MOST_BYTES", 4000)
    flat = np.arange(1100, dtype="<f4")
    state = {"x": tensor(storage("0", flat, layout == "legacy"), 99, (2,), (1000,))}
    LAYOUTS[layout](path := tmp_path / "w.pth", state, {"0": flat})
    with pytest.raises(UserError, match="no VGG needs"):
        read_torch(path)
    monkeypatch.setattr("nst.networks.torchfile.MOST_BYTES", 4004)
    np.testing.assert_array_equal(read_torch(path)["x"], [99, 1099])


def test_a_legacy_storage_that_claims_more_than_the_file(tmp_path):
    flat = np.zeros(4, "<f4")
    write_legacy(
        path := tmp_path / "w.pth", {"x": tensor(storage("0", flat, True), 0, (4,), (1,))}, {"0": flat}
    )
    whole = path.read_bytes()
    for count in (5, 1 << 40, -1, (1 << 63) - 1):
        path.write_bytes(whole[:-24] + struct.pack("<q", count) + whole[-16:])
        with pytest.raises(UserError, match="longer than the file"):
            read_torch(path)


# --- zip and npz


def npy(header, data=b""):
    text = header.encode()
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text + data


def huge(shape, descr="<f4"):
    return npy(f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}, }}\n")


MEMBERS = {
    "another shape": (huge((1 << 20, 1 << 12)), "has shape (1048576, 4096)"),
    "a huge shape": (huge((1 << 80, 1 << 80)), "has shape"),
    "a shape of many sizes": (huge((1,) * 2000), "has shape (1, 1, 1, 1, 1, 1, ...)"),
    "a long header": (npy("{" * 20_000), "cannot be read"),
    "a header of gigabytes": (b"\x93NUMPY\2\0\xff\xff\xff\x7f", "a header that no array"),
    "objects": (huge((64,), "|O"), "type object"),
    "wide texts": (huge((64,), "<U100000000"), "type"),
    "less than it says": (huge((64,)) + b"0" * 255, "ends within"),
    "more than it says": (huge((64,)) + b"0" * 257, "followed by other data"),
    "no array": (b"", "cannot be read"),
}


@pytest.mark.parametrize("kind", MEMBERS)
def test_members_of_npz(kind, tmp_path):
    data, reason = MEMBERS[kind]
    arrays = our_names(make_params())
    with zipfile.ZipFile(path := tmp_path / "w.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("conv1_1/bias.npy", data)
        for name, array in arrays.items():
            if name != "conv1_1/bias":
                np.save(made := io.BytesIO(), array)
                archive.writestr(f"{name}.npy", made.getvalue(), zipfile.ZIP_STORED)
    refused(path, reason)


def test_a_bomb_that_is_not_wanted_is_not_opened(tmp_path):
    """Another name in a file that is right; the 60 MB after a header of the right shape are not inflated."""
    params = make_params()
    np.savez(path := tmp_path / "w.npz", **our_names(params), other=np.ones(1))
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("bomb.npy", "w") as member:
            for _ in range(60):
                member.write(bytes(1 << 20))
    found = formats.read(path, "vgg19", LAYERS)
    np.testing.assert_array_equal(found["conv2_1"]["kernel"], params["conv2_1"]["kernel"])


@pytest.mark.parametrize("suffix", [".npz", ".pth"])
def test_a_zip_with_a_long_list_of_members(suffix, tmp_path, monkeypatch):
    monkeypatch.setattr(stored, "MOST_BYTES", 100_000)
    with zipfile.ZipFile(path := tmp_path / f"w{suffix}", "w") as archive:
        for index in range(2000):
            archive.writestr(f"archive/{index}", b"")
    refused(path, "too many members")


def test_a_zip_that_numpy_did_not_write(tmp_path):
    with zipfile.ZipFile(path := tmp_path / "w.npz", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("conv1_1/bias.npy", huge((64,)))
    refused(path, "a way that NumPy does not use")


def test_compressed_and_fortran_arrays_of_npz(tmp_path):
    params = make_params()
    arrays = {name: np.asfortranarray(array) for name, array in our_names(params).items()}
    np.savez_compressed(path := tmp_path / "w.npz", **arrays)
    found = formats.read(path, "vgg19", LAYERS)
    np.testing.assert_array_equal(found["conv2_1"]["kernel"], params["conv2_1"]["kernel"])


# --- safetensors


def write_safetensors(path, header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def entry(shape=(64,), offsets=(0, 256), dtype="F32"):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


HEADERS = {
    "nothing": {},
    "a list": [],
    "no JSON": b"nonsense",
    "brackets": b"[" * 100_000,
    "more than a header": b" " * ((1 << 20) + 1),
    "a huge shape": {"conv1_1/bias": entry((1 << 62, 1 << 62))},
    "a shape that overflows to fit": {"conv1_1/bias": entry((1 << 32, 1 << 32, 64))},
    "a negative size": {"conv1_1/bias": entry((-64,))},
    "offsets backwards": {"conv1_1/bias": entry(offsets=(256, 0))},
    "offsets beyond the file": {"conv1_1/bias": entry(offsets=(1 << 40, (1 << 40) + 256))},
    "overlapping offsets": {"conv1_1/bias": entry(), "conv1_2/bias": entry()},
    "another type": {"conv1_1/bias": entry(dtype="I32")},
    "no such type": {"conv1_1/bias": entry(dtype="F33")},
    "no shape": {"conv1_1/bias": {"dtype": "F32"}},
    "metadata of the wrong shape": {"__metadata__": {"nst": [1]}, "conv1_1/bias": entry()},
    "metadata that are no metadata": {"__metadata__": 3, "conv1_1/bias": entry()},
}


@pytest.mark.parametrize("kind", HEADERS)
def test_headers_of_safetensors(kind, tmp_path):
    write_safetensors(path := tmp_path / "w.safetensors", HEADERS[kind], bytes(256))
    refused(path)
    with pytest.raises(UserError) as error:
        checkpoints.convention(str(path), "vgg19", "caffe" if kind == "nothing" else "")
        checkpoints.load(str(path), "vgg19", LAYERS)
    assert "\n" not in str(error.value) and len(str(error.value)) < 600


STATED = {
    "preprocessing is a list": {"preprocessing": ["caffe"]},
    "preprocessing is unknown": {"preprocessing": "cafe"},
    "widths are a number": {"widths": 3, "preprocessing": "caffe"},
    "widths are truths": {"widths": [True], "preprocessing": "caffe"},
    "widths are huge": {"widths": [10**12], "preprocessing": "caffe"},
    "widths are many": {"widths": [8] * 100_000, "preprocessing": "caffe"},
    "widths are deep": {"widths": [[[[[[[[[8]]]]]]]]], "preprocessing": "caffe"},
}


@pytest.mark.parametrize("kind", STATED)
def test_what_a_slim_network_states(kind, tmp_path):
    path = tmp_path / "w.safetensors"
    safetensors.numpy.save_file({"x": np.ones(1, np.float32)}, path, {"nst": json.dumps(STATED[kind])})
    with pytest.raises(UserError) as error:
        checkpoints.convention(str(path), "vgg19", "")
    assert str(path) in str(error.value) and len(str(error.value)) < 600


def test_nested_metadata(tmp_path):
    path = tmp_path / "w.safetensors"
    safetensors.numpy.save_file({"x": np.ones(1, np.float32)}, path, {"nst": "[" * 100_000})
    with pytest.raises(UserError, match="cannot be read"):
        checkpoints.convention(str(path), "vgg19", "")


# --- HDF5

BIAS = "block1_conv1/block1_conv1_b_1:0"


@pytest.fixture
def h5(tmp_path):
    """A file that is right but for one bias, which is missing; (path, the file)."""
    write_h5(path := tmp_path / "w.h5", make_params())
    with h5py.File(path, "a") as file:
        del file[BIAS]
        yield path, file


def external(file, tmp_path):
    (tmp_path / "secret").write_bytes(bytes(256))
    file.create_dataset(BIAS, (64,), "<f4", external=[(str(tmp_path / "secret"), 0, 256)])


def pipe(file, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    file.create_dataset(BIAS, (64,), "<f4", external=[(str(tmp_path / "pipe"), 0, 256)])


def virtual(file, tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["x"] = np.ones(64, "<f4")
    layout = h5py.VirtualLayout((64,), "<f4")
    layout[:] = h5py.VirtualSource(tmp_path / "other.h5", "x", (64,))
    file.create_virtual_dataset(BIAS, layout)


def link(target):
    def make(file, tmp_path):
        file[BIAS] = target

    return make


def linked_group(file, tmp_path):
    file.move("block1_conv1", "elsewhere")
    file["block1_conv1"] = h5py.SoftLink("/elsewhere")


def inflated(size):
    """A chunk of 256 bytes that inflates to another size."""

    def make(file, tmp_path):
        dataset = file.create_dataset(BIAS, (64,), "<f4", chunks=(64,), compression="gzip")
        dataset.id.write_direct_chunk((0,), zlib.compress(bytes(size)))

    return make


def created(dtype="<f4", **options):
    return lambda file, tmp_path: file.create_dataset(BIAS, (64,), dtype, **options)


DATASETS = {
    "data in another file": (external, "in another file"),
    "data in a pipe": (pipe, "in another file"),
    "a virtual dataset": (virtual, "in another file"),
    "a soft link": (link(h5py.SoftLink("/block1_conv2/block1_conv2_b_1:0")), "a link"),
    "a dangling link": (link(h5py.SoftLink("/nowhere")), "a link"),
    "a link to itself": (link(h5py.SoftLink(f"/{BIAS}")), "a link"),
    "a link to another file": (link(h5py.ExternalLink("/etc/passwd", "/x")), "a link"),
    "a group that is a link": (linked_group, "a link"),
    "a deflate bomb": (inflated(1 << 24), "bytes, not 256"),
    "a small deflate bomb": (inflated(100_000), "has 257 bytes, not 256"),
    "a short chunk": (inflated(255), "has 255 bytes, not 256"),
    "a huge chunk": (created(chunks=(1 << 28,), maxshape=(None,)), "chunks of"),
    "another compression": (created(compression="lzf"), "otherwise than by gzip"),
    "texts": (created(dtype=h5py.string_dtype()), "type object"),
    "a group": (lambda file, tmp_path: file.create_group(BIAS), "no bias of conv1_1"),
    "nothing": (lambda file, tmp_path: None, "no bias of conv1_1"),
}


@pytest.mark.parametrize("kind", DATASETS)
def test_datasets_of_hdf5(kind, h5, tmp_path):
    path, file = h5
    make, reason = DATASETS[kind]
    make(file, tmp_path)
    file.close()
    refused(path, reason)


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("compression", [None, "gzip"])
def test_compressed_datasets(shuffle, compression, tmp_path):
    """A chunk that deflate would make longer is stored as it is."""
    params = make_params()
    with h5py.File(path := tmp_path / "w.h5", "w") as file:
        for name, array in our_names(params).items():
            file.create_dataset(
                name, data=array, chunks=array.shape, shuffle=shuffle, compression=compression
            )
    found = formats.read(path, "vgg19", LAYERS)
    np.testing.assert_array_equal(found["conv2_1"]["kernel"], params["conv2_1"]["kernel"])


# --- what is not a file


@pytest.mark.parametrize("suffix", checkpoints.SUFFIXES)
@pytest.mark.parametrize("kind", ["pipe", "folder", "device", "link to a pipe"])
def test_what_is_not_a_file_is_not_opened(kind, suffix, tmp_path):
    path = tmp_path / f"w{suffix}"
    target = tmp_path / "pipe"
    {
        "pipe": lambda: os.mkfifo(path),
        "folder": path.mkdir,
        "device": lambda: path.symlink_to("/dev/zero"),
        "link to a pipe": lambda: (os.mkfifo(target), path.symlink_to(target)),
    }[kind]()
    refused(path, "is not a file")
    if suffix == ".safetensors":
        with pytest.raises(UserError, match="is not a file"):
            formats.metadata(path)


# --- memory

KERNEL, SHAPE = "block2_conv1/block2_conv1_W_1:0", (3, 3, 64, 128)
BOUNDED = """
import resource, sys
from pathlib import Path
from nst.errors import UserError
from nst.networks import formats
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # kB
before = peak()
for path in map(Path, sys.argv[1:]):
    try:
        formats.read(path, "vgg19", ("relu2_1",))
    except UserError as error:
        assert peak() < before + 100_000, (path, peak() - before, error)
        continue
    raise SystemExit(f"{path} was read")
"""


@pytest.mark.slow
@pytest.mark.processes
@pytest.mark.skipif(sys.platform != "linux", reason="counts in kB")
def test_no_bomb_takes_memory(tmp_path):
    """All of them in a process that may use 100 MB more than it starts with."""
    for index, (body, _) in enumerate(PICKLES.values()):
        with zipfile.ZipFile(tmp_path / f"{index}.pth", "w") as archive:
            archive.writestr("archive/data.pkl", PROTO + body)
    with zipfile.ZipFile(tmp_path / "w.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("conv1_1/kernel.npy", "w") as member:
            member.write(huge((3, 3, 3, 64)) + bytes(1 << 28))
    write_h5(path := tmp_path / "bomb.h5", make_params())
    with h5py.File(path, "a") as file:
        del file[KERNEL]
        dataset = file.create_dataset(KERNEL, SHAPE, "<f4", chunks=SHAPE, compression="gzip")
        dataset.id.write_direct_chunk((0, 0, 0, 0), zlib.compress(bytes(1 << 28), 9))  # shorter than a chunk
    paths = [str(path) for path in tmp_path.iterdir()]
    done = subprocess.run(
        [sys.executable, "-c", BOUNDED, *paths], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
