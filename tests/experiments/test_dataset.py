"""Training images: what they are made of, from which seed, and the folders they come from."""

import numpy as np
import pytest
from PIL import Image

from experiments.distill import dataset
from nst import images
from nst.errors import UserError
from nst.images import folders

SHAPES = [(40, 56), (56, 40), (48, 48), (5, 200), (1, 9), (1, 1)]


def picture(height=40, width=56, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def flat(*rgb):
    return np.full((30, 30, 3), rgb, np.uint8)


def rng(seed=0):
    return np.random.default_rng(seed)


# --- batches

SOURCES = ([picture(seed=1), picture(30, 90, seed=2)], [picture(seed=3)], [])


def batch(seed=(0, 0), count=6, size=16, sources=SOURCES, shares=(1, 1, 1, 1)):
    return dataset.batch(seed, count, size, sources, shares)


@pytest.mark.parametrize("count, size", [(1, 8), (5, 16), (3, 33)])
def test_a_batch_has_its_shape_and_range(count, size):
    found = batch((0, 1), count, size)
    assert found.shape == (count, size, size, 3) and found.dtype == np.float32
    assert np.isfinite(found).all() and -1.5 < found.min() and found.max() < 2.5


def test_the_seed_decides():
    np.testing.assert_array_equal(batch((3, 7)), batch((3, 7)))
    others = [batch(seed) for seed in ((3, 7), (3, 8), (4, 7), (0, 3, 7))]
    for index, first in enumerate(others):
        assert all(np.abs(first - second).mean() > 0.05 for second in others[:index])


def test_a_batch_does_not_change_its_pictures():
    before = [p.copy() for pictures in SOURCES for p in pictures]
    batch(count=40)
    after = [p for pictures in SOURCES for p in pictures]
    assert all((a == b).all() for a, b in zip(before, after, strict=True))


RED, GREEN, BLUE = (flat(250, 0, 0), flat(0, 250, 0), flat(0, 0, 250))


def origins(monkeypatch, shares, count=600, sources=([RED], [GREEN], [BLUE])):
    """How often each source, and the patterns, were drawn; told by their colours."""
    monkeypatch.setattr(dataset, "jitter", lambda rng, image: image)
    monkeypatch.setattr(dataset, "pattern", lambda rng, size: np.zeros((size, size, 3), np.float32))
    found = batch((1, 1), count, 4, sources, shares).mean((1, 2))
    brightest = np.where(found.max(-1) > 0, found.argmax(-1), 3)
    return np.bincount(brightest, minlength=4) / count


@pytest.mark.parametrize("shares", [(0.4, 0.2, 0.3, 0.1), (2, 1, 0, 0), (0, 0, 5, 0), (0, 1, 0, 3)])
def test_shares_are_relative_and_zero_is_never(monkeypatch, shares):
    found = origins(monkeypatch, shares)
    expected = np.array(shares) / sum(shares)
    assert found == pytest.approx(expected, abs=0.08)
    assert (found[expected == 0] == 0).all()


def test_an_empty_source_gives_its_share_to_the_first(monkeypatch):
    found = origins(monkeypatch, (1, 1, 2, 0), sources=([RED], [GREEN], []))
    assert found == pytest.approx([0.75, 0.25, 0, 0], abs=0.08)


def test_half_of_the_crops_are_changed(monkeypatch):
    monkeypatch.setattr(dataset, "jitter", lambda rng, image: 0 * image)
    found = batch((0,), 300, 4, ([RED],), (1, 0)).mean((1, 2, 3))
    assert (found == 0).mean() == pytest.approx(0.5, abs=0.1)


def test_every_picture_of_a_source_is_drawn(monkeypatch):
    monkeypatch.setattr(dataset, "jitter", lambda rng, image: image)
    found = batch((0,), 40, 4, ([RED, GREEN, BLUE],), (1, 0)).mean((1, 2)).argmax(-1)
    assert set(found) == {0, 1, 2}


# --- one picture


@pytest.mark.parametrize("height, width", SHAPES)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_crops_of_pictures_of_any_shape(height, width, dtype):
    whole = picture(height, width)
    whole = whole if dtype == np.uint8 else (whole / 255).astype(dtype)
    for seed in range(20):
        found = dataset.crop(rng(seed), whole, 12)
        assert found.shape == (12, 12, 3) and found.dtype == np.float32
        assert 0 <= found.min() and found.max() <= 1


def test_a_crop_is_a_square_of_the_picture_perhaps_mirrored():
    """At its own scale a crop is a part of the picture, pixel for pixel."""
    whole = picture(16, 40)
    squares = np.lib.stride_tricks.sliding_window_view(whole, (16, 16, 3))[:, :, 0].reshape(-1, 16, 16, 3)
    positions = []
    for seed in range(300):
        found = dataset.crop(rng(seed), whole, 16)
        for mirrored in (False, True):
            pixels = np.rint(255 * found[:, :: -1 if mirrored else 1])
            positions += [(int(i), mirrored) for i in np.flatnonzero((squares == pixels).all((1, 2, 3)))]
    assert len(set(positions)) > 20 and {mirrored for _, mirrored in positions} == {False, True}


def test_crops_are_enlarged_and_shrunk():
    """A ramp over the width shows how much of it is in the crop."""
    ramp = np.broadcast_to(np.linspace(0, 1, 100, dtype=np.float32)[None, :, None], (100, 100, 3))
    edges = [100 * np.ptp(dataset.crop(rng(seed), ramp, 20)) for seed in range(300)]
    assert 10 < min(edges) < 20 and 80 < max(edges) <= 100
    assert 0.25 < np.mean(np.array(edges) < 40) < 0.75


@pytest.mark.parametrize("height, width", [(40, 60), (60, 40), (40, 40), (8, 8), (7, 31)])
def test_the_center_of_a_picture(height, width):
    y, x = np.mgrid[:height, :width]
    ramps = np.stack([x / (width - 1), y / (height - 1), 0 * x], -1)
    found = folders.center(np.rint(255 * ramps).astype(np.uint8), 16)
    assert found.shape == (16, 16, 3) and 0 <= found.min() and found.max() <= 1
    # the middle of the picture lies in the middle, the short edge is whole
    assert found.mean((0, 1)) == pytest.approx([0.5, 0.5, 0], abs=0.04)
    short = int(height <= width)
    assert np.ptp(found[..., short]) == pytest.approx(1, abs=0.12)
    assert np.ptp(found[..., 1 - short]) == pytest.approx(min(height, width) / max(height, width), abs=0.12)


def test_the_center_at_its_own_size_is_the_picture():
    whole = picture(16, 16)
    assert folders.center(whole, 16) == pytest.approx(whole / 255, abs=1e-6)


def test_jitter_changes_colours_and_stays_near_the_range():
    image = dataset.crop(rng(), picture(), 16)
    before = image.copy()
    changed = [dataset.jitter(rng(seed), image) for seed in range(60)]
    assert (image == before).all()
    assert all(found.dtype == np.float32 and found.shape == image.shape for found in changed)
    assert -0.2 <= min(found.min() for found in changed) and max(found.max() for found in changed) <= 1.2
    assert min(found.min() for found in changed) < 0 and max(found.max() for found in changed) > 1
    assert all(np.abs(found - image).max() > 0.02 for found in changed)


# --- patterns


class Chosen(np.random.Generator):
    """A generator whose first whole number, the kind of pattern, is chosen."""

    def __init__(self, seed, kind):
        super().__init__(np.random.PCG64(seed))
        self.kind = kind

    def integers(self, *arguments, **options):
        return self.kind


@pytest.mark.parametrize("kind", range(4))
@pytest.mark.parametrize("size", [2, 15, 32])
def test_patterns_of_every_kind(kind, size):
    found = [dataset.pattern(Chosen(seed, kind), size) for seed in range(12)]
    for image in found:
        assert image.shape == (size, size, 3) and image.dtype == np.float32
        assert np.isfinite(image).all() and -3 < image.min() and image.max() < 4
    assert len({image.tobytes() for image in found}) == 12


def test_patterns_are_of_four_kinds():
    """Of one colour: what is left is white noise. A gradient: a plane fits it. A spectrum: no plane does."""
    size = 24
    y, x = np.mgrid[:size, :size] / size
    plane = np.stack([np.ones_like(x), x, y], -1).reshape(-1, 3)

    def residuals(kind):
        for seed in range(12):
            image = dataset.pattern(Chosen(seed, kind), size).reshape(-1, 3)
            yield image.std(0).max(), (image - plane @ np.linalg.lstsq(plane, image, rcond=None)[0]).std()

    assert all(spread < 0.06 for spread, _ in residuals(0))
    assert all(rest < 0.06 for _, rest in residuals(1))
    assert max(spread for spread, _ in residuals(1)) > 0.15
    assert np.mean([rest for _, rest in residuals(2)]) > 0.1
    assert np.mean([rest for _, rest in residuals(3)]) > 0.08


# --- folders


def test_files_are_sorted_pictures(tmp_path):
    for name in ("b.JPG", "a.png", "c.tiff", "d.gif", "notes.txt", "e.jpg.part"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper/f.png").write_bytes(b"")
    found = [path.name for path in folders.files(str(tmp_path), "photos")]
    assert found == ["a.png", "b.JPG", "c.tiff", "d.gif"]


@pytest.mark.parametrize("folder", ["", "missing", "empty", "file.png"])
def test_a_folder_without_pictures_is_named(tmp_path, monkeypatch, folder):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.png").write_bytes(b"")
    with pytest.raises(UserError, match=f"paintings = '{folder}': no pictures there; give a folder"):
        folders.files(folder, "paintings")


def test_pictures_are_loaded_as_bytes(tmp_path):
    arrays = [picture(seed=seed) for seed in range(2)]
    for index, array in enumerate(arrays):
        Image.fromarray(array).save(tmp_path / f"{index}.png")
    found = folders.load(folders.files(str(tmp_path), "photos"), 40)
    assert all(p.dtype == np.uint8 for p in found)
    for array, loaded in zip(arrays, found, strict=True):
        np.testing.assert_array_equal(loaded, array)


@pytest.mark.parametrize("height, width", [(10, 30), (30, 10), (39, 40), (1, 1)])
def test_small_pictures_are_enlarged(tmp_path, height, width):
    path = tmp_path / "small.png"
    array = np.rint(255 * np.linspace(0, 1, height * width * 3)).astype(np.uint8).reshape(height, width, 3)
    Image.fromarray(array).save(path)
    (found,) = folders.load([path], 40)
    assert min(found.shape[:2]) == 40 and found.dtype == np.uint8
    assert max(found.shape[:2]) == pytest.approx(40 * max(height, width) / min(height, width), abs=1)
    back = images.resize(found.astype(np.float32) / 255, height, width, "box")
    assert back == pytest.approx(array / 255, abs=0.06)


def test_a_damaged_picture_is_named(tmp_path):
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\nnonsense")
    with pytest.raises(UserError, match="bad.png"):
        folders.load(folders.files(str(tmp_path), "photos"), 8)
