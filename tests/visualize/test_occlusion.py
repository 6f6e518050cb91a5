"""Covered pictures against loops, and the losses against problem.terms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nst.configs import trial
from nst.errors import UserError
from nst.losses import problem
from nst.losses import weights as loss_weights
from nst.losses.spec import Spec
from nst.visualize import occlusion
from nst.visualize.network import load
from nst.visualize.occlusion import Occlusion, change, corners, examine, mean_color, occlusion_map, part_loss

CHOICES = dict(
    content_layers=("relu2_1",), content_normalization="relative",
    style_layers=("relu1_1", "relu2_1"), style_normalization="relative",
)  # fmt: skip

compiled_terms = jax.jit(problem.terms, static_argnums=0)


def noise(height=20, width=24, seed=0):
    return np.random.default_rng(seed).uniform(0, 1, (height, width, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def made():
    model = load(trial.get_config(), CHOICES["style_layers"])
    spec = Spec(network=model.network, **CHOICES)
    weights = loss_weights.make_weights(
        spec, loss_weights.WeightSettings(content=2.0, style=3.0, style_layers=(1.0, 0.5), tv=7.0), 1
    )
    photo, painting = (jnp.asarray(noise(seed=seed))[None] for seed in (1, 2))
    return spec, problem.make_problem(spec, model.variables, photo, [painting], weights)


@pytest.mark.parametrize(
    "shape, size, stride", [((9, 12), 3, 2), ((9, 12), 4, 3), ((5, 5), 5, 9), ((6, 4), 1, 1)]
)
def test_squares_are_inside_with_equal_margins(shape, size, stride):
    for at, edge in zip(corners(shape, size, stride), shape, strict=True):
        assert set(np.diff(at)) <= {stride}
        before, after = at[0], edge - (at[-1] + size)
        assert 0 <= before <= after <= before + 1 and before + after < stride


@pytest.mark.parametrize(
    "size, stride, match", [(0, 1, "size = 0"), (21, 1, "size = 21.*1 to 20"), (3, 0, "stride = 0")]
)
def test_wrong_squares_are_refused(size, stride, match):
    with pytest.raises(UserError, match=match):
        occlusion_map(jnp.sum, noise(), size, stride, (0, 0, 0))


def test_losses_are_those_of_loops():
    image, size, stride, fill = noise(9, 12), 4, 3, (0.1, 0.5, 0.8)
    weights = np.random.default_rng(3).normal(0, 1, image.shape).astype(np.float32)
    found = occlusion_map(lambda x: jnp.sum(weights * x[0] ** 2), image, size, stride, fill)
    tops, lefts = [1, 4], [1, 4, 7]  # of margins 2 and 2
    assert found.shape == (2, 3)
    for i, top in enumerate(tops):
        for j, left in enumerate(lefts):
            covered = image.astype(np.float64)
            for y in range(top, top + size):
                for x in range(left, left + size):
                    covered[y, x] = fill
            assert found[i, j] == pytest.approx((weights * covered**2).sum(), rel=1e-4)


def test_a_partial_is_compiled_once_for_all_problems(made):
    spec, first = made
    second = first.replace(weights=first.weights.replace(style=jnp.float32(6.0)))
    image, grey = noise(seed=4), (0.5, 0.5, 0.5)
    before = occlusion_map(part_loss(spec, first, "style"), image, 8, 6, grey)
    programs = occlusion._covered._cache_size()
    twice = occlusion_map(part_loss(spec, second, "style"), image, 8, 6, grey)
    assert occlusion._covered._cache_size() == programs
    np.testing.assert_allclose(twice, 2 * before, rtol=1e-5)


def test_only_where_there_is_structure_anything_changes():
    image = np.full((24, 32, 3), 0.4, np.float32)
    image[:6, -6:] = noise(6, 6)
    whole = np.sum(np.diff(image, axis=1) ** 2) + np.sum(np.diff(image, axis=0) ** 2)

    def loss(x):
        return jnp.sum((x[:, :, 1:] - x[:, :, :-1]) ** 2) + jnp.sum((x[:, 1:] - x[:, :-1]) ** 2)

    found = np.abs(occlusion_map(loss, image, 6, 2, (0.4, 0.4, 0.4)) - whole)
    assert np.unravel_index(found.argmax(), found.shape) == (0, found.shape[1] - 1)
    np.testing.assert_allclose(found[4:], 0, atol=1e-4)
    np.testing.assert_allclose(found[:, :-6], 0, atol=1e-4)


def test_style_is_lost_where_the_painting_is(made):
    """A picture that is the painting in one corner and flat elsewhere: covering that corner loses most."""
    spec, known = made
    seen_painting = noise(seed=2)
    image = np.full((20, 24, 3), 0.5, np.float32)
    image[-8:, :8] = seen_painting[-8:, :8]
    found = examine(spec, known, image, 8, 4, ("style",))["style"]
    shown, unit = change(found)
    assert unit == "%" and np.unravel_index(np.abs(shown).argmax(), shown.shape) == (3, 0)
    assert shown[3, 0] > 0  # away from the painting


def test_losses_are_the_terms_of_the_problem(made):
    spec, known = made
    image = noise(seed=5)
    found = examine(spec, known, image, 8, 6)
    covered = image.copy()
    tops, lefts = corners(image.shape[:2], 8, 6)
    covered[tops[1] : tops[1] + 8, lefts[2] : lefts[2] + 8] = image.reshape(-1, 3).mean(0)
    for name in ("style", "content"):
        for picture, value in ((image, found[name].before), (covered, found[name].losses_hxw[1, 2])):
            terms = compiled_terms(spec, known, jnp.asarray(picture)[None])
            expected = sum(float(term) for key, term in terms.items() if key.startswith(f"{name}/"))
            assert value == pytest.approx(expected, rel=1e-4)
    assert found["style"].losses_hxw.shape == (len(tops), len(lefts))


def test_a_part_without_layers_is_refused(made):
    spec, known = made
    bare = Spec(**(spec.__dict__ | {"content_layers": ()}))
    with pytest.raises(UserError, match="content_loss.layers: empty"):
        part_loss(bare, known, "content")


def test_mean_color():
    image = noise()
    np.testing.assert_allclose(
        mean_color(image), [image[..., c].mean(dtype=np.float64) for c in range(3)], rtol=1e-6
    )


def test_change_is_in_percent_unless_there_was_nothing():
    losses = np.array([[1.0, 3.0]])
    shown, unit = change(Occlusion(losses, 2.0, 8, 4))
    np.testing.assert_allclose(shown, [[-50, 50]])
    assert unit == "%"
    shown, unit = change(Occlusion(losses, 1e-9, 8, 4))
    np.testing.assert_allclose(shown, losses)
    assert unit == ""


def test_figure_puts_the_cells_around_the_squares_centres():
    image = noise(20, 24)
    found = {
        "style": Occlusion(np.arange(12.0).reshape(3, 4), 5.0, 6, 5),
        "content": Occlusion(np.zeros((3, 4)), 0.0, 6, 5),  # nothing changes anything
    }
    figure = occlusion.figure(image, found, "noise")
    place = next(place for place in figure.axes if place.get_title().startswith("style"))
    left, right, bottom, top = place.images[1].get_extent()
    tops, lefts = corners(image.shape[:2], 6, 5)
    centres_x = [left + (j + 0.5) * (right - left) / 4 for j in range(4)]
    centres_y = [top + (i + 0.5) * (bottom - top) / 3 for i in range(3)]
    np.testing.assert_allclose(centres_x, [x + 2.5 for x in lefts])  # pixel x spans x - 0.5 to x + 0.5
    np.testing.assert_allclose(centres_y, [y + 2.5 for y in tops])
    np.testing.assert_allclose(place.images[1].get_array(), 100 * (found["style"].losses_hxw - 5) / 5)
    labels = [place.get_xlabel() for place in figure.axes]
    assert "change of the style loss (%)" in labels and "change of the content loss" in labels
    figure.canvas.draw()
