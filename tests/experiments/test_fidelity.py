"""The table of fidelities: its numbers, its pairs, its judge, and the whole program at a few pixels."""

import types

import h5py
import jax
import numpy as np
import pytest

from experiments.distill import config as distill_config
from experiments.distill import dataset, fidelity
from nst import images
from nst.errors import UserError
from nst.files import read_json
from nst.networks import checkpoints
from nst.networks.network import Network
from tests.helpers.frozen import features, freeze
from tests.helpers.narrow import narrow as narrow_vgg

STYLE = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")


def config(**changes):
    found = distill_config.get_config()
    found.update_from_flattened_dict(changes)
    return found


# --- the table


def row(name, seed):
    """Made-up distances: of the photograph, of a teacher, and of two others between and beyond them."""
    rng = np.random.default_rng(seed)
    start, teacher = rng.uniform(0.5, 1, 6), rng.uniform(0, 0.1, 6)
    found = {
        "start": start, "a/full.h5": teacher, "slim": teacher + 0.25 * (start - teacher),
        "random": start + rng.uniform(0, 0.2, 6),
    }  # fmt: skip
    layers = (*STYLE, "relu4_2")
    return {"pair": name} | {key: dict(zip(layers, value, strict=True)) for key, value in found.items()}


ROWS = [row("cat, waves", 0), row("dog, waves", 1), row("cup, stars", 2)]
NETWORKS = ("a/full.h5", "slim", "random")


def naive_fidelity(found, network, layers=STYLE):
    def S(name):
        return sum(found[name][layer] for layer in layers) / len(layers)

    return (S("start") - S(network)) / (S("start") - S("a/full.h5"))


def parse(text):
    """[{first cell: the others, as numbers where they are}] of each Markdown table, and the heads."""
    tables, heads = [], []
    for block in text.split("\n\n"):
        head, rule, *lines = ([x.strip() for x in line.strip("|").split("|")] for line in block.split("\n"))
        assert rule == ["---"] * len(head) and all(len(line) == len(head) for line in lines)
        heads.append(head)
        tables.append({name: [float(cell) for cell in cells] for name, *cells in lines})
    return tables, heads


def test_the_teacher_has_fidelity_one_and_the_photograph_none():
    for found in ROWS:
        assert fidelity.fidelity(found, "a/full.h5", "a/full.h5") == pytest.approx(1)
        assert fidelity.fidelity(found, "start", "a/full.h5") == pytest.approx(0)
        assert fidelity.fidelity(found, "slim", "a/full.h5") == pytest.approx(0.75)
        assert fidelity.fidelity(found, "random", "a/full.h5") < 0  # further than the photograph itself


def test_fidelity_is_of_the_mean_over_layers_or_of_those_that_are_named():
    for layers in (STYLE, STYLE[:1], STYLE[2:4]):
        for network in NETWORKS:
            found = fidelity.fidelity(ROWS[0], network, "a/full.h5", layers)
            assert found == pytest.approx(naive_fidelity(ROWS[0], network, layers))


def test_the_table():
    (networks, layers, pairs), heads = parse(fidelity.table(NETWORKS, ROWS))
    assert list(networks) == ["(the photograph)", *NETWORKS]
    assert heads[0][1:] == [*STYLE, "style", "fidelity", "worst", "relu4_2", "/ a/full.h5"]
    for label, numbers in networks.items():
        name = "start" if label == "(the photograph)" else label
        means = [np.mean([found[name][layer] for found in ROWS]) for layer in STYLE]
        scores = [naive_fidelity(found, name) for found in ROWS]
        content, full = (np.mean([found[key]["relu4_2"] for found in ROWS]) for key in (name, "a/full.h5"))
        expected = [*means, np.mean(means), np.mean(scores), min(scores), content, content / full]
        assert numbers == pytest.approx(expected, abs=0.0051)
        assert numbers[:8] == pytest.approx(expected[:8], abs=0.00051)
    assert networks["a/full.h5"][6:8] == [1, 1] and networks["a/full.h5"][9] == 1
    assert networks["(the photograph)"][6:8] == [0, 0]

    assert list(layers) == ["slim", "random"] and heads[1][1:] == list(STYLE)
    for name, numbers in layers.items():
        expected = [np.mean([naive_fidelity(found, name, (layer,)) for found in ROWS]) for layer in STYLE]
        assert numbers == pytest.approx(expected, abs=0.00051)

    assert list(pairs) == [found["pair"] for found in ROWS] and heads[2][1:] == ["slim", "random"]
    for found in ROWS:
        expected = [naive_fidelity(found, name) for name in ("slim", "random")]
        assert pairs[found["pair"]] == pytest.approx(expected, abs=0.00051)


