"""The distillation: its fits against least squares, its losses against loops, and the program."""

import json
import signal
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import safetensors

from experiments.distill import checks, dataset, export, student
from experiments.distill import config as distill_config
from experiments.distill import fit as distill_fit
from experiments.distill import train as distill_train
from experiments.distill.fit import choose_channels, fit, fit_maps, warm_start
from experiments.distill.student import State, errors, student_network
from experiments.distill.trainer import Trainer
from nst import files, images
from nst.errors import UserError
from nst.files import read_json
from nst.images import folders
from nst.networks import checkpoints, convolution, slim
from nst.networks.network import PREPROCESSING, Network
from tests.helpers.frozen import features, freeze
from tests.helpers.narrow import narrow as narrow_vgg
from tests.helpers.programs import check_one_line_errors, finish, launch, run_each, wait_for

ROOT = Path(__file__).parents[2]


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


# --- the fit


def with_ones(x):
    return np.concatenate([x, np.ones((len(x), 1))], 1).astype(np.float64)


def ridge_of(inputs):
    """sqrt of the ridge of every coefficient but the offset, as experiments/distill/fit.py has it."""
    squares = sum((with_ones(x) ** 2).sum(0) for x in inputs)
    return np.sqrt(1e-4 * squares[:-1].mean())


def naive_fit(inputs, targets):
    """numpy.linalg.lstsq; the ridge as rows that want zeros."""
    x, y = with_ones(np.concatenate(inputs)), np.concatenate(targets)
    rows = ridge_of(inputs) * np.eye(x.shape[1])[:-1]
    solution = np.linalg.lstsq(
        np.concatenate([x, rows]), np.concatenate([y, np.zeros((len(rows), y.shape[1]))]), rcond=None
    )[0]
    return solution[:-1], solution[-1]


def test_fit_is_least_squares():
    inputs = [noise(60, 4, seed=0) + 0.3, noise(21, 4, seed=1)]
    targets = [noise(60, 3, seed=2), noise(21, 3, seed=3) - 1]
    kernel, bias = fit(inputs, targets)
    expected = naive_fit(inputs, targets)
    assert kernel.shape == (4, 3) and bias.shape == (3,) and kernel.dtype == bias.dtype == np.float32
    assert kernel == pytest.approx(expected[0], rel=1e-4, abs=1e-6)
    assert bias == pytest.approx(expected[1], rel=1e-4, abs=1e-6)


def test_fit_finds_a_linear_model():
    kernel, bias = noise(4, 3), 50 + noise(3)  # a large offset, which no ridge may shrink
    inputs = [noise(128, 4, seed=seed) for seed in range(3)]
    found = fit(inputs, [x @ kernel + bias for x in inputs])
    assert found[0] == pytest.approx(kernel, abs=2e-3) and found[1] == pytest.approx(bias, abs=2e-3)


def test_fit_of_dependent_inputs_is_finite():
    x = noise(64, 2)
    x = np.concatenate([x, x[:, :1], 0 * x[:, :1]], -1)
    kernel, bias = fit([x], [noise(64, 3)])
    assert np.isfinite(kernel).all() and np.isfinite(bias).all()
    assert kernel[0] == pytest.approx(kernel[2], abs=1e-3) and kernel[3] == pytest.approx(0, abs=1e-6)


def one_sided(inputs, targets, kernel, bias):
    """(x A + b - y)^2 where y > 0, max(x A + b, 0)^2 elsewhere; and the ridge."""
    found = with_ones(np.concatenate(inputs)) @ np.vstack([kernel, bias]).astype(np.float64)
    y = np.concatenate(targets).astype(np.float64)
    total = (np.where(y > 0, found - y, np.maximum(found, 0)) ** 2).sum()
    return total + ridge_of(inputs) ** 2 * (kernel.astype(np.float64) ** 2).sum()


def test_rounds_never_raise_the_one_sided_error():
    inputs = [noise(84, 5, seed=seed) for seed in range(2)]
    targets = [noise(84, 4, seed=10 + seed) - 0.4 for seed in range(2)]
    found = [one_sided(inputs, targets, *fit(inputs, targets, rounds)) for rounds in range(8)]
    assert all(b <= a * (1 + 1e-6) for a, b in zip(found, found[1:], strict=False)), found
    assert found[-1] < 0.97 * found[0]


