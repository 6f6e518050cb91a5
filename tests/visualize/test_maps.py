"""Feature maps and Gram matrices of a picture against loops."""

from pathlib import Path

import numpy as np
import pytest

from nst import images
from nst.configs import trial
from nst.errors import UserError
from nst.visualize import maps, network

CAT = Path(__file__).parents[2] / "nst/data/images/cat.jpg"
LAYERS = ("relu1_1", "relu2_1")


@pytest.fixture(scope="module")
def model():
    config = trial.get_config()
    return network.load(config, LAYERS, single_channels=True)


@pytest.fixture(scope="module")
def found(model):
    cat = images.read(CAT).rgb_HxWx3
    return network.activations(model, images.resize(cat, 24, 32, "lanczos"), LAYERS)


def activation(seed=0, shape=(3, 4, 5)):
    return np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)


def test_activations_have_the_layers_shapes(found):
    assert {layer: a.shape for layer, a in found.items()} == {
        "relu1_1": (24, 32, 64),
        "relu2_1": (12, 16, 128),
    }
    assert all(a.dtype == np.float32 for a in found.values())


def test_a_picture_too_small_is_refused(model):
    with pytest.raises(UserError, match="40x1 px.*2 px"):
        network.activations(model, np.zeros((1, 40, 3), np.float32), LAYERS)


def test_strongest_channels_are_those_of_the_largest_means():
    x = activation()
    means = {c: sum(float(v) for v in x[..., c].ravel()) / 12 for c in range(5)}
    expected = sorted(means, key=lambda c: -means[c])
    for count in (1, 3, 5):
        assert list(maps.strongest_channels(x, count)) == expected[:count]


def test_the_mean_decides_and_not_the_maximum():
    x = np.zeros((3, 4, 2), np.float32)
    x[1, 2, 0] = 9  # one position: mean 0.75
    x[..., 1] = 1
    assert maps.strongest_channels(x, 2) == (1, 0)


def test_of_equal_channels_the_first():
    x = np.ones((2, 2, 4), np.float32)
    x[..., 2] = 2
    assert maps.strongest_channels(x, 3) == (2, 0, 1)


@pytest.mark.parametrize("count", [0, -1, 6])
def test_a_wrong_count_is_refused(count):
    with pytest.raises(UserError, match=f"count = {count}.*1 to 5"):
        maps.strongest_channels(activation(), count)


def test_a_map_is_over_its_own_maximum():
    x = np.array([[-2.0, 1.0], [4.0, 0.0]], np.float32)
    np.testing.assert_array_equal(maps.scaled(x), [[0, 0.25], [1, 0]])
    for nothing in (np.zeros((2, 3)), np.full((2, 3), -1.0)):
        np.testing.assert_array_equal(maps.scaled(nothing), np.zeros((2, 3)))


def test_gram_matrices_are_those_of_loops():
    x = activation(1)
    expected = np.zeros((5, 5))
    for i in range(5):
        for j in range(5):
            for y in range(3):
                for z in range(4):
                    expected[i, j] += float(x[y, z, i]) * float(x[y, z, j]) / 12
    np.testing.assert_allclose(maps.gram_matrices({"relu1_1": x})["relu1_1"], expected, rtol=1e-5, atol=1e-6)


def test_the_roots_diagonal_is_the_root_mean_square(found):
    root = maps.signed_root(maps.gram_matrices(found)["relu1_1"])
    expected = [np.sqrt((found["relu1_1"][..., c].astype(np.float64) ** 2).mean()) for c in range(64)]
    np.testing.assert_allclose(np.diag(root), expected, rtol=1e-4)
    np.testing.assert_array_equal(
        maps.signed_root(np.array([[-9.0, 0.0], [4.0, -0.25]])), [[-3, 0], [2, -0.5]]
    )


def test_figure_of_maps_shows_the_chosen_channels(found):
    chosen = {"relu2_1": (5, 0, 127), "relu1_1": (63, 3)}
    figure = maps.figure_maps(found, chosen, "cat")
    places = [place for place in figure.axes if place.images]
    shown = [(layer, c) for layer, channels in chosen.items() for c in channels]
    assert len(places) == len(shown)
    for place, (layer, c) in zip(places, shown, strict=True):
        largest = found[layer][..., c].max()
        expected = np.clip(found[layer][..., c] / largest, 0, 1)
        np.testing.assert_allclose(place.images[0].get_array(), expected, atol=1e-6)
        assert place.get_xlabel() == f"{c}: max {largest:.3g}"
    assert [places[0].get_ylabel(), places[3].get_ylabel()] == ["relu2_1\n16x12", "relu1_1\n32x24"]
    for channel in (64, -1):
        with pytest.raises(UserError, match=f"channel {channel}: relu1_1 has 64"):
            maps.figure_maps(found, {"relu1_1": (0, channel)}, "cat")


@pytest.mark.parametrize("signed", [False, True])
def test_figure_of_grams_has_zero_at_the_end_or_in_the_middle(signed):
    gram = np.array([[4.0, -1.0], [-1.0, 9.0]]) if signed else np.array([[4.0, 1.0], [1.0, 9.0]])
    figure = maps.figure_grams({"conv1_1": gram}, "cat")
    shown = figure.axes[0].images[0]
    assert shown.get_clim() == ((-3, 3) if signed else (0, 3))
    np.testing.assert_array_equal(shown.get_array(), np.sign(gram) * np.sqrt(np.abs(gram)))
    assert "sign(G)" in figure.axes[-1].get_ylabel()
    figure.canvas.draw()


def test_more_grams_than_a_row_holds():
    figure = maps.figure_grams({f"relu{k}_1": np.eye(2) for k in range(1, 6)}, "cat")
    titles = [place.get_title() for place in figure.axes if place.images]
    assert titles == [f"relu{k}_1" for k in range(1, 6)]
    figure.canvas.draw()


def test_a_few_large_entries_do_not_darken_the_others():
    gram = np.ones((64, 64))
    gram[3, 3] = 1e6  # one in 4096
    figure = maps.figure_grams({"relu1_1": gram}, "cat")
    assert figure.axes[0].images[0].get_clim() == (0, 1)
    assert figure.axes[0].images[0].colorbar.extend == "max"
    for gram, extend in ((-1e-3 * np.eye(64) + 1, "neither"), (np.where(np.eye(64), -1e-3, 1), "min")):
        figure = maps.figure_grams({"relu1_1": gram}, "cat")
        assert figure.axes[0].images[0].colorbar.extend == extend
    maps.figure_grams({"relu1_1": np.zeros((3, 3))}, "black").canvas.draw()
