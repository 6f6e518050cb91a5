"""LPIPS and DISTS: the numbers of the original packages, the files of their weights, their columns."""

import sys

import numpy as np
import pytest
import safetensors.numpy

from nst.errors import UserError
from nst.files import digest
from nst.metrics import instrument, linear, measures, perceptual
from tests.helpers import weight_files
from tests.helpers.narrow import narrow as narrow_vgg

# From lpips 0.1.4 and dists-pytorch 0.1 with torch 2.14.1 and torchvision 0.29.1, whose networks had the
# weights of checkpoints.load("random", ...), and whose linear weights were those of `seeded`. Change a number
# only with the pictures or the weights below.
ORIGINAL = {
    ("lpips_alex", 75, 98): 0.8581728339195251,
    ("lpips_vgg", 75, 98): 0.656829833984375,
    ("dists", 48, 80): 0.08547210693359375,
    ("dists_texture", 48, 80): 0.014601826667785645,
}


def seeded(name):
    rng = np.random.default_rng(8 if name == "dists" else 7)
    return [rng.uniform(0, 1, size).astype(np.float32) for size in linear.FILES[name].tensors.values()]


def picture(seed, height, width):
    return np.random.default_rng(seed).uniform(0, 1, (height, width, 3)).astype(np.float32)


@pytest.fixture
def untrained(monkeypatch):
    """The networks with random weights, and seeded linear weights."""
    for name, row in perceptual.PERCEPTUAL.items():
        monkeypatch.setitem(perceptual.PERCEPTUAL, name, row._replace(checkpoint="random"))
    monkeypatch.setattr(linear, "load", seeded)


def test_the_numbers_of_the_original_packages(untrained):
    for name in {name.removesuffix("_texture") for name, _, _ in ORIGINAL}:
        judge = perceptual.load(name)
        assert judge.tag == f"{name}-seed0"
        for (column, height, width), expected in ORIGINAL.items():
            if not column.startswith(name):
                continue
            a, b = picture(1, height, width), picture(2, height, width)
            seen = [judge.describe_painting(b)] if judge.describe_painting else [None]
            assert judge.judge(a, b, seen)[column] == pytest.approx(expected, rel=2e-5)


@pytest.mark.parametrize("name", ["lpips_vgg", "dists"])
def test_equal_pictures_have_no_distance_and_the_distance_is_symmetric(untrained, name):
    layers = [np.random.default_rng(seed).normal(size=(1, 5, 4, 3)).astype(np.float32) for seed in range(4)]
    a, b = layers[:2], layers[2:]
    weights = {"lpips_vgg": [np.ones(3)] * 2, "dists": [np.arange(6.0), np.ones(6)]}[name]
    distance = perceptual.PERCEPTUAL[name].distance
    assert float(distance(a, a, weights)) == pytest.approx(0, abs=1e-6)
    assert float(distance(a, b, weights)) == pytest.approx(float(distance(b, a, weights)), rel=1e-5)
    assert float(distance(a, b, weights)) > 0.1
    flat = [np.zeros_like(layer) for layer in a]
    assert np.isfinite(float(distance(a, flat, weights))) and float(distance(flat, flat, weights)) == 0


def test_texture_is_that_of_means_alone(untrained):
    a = [np.random.default_rng(0).uniform(size=(1, 6, 4, 3)).astype(np.float32)]
    turned = [a[0][:, ::-1, ::-1]]
    weights = [np.ones(3), np.ones(3)]
    assert float(perceptual.texture(perceptual.means(a), perceptual.means(turned), weights)) < 1e-6
    assert float(perceptual.dists(a, turned, weights)) > 0.1


# --- the files of linear weights


@pytest.fixture
def published(tmp_path, monkeypatch):
    """An installed package with a small file of weights, which nothing imports."""
    package = tmp_path / "packages/measured_by_all"
    (package / "weights").mkdir(parents=True)
    (package / "__init__.py").write_text("raise AssertionError('imported')")
    path = package / "weights/alpha.pt"
    arrays = {
        "alpha": np.arange(3, dtype=np.float32).reshape(1, 3, 1, 1),
        "beta": np.ones((1, 3, 1, 1), "f4"),
    }
    weight_files.write_pth(path, arrays, "legacy")
    row = linear.Published(
        package="measured_by_all", path="weights/alpha.pt", url="https://nowhere.invalid/alpha.pt",
        sha256=digest(path), size=path.stat().st_size, tensors={"alpha": 3, "beta": 3},
    )  # fmt: skip
    monkeypatch.setitem(linear.FILES, "dists", row)
    monkeypatch.syspath_prepend(package.parent)
    monkeypatch.delenv("NST_WEIGHTS_DIR", raising=False)
    return path


