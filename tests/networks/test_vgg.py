"""Features against independent implementations; gradients against autodiff and finite differences."""

import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nst.errors import UserError
from nst.losses.spec import Spec
from nst.networks import checkpoints, graph, table
from nst.networks.network import PREPROCESSING, Network
from nst.networks.normalization import normalize
from nst.networks.table import layer_names, layers_to, minimum_size
from tests.helpers.frozen import features, freeze

PAD = {"zero": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def random_params(architecture="vgg19", layers=("relu3_1",), seed=0):
    params = checkpoints.load("random", architecture, layers, seed).params
    rng = np.random.default_rng(seed)
    for conv in params.values():  # biases, so that a forgotten one is seen
        conv["bias"] = rng.normal(0, 0.1, conv["bias"].shape).astype(np.float32)
    return params


def image(height=16, width=20, seed=1):
    return np.random.default_rng(seed).uniform(0, 1, (1, height, width, 3)).astype(np.float32)


def naive_features(network, params, picture, layers):
    """Loops over the kernel's nine taps, float64, max pooling by reshape: nothing shared with nst."""
    x = picture[0].astype(np.float64)
    if network.preprocessing.channels == "BGR":
        x = x[..., [2, 1, 0]]
    x = (x * network.preprocessing.scale - network.preprocessing.mean) / network.preprocessing.std
    found = {}
    for block, count in enumerate({"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}[network.architecture]):
        for index in range(count):
            name = f"{block + 1}_{index + 1}"
            if f"conv{name}" not in params:
                return {layer: found[layer] for layer in layers}
            kernel = params[f"conv{name}"]["kernel"].astype(np.float64)
            first = "edge" if name == "1_1" else "constant"
            mode = first if network.padding == "replicate_first" else PAD[network.padding]
            padded = np.pad(x, ((1, 1), (1, 1), (0, 0)), mode=mode)
            height, width = x.shape[:2]
            x = params[f"conv{name}"]["bias"].astype(np.float64) + sum(
                padded[i : i + height, j : j + width] @ kernel[i, j] for i in range(3) for j in range(3)
            )
            found[f"conv{name}"] = x
            x = np.maximum(x, 0)
            found[f"relu{name}"] = x
        height, width = x.shape[0] // 2, x.shape[1] // 2
        x = x[: 2 * height, : 2 * width].reshape(height, 2, width, 2, -1).max((1, 3))
        found[f"pool{block + 1}"] = x
    return {layer: found[layer] for layer in layers}


def names_to(architecture, layers):
    return [layer.name for layer in layers_to(architecture, layers)]


def relative(a, b):
    return np.linalg.norm(np.asarray(a, np.float64) - b) / np.linalg.norm(b)


# each padding with the two conventions in turn; with the other one it is slow
@pytest.mark.parametrize("convention, padding", [
    pytest.param(convention, padding, marks=pytest.mark.slow if number % 2 else ())
    for k, convention in enumerate(("caffe", "torchvision"))
    for number, padding in enumerate((*PAD, "replicate_first"), k)
])  # fmt: skip
@pytest.mark.parametrize("architecture", ["vgg16", "vgg19"])
def test_features_agree_with_numpy(architecture, padding, convention):
    layers = ("conv1_1", "relu1_2", "pool1", "conv2_2", "pool2", "relu3_1")
    network = Network(architecture=architecture, padding=padding, preprocessing=PREPROCESSING[convention])
    params = random_params(architecture)
    picture = image(17, 22)  # odd: the last row is dropped by the pooling
    found = features(network, freeze(params), picture, layers)
    expected = naive_features(network, params, picture, layers)
    assert set(found) == set(layers)
    for layer in layers:
        assert found[layer].shape[1:] == expected[layer].shape
        assert relative(found[layer][0], expected[layer]) < 1e-4, layer


def test_features_agree_with_torch():
    torch = pytest.importorskip("torch")
    layers = ("relu1_1", "conv3_4", "relu4_2", "relu5_1")
    params = random_params(layers=layers)
    network = Network()
    picture = image(35, 48)
    found = features(network, freeze(params), picture, layers)
    x = torch.tensor(np.asarray(network.preprocessing(jnp.asarray(picture))).transpose(0, 3, 1, 2).copy())
    expected = {}
    for name in names_to("vgg19", layers):
        if name.startswith("conv"):
            weight = torch.tensor(params[name]["kernel"].transpose(3, 2, 0, 1).copy())
            x = torch.nn.functional.conv2d(x, weight, torch.tensor(params[name]["bias"]), padding=1)
        elif name.startswith("relu"):
            x = torch.relu(x)
        else:
            x = torch.nn.functional.max_pool2d(x, 2)
        expected[name] = x
    for layer in layers:
        assert relative(found[layer], expected[layer].numpy().transpose(0, 2, 3, 1)) < 1e-4, layer


def plain_features(network, params, picture, layers):
    """The network with lax convolutions under plain autodiff: unfrozen, and with reduce_window pooling."""
    x, found = network.preprocessing(picture), {}
    for name in names_to(network.architecture, layers):
        if name.startswith("conv"):
            x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode=PAD[network.padding])
            x = jax.lax.conv_general_dilated(
                x, params[name]["kernel"], (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
            )
            x = x + params[name]["bias"]
        elif name.startswith("relu"):
            x = jnp.maximum(x, 0)
        else:
            x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        found[name] = x
    return {layer: found[layer] for layer in layers}


@pytest.mark.parametrize("padding", PAD)
def test_gradient_agrees_with_plain_autodiff(padding):
    layers = ("conv1_1", "relu2_1", "conv3_1")
    network, params, picture = Network(padding=padding), random_params(), image()

    def energy(f, variables, x):
        return sum(jnp.mean(a**2) for a in f(network, variables, x, layers).values())

    # the weights are arguments: as constants they take longer to compile
    frozen = jax.jit(jax.grad(partial(energy, features), argnums=1))(freeze(params), picture)
    plain = jax.jit(jax.grad(partial(energy, plain_features), argnums=1))(params, picture)
    assert relative(frozen, np.asarray(plain)) < 1e-5


def test_gradient_agrees_with_finite_differences():
    layers = ("conv2_2",)
    network, params, picture = Network(), random_params(layers=layers), image(8, 8)
    direction = np.random.default_rng(5).normal(size=picture.shape)

    def energy64(x):
        return np.mean(naive_features(network, params, x, layers)["conv2_2"] ** 2)

    step = 1e-6
    expected = (energy64(picture + step * direction) - energy64(picture - step * direction)) / (2 * step)
    gradient = jax.jit(jax.grad(lambda x, v: jnp.mean(features(network, v, x, layers)["conv2_2"] ** 2)))(
        picture, freeze(params)
    )
    assert np.sum(np.asarray(gradient, np.float64) * direction) == pytest.approx(expected, rel=1e-4)


def test_no_gradient_reaches_the_weights():
    params = freeze(random_params(layers=("relu1_2",)))
    energy = jax.jit(jax.grad(lambda v: jnp.sum(features(Network(), v, image(), ("conv1_2",))["conv1_2"])))
    gradient = energy(params)
    assert all(not conv["kernel"].any() for conv in gradient["params"].values())
    assert all(not conv["kernel"].any() for conv in gradient["adjoint"].values())


def test_unfrozen_it_is_the_same_network_with_gradients_for_its_weights():
    layers = ("conv1_2", "relu1_1")
    network, params, picture = Network(), random_params(layers=layers), image(8, 8)
    architecture, training = table.ARCHITECTURES["vgg19"].layers, graph.Run(frozen=False)

    def unfrozen(params):
        return graph.own_activations(architecture, network, {"params": params}, picture, layers, training)

    def energy(f, params):
        return sum(jnp.mean(a**2) for a in f(params).values())

    found = unfrozen(params)
    frozen = features(network, freeze(params), picture, layers)
    for layer in layers:
        assert relative(found[layer], np.asarray(frozen[layer])) < 1e-6
    ways = (
        unfrozen,
        lambda params: plain_features(network, params, picture, layers),
    )
    gradient, plain = (jax.jit(jax.grad(lambda p, f=f: energy(f, p)))(params) for f in ways)
    for conv in params:
        for part in ("kernel", "bias"):
            assert relative(gradient[conv][part], np.asarray(plain[conv][part])) < 1e-5, (conv, part)


@pytest.mark.parametrize("after", ["relu1_1", "conv1_2", "pool1"])
def test_from_a_layer_on_it_is_the_rest_of_the_network(after):
    layers = ("pool1", "relu2_1") if after != "pool1" else ("relu2_1",)
    variables, picture = freeze(random_params(layers=layers)), image()
    between = features(Network(), variables, picture, (after,))[after]
    architecture = table.ARCHITECTURES["vgg19"].layers
    found = graph.own_activations(architecture, Network(), variables, between, layers, after=after)
    expected = features(Network(), variables, picture, layers)
    assert set(found) == set(layers)
    for layer in layers:
        np.testing.assert_allclose(found[layer], expected[layer], rtol=1e-6)


def test_gradient_neither_flips_nor_transposes_a_kernel():
    """The adjoint kernels are made once: the compiled gradient takes them as they are."""
    variables = freeze(random_params(layers=("relu2_1",)))
    f = jax.jit(jax.grad(lambda x, v: jnp.sum(features(Network(), v, x, ("relu2_1",))["relu2_1"] ** 2)))
    text = f.lower(image(), variables).as_text()
    convolutions = [line for line in text.splitlines() if "stablehlo.convolution" in line]
    assert len(convolutions) == 6  # three forward, three back, and none for the weights
    # each reads its kernel straight from an argument, in the one layout that is fast inside loops
    assert all(re.search(r"convolution\(%\w+, %arg\d+\)", line) for line in convolutions)
    assert all("[b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f]" in line for line in convolutions)


def test_only_as_deep_as_asked():
    params = random_params(layers=("relu2_1",))
    assert list(params) == ["conv1_1", "conv1_2", "conv2_1"]
    found = features(Network(), freeze(params), image(), ("relu2_1", "conv1_1"))
    assert set(found) == {"relu2_1", "conv1_1"}


def test_layer_names_are_the_papers():
    names = layer_names("vgg19")
    assert len([name for name in names if name.startswith("conv")]) == 16
    assert names[:5] == ("conv1_1", "relu1_1", "conv1_2", "relu1_2", "pool1")
    assert names[-3:] == ("conv5_4", "relu5_4", "pool5")
    assert "conv3_4" not in layer_names("vgg16")


def test_convolutions_and_their_channels():
    assert table.convolutions("vgg16") == (
        "conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1", "conv3_2", "conv3_3", "conv4_1", "conv4_2",
        "conv4_3", "conv5_1", "conv5_2", "conv5_3",
    )  # fmt: skip
    params = checkpoints.load("random", "vgg19", ("pool5",)).params
    assert list(params) == list(table.convolutions("vgg19")) and len(params) == 16
    for conv, part in params.items():
        block, index = conv.removeprefix("conv").split("_")
        layers = (conv, f"relu{block}_{index}", f"pool{block}")
        assert [table.layer("vgg19", layer).channels for layer in layers] == [part["bias"].size] * 3


def test_strides_and_windows_are_those_of_the_activations():
    variables, names = freeze(random_params(layers=("pool5",))), layer_names("vgg19")
    sizes = jax.eval_shape(lambda image: features(Network(), variables, image, names), image(64, 96))
    for layer in layers_to("vgg19", ("pool5",)):
        assert sizes[layer.name].shape == (1, 64 // layer.stride, 96 // layer.stride, layer.channels)
    strides = [1]
    for layer in layers_to("vgg16", ("pool5",)):
        assert layer.kind == layer.name[:4]
        sliding = layer.operation.sliding
        assert sliding.size == {"conv": 3, "relu": 1, "pool": 2}[layer.kind]
        strides.append(strides[-1] * sliding.stride)
        assert layer.stride == strides[-1]


def test_keys_are_as_published():
    """They decide what is sampled: a change of one would change pixels. Conv and relu layers share theirs."""
    keys = {layer.name: layer.key for layer in layers_to("vgg19", ("pool5",))}
    assert keys["conv1_1"] == keys["relu1_1"] == 3235633 and keys["pool1"] == 3239023
    assert len(set(keys.values())) == 16 + 5 and Spec().key("image") not in keys.values()


def test_unknown_layer_names_the_nearest():
    with pytest.raises(UserError, match="relu6_1.*did you mean 'relu"):
        layers_to("vgg19", ["relu6_1"])
    with pytest.raises(UserError, match="conv3_4"):
        layers_to("vgg16", ["conv3_4"])


@pytest.mark.parametrize(
    "layers, padding, least",
    [(["relu1_1"], "zero", 1), (["pool1"], "zero", 2), (["relu5_1"], "zero", 16), (["pool5"], "zero", 32),
     (["relu1_1"], "reflect", 2), (["relu5_1"], "reflect", 32)],
)  # fmt: skip
def test_minimum_size_is_the_smallest_that_runs(layers, padding, least):
    network = Network(padding=padding)
    assert minimum_size(network, layers) == least
    variables = freeze(random_params(layers=layers))
    (activation,) = features(network, variables, image(least, least), tuple(layers)).values()
    assert min(activation.shape) >= 1 and np.isfinite(activation).all()


def test_bfloat16_is_close_and_stays_bfloat16():
    params = random_params()
    exact = features(Network(), freeze(params), image(), ("relu3_1",))["relu3_1"]
    rough = features(Network(dtype="bfloat16"), freeze(params, "bfloat16"), image(), ("relu3_1",))["relu3_1"]
    assert rough.dtype == jnp.bfloat16
    assert 0 < relative(rough.astype(np.float32), np.asarray(exact)) < 0.02


@pytest.mark.parametrize("field, value", [
    ("frame", "full"), ("pooling", "avg"), ("padding", "same"),
    ("dtype", "float16"), ("precision", "high"), ("pooling_p", 0.0), ("pooling_mix", 1.5),
])  # fmt: skip
def test_bad_settings_name_the_field(field, value):
    with pytest.raises(UserError, match=f"network.{field}"):
        Network(**{field: value})


def test_an_unknown_architecture_names_the_nearest():
    for ask in (
        lambda: layers_to("vgg18", ()),
        lambda: table.layer("vgg18", "conv1_1"),
        lambda: minimum_size(Network(architecture="vgg18"), ()),
        lambda: Spec(Network(architecture="vgg18")),
    ):
        with pytest.raises(UserError, match="weights.architecture = 'vgg18': did you mean 'vgg1"):
            ask()


@pytest.mark.parametrize("pooling", ["max", "average"])
def test_normalize_gives_mean_one_and_the_same_network(pooling):
    layers = ("relu1_1", "relu2_1", "relu3_1")
    network = Network(pooling=pooling)
    params = random_params()
    pictures = [image(24, 24, seed) for seed in range(3)] + [image(16, 32, 9)]
    normalized = normalize(network, params, pictures)
    before, after = freeze(params), freeze(normalized)
    pixels = {layer: [] for layer in layers}
    for picture in pictures:
        old, new = (features(network, v, picture, layers) for v in (before, after))
        for layer in layers:
            pixels[layer].append(np.asarray(new[layer]).reshape(-1, new[layer].shape[-1]))
            # one scale a channel, the same at every position
            old_sum, new_sum = (np.asarray(a[layer], np.float64).sum((0, 1, 2)) for a in (old, new))
            scale = np.divide(new_sum, old_sum, out=np.ones_like(old_sum), where=old_sum > 0)
            assert relative(new[layer], np.asarray(old[layer]) * scale) < 1e-4
    for layer in layers:
        means = np.concatenate(pixels[layer]).mean(0)
        assert means[means > 0] == pytest.approx(1, abs=1e-4) and (means > 0).mean() > 0.9


def test_normalize_leaves_a_dead_filter_alone():
    params = random_params(layers=("relu1_1",))
    params["conv1_1"]["bias"][7] = -1e9
    normalized = normalize(Network(), params, [image()])
    kernel = normalized["conv1_1"]["kernel"]
    assert np.isfinite(kernel).all()
    assert (kernel[..., 7] == params["conv1_1"]["kernel"][..., 7]).all()
    with pytest.raises(UserError, match="there are no images"):
        normalize(Network(), params, [])