def test_rounds_recover_what_a_rectifier_hides():
    """Where the target is negative it only says that it is: those values are replaced by others."""
    kernel, bias = noise(4, 3), noise(3, seed=1) - 0.3
    inputs = [noise(256, 4, seed=2 + seed) for seed in range(3)]
    targets = []
    for seed, x in enumerate(inputs):
        y = x @ kernel + bias
        targets.append(np.where(y > 0, y, -np.abs(noise(*y.shape, seed=20 + seed))))

    def distance(rounds):
        found = fit(inputs, targets, rounds)
        return np.abs(found[0] - kernel).max() + np.abs(found[1] - bias).max()

    assert distance(60) < 0.1 * distance(0)
    assert distance(60) < distance(10) < distance(0)


# --- the channels


def naive_greedy(x, count):
    """Each time the channel that leaves least of all channels unexplained by least squares."""
    chosen = []
    for _ in range(count):
        left = {}
        for channel in set(range(x.shape[1])) - set(chosen):
            known = x[:, [*chosen, channel]]
            left[channel] = ((x - known @ np.linalg.lstsq(known, x, rcond=None)[0]) ** 2).sum()
        chosen.append(min(left, key=left.get))
    return chosen


@pytest.mark.parametrize("seed", range(3))
def test_channels_are_chosen_greedily(seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(200, 7)) @ rng.normal(size=(7, 7))
    found = choose_channels(x.T @ x / 200, 5)
    assert found.tolist() == naive_greedy(x, 5)


