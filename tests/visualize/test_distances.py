"""Tables of style distances against problem.terms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nst.configs import trial
from nst.errors import UserError
from nst.losses import problem, statistics
from nst.losses import weights as loss_weights
from nst.losses.spec import Spec
from nst.visualize import distances as module
from nst.visualize.distances import distances, neighbours, total
from nst.visualize.network import load

LAYERS = ("relu1_1", "relu2_1")


@pytest.fixture(scope="module")
def model():
    config = trial.get_config()
    return load(config, LAYERS, single_channels=True)


def make_spec(model, representation, normalization="relative", options=""):
    return Spec(
        network=model.network, content_layers=(), style_layers=LAYERS, representation=representation,
        style_normalization=normalization, style_options=options,
    )  # fmt: skip


def pictures():
    rng = np.random.default_rng(0)
    shapes = (16, 20), (16, 20), (12, 18)
    return [rng.uniform(0, 1 - 0.2 * k, (*shape, 3)).astype(np.float32) for k, shape in enumerate(shapes)]


CASES = [
    ("gram", "relative", ""),
    ("gram", "hw_mse", ""),
    ("moments", "relative", ""),
    ("sliced_wasserstein", "none", "projections=8"),
    ("remd", "relative", "samples=32"),
]


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, marks=pytest.mark.slow if case in CASES[1:4] else ()) for case in CASES],
    ids=str,
)
def test_rows_are_pictures_and_columns_targets(model, case):
    spec, images, seed = make_spec(model, *case), pictures(), 3
    found = distances(spec, model.variables, images, seed)
    weights = loss_weights.make_weights(spec, loss_weights.WeightSettings(content=0.0), 1)
    picture, painting = (jnp.asarray(images[k])[None] for k in (0, 2))
    known = jax.jit(problem.make_problem, static_argnums=0)(
        spec, model.variables, picture, [painting], weights, seed=seed
    )
    terms = jax.jit(problem.terms, static_argnums=0)(spec, known, picture)
    for term in spec.style_terms:
        assert found[term.name].shape == (3, 3)
        expected = float(terms[f"style/{term.name}"])
        assert expected > 0 and found[term.name][0, 2] == pytest.approx(expected, rel=1e-4)
    for table in found.values():
        np.testing.assert_allclose(np.diag(table), 0, atol=1e-5 * table.max())
        assert (table[~np.eye(3, dtype=bool)] > 0).all()


def test_targets_are_normalised_so_that_the_table_is_not_symmetric(model):
    table = distances(make_spec(model, "gram"), model.variables, pictures())["relu2_1"]
    assert abs(table[0, 2] / table[2, 0] - 1) > 0.1
    plain = distances(make_spec(model, "gram", "hw_mse"), model.variables, pictures())["relu2_1"]
    np.testing.assert_allclose(plain, plain.T, rtol=1e-5)


@pytest.mark.parametrize("case", [CASES[0], CASES[3]], ids=str)
def test_permuted_pictures_permute_the_table(model, case):
    spec, images, order = make_spec(model, *case), pictures(), [2, 0, 1]
    once = distances(spec, model.variables, images)
    again = distances(spec, model.variables, [images[k] for k in order])
    for name, table in once.items():
        np.testing.assert_allclose(again[name], table[np.ix_(order, order)], rtol=1e-6)


def test_every_picture_is_described_once(model, monkeypatch):
    calls = []

    def counted(*args):
        calls.append(args[2].shape)
        return statistics.describe_style(*args)

    monkeypatch.setattr(module, "describe_style", counted)
    distances(make_spec(model, "gram"), model.variables, pictures())
    assert len(calls) == 3


@pytest.mark.parametrize(
    "change, images, match",
    [
        ({}, [np.zeros((16, 16, 3), np.float32)], "1 pictures"),
        (
            {},
            [np.zeros((16, 16, 3), np.float32), np.zeros((1, 16, 3), np.float32)],
            "picture 1: 16x1 px.*2 px",
        ),
        ({"style_layers": ()}, pictures(), "style_loss.layers: empty"),
    ],
)
def test_what_cannot_be_compared_is_refused(model, change, images, match):
    spec = Spec(**(make_spec(model, "gram").__dict__ | change))
    with pytest.raises(UserError, match=match):
        distances(spec, model.variables, images)


def test_total_is_the_weighted_sum():
    found = {"a": np.array([[0.0, 1.0], [2.0, 0.0]]), "b": np.array([[0.0, 3.0], [5.0, 0.0]])}
    np.testing.assert_array_equal(total(found), [[0, 4], [7, 0]])
    np.testing.assert_array_equal(total(found, (2, 0.5)), [[0, 3.5], [6.5, 0]])
    with pytest.raises(UserError, match="1 weights for 2 terms"):
        total(found, (1,))


def test_neighbours_leave_itself_out():
    table = np.array([[0, 3, 1, 2], [5, 9, 5, 4], [0, 0, 0, 0], [1, 2, 0.5, 0]], float)  # of 1 to itself: 9
    expected = []
    for i in range(4):
        expected.append(sorted((j for j in range(4) if j != i), key=lambda j: (table[i, j], j)))
    for count in (1, 2, 3):
        np.testing.assert_array_equal(neighbours(table, count), [row[:count] for row in expected])
    for count in (0, 4):
        with pytest.raises(UserError, match=f"count = {count}.*1 to 3"):
            neighbours(table, count)


@pytest.mark.parametrize("count", [3, 13])
def test_figure_names_pictures_and_frames_the_nearest(count):
    table = np.random.default_rng(0).uniform(1, 2, (count, count))
    np.fill_diagonal(table, 1e-7)  # rounding
    names = [f"some/where/p{k}.jpg" for k in range(count)]
    figure = module.figure(table, names, "gram", "1: far")
    place, bar = figure.axes
    assert [label.get_text() for label in place.get_yticklabels()] == [f"p{k}" for k in range(count)]
    assert len(place.texts) == (count**2 if count <= 12 else 0)
    if place.texts:
        assert place.texts[1].get_text() == f"{table[0, 1]:.2g}" and place.texts[1].get_position() == (1, 0)
    centres = [(np.mean(line.get_ydata()[:4]), np.mean(line.get_xdata()[:4])) for line in place.lines]
    np.testing.assert_allclose(centres, [(i, j) for i, (j,) in enumerate(neighbours(table, 1))], atol=1e-9)
    assert place.images[0].get_clim() == (table[table > 1e-3].min(), table.max())
    assert bar.get_ylabel() == "distance (1: far)"
    figure.canvas.draw()


@pytest.mark.parametrize(
    "table", [np.zeros((2, 2)), np.array([[0.0, 1.0], [1.0, 0.0]])], ids=["equal", "one value"]
)
def test_figure_of_a_table_without_a_range(table):
    module.figure(table, ["a", "b"], "gram", "1: far").canvas.draw()


def test_unit_says_what_one_is(model):
    assert "without features" in module.unit(make_spec(model, "gram"))
    assert module.unit(make_spec(model, "gram", "hw_mse")) == "normalization hw_mse"
