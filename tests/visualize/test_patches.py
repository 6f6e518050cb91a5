"""Strongest patches of pictures whose answer is known."""

import numpy as np
import pytest

from nst import images
from nst.errors import UserError
from nst.images import folders
from nst.networks.checkpoints import load
from nst.networks.network import PREPROCESSING, Network, Preprocessing
from nst.networks.receptive import receptive
from nst.visualize import patches
from nst.visualize.deconvnet import Unit, keep_unit, project
from nst.visualize.network import Model
from nst.visualize.receptive import box, cut
from tests.helpers.frozen import features, freeze

PLAIN = Preprocessing("RGB", 1.0, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
SHAPES = [(32, 24), (24, 32), (32, 32), (32, 24), (24, 32)]  # that `fit` leaves alone


def colours():
    """relu1_1 gives red, green and blue in its first three channels."""
    kernel = np.zeros((3, 3, 3, 64))
    kernel[1, 1] = np.eye(3, 64)
    variables = freeze({"conv1_1": {"kernel": kernel, "bias": np.zeros(64)}})
    return Model(Network(preprocessing=PLAIN), variables)


def untrained(layer):
    network = Network(preprocessing=PREPROCESSING["torchvision"])
    return Model(network, freeze(load("random", "vgg19", (layer,)).params))


def folder(tmp_path, pictures):
    for k, picture in enumerate(pictures):
        images.write(tmp_path / f"{k}.png", picture)
    return folders.files(tmp_path, "folder")


def noise(shape, seed):
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3)).astype(np.float32) / 255


def seen(model, image_1xHxWx3, layer):
    return features(model.network, model.variables, image_1xHxWx3, (layer,))[layer]


def silent(line):
    raise AssertionError(line)


def test_colours_are_found_where_they_were_put(tmp_path):
    pictures = [np.full((*shape, 3), 0.2, np.float32) for shape in SHAPES]
    spots = {0: [(3, 5, 0.9), (20, 2, 0.6), (0, 31, 0.8), (31, 23, 1.0), (12, 12, 0.7)]}
    spots[2] = [(9, 9, 0.3), (2, 2, 0.5), (8, 1, 1.0), (0, 0, 0.4), (23, 31, 0.6)]
    for channel, places in spots.items():
        for picture, (y, x, value) in zip(pictures, places, strict=True):
            picture[y, x, channel] = value
            picture[min(y + 1, len(picture) - 1), x, channel] = value  # as strong; a picture counts once
    paths = folder(tmp_path, pictures)
    found = patches.top(colours(), paths, "relu1_1", (2, 0), 3, 32, silent)
    for row, channel in enumerate((2, 0)):
        order = sorted(range(5), key=lambda k: -spots[channel][k][2])[:3]
        np.testing.assert_array_equal(found.pictures_CxK[row], order)
        np.testing.assert_array_equal(found.y_CxK[row], [spots[channel][k][0] for k in order])
        np.testing.assert_array_equal(found.x_CxK[row], [spots[channel][k][1] for k in order])
        np.testing.assert_allclose(found.values_CxK[row], [spots[channel][k][2] for k in order], atol=0.002)


@pytest.mark.parametrize("layer", ["relu1_2", "pool2"])
def test_a_loop_over_all_positions_finds_the_same(tmp_path, layer):
    paths = folder(tmp_path, [noise(shape, seed) for seed, shape in enumerate(SHAPES)])
    model, channels = untrained(layer), (5, 0, 41)
    found = patches.top(model, paths, layer, channels, 3, 32, silent)
    for row, channel in enumerate(channels):
        best = []
        for index, path in enumerate(paths):
            image = images.read(path).rgb_HxWx3[None]
            activation = np.asarray(seen(model, image, layer))[0]
            places = [(activation[y, x, channel], index, y, x) for y, x in np.ndindex(activation.shape[:2])]
            best.append(max(places, key=lambda place: place[0]))
        best = sorted(best, key=lambda place: -place[0])[:3]
        np.testing.assert_allclose(found.values_CxK[row], [place[0] for place in best], rtol=1e-4)
        for part, column in ((found.pictures_CxK, 1), (found.y_CxK, 2), (found.x_CxK, 3)):
            np.testing.assert_array_equal(part[row], [place[column] for place in best])