def test_a_table_of_the_teacher_alone():
    tables, _ = parse(fidelity.table(NETWORKS[:1], ROWS[:1]))
    assert tables[0]["a/full.h5"][6] == 1 and tables[1] == {}


# --- the pairs


def touch(folder, names):
    folder.mkdir()
    for name in names:
        (folder / name).write_bytes(b"")
    return str(folder)


@pytest.mark.parametrize("count", [1, 3, 5, 8])
def test_pairs_are_held_out(tmp_path, count):
    settings = config(
        photos=touch(tmp_path / "photos", [f"{i:02}.jpg" for i in range(20)]),
        paintings=touch(tmp_path / "paintings", [f"{name}.jpg" for name in "abcde"]),
        held_out_photos=8, held_out_paintings=("b.jpg", "e.jpg"), **{"fidelity.pairs": count},
    )  # fmt: skip
    found = fidelity.pairs(settings)
    photos, paintings, held_photos, held_paintings = dataset.split(settings)
    assert len(found) == len(set(found)) == count
    assert len({photo for photo, _ in found}) == count
    for photo, painting in found:
        assert photo in held_photos and painting in held_paintings
        assert photo not in photos and painting not in paintings
    assert {painting.name for _, painting in found} == ({"b.jpg", "e.jpg"} if count > 1 else {"b.jpg"})
    assert [painting.name for _, painting in found[:4]] == ["b.jpg", "e.jpg", "b.jpg", "e.jpg"][:count]


# --- the judge


@pytest.fixture
def narrow(monkeypatch):
    """A VGG-19 of few channels."""
    narrow_vgg(monkeypatch, (4, 4, 5, 5, 6))


def picture(seed, height=32, width=40):
    y, x = np.mgrid[:height, :width]
    rng = np.random.default_rng(seed)
    waves = [np.sin(x * rng.normal(0, 0.3) + y * rng.normal(0, 0.3) + rng.uniform(0, 6)) for _ in range(9)]
    return (0.5 + 0.16 * np.stack([sum(waves[c::3]) for c in range(3)], -1)).clip(0, 1).astype(np.float32)


def test_the_judge_measures_relative_distances(narrow):
    found = fidelity.judge(config(weights="random"))(picture(0), picture(1), picture(2, 48, 36))
    variables = freeze(checkpoints.load("random", "vgg19", (*STYLE, "relu4_2")).params)

    see = jax.jit(lambda image: features(Network(), variables, image, (*STYLE, "relu4_2")))

    def activations(rgb):
        return {layer: np.asarray(array[0], np.float64) for layer, array in see(rgb[None]).items()}

    def gram(F):
        F = F.reshape(-1, F.shape[-1])
        return F.T @ F / len(F)

    image, photo, painting = (activations(rgb) for rgb in (picture(0), picture(1), picture(2, 48, 36)))
    expected = {
        layer: ((gram(image[layer]) - gram(painting[layer])) ** 2).sum() / (gram(painting[layer]) ** 2).sum()
        for layer in STYLE
    }
    expected["relu4_2"] = ((image["relu4_2"] - photo["relu4_2"]) ** 2).sum() / (photo["relu4_2"] ** 2).sum()
    assert found == pytest.approx(expected, rel=1e-3)


# --- the program


