"""Training images: which pictures are trained on, random crops of them, and synthetic patterns.

Everything random follows from a seed and a step.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nst import images
from nst.errors import UserError
from nst.images import folders


class Data(NamedTuple):
    """Pictures as nst.images.folders.load gives them."""

    photos: list[np.ndarray]
    paintings: list[np.ndarray]
    held_out: list[np.ndarray]


def split(config) -> tuple[list[Path], list[Path], list[Path], list[Path]]:
    """Divides the pictures of a distillation into those to train on and those that are held out.

    Args:
      config: of the distillation: its folders, how many photographs are held out and which paintings.

    Returns:
      The paths of the photographs, the paintings, the held-out photographs and the held-out paintings.

    Raises:
      UserError: a folder without pictures, or without one that is to be held out.
    """
    photos, paintings = folders.files(config.photos, "photos"), folders.files(config.paintings, "paintings")
    for name in config.held_out_paintings:
        if name not in {path.name for path in paintings}:
            raise UserError(f"held_out_paintings: {config.paintings} has no {name}")
    # evenly spaced by name, since neighbours in a collection are often alike
    every = max(2, len(photos) // max(1, config.held_out_photos))
    held_photos = photos[every // 2 :: every][: config.held_out_photos]
    held_paintings = [path for path in paintings if path.name in config.held_out_paintings]
    train = [path for path in photos if path not in held_photos]
    return train, [path for path in paintings if path not in held_paintings], held_photos, held_paintings


def crop(rng: np.random.Generator, picture_HxWx3: np.ndarray, size: int) -> np.ndarray:
    """Cuts out a random square of a picture, resizes it and flips it at random.

    Args:
      rng: of everything random.
      picture_HxWx3: float in [0, 1], or uint8.
      size: edge of the result in pixels.

    Returns:
      `size x size x 3`, float32 in [0, 1].
    """
    height, width = picture_HxWx3.shape[:2]
    largest = min(height, width)
    # log-uniform, so that enlarging and shrinking by the same ratio are equally likely
    edge = round(np.exp(rng.uniform(np.log(0.7 * min(size, largest)), np.log(largest))))
    top, left = rng.integers(height - edge + 1), rng.integers(width - edge + 1)
    square = picture_HxWx3[top : top + edge, left : left + edge].astype(np.float32)
    if picture_HxWx3.dtype == np.uint8:
        square /= 255
    square = images.resize(square, size, size, "bicubic")
    return square[:, ::-1] if rng.random() < 0.5 else square


def jitter(rng: np.random.Generator, image_HxWx3: np.ndarray) -> np.ndarray:
    """Varies brightness, contrast, saturation and hue, and sometimes adds noise.

    Args:
      rng: of everything random.
      image_HxWx3: in [0, 1].

    Returns:
      An image in [-0.2, 1.2], since the iterates of an optimisation also leave [0, 1].
    """
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
    """Draws a pattern such as photographs seldom show: one colour, a gradient, waves, or coloured noise.

    Args:
      rng: of everything random.
      size: edge in pixels.

    Returns:
      `size x size x 3`, float32; it may leave [0, 1].
    """
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
    """Draws a batch of crops and patterns.

    Args:
      seed: numbers; the same ones give the same batch.
      count: images in the batch.
      size: edge of an image in pixels.
      sources: lists of pictures; the share of an empty one goes to the first.
      shares: of each source, then of the patterns; relative to their sum.

    Returns:
      `count x size x size x 3`, float32.
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