def test_of_equal_pictures_the_first_counts(tmp_path):
    paths = folder(tmp_path, [noise((32, 24), 0)] * 3)
    found = patches.top(colours(), paths, "relu1_1", (1,), 2, 32, silent)
    np.testing.assert_array_equal(found.pictures_CxK, [[0, 1]])


def test_a_damaged_file_is_named_and_left_out(tmp_path):
    pictures = [noise(shape, seed) for seed, shape in enumerate(SHAPES[:4])]
    paths = folder(tmp_path, pictures)
    whole = patches.top(colours(), [*paths[:1], *paths[2:]], "relu1_1", (0, 1), 3, 32, silent)
    paths[1].write_bytes(paths[1].read_bytes()[:200])
    told = []
    found = patches.top(colours(), paths, "relu1_1", (0, 1), 3, 32, told.append)
    assert len(told) == 1 and "left out" in told[0] and str(paths[1]) in told[0]
    np.testing.assert_array_equal(found.pictures_CxK, np.array([0, 2, 3])[whole.pictures_CxK])
    for name in ("values_CxK", "y_CxK", "x_CxK"):
        np.testing.assert_array_equal(getattr(found, name), getattr(whole, name))


def test_patches_at_the_border_and_their_projections(tmp_path):
    pictures = [np.full((*shape, 3), 0.1, np.float32) for shape in SHAPES[:2]]
    pictures[0][0, 0, 0] = pictures[1][23, 20, 0] = 1.0
    pictures[1][22, 19] = (0.4, 0.6, 0.8)
    paths = folder(tmp_path, pictures)
    found = patches.top(colours(), paths, "relu1_1", (0,), 2, 32, silent)
    result = patches.cut_out(colours(), paths, "relu1_1", (0,), found, 32)
    expected = np.full((2, 3, 3, 3), 0.1)
    expected[0, 0] = expected[0, :, 0] = 0.5  # grey beyond the corner
    expected[0, 1, 1, 0] = expected[1, 1, 1, 0] = 1.0
    expected[1, 0, 0] = (0.4, 0.6, 0.8)
    expected[1, 2] = 0.5
    np.testing.assert_allclose(result.pictures_CxKxsxsx3[0], expected, atol=0.002)
    only_red = np.zeros((2, 3, 3, 3))
    only_red[:, 1, 1, 0] = 1
    np.testing.assert_allclose(result.projections_CxKxsxsx3[0], only_red, atol=1e-6)


def test_patches_are_those_of_their_units_and_make_a_figure(tmp_path):
    layer, channels = "pool1", (7, 3, 60, 1)
    paths = folder(tmp_path, [noise((24, 32), seed) for seed in range(3)])
    model = untrained(layer)
    found = patches.top(model, paths, layer, channels, 2, 32, silent)
    result = patches.cut_out(model, paths, layer, channels, found, 32, "guided")
    for place in np.ndindex(4, 2):
        image = images.read(paths[found.pictures_CxK[place]]).rgb_HxWx3
        unit = Unit(found.y_CxK[place], found.x_CxK[place], channels[place[0]])
        square = box(receptive(model.network, layer), unit.y, unit.x)
        np.testing.assert_array_equal(result.pictures_CxKxsxsx3[place], cut(image, square).patch_hxwx3)
        activation = seen(model, image[None], layer)
        np.testing.assert_allclose(activation[0][unit], found.values_CxK[place], rtol=1e-4)
        whole = project(
            model.network, model.variables, image[None], layer, keep_unit(activation, unit), "guided"
        )
        expected = cut(np.asarray(whole[0]), square, 0.0).patch_hxwx3
        assert np.abs(expected).max() > 0
        np.testing.assert_allclose(result.projections_CxKxsxsx3[place], expected, rtol=1e-3, atol=1e-5)
    figure = patches.figure(layer, channels, found, result, "noise", columns=3)
    shown = [place for place in figure.axes if place.images]
    assert [place.get_xlabel() for place in shown[::2]] == [f"channel {channel}" for channel in channels]
    np.testing.assert_allclose(
        shown[6].images[0].get_array(), patches.block(result.pictures_CxKxsxsx3[3]), atol=1e-6
    )


