"""Content losses and total variation against loops."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nst.errors import UserError
from nst.losses import content, regularizers
from nst.losses.content import CONTENT
from nst.losses.regularizers import REGULARIZERS, TOTAL_VARIATION
from nst.losses.spec import Spec

# compiled as wholes, which takes a fraction of the time of their operations one by one
content_distance = jax.jit(content.content_distance, static_argnums=(2, 3))
content_slope = jax.jit(jax.value_and_grad(content.content_distance, argnums=(0, 1)), static_argnums=(2, 3))
photo_targets = jax.jit(regularizers.photo_targets, static_argnums=(0, 2))
variation = jax.jit(
    lambda name, x, beta: jax.value_and_grad(TOTAL_VARIATION[name])(x, beta), static_argnums=(0, 2)
)


@cache
def regularizer(name, *options):
    """(value, gradient) of an image and a target."""
    return jax.jit(jax.value_and_grad(lambda x, target: REGULARIZERS[name].loss(x, target, *options)))


def random(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def naive_content(name, F, P):
    _, height, width, channels = F.shape
    total = sum((float(F[i]) - float(P[i])) ** 2 for i in np.ndindex(F.shape))
    M, N = height * width, channels
    return {
        "gatys": total / 2,
        "mse": total / F.size,
        "sse": total,
        "root": total / (2 * np.sqrt(N) * np.sqrt(M)),
        "relative": total / sum(float(P[i]) ** 2 for i in np.ndindex(P.shape)),
        "scaled": total / (sum(abs(float(F[i]) - float(P[i])) for i in np.ndindex(F.shape)) + 1e-8),
    }[name]


@pytest.mark.parametrize("name", CONTENT)
def test_content_agrees_with_its_formula(name):
    F, P = random((1, 4, 5, 3), 1), random((1, 4, 5, 3), 2)
    found = content_distance(F, P, 3, name)
    assert float(found) == pytest.approx(naive_content(name, F, P), rel=1e-5)


def test_content_gradient_of_the_paper():
    """Gatys et al. 2015, eq. 2: dL/dF = F - P (where F > 0, which is the rectifier's business)."""
    F, P = random((1, 4, 5, 3), 1), random((1, 4, 5, 3), 2)
    _, (gradient, _) = content_slope(F, P, 3, "gatys")
    assert np.asarray(gradient) == pytest.approx(F - P, rel=1e-6)


@pytest.mark.parametrize("name", CONTENT)
def test_content_gradient_agrees_with_finite_differences(name):
    F, P = random((1, 3, 4, 2), 3), random((1, 3, 4, 2), 4)
    found = np.asarray(content_slope(F, P, 2, name)[1][0])
    for index in np.ndindex(F.shape):
        step = np.zeros(F.shape)
        step[index] = 1e-5
        up, down = (naive_content(name, F + sign * step, P) for sign in (1, -1))
        assert found[index] == pytest.approx((up - down) / 2e-5, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("name", CONTENT)
def test_content_counts_the_channels_it_is_told(name):
    """A slim network's activations stand for more channels than they have: zeros in all the others."""
    F, P = random((1, 4, 5, 3), 1), random((1, 4, 5, 3), 2)
    wide = [np.pad(x, ((0, 0), (0, 0), (0, 0), (0, 4))) for x in (F, P)]
    found = content_distance(F, P, 7, name)
    assert float(found) == pytest.approx(naive_content(name, *wide), rel=1e-5)


@pytest.mark.parametrize("factor", [1e-4, 1e4])
def test_relative_content_has_no_scale(factor):
    F, P = random((1, 4, 5, 3), 1), random((1, 4, 5, 3), 2)
    expected = float(content_distance(F, P, 3, "relative"))
    assert float(content_distance(factor * F, factor * P, 3, "relative")) == pytest.approx(expected, rel=1e-5)


def test_relative_content_is_one_without_features_and_none_at_the_target():
    P = random((1, 4, 5, 3))
    assert float(content_distance(0 * P, P, 3, "relative")) == pytest.approx(1, rel=1e-6)
    assert content_distance(P, P, 3, "relative") == 0


@pytest.mark.parametrize("name", CONTENT)
def test_content_of_an_empty_target_is_finite(name):
    for F in (random((1, 4, 5, 3)), np.zeros((1, 4, 5, 3), np.float32)):
        value, gradients = content_slope(F, np.zeros((1, 4, 5, 3), np.float32), 3, name)
        assert np.isfinite(value) and all(np.isfinite(gradient).all() for gradient in gradients)
        assert (value > 0) == F.any()


def test_content_of_bfloat16_is_summed_in_float32():
    # (1 + 1/128)^2 is no bfloat16
    F, P = jnp.ones((1, 64, 64, 1), jnp.bfloat16), jnp.full((1, 64, 64, 1), 1 + 1 / 128, jnp.bfloat16)
    assert float(content_distance(F, P, 1, "sse")) == pytest.approx(4096 / 128**2, rel=1e-6)
    assert float(content_distance(F, P, 1, "relative")) == pytest.approx(1 / 129**2, rel=1e-6)
    assert content_distance(F, P, 1, "relative").dtype == jnp.float32


def naive_tv(name, x, beta):
    _, height, width, channels = x.shape
    x = x.astype(np.float64)
    down = [(x[0, i + 1, j] - x[0, i, j]) for i in range(height - 1) for j in range(width)]
    right = [(x[0, i, j + 1] - x[0, i, j]) for i in range(height) for j in range(width - 1)]
    if name == "l1":
        return np.abs(down).sum() + np.abs(right).sum()
    if name == "l2":
        return (np.square(down).sum() + np.square(right).sum()) / 2
    if name == "diagonal":
        at = lambda y, x_: x[0, min(max(y, 0), height - 1), min(max(x_, 0), width - 1)]  # noqa: E731
        inner = [(y, x_) for y in range(height) for x_ in range(width)]
        outer = [(y, x_) for y in range(-1, height) for x_ in range(-1, width)]
        d1 = np.square([at(y + 1, x_) - at(y, x_) for y, x_ in inner]).mean()
        d2 = np.square([at(y, x_ + 1) - at(y, x_) for y, x_ in inner]).mean()
        d3 = np.square([at(y + 1, x_ + 1) - at(y, x_) for y, x_ in outer]).mean()
        d4 = np.square([at(y + 1, x_) - at(y, x_ + 1) for y, x_ in outer]).mean()
        return 2 * (d1 / 3 + d2 / 3 + d3 / 12 + d4 / 12)
    if name == "mean":
        return np.square(down).mean() + np.square(right).mean()
    return sum(
        ((x[0, i + 1, j, c] - x[0, i, j, c]) ** 2 + (x[0, i, j + 1, c] - x[0, i, j, c]) ** 2) ** (beta / 2)
        for i in range(height - 1)
        for j in range(width - 1)
        for c in range(channels)
    )


@pytest.mark.parametrize("beta", [1.0, 2.0, 2.5])
@pytest.mark.parametrize("name", TOTAL_VARIATION)
def test_total_variation_and_its_gradient(name, beta):
    x = random((1, 4, 6, 3))
    value, gradient = variation(name, x, beta)
    assert float(value) == pytest.approx(naive_tv(name, x, beta), rel=1e-5)
    direction = random(x.shape, 9).astype(np.float64)
    step = 1e-6
    expected = (naive_tv(name, x + step * direction, beta) - naive_tv(name, x - step * direction, beta)) / (
        2 * step
    )
    assert (np.asarray(gradient, np.float64) * direction).sum() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("name", TOTAL_VARIATION)
def test_a_flat_image_has_none_and_a_finite_gradient(name, beta):
    value, gradient = variation(name, np.full((1, 4, 4, 3), 0.4, np.float32), beta)
    assert value == 0 and np.isfinite(gradient).all()


@pytest.mark.parametrize("name", ["l1", "l2", "mean"])  # beta pairs its differences up another way
def test_mirroring_the_image_moves_nothing(name):
    x = random((1, 5, 4, 3))
    expected = float(variation(name, x, 2.0)[0])
    assert float(variation(name, x[:, :, ::-1], 2.0)[0]) == pytest.approx(expected, rel=1e-5)


# --- regularisers that look at the photograph


def naive_laplacian(x, photo, pool):
    """mean (D(x) - D(p))^2 of Li et al. 2017, window by window, in float64."""

    def D(image):
        height, width = image.shape[1] // pool, image.shape[2] // pool
        small = np.array([[image[0, y * pool : (y + 1) * pool, z * pool : (z + 1) * pool].mean((0, 1)).sum()
                           for z in range(width)] for y in range(height)])  # fmt: skip
        at = lambda y, z: small[min(max(y, 0), height - 1), min(max(z, 0), width - 1)]  # noqa: E731
        return np.array([[4 * at(y, z) - at(y - 1, z) - at(y + 1, z) - at(y, z - 1) - at(y, z + 1)
                          for z in range(width)] for y in range(height)])  # fmt: skip

    return np.square(D(x.astype(np.float64)) - D(photo.astype(np.float64))).mean()


def naive_range(x, photo, pool):
    return np.mean([max(0.0, -value, value - 1) ** 2 for value in x.astype(np.float64).ravel()])


def naive_photorealism(x, photo, pool):
    """1/K sum_c V_c^T M V_c with the matting Laplacian of Levin et al. 2008, eq. 12, entry by entry."""
    _, height, width, _ = x.shape
    image, epsilon = photo[0].astype(np.float64).reshape(-1, 3), 1e-5
    M, windows = np.zeros((height * width, height * width)), 0
    for y in range(1, height - 1):
        for z in range(1, width - 1):
            members = [(y + a) * width + z + b for a in (-1, 0, 1) for b in (-1, 0, 1)]
            colors = image[members]
            mean, covariance = colors.mean(0), np.cov(colors.T, bias=True)
            inverse = np.linalg.inv(covariance + epsilon / 9 * np.eye(3))
            affinity = (1 + (colors - mean) @ inverse @ (colors - mean).T) / 9
            M[np.ix_(members, members)] += np.eye(9) - affinity
            windows += 1
    V = x[0].astype(np.float64).reshape(-1, 3)
    return sum(V[:, c] @ M @ V[:, c] for c in range(3)) / windows


def naive_alpha_norm(x, photo, pool):
    return np.mean([abs(2 * value - 1) ** 6 for value in x.astype(np.float64).ravel()])


NAIVE = {
    "laplacian": naive_laplacian,
    "range": naive_range,
    "photorealism": naive_photorealism,
    "alpha_norm": naive_alpha_norm,
}
OPTIONS = Spec(laplacian_pool=2, alpha_norm_power=6.0).regularizer_options


def picture(seed):
    return np.random.default_rng(seed).uniform(-0.2, 1.2, (1, 7, 9, 3)).astype(np.float32)


@pytest.mark.parametrize("name", REGULARIZERS)
def test_regularizers_and_their_gradients(name):
    x, photo = picture(1), picture(2).clip(0, 1)
    target = photo_targets((name,), photo, 2)[name]
    value, gradient = regularizer(name, *OPTIONS(name))(x, target)
    assert float(value) == pytest.approx(NAIVE[name](x, photo, 2), rel=1e-4)
    direction = random(x.shape, 9).astype(np.float64)
    up, down = (NAIVE[name](x + step * direction, photo, 2) for step in (1e-4, -1e-4))
    assert (np.asarray(gradient, np.float64) * direction).sum() == pytest.approx((up - down) / 2e-4, rel=1e-3)


@pytest.mark.parametrize("name", [name for name in REGULARIZERS if name != "alpha_norm"])
def test_the_photograph_itself_has_none(name):
    photo = picture(3).clip(0, 1)
    target = photo_targets((name,), photo, 2)[name]
    own, other = (regularizer(name, *OPTIONS(name))(x, target)[0] for x in (photo, picture(4)))
    assert own <= 1e-4 * other


def test_photorealism_allows_what_is_affine_in_the_colours():
    photo = picture(5).clip(0, 1)
    target = photo_targets(("photorealism",), photo, 1)["photorealism"]
    affine = photo @ random((3, 3), 6) + 0.2
    own, other = (regularizer("photorealism")(x, target)[0] for x in (affine, affine[:, ::-1]))
    assert own <= 1e-3 * other


@pytest.mark.parametrize("name", REGULARIZERS)
def test_a_flat_photograph_gives_a_finite_gradient(name):
    flat = np.full((1, 7, 9, 3), 0.4, np.float32)
    target = photo_targets((name,), flat, 2)[name]
    for image in (flat, random(flat.shape)):
        value, gradient = regularizer(name, *OPTIONS(name))(image, target)
        assert np.isfinite(value) and np.isfinite(gradient).all()


def test_alpha_norm_bounds_the_values_and_leaves_the_middle_alone():
    grey, white = jnp.full((1, 2, 2, 3), 0.5), jnp.ones((1, 2, 2, 3))
    loss = REGULARIZERS["alpha_norm"].loss
    assert float(loss(grey, None, 6.0)) == 0 and float(loss(white, None, 6.0)) == 1
    assert float(loss(0.75 * white, None, 6.0)) == pytest.approx(2.0**-6)
    assert float(loss(1.5 * white, None, 6.0)) == pytest.approx(2.0**6)
    for power in (1.5, 2.0, 6.0):
        assert not jax.grad(loss)(grey, None, power).any()


@pytest.mark.parametrize("power", [0.5, 1.0, float("nan")])
def test_a_power_without_a_gradient_in_the_middle_is_refused(power):
    with pytest.raises(UserError, match=f"alpha_norm.power = {power}: must be greater than 1"):
        Spec(alpha_norm_power=power)


# --- where numbers are equal


def test_total_variation_leaves_equal_pixels_alone():
    """In the middle of a flat area, and of a step: the derivative of |x| at 0 is 0, as in PyTorch."""
    image = np.zeros((1, 5, 6, 1), np.float32)
    image[:, :, 3:] = 1
    gradient = np.asarray(variation("l1", image, 2.0)[1])[0, :, :, 0]
    assert gradient == pytest.approx(np.tile([0, 0, -1, 1, 0, 0], (5, 1)))


def test_scaled_distances_leave_what_is_equal_alone():
    target = random((1, 4, 4, 3))
    found = target.copy()
    found[0, 0, 0, 0] += 2
    _, (gradient, _) = content_slope(found, target, 3, "scaled")
    assert np.count_nonzero(gradient) == 1
