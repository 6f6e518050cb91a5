"""Transformed windows against slices, rotations and ramps; the distances against NumPy."""

from pathlib import Path

import numpy as np
import pytest

from nst import images
from nst.configs import trial
from nst.errors import UserError
from nst.visualize import invariance
from nst.visualize.invariance import TRANSFORMATIONS, curves, transform, window
from nst.visualize.network import load
from tests.helpers.frozen import features

CAT = Path(__file__).parents[2] / "nst/data/images/cat.jpg"
LAYERS = ("relu1_1", "relu2_1", "relu3_1")
STRIDES = (1, 2, 4)
RANGES = {
    "translation": (-3, 0, 5),
    "scaling": (0.7, 1.0, 1.6),
    "rotation": (-8, 0, 30),
}


@pytest.fixture(scope="module")
def model():
    return load(trial.get_config(), LAYERS)


def noise(height=24, width=31, seed=0):
    return np.random.default_rng(seed).uniform(0, 1, (height, width, 3)).astype(np.float32)


def cat(height, width):
    return images.resize(images.read(CAT).rgb_HxWx3, height, width, "lanczos")


def source(transformation, value, y, x):
    """Where (y, x), from the centre, of the transformed picture was, in the papers' words."""
    if transformation == "translation":
        return y - value, x
    if transformation == "scaling":
        return y / value, x / value
    angle = np.deg2rad(value)  # y points down: a turn to the left
    return y * np.cos(angle) + x * np.sin(angle), x * np.cos(angle) - y * np.sin(angle)


def test_every_transformation_is_tested():
    assert set(RANGES) == set(TRANSFORMATIONS)


@pytest.mark.parametrize("shape", [(24, 31), (40, 40), (33, 20)])
@pytest.mark.parametrize("transformation", TRANSFORMATIONS)
def test_the_window_stays_inside_and_is_the_largest(transformation, shape):
    values = RANGES[transformation]
    height, width = window(shape, transformation, values)
    assert (height - shape[0]) % 2 == (width - shape[1]) % 2 == 0

    def outside(height, width):
        """Pixels by which it leaves the picture."""
        worst = -np.inf
        for value in values:
            for y in (-(height - 1) / 2, (height - 1) / 2):
                for x in (-(width - 1) / 2, (width - 1) / 2):
                    at = source(transformation, value, y, x)
                    worst = max(worst, *(abs(p) - (edge - 1) / 2 for p, edge in zip(at, shape, strict=True)))
        return worst

    assert outside(height, width) <= 1e-5
    assert outside(height + 2, width + 2) > 0


@pytest.mark.parametrize("transformation", TRANSFORMATIONS)
def test_the_identity_alone_leaves_the_whole_picture(transformation):
    image = noise()
    found = transform(image, transformation, [TRANSFORMATIONS[transformation].identity])
    np.testing.assert_allclose(found, image[None], atol=1e-6)


def test_whole_pixels_are_slices():
    image, values = noise(), (-4, 0, 3, 5)
    found = transform(image, "translation", values)
    height, width = found.shape[1:3]
    top, left = (24 - height) // 2, (31 - width) // 2
    assert height == 24 - 2 * 5
    for value, moved in zip(values, found, strict=True):
        expected = image[top - value : top - value + height, left : left + width]
        np.testing.assert_allclose(moved, expected, atol=1e-6)


def test_a_quarter_turn_is_exact_and_to_the_left():
    image = noise(21, 21)
    (found,) = transform(image, "rotation", [90])
    np.testing.assert_allclose(found, np.rot90(image), atol=1e-6)


@pytest.mark.parametrize("transformation", TRANSFORMATIONS)
def test_a_ramp_stays_one(transformation):
    height, width = 60, 70
    y, x = np.mgrid[:height, :width]
    image = np.stack([y / height, x / width, (y + x) / (height + width)], -1).astype(np.float32)
    values = RANGES[transformation]
    found = transform(image, transformation, values)
    inner = found.shape[1:3]
    for value, moved in zip(values, found, strict=True):
        for q in np.random.default_rng(1).integers(0, inner, (20, 2)):
            q_y, q_x = q - (np.array(inner) - 1) / 2
            p_y, p_x = source(transformation, value, q_y, q_x)
            p_y, p_x = p_y + (height - 1) / 2, p_x + (width - 1) / 2
            if min(p_y, p_x, height - 1 - p_y, width - 1 - p_x) > 5:  # the border bends a spline
                expected = p_y / height, p_x / width, (p_y + p_x) / (height + width)
                np.testing.assert_allclose(moved[*q], expected, atol=1e-4)