# --- shapes


@pytest.mark.parametrize("size, smallest", [(64, 1), (100, 1), (37, 8), (16, 16)])
def test_fit_gives_few_shapes_and_cuts_little(size, smallest):
    rng = np.random.default_rng(0)
    shapes = set()
    for _ in range(150):
        height, width = rng.integers(4, 120, 2)
        found = patches.fit(np.zeros((height, width, 3), np.float32), size, smallest)
        assert max(found.shape) == size and min(found.shape[:2]) >= smallest
        shapes.add(found.shape)
        long, short = max(height, width), min(height, width)
        if short * size / long >= max(size / 8 + 1, smallest):  # no panorama
            lost = short * size / long - min(found.shape[:2])
            assert lost <= max(size / 8, smallest) + 1
    assert len(shapes) <= 15


def test_fit_keeps_the_middle():
    rgb = np.zeros((64, 44, 3), np.float32)
    rgb[:, 22:] = 1
    found = patches.fit(rgb, 64)
    assert found.shape == (64, 40, 3)
    np.testing.assert_array_equal(found, rgb[:, 2:42])
    panorama = np.zeros((10, 400, 3), np.float32)
    panorama[:, 200:] = 1
    found = patches.fit(panorama, 64)
    assert found.shape == (8, 64, 3)
    assert found[:, :30].max() < 0.1 and found[:, 34:].min() > 0.9


@pytest.mark.parametrize(
    "count, size, rows, columns, tile", [(9, 5, 3, 3, 95), (7, 24, 3, 3, 96), (2, 200, 1, 2, 96)]
)
def test_a_block_holds_its_pictures_with_gaps(count, size, rows, columns, tile):
    pictures = np.linspace(0.1, 0.9, count)[:, None, None, None] * np.ones((count, size, size, 3))
    found = patches.block(pictures.astype(np.float32))
    assert found.shape == (rows * (tile + 3) - 3, columns * (tile + 3) - 3, 3)
    for k, picture in enumerate(pictures):
        top, left = k // columns * (tile + 3), k % columns * (tile + 3)
        np.testing.assert_allclose(found[top : top + tile, left : left + tile], picture[0, 0, 0], atol=1e-5)
    assert (found[:, tile : tile + 3] == 1).all()


# --- errors


def test_errors_say_what_to_do(tmp_path):
    (tmp_path / "notes.txt").write_text("no picture")
    paths = folder(tmp_path, [noise((24, 32), 0)])
    assert [path.name for path in paths] == ["0.png"]
    model = colours()
    with pytest.raises(UserError, match="only 1 pictures can be read: give 2 or more"):
        patches.top(model, paths, "relu1_1", (0,), 2, 32, silent)
    with pytest.raises(UserError, match="channel 64: relu1_1 has 64 channels; give 0 to 63"):
        patches.top(model, paths, "relu1_1", (0, 64), 1, 32, silent)
    with pytest.raises(UserError, match="size = 8: relu5_1 needs 16 pixels or more"):
        patches.top(model, paths, "relu5_1", (0,), 1, 8, silent)
    with pytest.raises(UserError, match="did you mean 'relu1_1'"):
        patches.top(model, paths, "relu11", (0,), 1, 32, silent)
