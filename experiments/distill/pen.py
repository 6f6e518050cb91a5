"""A reed pen: strokes that swell and thin along their paths, dots and outlines, on a transparent sheet."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

from experiments.distill.canvas import OVERSAMPLING, around

DARK, PALE = np.array((34, 24, 24)), np.array((112, 72, 44))  # RGB of the ink
POINTS = 12  # on the path of a stroke
LEAST = 1200  # width of the sheet in pixels, since Pillow draws thinner lines than a pixel as wide as one


def trace(x, y, length, heading: Callable):
    """Follows a direction from N points, half of the way back and half forth.

    Args:
      x, y: where the middles of the strokes lie, `N`.
      length: of the strokes, `N`.
      heading: maps (x, y) to a direction in radians.

    Returns:
      The paths, `NxPOINTSx2`.
    """
    step, path = length / (POINTS - 1), []

    def ahead(step):  # the midpoint rule, which keeps closed curves closed
        angle = heading(x, y)
        angle = heading(x + step / 2 * np.cos(angle), y + step / 2 * np.sin(angle))
        return x + step * np.cos(angle), y + step * np.sin(angle)

    for _ in range(POINTS // 2):
        x, y = ahead(-step)
    for _ in range(POINTS):
        path.append(np.stack([x, y], -1))
        x, y = ahead(step)
    return np.stack(path, 1)


def leaning(angle, sway=0.0, across=0.0, down=0.0) -> Callable:
    """Returns a heading for `trace`: an angle plus `sway` times a sine that runs across and down."""
    return lambda x, y: angle + sway * np.sin(across * x + down * y)


def grid(box, pitch, rng, aspect=1.0):
    """Returns the points of a shaken grid, x and y.

    Args:
      box: (left, top, right, bottom).
      pitch: distance from row to row.
      rng: of the shaking.
      aspect: distance from column to column, relative to that from row to row.
    """
    left, top, right, bottom = box
    y, x = np.mgrid[top:bottom:pitch, left : right : pitch * aspect].reshape(2, -1)
    x = x + rng.uniform(-0.45, 0.45, x.shape) * pitch * aspect
    return x, y + rng.uniform(-0.35, 0.35, y.shape) * pitch


class Pen:
    """A reed pen and the sheet that it draws on; `where` maps (x, y) to the part of the picture there."""

    def __init__(self, size, rng, where: Callable):
        self.rng, self.width, self.where = rng, max(size * OVERSAMPLING, LEAST), where
        self.sheet = Image.new("RGBA", (self.width, round(self.width * 0.8)), (*PALE, 0))
        self.draw = ImageDraw.Draw(self.sheet)

    def strokes(self, paths, thick, part=None, dark=0.75):
        """Draws strokes.

        Args:
          paths: `NxPx2`.
          thick: their width in the middle, one for all or `N`.
          part: of the picture; strokes end where they leave it.
          dark: share of dark in the ink, in [0, 1].
        """
        rng, number, points = self.rng, len(paths), paths.shape[1]
        along = np.gradient(paths, axis=1)
        across = np.stack([-along[..., 1], along[..., 0]], -1)
        across = across / (np.linalg.norm(across, axis=-1, keepdims=True) + 1e-9)
        press = np.sin(np.pi * np.linspace(0.12, 0.93, points)) ** 0.6
        press = (
            press * rng.normal(1, 0.18, (number, points)).clip(0.5, 1.5) * rng.lognormal(0, 0.22, (number, 1))
        )
        half = (np.broadcast_to(thick, number)[:, None] / 2 * press)[..., None] * across
        inside = (
            np.full((number, points), True)
            if part is None
            else self.where(*np.moveaxis(paths, -1, 0)) == part
        )
        shares = (dark + rng.normal(0, 0.16, number)).clip(0, 1)
        for path, width, at, share in zip(paths, half, inside, shares, strict=True):
            if at.sum() > 1:
                self.fill(np.concatenate([(path + width)[at], (path - width)[at][::-1]]), share)

    def dots(self, x, y, radius, dark=0.8):
        """Draws round dots, `N`, each with its own radius."""
        turn = np.linspace(0, 2 * np.pi, POINTS)
        for a, b, r in zip(x, y, radius, strict=True):
            self.fill(np.stack(around(a, b)(r * self.rng.uniform(0.8, 1.2, POINTS), turn), -1), dark)

    def outline(self, corners, thick):
        """Wipes a polygon and draws its sides, which tremble and overshoot."""
        corners = np.array(corners, float)
        self.fill(corners)
        t = np.linspace(-0.04, 1.04, 9)[:, None]
        sides = np.stack([a + t * (b - a) for a, b in zip(corners, np.roll(corners, -1, 0), strict=True)])
        self.strokes(sides + self.rng.normal(0, 0.0005, sides.shape), thick, dark=0.85)

    def fill(self, outline, dark=None):
        """Fills a polygon, `Nx2`, with ink; wipes it where `dark` is None."""
        ink = (0, 0, 0, 0) if dark is None else (*(dark * DARK + (1 - dark) * PALE).astype(int).tolist(), 255)
        self.draw.polygon((outline * self.width).ravel().tolist(), ink)
