"""Images optimised from noise to excite a channel or a unit.

Olah, Mordvintsev & Schubert 2017 (*Feature Visualization*): the image is parametrised by Fourier coefficients
and decorrelated colours, and is moved at random before each evaluation. The constants are taken from the
authors' code (github.com/tensorflow/lucid), except for the colours.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from nst.errors import UserError
from nst.networks.network import Network
from nst.networks.table import features
from nst.visualize import figures, network
from nst.visualize.network import Model

# The symmetric square root of the covariance of RGB over the 500 photographs of BSDS500 (every tenth pixel,
# row by row), divided by its largest eigenvalue. Multiplied by it, three independent numbers become as
# correlated as the colours of photographs.
COLORS = np.array([(0.5235, 0.2992, 0.1889), (0.2992, 0.4289, 0.2780), (0.1889, 0.2780, 0.5146)], np.float32)
RATE, START = 0.05, 0.01  # Adam's learning rate; standard deviation of the coefficients at the start
CONTRAST = 0.25  # factor on the waves, from the authors' code; larger values end in black and white
# bounds of the random motion before each evaluation: pixels, share, degrees, pixels (from the authors' code)
FIRST, ENLARGEMENT, DEGREES, SECOND = 4.0, 0.1, 10.0, 2.0


def synthesize(spectrum_HxKx3x2: jax.Array, width: int) -> jax.Array:
    """Makes an image from Fourier coefficients: sigmoid(F^-1(z / max(f, 1/N)) S / 4).

    z is the spectrum, f the frequency in cycles per pixel and N the longer edge. With equal coefficients,
    every scale has the energy that it has in photographs. F^-1 is the orthonormal inverse Fourier transform,
    and S (COLORS) turns independent channels into colours.

    Args:
      spectrum_HxKx3x2: real and imaginary parts of z; K = W // 2 + 1.
      width: W in pixels.

    Returns:
      The image, `HxWx3` in (0, 1).
    """
    height = spectrum_HxKx3x2.shape[0]
    waves_HxKx3x2 = spectrum_HxKx3x2 * amplitudes(height, width)[..., None, None]
    waves_HxKx3 = jax.lax.complex(waves_HxKx3x2[..., 0], waves_HxKx3x2[..., 1])
    channels_HxWx3 = jnp.fft.irfft2(waves_HxKx3, (height, width), (0, 1), norm="ortho")
    return jax.nn.sigmoid(jnp.dot(channels_HxWx3, COLORS, precision="highest"))


def spectrum_shape(height: int, width: int) -> tuple[int, ...]:
    """Returns the shape of the spectrum of an image (see `synthesize`)."""
    return height, width // 2 + 1, 3, 2


def amplitudes(height: int, width: int) -> np.ndarray:
    """Returns the factors of the coefficients, `HxK`: 1/4 / max(f, 1/N)."""
    frequencies_HxK = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
    return (CONTRAST / np.maximum(frequencies_HxK, 1 / max(height, width))).astype(np.float32)


class Motion(NamedTuple):
    """A shift in pixels (down, right), an enlargement and a rotation about the centre, and a second shift."""

    first_2: jax.Array
    factor: jax.Array
    degrees: jax.Array
    second_2: jax.Array


def move(image_HxWx3: jax.Array, motion: Motion) -> jax.Array:
    """Moves an image, with one bilinear interpolation for the whole motion.

    Pixel p takes the value at R (p - c - second) / factor + c - first, where c is the centre; positive
    degrees turn counter-clockwise. The image is periodic, as its waves are, so that no pixel is evaluated
    more often than the others.
    """
    height, width, _ = image_HxWx3.shape
    centre_2 = jnp.array([(height - 1) / 2, (width - 1) / 2])
    angle = jnp.deg2rad(motion.degrees)
    cosine, sine = jnp.cos(angle) / motion.factor, jnp.sin(angle) / motion.factor
    y_Hx1 = (jnp.arange(height) - centre_2[0] - motion.second_2[0])[:, None]
    x_W = jnp.arange(width) - centre_2[1] - motion.second_2[1]
    y_HxW = cosine * y_Hx1 + sine * x_W + centre_2[0] - motion.first_2[0]
    x_HxW = cosine * x_W - sine * y_Hx1 + centre_2[1] - motion.first_2[1]
    top_HxW, left_HxW = jnp.floor(y_HxW).astype(jnp.int32), jnp.floor(x_HxW).astype(jnp.int32)
    down_HxWx1, across_HxWx1 = (y_HxW - top_HxW)[..., None], (x_HxW - left_HxW)[..., None]

    def row(y_HxW):
        left, right = (image_HxWx3[y_HxW % height, x_HxW % width] for x_HxW in (left_HxW, left_HxW + 1))
        return (1 - across_HxWx1) * left + across_HxWx1 * right

    return (1 - down_HxWx1) * row(top_HxW) + down_HxWx1 * row(top_HxW + 1)


def sample(key: jax.Array) -> Motion:
    """Samples a motion uniformly within the bounds FIRST, ENLARGEMENT, DEGREES and SECOND."""
    keys = jax.random.split(key, 4)
    ranges = ((2,), FIRST), ((), ENLARGEMENT), ((), DEGREES), ((2,), SECOND)
    first, more, degrees, second = (
        jax.random.uniform(key, shape, minval=-bound, maxval=bound)
        for key, (shape, bound) in zip(keys, ranges, strict=True)
    )
    return Motion(first, 1 + more, degrees, second)


def _growing(x: jax.Array, signal: jax.Array) -> jax.Array:
    """Returns the rectifier's gradient, or if that is 0 everywhere, the part that would raise the input.

    This part is negative, since the loss is minimised. So a channel that is 0 everywhere at the start can
    grow. The authors' code does the same.
    """
    passed = jnp.where(x > 0, signal, 0)
    return jnp.where(jnp.any(passed != 0), passed, jnp.minimum(signal, 0))


rectifier = network.rectifier(_growing)


def maximize(
    model: Model,
    layer: str,
    channels: Sequence[int],
    size: int,
    steps: int,
    seed: int = 0,
    unit: tuple[int, int] | None = None,
) -> np.ndarray:
    """Makes, for each of C channels, the image that excites the channel most.

    Adam updates the coefficients of `synthesize`; before each evaluation the image is moved at random. The
    goal is the channel's mean over all positions, or its activation at one position.

    Departs from the article: the image is periodic, while the authors' image has a grey margin; motions are
    sampled uniformly, while the authors take them from lists; the colours are those of BSDS500.

    Args:
      model: the network; a slim one must be loaded with `single_channels`.
      layer: name of the layer.
      channels: indices of channels of the layer.
      size: both edges of the image in pixels.
      steps: number of updates.
      seed: seed of the start and of the motions.
      unit: (y, x), the position that counts; None: all positions.

    Returns:
      The images, `Cxsizexsizex3` in [0, 1].

    Raises:
      UserError: there is no such layer, channel or position, or the size is too small for the layer.
    """
    height, width, count = network.layer_shape(model, layer, size)
    network.check_channels(layer, channels, count)
    if unit is not None and not (0 <= unit[0] < height and 0 <= unit[1] < width):
        raise UserError(f"unit {unit}: {layer} has {height}x{width} positions here")
    goal = _Goal(model.network, layer, size, unit)
    return np.stack([np.asarray(_maximize(goal, model.variables, c, steps, seed)) for c in channels])


class _Goal(NamedTuple):
    """The static arguments of `_maximize`, on which its compiled program depends."""

    network: Network
    layer: str
    size: int
    unit: tuple[int, int] | None


@partial(jax.jit, static_argnums=0)
def _maximize(goal, variables, channel, steps, seed):
    net, layer, size, unit = goal
    key, moves_key = jax.random.split(jax.random.fold_in(jax.random.key(seed), channel))
    adam = optax.adam(RATE)

    def excitement(spectrum, step):
        image = move(synthesize(spectrum, size), sample(jax.random.fold_in(moves_key, step)))
        activation_1xhxwxC = features(net, variables, image[None], (layer,), relu=rectifier)[layer]
        channel_hxw = activation_1xhxwxC[0, :, :, channel]
        return -(channel_hxw.mean() if unit is None else channel_hxw[unit]).astype(jnp.float32)

    def update(step, carry):
        spectrum, state = carry
        moves, state = adam.update(jax.grad(excitement)(spectrum, step), state)
        return optax.apply_updates(spectrum, moves), state

    start = START * jax.random.normal(key, spectrum_shape(size, size))
    spectrum, _ = jax.lax.fori_loop(0, steps, update, (start, adam.init(start)))
    return synthesize(spectrum, size)


def figure(images_CxHxWx3: np.ndarray, layer: str, channels: Sequence[int], subtitle: str, columns: int = 6):
    """Draws the images of all channels on one sheet.

    Args:
      images_CxHxWx3: from `maximize`.
      layer: as given to `maximize`.
      channels: as given to `maximize`.
      subtitle: second line of the title: the network and the size.
      columns: images in a row.
    """
    return figures.sheet(
        figures.rows(images_CxHxWx3, columns),
        title=f"{layer}: what excites a channel most\n{subtitle}",
        labels=figures.rows([f"channel {c}" for c in channels], columns),
    )