@pytest.mark.parametrize("transformation", TRANSFORMATIONS)
def test_no_border_comes_in(transformation):
    found = transform(np.full((24, 31, 3), 0.7, np.float32), transformation, RANGES[transformation])
    np.testing.assert_allclose(found, 0.7, atol=1e-6)


def test_a_reduction_does_not_alias():
    image = noise(96, 96)
    (found,) = transform(image, "scaling", [0.25])
    means = image.reshape(24, 4, 24, 4, 3).mean((1, 3))  # what 4x4 pixels leave of noise: a quarter
    assert found.shape == means.shape
    assert 0.5 < found.std() / means.std() < 1.2
    assert np.corrcoef(found.ravel(), means.ravel())[0, 1] > 0.8


def test_curves_are_the_distances_of_the_windows(model):
    image, values, layers = cat(48, 56), (30, -8), LAYERS[:2]
    found = curves(model, image, layers, "rotation", values)
    windows = transform(image, "rotation", [*values, 0])
    described = features(model.network, model.variables, windows, layers)
    for index, layer in enumerate(layers):
        F = [np.asarray(f, np.float64).reshape(-1, f.shape[-1]) for f in described[layer]]
        G = [f.T @ f / len(f) for f in F]
        for name, f in (("features", F), ("gram", G)):
            expected = [np.linalg.norm(f[v] - f[-1]) / np.linalg.norm(f[-1]) for v in range(2)]
            assert found[name].shape == (2, 2)
            np.testing.assert_allclose(found[name][index], expected, rtol=1e-4)
            assert min(expected) > 0.01


@pytest.mark.parametrize("transformation", TRANSFORMATIONS)
def test_nothing_moves_at_the_identity(model, transformation):
    found = curves(model, cat(48, 56), LAYERS[:1], transformation, RANGES[transformation])
    for distances in found.values():
        assert distances[0, 1] < 1e-6 < 1e-3 < distances[0, [0, 2]].min()


def test_style_stays_where_content_moves(model):
    """By one stride of a layer: its features have changed, its Gram matrix hardly."""
    found = curves(model, cat(96, 128), LAYERS, "translation", (0, *STRIDES))
    for index, layer in enumerate(LAYERS):
        assert found["features"][index][1 + index] > 0.3, layer
        assert found["gram"][index][1 + index] < found["features"][index][1 + index] / 4, layer


@pytest.mark.parametrize(
    "transformation, values, match",
    [
        ("shear", (0, 1), "transformation = 'shear'"),
        ("translation", (0, 20), "translation from 0 to 20"),
        ("translation", (0, 11), "leaves 2x2 px of 24x24, and relu3_1 needs 4"),
        ("scaling", (0.0, 1.0), "scaling by 0"),
        ("scaling", (0.02, 1.0), "scaling from 0.02 to 1"),
        ("scaling", (-1.0, 1.0), "scaling by -1"),
    ],
)
def test_what_the_picture_does_not_have_is_refused(model, transformation, values, match):
    with pytest.raises(UserError, match=match):
        curves(model, noise(24, 24), LAYERS, transformation, values)


def test_figure_has_a_line_for_each_layer_and_one_y_axis():
    rng = np.random.default_rng(0)
    found = {
        name: (values, {key: rng.uniform(0, 1, (3, 3)) for key in ("features", "gram")})
        for name, values in RANGES.items()
    }
    figure = invariance.figure(found, LAYERS, "noise")
    assert len(figure.axes) == 6
    assert len({place.get_ylim() for place in figure.axes}) == 1
    for k, place in enumerate(figure.axes):
        name = list(RANGES)[k // 2]
        assert place.get_xlabel() == f"{name} ({TRANSFORMATIONS[name].unit})"
        for index, (layer, line) in enumerate(zip(LAYERS, place.lines, strict=True)):
            assert line.get_label() == layer
            expected = found[name][1][("features", "gram")[k % 2]][index]
            np.testing.assert_array_equal(line.get_ydata(), expected)
    figure.canvas.draw()
