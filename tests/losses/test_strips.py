"""The loss by strips against the loss of the whole image: terms, gradients, targets; and its memory."""

import dataclasses
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nst.devices import memory
from nst.devices.memory import program_bytes
from nst.errors import UserError
from nst.losses import problem, statistics, strips
from nst.losses.content import CONTENT
from nst.losses.guidance import Regions
from nst.losses.spec import Spec
from nst.losses.weights import WeightSettings, make_weights
from nst.networks import checkpoints
from nst.networks.convolution import PADDING
from nst.networks.network import FIRST, FRAMES, PREPROCESSING, Network
from nst.networks.pooling import POOLING
from nst.networks.receptive import receptive
from nst.networks.table import layers_to
from nst.runs.compiling import compile_run
from nst.runs.fitting import check_memory
from nst.runs.job import prepare
from nst.styles.positions import Positions
from nst.styles.table import STYLES, linear, style
from nst.sweeps.stacked import side_by_side
from tests.helpers.describing import plain
from tests.helpers.frozen import freeze
from tests.helpers.running import picture as photograph
from tests.helpers.running import small, stylize

SHALLOW = Spec(content_layers=("relu2_1", "image"), style_layers=("relu1_1", "relu2_2"), tv="mean")
DEEP = Spec(content_layers=("relu4_2",))


def picture(seed, height, width=12):
    return np.random.default_rng(seed).uniform(0, 1, (1, height, width, 3)).astype(np.float32)


@cache
def network(architecture, layers):
    return freeze(checkpoints.load("random", architecture, layers).params)


def changed(spec, **changes):
    return dataclasses.replace(spec, **changes)


make_problem = jax.jit(problem.make_problem, static_argnums=0)
describe_style = jax.jit(statistics.describe_style, static_argnums=0)


def weigh(spec, count=1, regions=1):
    settings = WeightSettings(style=2.0, tv=0.1, regions=(1.0,) * regions)
    return make_weights(spec, settings, count)


@partial(jax.jit, static_argnums=0)
def measured(spec, made, image):
    """(terms, gradient of their sum)."""

    def loss(x):
        found = problem.terms(spec, made, x)
        return sum(found.values()), found

    gradient, found = jax.grad(loss, has_aux=True)(image)
    return found, gradient


def agree(found, expected, rel=1e-5):
    """All arrays of two trees, but for `rel` of the largest number in each."""
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        a, b = np.asarray(a, np.float32), np.asarray(b, np.float32)
        assert np.abs(a - b).max() <= rel * np.abs(b).max(), np.abs(a - b).max() / np.abs(b).max()


def check(
    spec,
    strip,
    height=67,
    width=12,
    paintings=(45,),
    variables=None,
    guides=({},),
    style_guides=({},),
    rel=1e-5,
):
    """Targets, terms and gradient by strips are those of the whole image."""
    cut = changed(spec, strip=strip)
    layout = strips.layout(cut, cut.layers, height)
    assert layout.count > 2 and layout.window < height
    variables = network(spec.network.architecture, spec.layers) if variables is None else variables
    content, x = picture(0, height, width), picture(1, height, width)
    styles = [picture(2 + seed, edge, width + 2) for seed, edge in enumerate(paintings)]
    given = variables, content, styles, weigh(spec, len(styles), len(guides)), Regions(guides, style_guides)
    whole, parts = (make_problem(of, *given) for of in (spec, cut))
    agree(parts.content, whole.content, rel)
    # not parts.styles, which may hold roots of what has none in float32
    for paintings, parts_of in zip(spec.regions or [range(len(styles))], style_guides, strict=True):
        for k in paintings:
            guide = parts_of.get(k, {})
            agree(*(describe_style(of, variables, styles[k], guide, 0) for of in (cut, spec)), rel)
    (terms, gradient), (expected, slope) = measured(cut, parts, x), measured(spec, whole, x)
    assert list(terms) == list(expected)
    agree(terms, expected, rel)
    agree(gradient, slope, rel)


# --- geometry


