"""Reading of the regions of a photograph from mask files; each region gets the style of its own painting.

The transparent part of a painting does not count in its style.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from ml_collections import ConfigDict

from nst import images
from nst.errors import TooSmall, UserError
from nst.files import digest
from nst.images import Picture
from nst.losses import guidance
from nst.losses.guidance import Regions
from nst.losses.spec import Spec

WHOLE = "all"  # in place of the path of a mask: the region is the whole picture


class Masks(NamedTuple):
    """The regions that were read from mask files, and the records of these files for the run folder."""

    regions: Regions
    inputs: dict[str, str]  # role -> sha256
    notes: tuple[str, ...]  # lines for the log


def read(config: ConfigDict, spec: Spec, photo: Picture, paintings: Sequence[Picture]) -> Masks:
    """Reads the masks of a config at the sizes of its pictures.

    Args:
      config: from `settings.resolve`; the fields of `guidance` are used.
      spec: the static choices of the loss.
      photo: the photograph at its size.
      paintings: the style images at their sizes.

    Raises:
      UserError: a mask is unusable, or the numbers of masks and paintings do not agree; the message names the
        field.
    """
    content, style = config.guidance.content_masks, config.guidance.style_masks
    if not content:
        if style or config.guidance.styles:
            raise UserError("guidance.content_masks: give a mask for each region of the photograph, or all")
        guides = _style_guides(config, spec, paintings, range(len(paintings)), WHOLE)
        return Masks(Regions(style_guides=(guides,)), {}, ())
    style = style or (WHOLE,) * len(content)
    _check_counts(spec, content, style, len(paintings))
    masks = [_read("guidance.content_masks", path, photo, config.max_megapixels) for path in content]
    # a region that is `all` overlaps all others on purpose
    drawn = [mask for mask, path in zip(masks, content, strict=True) if path != WHOLE]
    if drawn:
        guidance.check_overlap(drawn)
    regions = Regions(
        tuple(
            {} if path == WHOLE else _guide(config, spec, mask, path)
            for mask, path in zip(masks, content, strict=True)
        ),
        tuple(
            _style_guides(config, spec, paintings, numbers, path)
            for path, numbers in zip(style, spec.regions, strict=True)
        ),
    )
    inputs = {
        f"{role} {index}": digest(path)
        for role, files in (("content mask", content), ("style mask", style))
        for index, path in enumerate(files)
        if path != WHOLE
    }
    # where the soft edges of two regions meet, both masks are about one half, which is not a gap
    bare = np.mean(np.max(masks, 0) < 0.5)
    note = f"regions: {100 * bare:.0f} % of the photograph is in no region and gets no style"
    return Masks(regions, inputs, (note,) if bare > 0.01 else ())


def _check_counts(spec: Spec, content: Sequence[str], style: Sequence[str], count: int) -> None:
    """Raises UserError unless each region has a content mask, a style mask and paintings that exist."""
    if not len(content) == len(style) == len(spec.regions):
        raise UserError(
            f"guidance: {len(content)} content_masks, {len(style)} style_masks, {len(spec.regions)} styles: "
            "give one of each for each region"
        )
    for index, numbers in enumerate(spec.regions):
        if max(numbers) >= count:
            raise UserError(
                f"guidance.styles: region {index} needs painting {max(numbers)}, and the last one is "
                f"{count - 1}: give another painting, or choose from these: --config.guidance.styles=0,0"
            )
        if style[index] != WHOLE and len(numbers) > 1:
            raise UserError(
                f"guidance.style_masks: region {index} has several paintings; its mask must be all"
            )


def _style_guides(
    config: ConfigDict, spec: Spec, paintings: Sequence[Picture], numbers: Sequence[int], path: str
) -> dict[int, dict[str, np.ndarray]]:
    """Returns {number: {layer: weights}} of those paintings of a region of which only a part counts."""
    guides = {}
    for number in numbers:
        painting, name = paintings[number], f"style {number}" if path == WHOLE else path
        if path != WHOLE or painting.alpha_HxW is not None:
            mask = _read("guidance.style_masks", path, painting, config.max_megapixels)
            visible = 1 if painting.alpha_HxW is None else painting.alpha_HxW
            guides[number] = _guide(config, spec, mask * visible, name)
    return guides


def _read(field: str, path: str, like: Picture, max_megapixels: float) -> np.ndarray:
    """Reads a mask at a picture's size, `HxW` in [0, 1]."""
    height, width = like.rgb_HxWx3.shape[:2]
    if path == WHOLE:
        return np.ones((height, width), np.float32)
    picture = images.read(path, max_megapixels)
    rgb = picture.rgb_HxWx3
    if np.ptp(rgb, axis=2).max() > 0.1:
        raise UserError(f"{field}: {path} has colours; give a grey picture, white inside the region")
    if abs(rgb.shape[0] / rgb.shape[1] * width - height) > 1 + 0.03 * height:
        raise UserError(
            f"{field}: {path} is {rgb.shape[1]}x{rgb.shape[0]}, of another shape than its picture "
            f"({width}x{height} here); draw the mask over the picture"
        )
    if picture.alpha_HxW is not None:  # the region may have been painted on a transparent layer
        rgb = rgb * picture.alpha_HxW[..., None]
    mask = images.resize(rgb, height, width, "box").mean(2)
    if mask.max() < 0.5:  # a narrow region may become grey at a small size
        raise TooSmall(f"{field}: {path} is black everywhere; the region is where it is white")
    return np.clip(mask, 0, 1)


def guide_like(spec: Spec, size: tuple[int, int]) -> dict[str, np.ndarray]:
    """Returns arrays with the shapes of a region's weights, for an image of (height, width)."""
    return guidance.propagate(spec.network.architecture, np.ones(size), _layers(spec), "simple")


def _layers(spec: Spec) -> tuple[str, ...]:
    """Returns every layer that a style term reads, each once."""
    return tuple(dict.fromkeys(layer for term in spec.style_terms for layer in term.part))


def _guide(config: ConfigDict, spec: Spec, mask_HxW: np.ndarray, name: str) -> dict[str, np.ndarray]:
    """Returns {layer: weights of its positions} of a region."""
    kind = config.guidance.propagation
    return guidance.weights(
        guidance.propagate(spec.network.architecture, mask_HxW, _layers(spec), kind), name
    )
