"""Mask files -> the regions of a run."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from ml_collections import ConfigDict

from nst import images
from nst.errors import UserError
from nst.files import digest
from nst.images import Picture
from nst.losses import guidance
from nst.losses.spec import Spec
from nst.runs import settings

EVERYWHERE = "all"  # in place of a file


class Regions(NamedTuple):
    """Where each region lies in the photograph and in its painting: {layer: weights, HxW}; {}: everywhere."""

    guides: tuple[dict[str, np.ndarray], ...] = ({},)
    style_guides: tuple[dict[str, np.ndarray], ...] = ({},)
    inputs: dict[str, str] = {}  # role -> sha256
    notes: tuple[str, ...] = ()


def regions(config: ConfigDict, spec: Spec, photo: Picture, paintings: Sequence[Picture]) -> Regions:
    """Reads the masks of a config, at the sizes of its pictures.

    Raises:
      UserError: naming the field and what is wrong with a mask, or with the count of masks or paintings.
    """
    fields = config.guidance
    content, style = settings.paths(fields.content_masks), settings.paths(fields.style_masks)
    if not content:
        if style or fields.styles:
            raise UserError("guidance.content_masks: give a mask for each region of the photograph, or all")
        return Regions()
    style = style or (EVERYWHERE,) * len(content)
    if not len(content) == len(style) == len(spec.regions):
        raise UserError(
            f"guidance: {len(content)} content_masks, {len(style)} style_masks, {len(spec.regions)} styles: "
            "give one of each for each region"
        )
    for index, chosen in enumerate(spec.regions):
        if max(chosen) >= len(paintings):
            raise UserError(
                f"guidance.styles: region {index} wants painting {max(chosen)}, and the last is "
                f"{len(paintings) - 1}: give another painting, or say which: --config.guidance.styles=0,0"
            )
        if style[index] != EVERYWHERE and len(chosen) > 1:
            raise UserError(
                f"guidance.style_masks: region {index} has several paintings; its mask must be all"
            )
    masks = [_read("guidance.content_masks", path, photo) for path in content]
    kept = [mask for mask, path in zip(masks, content, strict=True) if path != EVERYWHERE]
    if kept:
        guidance.check_overlap(kept)
    of_paintings = [
        _read("guidance.style_masks", path, paintings[chosen[0]])
        for path, chosen in zip(style, spec.regions, strict=True)
    ]
    inputs = {
        f"{role} {index}": digest(path)
        for role, files in (("content mask", content), ("style mask", style))
        for index, path in enumerate(files)
        if path != EVERYWHERE
    }
    bare = np.mean(np.max(masks, 0) < 0.5)
    note = f"regions: {100 * bare:.0f} % of the photograph is in none, and gets no style"
    return Regions(
        tuple(_guide(config, spec, mask, path) for mask, path in zip(masks, content, strict=True)),
        tuple(_guide(config, spec, mask, path) for mask, path in zip(of_paintings, style, strict=True)),
        inputs,
        (note,) if bare > 0.01 else (),
    )


def _read(field: str, path: str, like: Picture) -> np.ndarray:
    """A mask at a picture's size, `HxW` in [0, 1]."""
    height, width = like.rgb_HxWx3.shape[:2]
    if path == EVERYWHERE:
        return np.ones((height, width), np.float32)
    picture = images.read(path)
    rgb = picture.rgb_HxWx3
    if np.ptp(rgb, axis=2).max() > 0.1:
        raise UserError(f"{field}: {path} has colours; give a grey picture, white inside the region")
    if abs(rgb.shape[0] / rgb.shape[1] * width - height) > 1 + 0.03 * height:
        raise UserError(
            f"{field}: {path} is {rgb.shape[1]}x{rgb.shape[0]}, of another shape than its picture "
            f"({width}x{height} here); draw it on the picture"
        )
    mask = images.resize(rgb, height, width, "box").mean(2)
    if picture.alpha_HxW is not None:
        mask = mask * images.resize(picture.alpha_HxW[..., None], height, width, "box")[..., 0]
    if mask.max() < 0.5:
        raise UserError(f"{field}: {path} is black everywhere; the region is where it is white")
    return np.clip(mask, 0, 1)


def shapes(spec: Spec, size: tuple[int, int]) -> dict[str, np.ndarray]:
    """What stands for the weights of a region of a picture of (height, width), as far as shapes go."""
    return guidance.propagate(spec.network.architecture, np.ones(size), _layers(spec), "simple")


def _layers(spec: Spec) -> tuple[str, ...]:
    return tuple(dict.fromkeys(layer for term in spec.style_terms for layer in term.part))


def _guide(config: ConfigDict, spec: Spec, mask_HxW: np.ndarray, path: str) -> dict[str, np.ndarray]:
    if path == EVERYWHERE:
        return {}
    kind = config.guidance.propagation
    return guidance.weights(
        guidance.propagate(spec.network.architecture, mask_HxW, _layers(spec), kind), path
    )