def test_weights_are_read_from_the_package_without_importing_it(published):
    alpha, beta = linear.load("dists")
    assert alpha.tolist() == [0, 1, 2] and beta.tolist() == [1, 1, 1] and alpha.dtype == np.float32
    assert "measured_by_all" not in sys.modules and "torch" not in sys.modules


def test_the_users_folder_comes_first_if_its_file_is_the_published_one(published, tmp_path, monkeypatch):
    monkeypatch.setenv("NST_WEIGHTS_DIR", str(tmp_path))
    (tmp_path / "alpha.pt").write_bytes(b"another file of this name")
    assert linear.find("dists") == published
    (tmp_path / "alpha.pt").write_bytes(published.read_bytes())
    assert linear.find("dists") == tmp_path / "alpha.pt"


def test_other_weights_are_refused_and_missing_ones_downloaded(published, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(linear, "download", lambda *args: asked.append(args) or tmp_path / "alpha.pt")
    (tmp_path / "alpha.pt").write_bytes(published.read_bytes())
    published.write_bytes(published.read_bytes() + b"0")
    with pytest.raises(UserError, match="alpha.pt: these are not the published weights of dists; install"):
        linear.load("dists")
    published.unlink()
    assert linear.load("dists")[0].tolist() == [0, 1, 2]
    row = linear.FILES["dists"]
    assert [args[:4] for args in asked] == [("dists", row.url, f"sha256:{row.sha256}", row.size)]


# --- in the instrument


@pytest.fixture
def shallow(monkeypatch):
    """Perceptual measures by two layers of untrained networks."""
    for name in ("dists", "lpips_vgg"):
        row = perceptual.PERCEPTUAL[name]
        layers = tuple(layer for layer in row.layers if layer in (perceptual.IMAGE, "relu1_2", "relu2_2"))
        monkeypatch.setitem(perceptual.PERCEPTUAL, name, row._replace(layers=layers, checkpoint="random"))
    weights = {"dists": [np.ones(3 + 64 + 128)] * 2, "lpips_vgg": [np.ones(64), np.ones(128)]}
    monkeypatch.setattr(linear, "load", weights.get)
    narrow_vgg(monkeypatch, (4, 4, 5, 5, 6))  # of VGG-19


def test_the_instrument_with_perceptual_measures(shallow):
    image, photo, a, b = (picture(seed, 32, 40) for seed in range(4))
    plain, more = instrument.load("random"), instrument.load("random+dists+lpips_vgg")
    assert more.name == f"{plain.name}+dists-seed0+lpips_vgg-seed0"
    found, base = more.judge(image, photo, [a, b]), plain.judge(image, photo, [a, b])
    assert tuple(found) == (*measures.NAMES, "dists", "dists_texture", "lpips_vgg")
    assert tuple(found) == instrument.columns("random+dists+lpips_vgg")
    assert {name: found[name] for name in base} == base
    each = [more.judge(image, photo, [style])["dists_texture"] for style in (a, b)]
    assert found["dists_texture"] == pytest.approx(sum(each) / 2, rel=1e-5) and each[0] != each[1]
    rounded = np.rint(photo * 255).astype(np.float32) / 255
    same = more.judge(rounded, rounded, [a])
    assert same["dists"] == pytest.approx(0, abs=1e-5) and same["lpips_vgg"] == pytest.approx(0, abs=1e-5)


def test_other_weights_of_a_measures_network(shallow, tmp_path):
    image, photo, painting = (picture(seed, 32, 40) for seed in range(3))
    shapes = {"conv1_1": (3, 3, 3, 64), "conv1_2": (3, 3, 64, 64), "conv2_1": (3, 3, 64, 128)}
    shapes |= {"conv2_2": (3, 3, 128, 128)}
    path = tmp_path / "vgg16.safetensors"
    tensors = weight_files.our_names(weight_files.make_params(shapes))
    safetensors.numpy.save_file(tensors, path, {"nst": '{"preprocessing": "caffe"}'})
    untrained, other = instrument.load("random+dists"), instrument.load(f"random+dists={path}")
    assert other.name == untrained.name.replace("dists-seed0", f"dists-{digest(path)[:8]}")
    found, before = (each.judge(image, photo, [painting]) for each in (other, untrained))
    changed = [name for name in before if found[name] != before[name]]
    assert changed == ["dists", "dists_texture"] and 0 < found["dists"] < 2


def test_wrong_names_of_measures():
    with pytest.raises(UserError, match="instrument = 'lpips': did you mean 'lpips_"):
        instrument.load("vgg19+lpips")
    with pytest.raises(UserError, match=r"instrument = random\+dists\+dists: name each measure once"):
        instrument.columns("random+dists+dists")
    assert instrument.columns("a+b.h5") == measures.NAMES  # a path
    assert instrument.columns("a+b.h5+dists")[-1] == "dists_texture"
    assert instrument.columns("a+b.h5+dists=c.h5+lpips_vgg")[-2:] == ("dists_texture", "lpips_vgg")