@pytest.mark.parametrize("seed", range(3))
def test_chosen_channels_are_independent(seed):
    """Of three channels, their multiples and their sums, three from which all follow."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(100, 3)) @ np.concatenate([np.eye(3), rng.normal(size=(3, 5))], 1)
    x = x[:, rng.permutation(8)]
    found = choose_channels(x.T @ x, 3)
    known = x[:, found]
    assert np.linalg.matrix_rank(known) == 3
    assert known @ np.linalg.lstsq(known, x, rcond=None)[0] == pytest.approx(x, abs=1e-8)


def test_all_channels_are_chosen_once_even_dead_ones():
    x = noise(50, 4).astype(np.float64)
    x[:, 2], x[:, 3] = 0, x[:, 0]
    moments = x.T @ x
    before = moments.copy()
    assert sorted(choose_channels(moments, 4)) == [0, 1, 2, 3]
    assert sorted(choose_channels(moments, 2)) in ([0, 1], [1, 3])
    assert (moments == before).all()


# --- the layers

TEACHER_CHANNELS = (4, 6, 8, 8, 8)
CONVS = ("conv1_1", "conv1_2", "conv2_1")
ALL = (4, 4, 6)  # channels: all of the teacher's
WIDTHS = (3, 2, 4)
LAYERS = ("relu1_1", "relu2_1")


@pytest.fixture
def narrow(monkeypatch):
    """A VGG-19 of few channels."""
    narrow_vgg(monkeypatch, TEACHER_CHANNELS)


def teacher_params(seed=0):
    params, inputs, rng = {}, 3, np.random.default_rng(seed)
    for conv in CONVS:
        width = TEACHER_CHANNELS[int(conv[4]) - 1]
        kernel = rng.normal(0, (2 / (9 * inputs)) ** 0.5, (3, 3, inputs, width))
        kernel *= 1 / 60 if conv == "conv1_1" else 1  # inputs of caffe's scale
        params[conv] = {"kernel": kernel.astype(np.float32), "bias": noise(width, seed=seed + 7) * 0.1}
        inputs = width
    return params


TEACHER = teacher_params()


def batches(count=3, size=24, seed=0):
    return [
        np.random.default_rng((seed, i)).uniform(0, 1, (2, size, size, 3)).astype(np.float32)
        for i in range(count)
    ]


def test_patches_are_what_a_convolution_sees():
    x, kernel = noise(2, 5, 7, 3), noise(3, 3, 3, 4, seed=1)
    found = distill_fit._patches(jnp.asarray(x)) @ kernel.reshape(27, 4)
    expected = convolution.convolve(jnp.asarray(x), jnp.asarray(kernel), convolution.Geometry())
    assert np.asarray(found) == pytest.approx(np.asarray(expected), abs=1e-5)


def naive_activations(params, image, convention):
    """{conv, relu or pool layer: activations} in float64, by the kernel's nine taps; image `BxHxWx3`."""
    chosen = PREPROCESSING[convention]
    x = image.astype(np.float64)[..., [2, 1, 0] if chosen.channels == "BGR" else [0, 1, 2]]
    x, found = (x * chosen.scale - chosen.mean) / chosen.std, {}
    for conv in [name for name in CONVS if name in params]:
        if conv == "conv2_1":
            count, height, width, channels = x.shape
            x = x[:, : height // 2 * 2, : width // 2 * 2]
            x = x.reshape(count, height // 2, 2, width // 2, 2, channels).max((2, 4))
        kernel, (height, width) = params[conv]["kernel"].astype(np.float64), x.shape[1:3]
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        x = params[conv]["bias"] + sum(
            padded[:, i : i + height, j : j + width] @ kernel[i, j] for i in range(3) for j in range(3)
        )
        found[conv] = x
        x = found[conv.replace("conv", "relu")] = np.maximum(x, 0)
    return found


def rows(x):
    return x.reshape(-1, x.shape[-1])


def read(params, activations, layers):
    """The student's activations through its maps."""
    maps = {layer: params[f"{layer}_map"] for layer in layers}
    return {
        layer: activations[layer] @ part["kernel"].astype(np.float64) + part["bias"]
        for layer, part in maps.items()
    }


def errors_of(params, scales, seed=9):
    """{layer: features' error} of a student on pictures that it was not fitted on."""
    (image,) = batches(1, seed=seed)
    above = naive_activations(TEACHER, image, "caffe")
    found = read(params, naive_activations(params, image, "torchvision"), scales)
    return {
        layer: float(((scale * found[layer] - above[layer]) ** 2).sum() / (above[layer] ** 2).sum())
        for layer, scale in scales.items()
    }


@pytest.mark.parametrize("rounds", [0, 3])
def test_a_student_with_all_channels_is_the_teacher(rounds):
    layers = (*LAYERS, "conv1_2")
    params, scales = warm_start(TEACHER, ALL, layers, batches(), rounds)
    assert set(params) == {*CONVS, *(f"{layer}_map" for layer in layers)} and set(scales) == set(layers)
    found = errors_of(params, scales)
    # the zero padding of the two preprocessings is not quite the same grey
    assert max(found.values()) < 1e-3, found


def test_errors_fall_as_the_student_widens():
    found = [
        errors_of(*warm_start(TEACHER, widths, LAYERS, batches(), 2))
        for widths in ((1, 1, 2), (2, 2, 4), ALL)
    ]
    for layer in LAYERS:
        narrowest, middle, widest = (e[layer] for e in found)
        assert widest < 0.5 * middle < 0.5 * narrowest < 0.5, layer


def test_a_students_units_have_unit_mean_square():
    """After the rectifier, on the pictures of the fit, as every third position tells."""
    params, _ = warm_start(TEACHER, ALL, (), batches(), 0)
    assert list(params) == list(CONVS)
    found = [naive_activations(params, batch, "torchvision") for batch in batches()]
    for conv in CONVS:
        thirds = np.concatenate([rows(one[conv.replace("conv", "relu")])[::3] for one in found])
        assert np.sqrt((thirds**2).mean(0)) == pytest.approx(1, abs=0.03), conv


@pytest.fixture(scope="module")
def start():
    """(the student's params, scales) after the warm start, on every position of the pictures."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distill_fit, "_ROWS", 10**6)
        return warm_start(TEACHER, WIDTHS, LAYERS, batches(2, 16), 1)


def test_maps_are_fits_in_units_of_the_teachers_mean_square(start):
    params, scales = start
    pictures = np.concatenate(batches(2, 16))
    above = naive_activations(TEACHER, pictures, "caffe")
    below = naive_activations(params, pictures, "torchvision")
    for layer in LAYERS:
        assert scales[layer] == pytest.approx(np.sqrt(np.mean(above[layer] ** 2)), rel=1e-4)
        expected = naive_fit([rows(below[layer])], [rows(above[layer]) / scales[layer]])
        assert params[f"{layer}_map"]["kernel"] == pytest.approx(expected[0], abs=2e-3)
        assert params[f"{layer}_map"]["bias"] == pytest.approx(expected[1], abs=2e-3)


def test_fitting_more_maps_leaves_the_others_alone(start, monkeypatch):
    monkeypatch.setattr(distill_fit, "_ROWS", 10**6)
    before = jax.tree.map(np.array, start[0])
    params, scales = fit_maps(TEACHER, start[0], ("conv1_2", "relu1_2"), batches(2, 16))
    assert set(scales) == {"conv1_2", "relu1_2"}
    assert set(params) == {*before, "conv1_2_map", "relu1_2_map"}
    assert jax.tree.all(jax.tree.map(np.array_equal, before, {name: params[name] for name in before}))
    assert max(errors_of(params, scales).values()) < 1
    again, _ = fit_maps(TEACHER, params, LAYERS, batches(2, 16))
    for layer in LAYERS:  # the same fit from the same activations
        assert again[f"{layer}_map"]["kernel"] == pytest.approx(before[f"{layer}_map"]["kernel"], abs=1e-5)


def test_large_sets_are_thinned_to_rows_enough(monkeypatch):
    """Every odd-th position, so many that they are `_ROWS` for each unknown; the fit hardly changes."""
    assert distill_fit._stride([np.zeros((2, 30, 30, 4))], 4) == 3
    assert distill_fit._stride([np.zeros((1, 3, 3, 4))], 4) == 1
    for positions in (1, 399, 400, 800, 1200, 1600, 4000, 10**6):
        stride = distill_fit._stride([np.zeros((1, 1, positions, 1))], 4)
        assert stride % 2 and (stride == 1 or positions / stride >= 400)
    x = noise(1, 9, 9, 2)
    assert np.asarray(distill_fit._sample(None, 5, jnp.asarray(x))) == pytest.approx(rows(x)[::5])
    assert np.asarray(distill_fit._sample(jnp.abs, 1, jnp.asarray(x))) == pytest.approx(np.abs(rows(x)))
    all_of_it = errors_of(*warm_start(TEACHER, ALL, LAYERS, batches(), 0))
    monkeypatch.setattr(distill_fit, "_ROWS", 4)
    thinned = errors_of(*warm_start(TEACHER, ALL, LAYERS, batches(), 0))
    assert thinned != all_of_it and max(thinned.values()) < 5e-3


# --- training


def naive_errors(found, wanted):
    """Loops over the batch and over pairs of channels."""
    result = {}
    for layer in wanted:
        terms = {"features": [], "gram": []}
        for F, P in zip(found[layer], wanted[layer], strict=True):
            terms["features"].append(((F - P) ** 2).sum() / ((P**2).sum() + 1e-6))
            channels, M = F.shape[-1], F.shape[0] * F.shape[1]
            pairs = [(i, j) for i in range(channels) for j in range(channels)]
            G, A = (np.array([(x[..., i] * x[..., j]).sum() / M for i, j in pairs]) for x in (F, P))
            terms["gram"].append(((G - A) ** 2).sum() / ((A**2).sum() + 1e-6))
        result[layer] = {kind: np.mean(values) for kind, values in terms.items()}
    return result


def flat(found):
    return {f"{layer}/{kind}": float(v) for layer, kinds in found.items() for kind, v in kinds.items()}


def test_errors_agree_with_numpy():
    wanted = {"relu1_1": noise(3, 4, 5, 3), "relu2_1": noise(3, 2, 2, 4, seed=1) + 0.5}
    found = {layer: target + 0.3 * noise(*target.shape, seed=2) for layer, target in wanted.items()}
    jax_found = jax.jit(errors)(found, wanted)
    assert flat(jax_found) == pytest.approx(flat(naive_errors(found, wanted)), rel=1e-5)


def test_errors_without_anything_wanted_are_finite():
    zeros, some = jnp.zeros((1, 4, 4, 2)), jnp.ones((1, 4, 4, 2))
    for found in (zeros, some):
        value, gradient = jax.jit(jax.value_and_grad(
            lambda f: sum(errors({"relu1_1": f}, {"relu1_1": zeros})["relu1_1"].values())
        ))(found)  # fmt: skip
        assert np.isfinite(value) and np.isfinite(gradient).all()
    assert all(v == 0 for v in flat(errors({"relu1_1": some}, {"relu1_1": some})).values())


def naive_loss(params, scales, image, layers=LAYERS):
    above = naive_activations(TEACHER, image, "caffe")
    wanted = {layer: above[layer] / float(scales[layer]) for layer in layers}
    found = read(params, naive_activations(params, image, "torchvision"), layers)
    return sum(e["features"] + 3.0 * e["gram"] for e in naive_errors(found, wanted).values())


def make_state(params, scales, optimizer, after=""):
    params = jax.tree.map(jnp.array, params)
    scales = {name: jnp.float32(value) for name, value in scales.items()}
    moments = optimizer.init({name: params[name] for name in student.trained(params, after)})
    return State(params=params, optimizer=moments, scales=scales, step=jnp.int32(0))


def make_pool(state, after, layers, pictures):
    return student.make_pool(TEACHER, state, len(CONVS), after, layers, pictures)


@pytest.mark.parametrize("after", ["", "relu1_1"])
def test_a_pool_is_what_the_teacher_sees(start, after):
    state, pictures = make_state(*start, optax.sgd(1.0)), batches(3, 8)
    layers = ("relu2_1",) if after else LAYERS
    pool = make_pool(state, after, layers, pictures)
    below = naive_activations(start[0], np.concatenate(pictures), "torchvision")
    expected = below[after] if after else np.concatenate(pictures)
    assert pool.inputs == pytest.approx(expected, abs=1e-5) and set(pool.targets) == set(layers)
    above = naive_activations(TEACHER, np.concatenate(pictures), "caffe")
    for layer in layers:
        assert pool.targets[layer] == pytest.approx(above[layer] / start[1][layer], abs=1e-4)


def test_what_is_trained_after_a_layer():
    names = ["conv1_1", "relu1_1_map", "conv1_1_map", "conv1_2", "relu1_2_map", "conv2_1", "relu2_1_map"]
    assert student.trained(dict.fromkeys(names), "") == names
    assert student.trained(dict.fromkeys(names), "relu1_1") == names[3:]
    assert student.trained(dict.fromkeys(names), "relu1_2") == names[5:]


@pytest.mark.parametrize("after", ["", "relu1_1"])
def test_gradients_agree_with_finite_differences(narrow, start, after):
    """Those that a step of gradient descent with rate 1 takes."""
    params, scales = start
    image, layers = batches(1, 16, seed=5)[0], ("relu2_1",) if after else LAYERS
    optimizer = optax.sgd(1.0)
    state = make_state(params, scales, optimizer, after)
    pool = jax.tree.map(jnp.asarray, make_pool(state, after, layers, [image]))
    state, found = student.step(student_network(WIDTHS), after, optimizer, state, pool, jnp.float32(3.0))
    value = sum(float(e["features"] + 3 * e["gram"]) for e in found.values())
    assert value == pytest.approx(naive_loss(params, scales, image, layers), rel=1e-5)
    rng = np.random.default_rng(0)
    for name in params:
        for part, before in params[name].items():
            gradient = before - np.asarray(state.params[name][part])
            if name not in student.trained(params, after):
                assert not gradient.any()
                continue
            index = tuple(rng.integers(before.shape))

            def moved(step, name=name, part=part, index=index):
                array = params[name][part].astype(np.float64)
                array[index] += step
                changed = params | {name: params[name] | {part: array}}
                return naive_loss(changed, scales, image, layers)

            expected = (moved(1e-6) - moved(-1e-6)) / 2e-6
            # the difference of two float32 is what is known of the gradient
            assert float(gradient[index]) == pytest.approx(expected, rel=2e-3, abs=1e-5), (name, part)


@pytest.mark.parametrize("after", ["", "relu1_1"])
def test_steps_lower_the_loss(narrow, start, after):
    optimizer, network, rng = optax.adam(1e-2), student_network(WIDTHS), np.random.default_rng(0)
    worse = jax.tree.map(lambda array: array * rng.normal(1, 0.3, array.shape).astype(np.float32), start[0])
    state = make_state(worse, start[1], optimizer, after)
    pictures, layers = batches(1, 16), ("relu2_1",) if after else LAYERS
    pool, losses = jax.tree.map(jnp.asarray, make_pool(state, after, layers, pictures)), []
    for _ in range(15):
        state, found = student.step(network, after, optimizer, state, pool, jnp.float32(3.0))
        losses.append(sum(float(e["features"] + 3 * e["gram"]) for e in found.values()))
    assert losses[-1] < 0.7 * losses[0] and int(state.step) == 15
    final = naive_loss(jax.tree.map(np.asarray, state.params), start[1], pictures[0], layers)
    assert final < losses[0] and set(found) == set(layers)
    same = {name: np.array_equal(state.params[name]["kernel"], worse[name]["kernel"]) for name in worse}
    kept = [name for name in same if same[name]]
    assert kept == (["conv1_1", "relu1_1_map"] if after else [])
    assert all(float(state.scales[layer]) == pytest.approx(start[1][layer]) for layer in LAYERS)


def test_evaluation_is_of_the_whole_student(narrow, start):
    params, scales = start
    image = batches(1, 16, seed=3)[0]
    found = student.evaluate(
        Network(), student_network(WIDTHS), LAYERS, freeze(TEACHER), params, scales, jnp.asarray(image)
    )
    assert sum(e["features"] + 3 * e["gram"] for e in found.values()) == pytest.approx(
        naive_loss(params, scales, image), rel=1e-4
    )


# --- the network that is shipped


def test_finish_gives_the_teachers_scale(start):
    params = start[0] | {"conv1_2_map": {"kernel": noise(2, 4), "bias": noise(4)}}
    scales = start[1] | {"conv1_2": 3.0}
    for dtype, tolerance in ((np.float16, 1e-3), (np.float32, 1e-6)):
        found = export.finish(params, scales, dtype)
        assert set(found) == set(params)
        for name in params:
            scale = scales[name.removesuffix("_map")] if name.endswith("_map") else 1.0
            kernel, bias = (scale * params[name][part] for part in ("kernel", "bias"))
            if name == "conv1_2_map":
                kernel, bias = slim.compact(kernel, bias)
                assert found[name]["kernel"].shape == (2, 3)
            for part, expected in (("kernel", kernel), ("bias", bias)):
                assert found[name][part].dtype == dtype
                assert found[name][part] == pytest.approx(expected, rel=tolerance, abs=1e-6), name


def test_the_student_in_training_is_the_network_that_is_exported(narrow, start, tmp_path):
    params, scales = start
    image, network = batches(1, 16)[0], student_network(WIDTHS)
    expected = student.student_features(network, LAYERS, params, jnp.asarray(image))
    exact = freeze(export.finish(params, scales, np.float32), frame="vgg")
    path = tmp_path / "slim.safetensors"
    export.write(path, WIDTHS, params, scales, "0" * 64, "0" * 16)
    assert checkpoints.convention(str(path), "vgg19", "") == ("vgg19", "torchvision", WIDTHS)
    shipped = freeze(checkpoints.load(str(path), "vgg19", LAYERS).params, frame="vgg")
    for variables, tolerance in ((exact, 1e-5), (shipped, 5e-3)):
        found = features(network, variables, image, LAYERS)
        for layer in LAYERS:
            wanted = scales[layer] * np.asarray(expected[layer])
            assert np.linalg.norm(found[layer] - wanted) < tolerance * np.linalg.norm(wanted), layer


# --- the program's parts


def tiny(**changes):
    config = distill_config.get_config()
    with config.unlocked():
        config.update_from_flattened_dict(changes)
    return config


@pytest.mark.parametrize("changes, message", [
    ({"widths": (4, 0)}, r"widths = \(4, 0\): give 1 to 16 positive"), ({"widths": ()}, "widths"),
    ({"widths": (4,) * 17}, "widths"), ({"widths": (4, 4), "after": ""}, "layers = 'relu2_1': did you mean"),
    ({"layers": ("conv1_1",)}, "layers = 'conv1_1'"), ({"widths": (4, 4)}, "after = 'relu4_1'"),
    ({"after": "conv4_1"}, "after = 'conv4_1': allowed: relu1_1"),
    ({"after": "relu5_1"}, "after = '?relu5_1"),  # which leaves nothing to be trained
    ({"shares": (1.0, 1.0)}, "shares"), ({"shares": (0.0, 0.0, 0.0, 0.0)}, "shares"),
    ({"shares": (1.0, -1.0, 1.0, 1.0)}, "shares"), ({"steps": 0}, "steps = 0"), ({"batch": -1}, "batch"),
    ({"pool": 0}, "pool"), ({"warm_start.batches": 0}, "batches = 0"), ({"stylised.every": 0}, "every = 0"),
    ({"warm_up": 10**6}, "warm_up = 1000000"), ({"decay_steps": 0}, "decay_steps = 0"),
    ({"learning_rate": 0.0}, "learning_rate"),
    ({"warm_start.renewals": -1}, "renewals"), ({"warm_start.rounds": -1}, "rounds"),
])  # fmt: skip
def test_settings_that_make_no_sense(changes, message):
    with pytest.raises(UserError, match=message) as error:
        checks.check(tiny(**changes))
    assert "\n" not in str(error.value)


def touch(folder, names):
    folder.mkdir()
    for name in names:
        (folder / name).write_bytes(b"")
    return str(folder)


@pytest.mark.parametrize("count, held_out", [(2, 1), (20, 5), (20, 7), (20, 10), (100, 50), (3, 50)])
def test_the_pictures_are_split(tmp_path, count, held_out):
    config = tiny(
        photos=touch(tmp_path / "photos", [f"{i:03}.jpg" for i in range(count)]),
        paintings=touch(tmp_path / "paintings", ["a.jpg", "b.jpg", "c.jpg"]),
        held_out_photos=held_out, held_out_paintings=("b.jpg",),
    )  # fmt: skip
    photos, paintings, held_photos, held_paintings = dataset.split(config)
    assert [path.name for path in paintings] == ["a.jpg", "c.jpg"]
    assert [path.name for path in held_paintings] == ["b.jpg"]
    assert sorted(photos + held_photos) == sorted((tmp_path / "photos").iterdir())
    assert not set(photos) & set(held_photos)
    assert len(held_photos) == min(held_out, count // 2)
    indices = [int(path.stem) for path in held_photos]  # from all over the folder
    assert len(indices) < 2 or max(np.diff(indices)) <= 2 * min(np.diff(indices))


def test_the_report():
    before = {"features/relu1_1": 0.5, "gram/relu1_1": 0.25, "features/relu2_1": 1.0, "gram/relu2_1": 2.0}
    after = {name: value / 10 for name, value in before.items()}
    lines = distill_train.report(before, after, ("relu1_1", "relu2_1")).splitlines()
    assert lines[0] == "| held-out pictures | relu1_1 | relu2_1 |" and lines[1] == "| --- | --- | --- |"
    assert "| features, warm start | 0.5000 | 1.0000 |" in lines
    assert "| gram, trained | 0.0250 | 0.2000 |" in lines


class Counting(Trainer):
    """Trains nothing; remembers the pictures and the pool that each step had."""

    def __init__(self, workdir, steps):
        self.config, self.workdir = tiny(**{"steps": steps, "stylised.every": 3}), workdir
        self.network = self.variables = None
        self.sha256, self.files = "", []
        self.data, self.pictures, self.pool, self.seen = dataset.Data([], [], []), {}, None, []

    def make_pictures(self, state):
        np.savez(self._pictures(int(state.step)), pictures=np.full((1, 2, 2, 3), state.step, np.float32))
        self.load_pictures(int(state.step))

    def make_pool(self, state, step):
        self.pool = step, tuple(self.pictures)

    def step(self, state):
        self.seen.append((int(state.step), self.pool, tuple(self.pictures)))
        return state.replace(step=state.step + 1), {}


@pytest.mark.parametrize("raised", [False, True])
@pytest.mark.parametrize("stopped", range(10))
def test_a_continued_run_has_the_pictures_of_an_uninterrupted_one(tmp_path, monkeypatch, stopped, raised):
    """Continued after a signal, or because steps were raised."""
    monkeypatch.setattr(distill_train, "validate", lambda *arguments: {})

    def train(folder, begin, steps=9, stop=lambda trainer: False):
        (tmp_path / folder).mkdir(exist_ok=True)
        trainer = Counting(tmp_path / folder, steps)
        state = State(params={}, optimizer=(), scales={}, step=jnp.int32(begin))
        state = distill_train.train(trainer, state, 0.0, lambda: stop(trainer))
        return trainer, int(state.step)

    def stop(trainer):
        return len(trainer.seen) == stopped

    whole, _ = train("whole", 0)
    parts, step = train("parts", 0, stopped) if raised else train("parts", 0, 9, stop)
    again, last = train("parts", stopped)
    assert step == stopped and last == 9
    assert parts.seen + again.seen == whole.seen
    assert list(again.pictures) == list(whole.pictures) == [3, 6]
    for step, (found,) in again.pictures.items():
        assert (found == step).all()


# --- the program


def picture(seed, height=40, width=48):
    y, x = np.mgrid[:height, :width]
    rng = np.random.default_rng(seed)
    waves = [np.sin(x * rng.normal(0, 0.3) + y * rng.normal(0, 0.3) + rng.uniform(0, 6)) for _ in range(9)]
    return (0.5 + 0.16 * np.stack([sum(waves[c::3]) for c in range(3)], -1)).clip(0, 1).astype(np.float32)


SETTINGS = {
    "held_out_photos": 1, "held_out_paintings": "('0.png',)", "widths": "6,4,8",
    "layers": "('relu1_1','relu2_1')", "warm_start.batches": 2, "warm_start.batch": 2, "warm_start.size": 24,
    "warm_start.rounds": 2, "steps": 150, "decay_steps": 150, "batch": 2, "pool": 3, "after": "relu1_1",
    "size": 16, "warm_up": 1, "learning_rate": 0.001,
    "stylised.every": 50, "stylised.pairs": 1, "stylised.size": 16, "stylised.snapshots": "1,2",
    "log_every": 10, "validate_every": 50, "checkpoint_seconds": 0.2,
}  # fmt: skip


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """Folders of a few pictures and a random teacher to conv2_1."""
    folder = tmp_path_factory.mktemp("inputs")
    for kind, count in (("photos", 5), ("paintings", 3)):
        (folder / kind).mkdir()
        for index in range(count):
            images.write(folder / kind / f"{index}.png", picture(index + 10 * len(kind)))
    params = checkpoints.load("random", "vgg19", ("relu2_1",)).params
    arrays = {f"{conv}/{part}": array for conv, parts in params.items() for part, array in parts.items()}
    np.savez(folder / "teacher.npz", **arrays)
    return folder


def command(inputs, workdir, **changes):
    paths = {"photos": "photos", "paintings": "paintings", "weights": "teacher.npz"}
    settings = {field: inputs / name for field, name in paths.items()} | SETTINGS | changes
    flags = [f"--config.{name}={value}" for name, value in settings.items()]
    flags += [f"--workdir={workdir}"] if workdir else []
    return [sys.executable, "-m", "experiments.distill", "--config=experiments/distill/config.py", *flags]


def records(workdir):
    lines = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    for line in lines:
        assert line.pop("seconds") >= 0
    return lines


def leave_remains(workdir):
    """What a run of other settings leaves when its checkpoint is deleted to begin again."""
    workdir.mkdir()
    np.savez(workdir / "stylised_000100.npz", pictures=np.zeros((2, 16, 16, 3), np.float32))
    layers = SETTINGS["layers"].strip("()").replace("'", "").split(",")
    record = {f"held_out/{kind}/{layer}": 9.0 for kind in ("features", "gram") for layer in layers}
    (workdir / "metrics.jsonl").write_text(json.dumps({"step": 0, "seconds": 0.0} | record) + "\n")


@pytest.mark.slow
@pytest.mark.processes
def test_stopped_and_continued_to_the_same_bytes(inputs, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    status, output = finish(command(inputs, whole))
    assert status == 0 and "done: " in output, output
    leave_remains(parts)
    process = launch(command(inputs, parts))
    wait_for(parts / "stylised_000050.npz", process)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate()
    assert process.returncode == 128 + signal.SIGTERM, output
    assert "the same command continues it" in output and "Traceback" not in output
    with np.load(parts / "checkpoint.npz") as saved:
        assert 50 <= saved[".step"] < 150 and f"stopped at step {saved['.step']} of 150" in output
    assert not (parts / "slim.safetensors").exists()
    status, output = finish(command(inputs, parts))
    assert status == 0 and "fitting" not in output, output
    for name in ("report.md", "slim.safetensors"):
        assert (parts / name).read_bytes() == (whole / name).read_bytes(), name
    assert records(parts) == records(whole)
    check_folder(inputs, whole)


def check_folder(inputs, workdir):
    """What a finished run leaves."""
    path, layers = str(workdir / "slim.safetensors"), ("relu1_1", "relu2_1")
    assert checkpoints.convention(path, "vgg19", "") == ("vgg19", "torchvision", (6, 4, 8))
    every = ("conv1_1", "conv1_2", "relu1_2", "pool1", "conv2_1", *layers)
    params = checkpoints.load(path, "vgg19", every).params
    assert params["relu2_1_map"]["kernel"].shape == (8, 128)
    assert params["conv2_1_map"]["kernel"].shape == (8, 9)
    with safetensors.safe_open(path, framework="numpy") as file:
        metadata = json.loads(file.metadata()["nst"])
    assert files.digest(inputs / "teacher.npz") in metadata["teacher"]
    assert metadata["config"] == read_json(workdir / "manifest.json", dict)["config_digest"]
    found = records(workdir)
    assert [line["step"] for line in found] == [0, *range(10, 151, 10)]
    first, *_, last = validated = [line for line in found if "held_out/gram/relu1_1" in line]
    assert [line["step"] for line in validated] == [0, 50, 100, 150]
    assert last["held_out/features/relu2_1"] < first["held_out/features/relu2_1"]
    assert last["held_out/features/relu1_1"] == first["held_out/features/relu1_1"]  # it is not trained
    report = (workdir / "report.md").read_text()
    for line in (first, last):
        assert f" {line['held_out/features/relu2_1']:.4f} |" in report
    # the held-out pictures again, with what was written
    network, teacher = student_network((6, 4, 8)), str(inputs / "teacher.npz")
    pair = (network, freeze(checkpoints.load(path, "vgg19", layers).params, frame="vgg")), (
        Network(), freeze(checkpoints.load(teacher, "vgg19", layers).params),
    )  # fmt: skip
    pictures = folders.load([inputs / "photos/2.png", inputs / "paintings/0.png"], 24)
    images = [folders.center(rgb, 24)[None] for rgb in pictures]
    again = [flat(errors(*(features(*net, image, layers) for net in pair))) for image in images]
    for layer in layers:
        expected = np.mean([one[f"{layer}/features"] for one in again])
        assert expected == pytest.approx(last[f"held_out/features/{layer}"], rel=0.02)


WRONG = [
    ({"photos": "missing"}, "photos = 'missing': no pictures there; give a folder of images"),
    ({"paintings": ""}, "paintings = '': no pictures there"),
    ({"held_out_paintings": "('none.png',)"}, "has no none.png"),
    ({"weights": "none.npz"}, "none.npz"),
    ({"warm_up": 150}, "warm_up = 150: must be at least 0 and less than decay_steps = 150"),
    ({"workdir": None}, "give a folder for the run: --workdir=runs/distill"),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.processes
def test_errors_are_one_line_and_status_one(inputs, tmp_path):
    cases = []
    for changes, message in WRONG:
        changes = {"workdir": tmp_path / "run"} | changes
        cases.append((command(inputs, changes.pop("workdir"), **changes)[3:], message))
    check_one_line_errors(cases, run_each("experiments.distill", [flags for flags, _ in cases]))