POOLINGS = "max", "blur", "strided"
DEEPEST = "relu1_1", "pool1", "relu2_2", "pool3", "relu5_1"
SIZES = (401, 16), (527, 48), (640, 33), (333, 1), (512, 300)  # (height, strip)
# every depth with every size, and with them each pooling in turn; each of them is among the quick
GEOMETRIES = [
    pytest.param(POOLINGS[(i + j) % 3], deepest, *size, marks=() if (i - j) % 5 < 2 else pytest.mark.slow)
    for i, deepest in enumerate(DEEPEST)
    for j, size in enumerate(SIZES)
]


def rows_of(layout, layers, index):
    """{layer: (the first row of a strip's window, which of its rows are the strip's own)}."""
    part = strips.Strip(layout, index)
    return {layer: (strips._first(part, layer), strips.own_rows(part, layer)) for layer in layers}


@pytest.mark.parametrize("pooling, deepest, height, strip", GEOMETRIES)
def test_every_row_has_one_strip_whose_window_holds_all_that_it_sees(pooling, deepest, height, strip):
    spec = Spec(Network(pooling=pooling), content_layers=(deepest,), style_layers=(), strip=strip)
    layout = strips.layout(spec, spec.layers, height)
    if layout is None:
        assert strip == 300
        return
    names = [layer.name for layer in layers_to("vgg19", (deepest,))]
    stride = receptive(spec.network, deepest).stride
    assert layout.strip % stride == 0 and layout.strip <= strips._up(strip, stride)
    parts = jax.jit(jax.vmap(partial(rows_of, layout, ("image", *names))))(jnp.arange(layout.count))
    for layer in ("image", *names):
        field = receptive(spec.network, layer) if layer != "image" else None
        size, step, offset = field or (1, 1, 0)
        times = np.zeros(height // step, int)
        for first, own in zip(*map(np.asarray, parts[layer]), strict=True):
            begin, end = first * step, first * step + layout.window
            assert begin % stride == 0 and end <= height
            at = first + np.flatnonzero(own)
            times[at] += 1
            if len(at):
                low, high = offset + step * at.min(), offset + step * at.max() + size
                assert max(low, 0) >= begin and min(high, height) <= end
        assert (times == 1).all(), layer


def test_small_images_are_whole():
    spec = changed(SHALLOW, strip=64)
    assert strips.layout(spec, spec.layers, 64) is None
    assert strips.layout(changed(spec, strip=0), spec.layers, 10**4) is None
    assert strips.layout(spec, ("image",), 10**4) is None  # no network


# --- the same loss


PAIRS = [(pooling, "zero") for pooling in POOLING] + [
    ("max", padding) for padding in (*PADDING, FIRST) if padding != "circular"
]


@pytest.mark.slow
# every pooling, every padding, and those of them that reach furthest
@pytest.mark.parametrize("pooling, padding", sorted({*PAIRS, ("blur", "reflect"), ("blur", "replicate")}))
def test_every_pooling_and_padding(pooling, padding):
    check(changed(SHALLOW, network=Network(pooling=pooling, padding=padding)), strip=8)


@pytest.mark.slow
@pytest.mark.parametrize("pooling", ["max", "blur"])
def test_all_of_vgg19(pooling):
    check(changed(DEEP, network=Network(pooling=pooling)), strip=32, height=347, width=32, paintings=(330,))


@pytest.mark.slow
def test_vgg16_and_heights_that_leave_no_rest():
    spec = changed(SHALLOW, network=Network("vgg16"), content_layers=("pool2",))
    check(spec, strip=16, height=128, paintings=(96,))


@pytest.mark.slow
@pytest.mark.parametrize("name", linear())
def test_every_linear_representation(name):
    options = {"mmd_polynomial": "offset=1.5", "gram_shift": "shift=0.3"}.get(name, "")
    normalization = "relative" if name == "gram" else plain(name)
    spec = changed(SHALLOW, representation=name, style_normalization=normalization, style_options=options)
    # a covariance is a small difference of large moments: 1 ulp of these moves this distance by up to 3e-5
    check(spec, strip=16, rel=1e-4 if name == "wasserstein_gaussian" else 1e-5)


# those of the positions, of the target and of the distance; the others are constants
QUICK = "mse", "relative", "scaled"


@pytest.mark.parametrize("normalization", [
    pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in CONTENT
])  # fmt: skip
def test_every_content_normalization(normalization):
    check(changed(SHALLOW, content_normalization=normalization, style_layers=()), strip=16)


@pytest.mark.slow
@pytest.mark.parametrize("blend", ["targets", "losses"])
def test_regions_and_several_paintings(blend):
    spec = changed(SHALLOW, regions=((0, 1), (1,)), style_blend=blend, representation="gram+mmd_linear",
                   style_normalization="relative")  # fmt: skip

    def guides(seed, height, width):
        rng = np.random.default_rng(seed)
        masks = {
            "relu1_1": rng.uniform(0, 1, (height, width)),
            "relu2_2": rng.uniform(0, 1, (height // 2, width // 2)),
        }
        for mask in masks.values():
            mask[: len(mask) // 2] *= seed % 2  # nothing of it in the upper strips
        return {layer: jnp.asarray(mask / mask.sum(), jnp.float32) for layer, mask in masks.items()}

    check(spec, strip=8, paintings=(45, 53), guides=(guides(0, 67, 12), guides(1, 67, 12)),
          style_guides=({}, {1: guides(2, 53, 14)}))  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("frame", FRAMES)
def test_the_small_network(frame):
    made_for = checkpoints.convention("vgg19_slim", "vgg19", "")
    net = Network(widths=made_for.widths, frame=frame, preprocessing=PREPROCESSING[made_for.preprocessing])
    representation = "gram" if frame == "compact" else "gram+gram_shift"
    spec = changed(SHALLOW, network=net, representation=representation, style_normalization="relative",
                   style_layers=("relu1_1", "relu3_1"))  # fmt: skip
    params = checkpoints.load("vgg19_slim", made_for.architecture, spec.layers).params
    check(spec, strip=16, variables=freeze(params, frame=frame))


def test_half_precision_to_its_own_rounding():
    spec = changed(SHALLOW, network=Network(dtype="bfloat16"), content_layers=("relu2_1",))
    variables = freeze(checkpoints.load("random", "vgg19", spec.layers).params, "bfloat16")
    check(spec, strip=16, variables=variables, rel=2.0**-8)


def test_many_images_side_by_side():
    spec = changed(SHALLOW, strip=8)
    made = make_problem(spec, network("vgg19", spec.layers), picture(0, 67), [picture(2, 45)], weigh(spec))
    images = [picture(seed, 67) for seed in (3, 4)]
    each = partial(measured, spec, made)
    found = jax.jit(lambda x: side_by_side(each, x))(jnp.stack(images))
    for index, image in enumerate(images):
        agree(jax.tree.map(lambda leaf, index=index: leaf[index], found), each(image))


# --- what can be added up


@pytest.mark.parametrize("name", STYLES)
def test_linear_is_what_adds_up(name):
    """describe of weights v + w is that of v plus that of w, where it says so and only there."""
    (representation,) = style(name, "relative").values()
    rng = np.random.default_rng(0)
    layers = [jnp.asarray(rng.normal(1, 1, (1, *shape)), jnp.float32) for shape in ((12, 8, 3), (6, 4, 5))]
    layers = layers if name == "gram_cross" else layers[:1]
    parts = [[rng.uniform(0, 1, x.shape[1:3]).astype(np.float32) for x in layers] for _ in range(2)]

    @jax.jit
    def describe(layers, weights):
        positions = [Positions(w, jnp.arange(20), jax.random.key(0)) for w in weights]
        found = representation.describe(layers, positions)
        return [leaf for leaf in jax.tree.leaves(found) if jnp.issubdtype(leaf.dtype, jnp.floating)]

    *each, both = (describe(layers, w) for w in (*parts, [v + w for v, w in zip(*parts, strict=True)]))
    added = [v + w for v, w in zip(*jax.device_get(each), strict=True)]
    apart = max(np.abs(a - b).max() / np.abs(b).max() for a, b in zip(added, both, strict=True))
    assert (apart < 1e-5) == representation.linear


@pytest.mark.parametrize("changes, message", [
    ({"representation": "histogram"}, "strip = 8: style_loss.representation = histogram needs the whole"),
    ({"representation": "gram+remd"}, "= remd needs .* strip = 0, or use one of gram, gram_shift"),
    ({"representation": "mmd_polynomial", "style_options": "degree=3"}, "mmd_polynomial needs the whole"),
    ({"content_representation": "self_similarity"}, "content_loss.representation = self_similarity"),
    ({"strip": -1}, "strip = -1: must be at least 0"),
])  # fmt: skip
def test_what_needs_the_whole_image_says_so(changes, message):
    with pytest.raises(UserError, match=message) as error:
        changed(SHALLOW, **({"strip": 8, "style_normalization": "relative"} | changes))
    assert "\n" not in str(error.value)


# --- memory


def compiled(spec, height, width=64):
    """Value and gradient, from shapes alone, and those shapes."""
    variables = jax.eval_shape(partial(network, "vgg19", spec.layers))
    image, painting = (jax.ShapeDtypeStruct((1, edge, width, 3), jnp.float32) for edge in (height, 64))
    made = jax.eval_shape(partial(problem.make_problem, spec), variables, image, [painting], weigh(spec))
    function = jax.jit(jax.value_and_grad(partial(problem.loss, spec), argnums=1))
    return function.lower(made, image).compile(), made, image


def test_memory_is_that_of_a_strip():
    grown = {}
    for strip in (0, 32):
        spec = changed(SHALLOW, strip=strip, content_layers=("relu2_1",))
        tall, double = (compiled(spec, height) for height in (256, 512))
        temporary = [program[0].memory_analysis().temp_size_in_bytes for program in (tall, double)]
        grown[strip] = temporary[1] - temporary[0], temporary[0]
        pixels = tall[2].size * 4
    assert grown[0][0] > 0.9 * grown[0][1]
    # the two differences of total variation, and one image to spare; not even one copy of the target
    assert grown[32][0] <= 3 * pixels
    assert 3 * pixels < 0.1 * grown[0][0]


def test_convolutions_are_of_the_form_that_is_fast_in_loops():
    text = compiled(changed(SHALLOW, strip=32), 256)[0].as_text()
    forms = {part.split(",")[0].split()[0] for part in text.split("dim_labels=")[1:]}
    assert forms == {"b01f_01io->b01f"}


@pytest.mark.slow
def test_too_little_memory_advises_strips(monkeypatch):
    for beside in ("_OVERHEAD", "_COMPILER_OVERHEAD"):  # of the process, which these sizes are nothing beside
        monkeypatch.setattr(memory, beside, 0)
    config = small(size=400, **{"optimizer.name": "adam", "content_loss.layers": ("relu1_2",)})
    job = prepare(photograph(0, 400, 24), photograph(1), config)
    program = compile_run(job)
    cut = compile_run(job._replace(spec=changed(job.spec, strip=64)))
    need, less = program_bytes(program), program_bytes(cut)
    assert less < 0.7 * need
    for limit, advised in ((less, True), (0, False)):
        with pytest.raises(UserError, match="px needs") as error:
            check_memory(job, program, limit)
        assert ("or, at this size, --config.strip=64" in str(error.value)) == advised


# --- runs


@pytest.mark.slow
def test_a_run_ends_in_the_same_picture():
    changes = {"optimizer.name": "adam", "optimizer.learning_rate": 0.02, "size": 90, "pyramid.min_size": 45}
    content, painting = photograph(0, 90, 30), photograph(1, 70, 40)
    (whole, _), (parts, _) = (stylize(content, painting, small(strip=strip, **changes)) for strip in (0, 16))
    assert np.abs(whole.image - content).max() > 0.05
    # Adam divides by the gradient's size, so that pixels of the least gradient show its rounding
    assert np.abs(parts.image - whole.image).mean() < 1e-5
    for a, b in zip(parts.metrics, whole.metrics, strict=True):
        names = [name for name in a if name.startswith(("content", "style"))]
        assert names and all(a[name] == pytest.approx(b[name], rel=1e-3) for name in names)
