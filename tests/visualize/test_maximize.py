"""Activation maximisation: the parameterisation, the movements, and what comes of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nst import images
from nst.configs import trial
from nst.errors import UserError
from nst.visualize import maximize, network
from tests.helpers.frozen import features
from tests.helpers.sweeping import picture

LAYER = "relu2_1"

move = jax.jit(maximize.move)
synthesize = jax.jit(maximize.synthesize, static_argnums=1)


@pytest.fixture(scope="module")
def model():
    config = trial.get_config()
    return network.load(config, (LAYER,), single_channels=True)


def activity(model, image_HxWx3, channel):
    found = features(model.network, model.variables, jnp.asarray(image_HxWx3)[None], (LAYER,))
    return float(found[LAYER][..., channel].mean())


def naive_paint(spectrum, width):
    """The sum of waves, frequency by frequency, in float64."""
    height, half = spectrum.shape[:2]
    y, x = np.mgrid[:height, :width]
    waves = np.zeros((height, width, 3))
    for v in range(height):
        for u in range(half):
            fy, fx = (v if v < (height + 1) // 2 else v - height) / height, u / width
            coefficient = (spectrum[v, u, :, 0] + 1j * spectrum[v, u, :, 1]) / max(
                np.hypot(fy, fx), 1 / max(height, width)
            )
            both = 1 if u == 0 or 2 * u == width else 2  # the conjugate half is not stored
            phase = np.exp(2j * np.pi * (fy * y + fx * x))
            waves += both * np.real(phase[..., None] * coefficient) / np.sqrt(height * width)
    return 1 / (1 + np.exp(-waves @ maximize.COLORS / 4))


@pytest.mark.parametrize("height, width", [(6, 8), (5, 7)])
def test_paint_is_the_sum_of_waves(height, width):
    spectrum = np.random.default_rng(0).normal(size=maximize.spectrum_shape(height, width))
    painted = np.asarray(synthesize(jnp.asarray(spectrum, jnp.float32), width))
    assert painted == pytest.approx(naive_paint(spectrum, width), abs=1e-5)


def test_every_picture_can_be_painted():
    image = picture(1, 8, 10).clip(0.02, 0.98)
    waves = 4 * np.log(image / (1 - image)) @ np.linalg.inv(maximize.COLORS)
    spectrum = np.fft.rfft2(waves, axes=(0, 1), norm="ortho")
    frequency = np.hypot(np.fft.fftfreq(8)[:, None], np.fft.rfftfreq(10))[..., None]
    spectrum = spectrum * np.maximum(frequency, 1 / 10)
    painted = synthesize(jnp.asarray(np.stack([spectrum.real, spectrum.imag], -1), jnp.float32), 10)
    assert np.asarray(painted) == pytest.approx(image, abs=1e-4)


def test_colors_are_a_symmetric_root_of_a_covariance():
    assert (maximize.COLORS == maximize.COLORS.T).all()
    values = np.linalg.eigvalsh(maximize.COLORS)
    assert values.min() > 0 and values.max() == pytest.approx(1, abs=1e-3)


def motion(first=(0.0, 0.0), factor=1.0, degrees=0.0, second=(0.0, 0.0)):
    values = (np.asarray(value, np.float32) for value in (first, factor, degrees, second))
    return maximize.Motion(*values)


def naive_move(image, first, factor, degrees, second):
    """Pixel by pixel, each a weighted sum of all pixels of the plane that repeats."""
    height, width, _ = image.shape
    centre, angle = np.array([(height - 1) / 2, (width - 1) / 2]), np.deg2rad(degrees)
    back = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) / factor
    moved = np.zeros(image.shape)
    for place in np.ndindex(height, width):
        y, x = back @ (place - centre - second) + centre - first
        for v in range(-3 * height, 4 * height):
            for u in range(-3 * width, 4 * width):
                weight = max(0, 1 - abs(y - v)) * max(0, 1 - abs(x - u))
                moved[place] += weight * image[v % height, u % width]
    return moved


def test_a_motion_is_that_of_loops():
    image, chosen = picture(2, 5, 6), ((1.3, -2.4), 1.1, 17.0, (-0.7, 0.9))
    moved = np.asarray(move(jnp.asarray(image), motion(*chosen)))
    assert moved == pytest.approx(naive_move(image.astype(np.float64), *chosen), abs=1e-5)


def test_motions_that_are_plain():
    image = picture(2, 9, 11)

    def moved(image, **chosen):
        return np.asarray(move(jnp.asarray(image), motion(**chosen)))

    assert (moved(image) == image).all()
    for shift in ({"first": (2, -1)}, {"second": (2, -1)}):
        assert moved(image, **shift) == pytest.approx(np.roll(image, (2, -1), (0, 1)), abs=1e-5)
    assert moved(image[:, 1:-1], degrees=90) == pytest.approx(np.rot90(image[:, 1:-1]), abs=1e-5)
    assert moved(image, factor=2)[0::2, 1::2] == pytest.approx(image[2:7, 3:8], abs=1e-5)


def test_motions_are_drawn_within_their_bounds():
    drawn = jax.vmap(maximize.sample)(jax.random.split(jax.random.key(0), 500))
    bounds = (maximize.FIRST, maximize.ENLARGEMENT, maximize.DEGREES, maximize.SECOND)
    for values, bound, middle in zip(drawn, bounds, (0, 1, 0, 0), strict=True):
        away = np.abs(np.asarray(values) - middle)
        assert 0.95 * bound < away.max() <= bound and np.asarray(values).std() > 0.5 * bound


def test_the_rectifier_lets_something_through():
    x = jnp.array([-2.0, -1.0, 3.0])

    def back(x, signal):
        value, pull = jax.vjp(maximize.rectifier, x)
        assert (value == jnp.maximum(x, 0)).all()
        return pull(jnp.array(signal))[0].tolist()

    assert back(x, [-1.0, 1.0, 5.0]) == [0, 0, 5]  # as ever
    assert back(x, [-1.0, 1.0, 0.0]) == [-1, 0, 0]  # all stopped: what raises x passes
    assert back(-jnp.abs(x), [-1.0, 1.0, 5.0]) == [-1, 0, 0]


def test_a_channel_that_is_silent_at_the_start_grows():
    config = trial.get_config()
    config.weights.name, config.weights.preprocessing = "random", "torchvision"
    loud = network.load(config, (LAYER,))
    bias = loud.variables["params"]["conv2_1"]["bias"].at[5].set(-0.5)
    params = loud.variables["params"] | {"conv2_1": loud.variables["params"]["conv2_1"] | {"bias": bias}}
    silent = loud._replace(variables=loud.variables | {"params": params})
    start, found = (maximize.maximize(silent, LAYER, [5], 16, steps)[0] for steps in (0, 60))
    assert activity(silent, start, 5) == 0 and activity(silent, found, 5) > 0.1


def test_the_channel_is_more_active_than_in_any_photograph(model):
    (found,) = maximize.maximize(model, LAYER, [5], 32, 150)
    assert found.shape == (32, 32, 3) and found.min() >= 0 and found.max() <= 1
    (start,) = maximize.maximize(model, LAYER, [5], 32, 0)
    photographs = (images.read(f"nst/data/images/{name}.jpg") for name in ("cat", "coffee", "astronaut"))
    ordinary = max(activity(model, images.resize(p.rgb_HxWx3, 32, 32, "lanczos"), 5) for p in photographs)
    assert activity(model, found, 5) > 3 * max(ordinary, activity(model, start, 5))


def test_a_unit_alone(model):
    (found,) = maximize.maximize(model, LAYER, [5], 32, 30, unit=(8, 8))
    activation = features(model.network, model.variables, jnp.asarray(found)[None], (LAYER,))[LAYER][
        0, ..., 5
    ]
    (whole,) = maximize.maximize(model, LAYER, [5], 32, 30)
    assert float(activation[6:11, 6:11].max()) > 3 * float(activation.mean())
    assert activity(model, whole, 5) > float(activation.mean())


def test_seeded(model):
    def run(seed, channels=(1,)):
        return maximize.maximize(model, LAYER, channels, 16, 3, seed)

    assert (run(0) == run(0)).all() and (run(0) != run(1)).any()
    assert (run(0, (2, 1))[1] == run(0)[0]).all()  # whatever is made beside it


@pytest.mark.parametrize("settings, message", [
    ({"size": 1}, "size = 1: relu2_1 needs 2 pixels"),
    ({"channels": [128]}, "channel 128: relu2_1 has 128 channels; give 0 to 127"),
    ({"channels": [-1]}, "channel -1"),
    ({"unit": (8, 0)}, r"unit \(8, 0\): relu2_1 has 8x8 positions"),
    ({"layer": "relu9_1"}, "relu9_1"),
])  # fmt: skip
def test_what_cannot_be_maximized(model, settings, message):
    with pytest.raises(UserError, match=message):
        maximize.maximize(model, **{"layer": LAYER, "channels": [0], "size": 16, "steps": 1, **settings})


def test_the_figure_shows_each_channel(model):
    made = np.stack([picture(seed) for seed in range(5)])
    drawn = maximize.figure(made, LAYER, range(5), "a network, 16 px", columns=3)
    assert len([axes for axes in drawn.axes if axes.images]) == 5
    assert [axes.get_xlabel() for axes in drawn.axes if axes.images] == [f"channel {k}" for k in range(5)]
