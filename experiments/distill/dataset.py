"""Training images: random crops of pictures, changed at random, and patterns; all from a seed and a step."""

from collections.abc import Sequence

import numpy as np

from nst import images


def crop(rng: np.random.Generator, picture_HxWx3: np.ndarray, size: int) -> np.ndarray:
    """A random square of a picture, scaled to `size` pixels, flipped at random: float32 in [0, 1]."""
    height, width = picture_HxWx3.shape[:2]
    largest = min(height, width)
    # as often small and enlarged as large and shrunk, on a scale of ratios
    edge = round(np.exp(rng.uniform(np.log(0.7 * min(size, largest)), np.log(largest))))
    top, left = rng.integers(height - edge + 1), rng.integers(width - edge + 1)
    square = picture_HxWx3[top : top + edge, left : left + edge].astype(np.float32)
    if picture_HxWx3.dtype == np.uint8:
        square /= 255
    square = images.resize(square, size, size, "bicubic")
    return square[:, ::-1] if rng.random() < 0.5 else square


def jitter(rng: np.random.Generator, image_HxWx3: np.ndarray) -> np.ndarray:
    """Changes of brightness, contrast, saturation and hue, and noise; may leave [0, 1] as an iterate may."""
    grey = image_HxWx3.mean(-1, keepdims=True)
    image = grey + (image_HxWx3 - grey) * rng.uniform(0.3, 1.7)
    mean = image.mean((0, 1))
    image = mean + (image - mean) * rng.uniform(0.5, 1.6) + rng.normal(0, 0.1)
    mixing = np.eye(3) + rng.normal(0, 0.1, (3, 3))
    image = image @ (mixing / mixing.sum(1, keepdims=True)).T
    if rng.random() < 0.4:
        image = image + rng.uniform(0, 0.12) * rng.standard_normal(image.shape)
    return np.clip(image, -0.2, 1.2).astype(np.float32)


def pattern(rng: np.random.Generator, size: int) -> np.ndarray:
    """What photographs seldom show, `size x size x 3`: one colour, a gradient, waves, noise of a spectrum."""
    y, x = np.mgrid[:size, :size] / size
    first, second = rng.uniform(0, 1, (2, 3))
    kind = rng.integers(4)
    if kind == 0:
        weight = np.zeros((size, size))
    elif kind == 1:
        weight = np.cos(rng.uniform(0, 2 * np.pi)) * x + np.sin(rng.uniform(0, 2 * np.pi)) * y
    elif kind == 2:
        turns = rng.normal(0, size / 16, 2)
        weight = 0.5 + 0.5 * np.sin(2 * np.pi * (turns[0] * x + turns[1] * y))
        weight = np.rint(weight) if rng.random() < 0.5 else weight
    else:
        frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None])
        slope = rng.uniform(0, 2)  # 0: white noise, 2: clouds
        spectrum = np.fft.rfft2(rng.standard_normal((size, size, 3)), axes=(0, 1))
        noise = np.fft.irfft2(
            spectrum / (frequency[..., None] + 1 / size) ** slope, (size, size), axes=(0, 1)
        )
        return (first + rng.uniform(0.05, 0.3) * noise / noise.std()).astype(np.float32)
    image = first + (second - first) * weight[..., None]
    return (image + rng.uniform(0, 0.05) * rng.standard_normal(image.shape)).astype(np.float32)


def batch(
    seed: tuple[int, ...],
    count: int,
    size: int,
    sources: Sequence[Sequence[np.ndarray]],
    shares: Sequence[float],
) -> np.ndarray:
    """`count x size x size x 3` float32: crops of `sources`, and patterns.

    Args:
      seed: the same numbers give the same batch.
      count, size: images, pixels.
      sources: lists of pictures; an empty one gives its share to the first.
      shares: of each source, then of the patterns; relative to their sum.
    """
    rng = np.random.default_rng(seed)
    shares = np.asarray(shares, float)
    result = []
    for kind in rng.choice(len(shares), count, p=shares / shares.sum()):
        if kind == len(sources):
            result.append(pattern(rng, size))
            continue
        pictures = sources[kind] or sources[0]
        image = crop(rng, pictures[rng.integers(len(pictures))], size)
        result.append(jitter(rng, image) if rng.random() < 0.5 else image)
    return np.stack(result)
