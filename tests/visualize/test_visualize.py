"""The program that shows what the network sees, and the figures it writes."""

import csv
import sys
import xml.etree.ElementTree

import numpy as np
import pytest
from PIL import Image

from nst import images
from nst.cli import visualize
from nst.cli.main import make_parser
from nst.configs import trial
from nst.errors import UserError
from nst.visualize import figures, network
from tests.helpers.sweeping import picture


@pytest.fixture
def show(tmp_path, monkeypatch):
    """Runs a command with tiny pictures; the paths that it printed, by name."""
    for seed in range(3):
        images.write(tmp_path / f"{seed}.png", picture(seed, 48, 64))
    folder = tmp_path / "folder"
    folder.mkdir()
    for seed in range(10):
        images.write(folder / f"{seed}.png", picture(seed, 48, 64))

    def run(*command, changes=(), **given):
        config = trial.get_config()
        config.content, config.style = str(tmp_path / "0.png"), (str(tmp_path / "1.png"),)
        config.size, config.steps, config.pyramid.min_size = 64, 4, 0
        config.update_from_flattened_dict(dict(changes))
        given = {"layers": "relu1_1,relu2_1", "count": 2, "folder": str(folder)} | given
        flags = [f"--{name}={value}" for name, value in given.items()]
        args = make_parser("visualize", visualize).parse_args(
            [*command, f"--workdir={tmp_path / 'seen'}", *flags]
        )
        args.config = config
        visualize.run(args)
        return {path.name: path for path in (tmp_path / "seen").iterdir()}

    return run


FILES = {
    "reconstructions": ["reconstructions"],
    "maps": ["maps", "grams"],
    "units": ["units_relu1_1", "units_relu2_1"],
    "patches": ["patches_relu1_1", "patches_relu2_1"],
    "maximize": ["maximized_relu1_1", "maximized_relu2_1"],
    "invariance": ["invariance"],
    "occlusion": ["occlusion"],
    "phases": ["phases"],
    "distances": [f"distances_{name}" for name in
                  ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1", "total")],
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("command", visualize.COMMANDS)
def test_each_command_leaves_figures_and_numbers(show, command):
    # translations up to 32 px want a larger picture
    found = show(command, changes=[("size", 96)] if command == "invariance" else [])
    tables = [name for name in found if name.endswith(".csv")]
    wanted = {f"{stem}.{kind}" for stem in FILES[command] for kind in ("png", "svg", "npz")}
    assert set(found) - set(tables) == wanted
    for stem in FILES[command]:
        with Image.open(found[f"{stem}.png"]) as png:
            assert min(png.size) > 200 and len(np.unique(np.asarray(png))) > 20
        assert xml.etree.ElementTree.parse(found[f"{stem}.svg"]).getroot().tag.endswith("svg")
        with np.load(found[f"{stem}.npz"]) as numbers:
            assert numbers.files and all(np.isfinite(numbers[name]).all() for name in numbers.files
                                         if numbers[name].dtype.kind == "f")  # fmt: skip


def test_tables(show):
    found = show("distances", changes=[("style_loss.layers", ("relu1_1", "relu2_1"))])
    with open(found["distances_total.csv"], newline="") as opened:
        head, *rows = csv.reader(opened)
    assert head == ["picture", *(f"{seed}.png" for seed in range(10))] and len(rows) == 10
    with np.load(found["distances_relu1_1.npz"]) as one, np.load(found["distances_relu2_1.npz"]) as two:
        total = one["distances"] + two["distances"]
    assert np.array([row[1:] for row in rows], float) == pytest.approx(total, rel=1e-5)


def test_chosen_channels_and_one_figure_twice_is_the_same_to_the_byte(show):
    first = show("maps", channels="3,17")
    with np.load(first["maps.npz"]) as numbers:
        assert numbers["relu2_1 channels"].tolist() == [3, 17] and numbers["relu2_1"].shape[-1] == 2
    before = {name: path.read_bytes() for name, path in first.items()}
    assert {name: path.read_bytes() for name, path in show("maps", channels="3,17").items()} == before


@pytest.mark.parametrize("command, given, message", [
    ([], {}, "name what to show: reconstructions, maps"),
    (["map"], {}, "what to show = 'map': did you mean 'maps'"),
    (["patches"], {"folder": ""}, "--folder = '': no pictures there; give a folder"),
    (["distances"], {"folder": "nowhere"}, "--folder = 'nowhere': no pictures there"),
    (["maps"], {"channels": "x"}, "--channels: x: give whole numbers"),
    (["maps"], {"channels": "4000"}, "channel 4000: relu1_1 has 64"),
    (["maps"], {"layers": "relu1_7"}, "^layers = 'relu1_7'"),
    (["maps"], {"changes": [("size", "auto")]}, "size = auto: .* give pixels"),
    (["maps"], {"changes": [("content", "")]}, "content: give a photograph"),
    (["maps"], {"changes": [("content", "none.jpg")]}, "none.jpg: no such file"),
    (["occlusion"], {"changes": [("init.image", "nst/data/images/astronaut.jpg"), ("init.kind", "image")]},
     "init.image: .* shape"),
])  # fmt: skip
def test_what_cannot_be_shown_is_said(show, command, given, message):
    with pytest.raises(UserError, match=message):
        show(*command, **given)


def test_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UserError, match=r"a figure needs matplotlib: pip install 'nst\[figures\]'"):
        figures.new(1, 1)


def test_a_sheet_puts_pictures_in_their_places():
    rows = [[picture(0), None], [picture(1), picture(2), picture(3)]]
    figure = figures.sheet(rows, title="four", row_labels=["a", "b"], labels=[["x"], ["y", "z"]])
    places = np.array(figure.axes).reshape(2, 3)
    assert [[bool(place.images) for place in row] for row in places] == [[1, 0, 0], [1, 1, 1]]
    assert (places[1, 2].images[0].get_array() == picture(3)).all()
    assert [place.get_ylabel() for place in places[:, 0]] == ["a", "b"]
    assert [place.get_xlabel() for place in places[1]] == ["y", "z", ""]


@pytest.mark.parametrize("name, widths", [("vgg19_slim", True), ("random", False)])
def test_networks(name, widths):
    config = trial.get_config()
    config.weights.name = name
    model = network.load(config, ("relu1_1", "relu3_1"))
    assert bool(model.network.widths) == widths
    assert any(layer.startswith("conv3_1") for layer in model.variables["params"])
    assert not any(layer.startswith("conv3_2") for layer in model.variables["params"])
    with pytest.raises(UserError, match="relu3_9"):
        network.load(config, ("relu3_9",))
    if widths:
        with pytest.raises(
            UserError, match="conv1_2: a slim network has single channels at relu and pool layers"
        ):
            network.load(config, ("relu1_1", "conv1_2"), single_channels=True)
    else:
        assert network.load(config, ("conv1_2",), single_channels=True).network.frame == "compact"
    network.load(config, ("conv1_2",))