def test_settings_are_those_of_a_run():
    made = fidelity.settings(config(**{"fidelity.size": 77, "fidelity.steps": 9}), "vgg19_slim")
    assert (made.weights.name, made.size, made.steps) == ("vgg19_slim", 77, 9)
    assert made.content_loss.normalization == made.style_loss.normalization == "relative"
    assert made.style_loss.weight == distill_config.get_config().fidelity.style_weight
    assert made.content_loss.weight == 1 and made.init.kind == "content"


def test_pictures_are_judged_at_the_size_of_the_run(tmp_path):
    images.write(tmp_path / "wide.png", picture(0, 30, 60))
    assert fidelity.read(tmp_path / "wide.png", 24).shape == (12, 24, 3)


@pytest.fixture
def program(tmp_path, narrow, monkeypatch):
    """The program with a teacher of few channels, one pair, and a few pixels."""
    for kind, count in (("photos", 3), ("paintings", 2)):
        (tmp_path / kind).mkdir()
        for index in range(count):
            images.write(tmp_path / kind / f"{kind[:5]}{index}.png", picture(index + 10 * len(kind)))
    with h5py.File(tmp_path / "teacher.h5", "w") as file:
        for conv, part in checkpoints.load("random", "vgg19", STYLE, 5).params.items():
            part["kernel"] /= 60 if conv == "conv1_1" else 1  # inputs of caffe's scale
            name = f"block{conv[4]}_conv{conv[6]}"
            file[f"{name}/{name}_W_1:0"], file[f"{name}/{name}_b_1:0"] = part["kernel"], part["bias"]
    settings = config(
        photos=str(tmp_path / "photos"), paintings=str(tmp_path / "paintings"), held_out_photos=1,
        held_out_paintings=("paint1.png",), weights=str(tmp_path / "teacher.h5"),
        **{"fidelity.pairs": 1, "fidelity.size": 32, "fidelity.steps": 3},
    )  # fmt: skip
    workdir = tmp_path / "run"
    monkeypatch.setattr(fidelity.cli, "CONFIG", types.SimpleNamespace(value=settings))
    monkeypatch.setattr(fidelity.cli, "workdir", lambda example: workdir)
    monkeypatch.setattr(fidelity, "NETWORKS", types.SimpleNamespace(value=["random"]))
    return settings, workdir


@pytest.mark.slow
def test_the_program_makes_the_table_and_no_picture_twice(program, capsys, monkeypatch):
    settings, workdir = program
    judge = fidelity.judge(settings)
    monkeypatch.setattr(fidelity, "judge", lambda config: judge)
    fidelity.main([])
    text = (workdir / "table.md").read_text()
    (networks, _, pairs), _ = parse(text.strip())
    assert text.strip() in capsys.readouterr().out
    assert list(pairs) == ["photo1, paint1"] and list(networks)[1:] == [settings.weights, "random"]
    assert networks[settings.weights][6] == 1
    assert networks[settings.weights][5] < networks["(the photograph)"][5]
    folder = workdir / "teacher/photo1_paint1"
    image = images.read(folder / "result.png").rgb_HxWx3
    photo, painting = (fidelity.read(path, 32) for path in fidelity.pairs(settings)[0])
    again = judge(image, photo, painting)  # of the picture rounded to 8 bits
    assert networks[settings.weights][:5] == pytest.approx([again[layer] for layer in STYLE], abs=0.01)

    before = [path.read_bytes() for path in sorted(workdir.glob("*/*/metrics.jsonl"))]
    fidelity.main([])
    assert (workdir / "table.md").read_text() == text and len(before) == 2
    assert len(read_json(folder / "manifest.json", dict)["sessions"]) == 2
    assert [path.read_bytes() for path in sorted(workdir.glob("*/*/metrics.jsonl"))] == before


def test_a_network_that_is_not_there_is_named(program, monkeypatch):
    monkeypatch.setattr(fidelity, "NETWORKS", types.SimpleNamespace(value=["vgg19_slin"]))
    program[0].weights = "random"
    with pytest.raises(UserError, match="'vgg19_slin': did you mean 'vgg19_slim'"):
        fidelity.main([])
