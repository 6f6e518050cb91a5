"""The whole loss against its equation; blends, weights, and their errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nst.errors import UserError
from nst.losses import problem as problems
from nst.losses.content import content_distance
from nst.losses.spec import Spec
from nst.losses.weights import WeightSettings, make_weights
from nst.networks import checkpoints
from nst.networks.network import Network
from nst.styles.grams import distance as gram_distance
from nst.styles.grams import gram
from tests.helpers.frozen import features, freeze

# compiled as wholes, which takes a fraction of the time of their operations one by one
loss, terms, make_problem = (
    jax.jit(of, static_argnums=0) for of in (problems.loss, problems.terms, problems.make_problem)
)
slope = jax.jit(jax.grad(problems.loss, argnums=2), static_argnums=0)

SPEC = Spec(content_layers=("relu2_1", "conv1_2"), style_layers=("relu1_1", "relu2_1"), tv="mean")


@pytest.fixture(scope="module")
def variables():
    return freeze(checkpoints.load("random", "vgg19", SPEC.layers).params)


def picture(seed, height=12, width=10):
    return np.random.default_rng(seed).uniform(0, 1, (1, height, width, 3)).astype(np.float32)


def weigh(spec=SPEC, style_count=1, **changes):
    settings = WeightSettings(
        content=2.0, style=3.0, content_layers=(1.0, 0.5), style_layers=(0.25, 4.0), tv=5.0
    )
    return make_weights(spec, settings._replace(**changes), style_count)


def test_terms_follow_the_equation(variables):
    content, style, x = picture(0), picture(1, 14, 16), picture(2)
    problem = make_problem(SPEC, variables, content, [style], weigh())
    found = terms(SPEC, problem, x)
    activation = {
        name: features(Network(), variables, image, SPEC.layers)
        for name, image in dict(x=x, content=content, style=style).items()
    }

    def content_term(layer):
        channels = {"relu2_1": 128, "conv1_2": 64}[layer]
        return content_distance(activation["x"][layer], activation["content"][layer], channels, "mse")

    def style_term(layer):
        pair = (gram(activation[name][layer]) for name in ("x", "style"))
        return gram_distance(*pair, {"relu1_1": 64, "relu2_1": 128}[layer], normalization="hw_mse")

    down, right = np.diff(np.asarray(x), axis=1), np.diff(np.asarray(x), axis=2)
    expected = {
        "content/relu2_1": 2 * 1.0 * content_term("relu2_1"),
        "content/conv1_2": 2 * 0.5 * content_term("conv1_2"),
        "style/relu1_1": 3 * 0.25 * style_term("relu1_1"),
        "style/relu2_1": 3 * 4.0 * style_term("relu2_1"),
        "tv": 5 * ((down**2).mean() + (right**2).mean()),
    }
    assert {name: float(v) for name, v in found.items()} == pytest.approx(
        {name: float(v) for name, v in expected.items()}, rel=1e-4
    )
    assert float(loss(SPEC, problem, x)) == pytest.approx(sum(map(float, expected.values())), rel=1e-5)


def test_the_photograph_has_no_content_loss_and_the_painting_no_style_loss(variables):
    content, style = picture(0), picture(1)
    problem = make_problem(SPEC, variables, content, [style], weigh())
    at_content, at_style = terms(SPEC, problem, content), terms(SPEC, problem, style)
    for name in at_content:
        zero, other = (at_content, at_style) if name.startswith("content") else (at_style, at_content)
        if name != "tv":
            assert float(zero[name]) <= 1e-6 * float(other[name])


def test_blended_targets_are_the_mean_gram_and_losses_the_mean_loss(variables):
    content, styles, x = picture(0), [picture(1), picture(2, 9, 13)], picture(3)
    weighted = weigh(styles=(3.0, 1.0), style_count=2)
    single = [
        make_problem(SPEC, variables, content, [style], weigh()) for style in styles
    ]  # fmt: skip
    alone = [terms(SPEC, problem, x)["style/relu1_1"] for problem in single]

    spec = Spec(**(SPEC.__dict__ | {"style_blend": "losses"}))
    problem = make_problem(spec, variables, content, styles, weighted)
    found = terms(spec, problem, x)["style/relu1_1"]
    assert float(found) == pytest.approx(0.75 * float(alone[0]) + 0.25 * float(alone[1]), rel=1e-5)

    problem = make_problem(SPEC, variables, content, styles, weighted)
    assert len(problem.styles[0]) == 1
    grams = [p.styles[0][0][0] for p in single]  # of relu1_1
    expected = 0.75 * np.asarray(grams[0]) + 0.25 * np.asarray(grams[1])
    assert np.asarray(problem.styles[0][0][0]) == pytest.approx(expected, rel=1e-5)


def test_two_equal_paintings_are_one(variables):
    content, style, x = picture(0), picture(1), picture(2)
    once = make_problem(SPEC, variables, content, [style], weigh())
    for blend in ("targets", "losses"):
        spec = Spec(**(SPEC.__dict__ | {"style_blend": blend}))
        twice = make_problem(spec, variables, content, [style, style], weigh(style_count=2))
        assert float(loss(spec, twice, x)) == pytest.approx(float(loss(SPEC, once, x)), rel=1e-5)


@pytest.mark.parametrize("empty", ["content_layers", "style_layers"])
def test_one_side_may_be_empty(variables, empty):
    spec = Spec(**(SPEC.__dict__ | {empty: ()}))
    weighted = weigh(spec, **{empty: (1.0,)})
    problem = make_problem(spec, variables, picture(0), [picture(1)], weighted)
    found = terms(spec, problem, picture(2))
    assert not any(name.startswith(empty.split("_")[0] + "/") for name in found)
    assert np.isfinite(slope(spec, problem, picture(2))).all()


def test_weights_may_change_without_recompiling(variables):
    problem = make_problem(SPEC, variables, picture(0), [picture(1)], weigh())
    compiled = jax.jit(lambda *given: problems.loss(*given), static_argnums=0)
    first = compiled(SPEC, problem, picture(2))
    second = compiled(SPEC, problem.replace(weights=weigh(style=6.0, tv=0.0)), picture(2))
    assert first != second and compiled._cache_size() == 1


def test_one_weight_stands_for_all():
    assert np.asarray(weigh(style_layers=(0.2,)).style_terms) == pytest.approx([0.2, 0.2])
    assert np.asarray(weigh(styles=(5.0,), style_count=3).styles[0]) == pytest.approx([1 / 3] * 3)


@pytest.mark.parametrize("change, message", [
    (dict(style_layers=(1.0, 2.0, 3.0)), "style_loss.layer_weights = .*3 weights for 2 layers"),
    (dict(content_layers=()), "content_loss.layer_weights"),
    (dict(styles=(1.0, 2.0)), "style_loss.image_weights = .*2 weights for 1 style image;"),
    (dict(styles=(0.0,)), "style_loss.image_weights.*at least one"),
    (dict(style=-1.0), "style_loss.weight = -1.0: weights must be"),
    (dict(content=float("nan")), "content_loss.weight"),
    (dict(tv=float("inf")), "tv.weight"),
])  # fmt: skip
def test_wrong_weights_name_their_field(change, message):
    with pytest.raises(UserError, match=message):
        weigh(**change)


@pytest.mark.parametrize("field, value, name", [
    ("content_layers", ("relu9_9",), "content_loss.layers"),
    ("style_layers", ("gram1",), "style_loss.layers"),
    ("content_normalization", "l2", "content_loss.normalization"), ("style_blend", "sum", "style_loss.blend"),
    ("representation", "mmd", "style_loss.representation"), ("tv", "l3", "tv.kind"),
])  # fmt: skip
def test_wrong_choices_name_their_field(field, value, name):
    with pytest.raises(UserError, match=name):
        Spec(**{field: value})


# --- what looks at drawn positions, at the picture itself, or at several layers together


def made(spec, variables, content, styles, **changes):
    weighted = weigh(spec, content_layers=(1.0,), style_layers=(1.0,), style_count=len(styles), **changes)
    return make_problem(spec, variables, content, styles, weighted)


def spec_of(**changes):
    settings = SPEC.__dict__ | {"content_layers": ("relu2_1",), "style_normalization": "relative"}
    return Spec(**(settings | changes))


@pytest.mark.slow
@pytest.mark.parametrize("layers", [("relu1_1", "relu2_1"), ("image", "conv1_2", "relu2_1")])
def test_self_similarity_is_none_at_the_photograph_and_under_another_light(variables, layers):
    spec = spec_of(content_representation="self_similarity", content_layers=layers, style_layers=())
    content = picture(0)
    problem = made(spec, variables, content, [picture(1)])
    at = {name: float(terms(spec, problem, x)["content/self_similarity"]) for name, x in
          {"itself": content, "other": picture(2)}.items()}  # fmt: skip
    assert at["itself"] <= 1e-4 * at["other"] and at["other"] > 0
    assert np.isfinite(slope(spec, problem, content)).all()


def test_the_picture_itself_is_a_layer(variables):
    spec = spec_of(content_layers=("image",), style_layers=("image",), representation="gram")
    content, x = picture(0), picture(2)
    problem = made(spec, variables, content, [picture(1)])
    found = terms(spec, problem, x)
    assert float(found["content/image"]) == pytest.approx(2 * float(jnp.mean((x - content) ** 2)), rel=1e-5)
    expected = gram_distance(gram(x), gram(picture(1)), 3, normalization="relative")
    assert float(found["style/image"]) == pytest.approx(3 * float(expected), rel=1e-5)


def test_representations_add_up_with_their_weights(variables):
    alone = [spec_of(representation=name) for name in ("gram", "moments")]
    both = spec_of(representation="gram+moments")
    content, style, x = picture(0), picture(1), picture(2)
    found = terms(both, made(both, variables, content, [style], representations=(2.0, 0.5)), x)
    for spec, name, weight in zip(alone, ("gram", "moments"), (2.0, 0.5), strict=True):
        expected = terms(spec, made(spec, variables, content, [style]), x)
        for layer in spec.style_layers:
            term = float(found[f"style/{name}/{layer}"])
            assert term == pytest.approx(weight * float(expected[f"style/{layer}"]), rel=1e-5)


@pytest.mark.slow
def test_what_cannot_be_averaged_over_paintings_says_so(variables):
    spec = spec_of(representation="histogram")
    with pytest.raises(
        UserError, match="style_loss.blend = targets: histogram cannot be averaged .* use losses"
    ):
        made(spec, variables, picture(0), [picture(1), picture(2)])
    losses = spec_of(representation="histogram", style_blend="losses")
    problem = made(losses, variables, picture(0), [picture(1), picture(2)])
    single = [made(spec, variables, picture(0), [picture(k)]) for k in (1, 2)]
    expected = np.mean([float(terms(spec, one, picture(3))["style/relu1_1"]) for one in single])
    assert float(terms(losses, problem, picture(3))["style/relu1_1"]) == pytest.approx(expected, rel=1e-5)


def test_positions_are_drawn_once_or_at_each_step(variables):
    once = spec_of(representation="remd", style_options="samples=20")
    anew = spec_of(representation="remd", style_options="samples=20", resample=True)
    content, style, x = picture(0), picture(1), picture(2)
    for spec, differs in ((once, False), (anew, True)):
        problem = made(spec, variables, content, [style])
        first, again, later = (float(loss(spec, problem, x, step)) for step in (0, 0, 5))
        assert first == again and (first != later) == differs
    seeds = [
        float(loss(once, problem.replace(seed=jnp.int32(seed)), x)) for seed in (0, 1)
    ]  # fmt: skip
    assert seeds[0] != seeds[1]
