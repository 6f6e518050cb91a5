"""Reading of the pictures of a run, their resizing, and the changes of their colours that the config says."""

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from ml_collections import ConfigDict

from nst import images
from nst.devices import mesh
from nst.errors import TooSmall, UserError
from nst.files import digest
from nst.images import Picture, Source, color
from nst.losses.spec import Spec
from nst.networks.table import layers_to, minimum_size
from nst.runs.log import Detail

INITS = ("content", "style", "noise", "grey", "blend", "image")
NOISES = ("normal", "uniform")
COLOR_MODES = ("none", "match", "luminance", "after")
FITS = ("scale", "shrink", "width", "stretch")


class Input(NamedTuple):
    """A picture of the user, resized for the run."""

    role: str  # "content", "style 0", "style 1", ...
    picture: Picture
    sha256: str  # digest of the file, or of the array's values
    original: tuple[int, int]  # height and width before it was resized


def sources(
    content: Source | None, style: Source | Sequence[Source] | None, config: ConfigDict
) -> tuple[Source, list[Source]]:
    """Returns the photograph and the paintings, from the arguments or else from the config.

    A loss without content layers needs no photograph, and a loss without style layers needs no painting; the
    other picture then takes the place of the missing one.

    Args:
      content: the photograph; None: `config.content`.
      style: one painting or several; None: `config.style`.
      config: from `settings.resolve`.

    Returns:
      The photograph, and a list of the paintings.

    Raises:
      UserError: a picture that the loss needs is missing.
    """
    content = config.content if content is None else content
    style = config.style if style is None else style
    paintings = list(style) if isinstance(style, list | tuple) else [style]
    # an array cannot be compared with "", since the comparison would return an array
    no_content = isinstance(content, str) and not content
    no_style = not paintings or (isinstance(paintings[0], str) and not paintings[0])
    if no_content and (no_style or config.content_loss.layers):
        raise UserError("content: give a photograph: --config.content=photo.jpg")
    if no_style and config.style_loss.layers:
        raise UserError("style: give a painting: --config.style=painting.jpg")
    return paintings[0] if no_content else content, [content] if no_style else paintings


def read(
    content: Source | None,
    style: Source | Sequence[Source] | None,
    config: ConfigDict,
    multiple: int = 1,
    wrap: tuple[int, int] = (1, 1),
    check: Callable[[str, int, int], None] = lambda role, height, width: None,
) -> list[Input]:
    """Reads the pictures of a run and resizes them: first the photograph, then the paintings.

    Args:
      content, style, config: as for `sources`.
      multiple: number of which heights are multiples after rounding, so that devices can share them
        (nst/devices/mesh.py).
      wrap: numbers of which the photograph's height and width are also multiples after rounding, so that
        opposite borders meet (`networks.table.multiples`).
      check: called with the role, height and width of each picture before it is resized.
    """
    content, paintings = sources(content, style, config)
    read_one = partial(_read, config=config, check=check)
    grid = math.lcm(multiple, wrap[0]), wrap[1]
    photo = read_one("content", content, lambda shape: fitted(shape, config.size, config), multiples=grid)
    result, photo_size = [photo], photo.picture.rgb_HxWx3.shape[:2]
    for index, (source, size) in enumerate(zip(paintings, style_sizes(config, len(paintings)), strict=True)):
        resize = partial(fitted, size=size, config=config, photo=photo_size)
        result.append(read_one(f"style {index}", source, resize, multiples=(multiple, 1)))
    return result


def _read(
    role: str,
    source: Source,
    resize: Callable,
    *,
    config: ConfigDict,
    multiples: tuple[int, int],
    check: Callable,
) -> Input:
    """Reads one picture; `resize` computes its (height, width) from the (height, width) of the file."""
    original = images.read(source, config.max_megapixels)
    shape = original.rgb_HxWx3.shape[:2]
    exact = resize(shape)
    height, width = map(mesh.rounded, exact, multiples)
    if not height or not width:
        raise TooSmall(
            f"{role}: {exact[1]}x{exact[0]} px is too small for so many devices, or for network.padding: "
            f"they need multiples of {multiples[1]}x{multiples[0]} px; raise size or style_size"
        )
    check(role, height, width)
    resized = images.resize_picture(original, height, width, config.resize_filter)
    edges = zip(("rows", "columns"), (height, width), exact, strict=True)
    if changes := [f"{new} {what} instead of {old}" for what, new, old in edges if new != old]:
        note = f"{' and '.join(changes)}, as the devices or network.padding need"
        resized = resized._replace(notes=(*resized.notes, note))
    if resized.alpha_HxW is not None:
        resized = resized._replace(notes=(*resized.notes, *_transparency(role, resized, config)))
    if isinstance(source, str | Path):
        sha256 = digest(source)
    else:
        sha256 = hashlib.sha256(np.ascontiguousarray(original.rgb_HxWx3)).hexdigest()
    return Input(role, resized, sha256, shape)


def _transparency(role: str, picture: Picture, config: ConfigDict) -> Iterator[str]:
    """Yields notes on the treatment of the transparent part of a picture."""
    if role != "content":
        yield f"{100 * np.mean(1 - picture.alpha_HxW):.0f} % is transparent and does not count in its style"
    elif config.output.format == "jpeg":
        yield "jpeg has no transparency: the result is put on white; with output.format = png it keeps it"


def style_sizes(config: ConfigDict, count: int) -> list[int]:
    """Returns the `size` of each painting, in pixels; 0 stands for a painting's own size.

    Args:
      config: from `settings.resolve`.
      count: the number of paintings.

    Raises:
      UserError: `style_scale` has neither one value nor one per painting, or there is no size to scale.
    """
    scales = config.style_scale
    if len(scales) not in (1, count):
        right = f"{count} paintings; give 1 or {count}" if count > 1 else "one painting; give one"
        raise UserError(f"style_scale = {scales}: {len(scales)} numbers for {right}")
    if config.size == 0 and set(scales) != {1.0} and not config.style_size:
        raise UserError("style_scale is relative to size: give size or style_size in pixels")
    scales = scales * count if len(scales) == 1 else scales
    size = config.style_size or config.size
    # at least 1, since 0 would mean the painting's own size
    return [max(1, round(size * scale)) if size else 0 for scale in scales]


def fitted(
    shape: tuple[int, int], size: int, config: ConfigDict, photo: tuple[int, int] | None = None
) -> tuple[int, int]:
    """Returns the size at which a picture is used.

    Args:
      shape: height and width of the file.
      size: pixels of the edge that `config.size_mode` names; 0: the size of the file.
      config: from `settings.resolve`.
      photo: height and width of the resized photograph, which `config.style_fit` may refer to; None: the
        picture is the photograph itself.

    Returns:
      Height and width in pixels.
    """
    fit = config.style_fit
    height, width = images.target_size(*shape, size, config.size_mode)
    if photo is None or fit == "scale":
        return height, width
    if fit == "stretch":
        return photo
    if fit == "width":
        return max(1, round(shape[0] * photo[1] / shape[1])), photo[1]
    return shape if height > shape[0] else (height, width)


def size_notes(spec: Spec, inputs: Sequence[Input]) -> Iterator[str]:
    """Yields a line for the log on the size of each picture.

    Raises:
      TooSmall: a picture is too small for the deepest layer, as a file or as it is used.
    """
    least = minimum_size(spec.network, spec.layers)
    for role, picture, _, before in inputs:
        after = picture.rgb_HxWx3.shape[:2]
        # a file that is smaller than one window of the deepest layer has nothing that a larger size shows
        for shape, larger in ((before, "give a larger picture"), (after, "raise size or style_size")):
            if min(shape) < least:
                deepest = layers_to(spec.network.architecture, spec.layers)[-1].name
                raise TooSmall(
                    f"{role}: {shape[1]}x{shape[0]} px is too small for {deepest}, which needs {least} px; "
                    f"{larger}, or ask for shallower layers"
                )
        change = "" if before == after else f", from {before[1]}x{before[0]}"
        change += ", enlarged" if max(after) > max(before) else ""
        yield Detail(f"{role}: {after[1]}x{after[0]} px{change}")


Recolor = Callable[[np.ndarray], np.ndarray]  # image HxWx3 -> the image with the colours that are saved


def with_colors(
    config: ConfigDict, photo: Picture, paintings: Sequence[Picture]
) -> tuple[Picture, tuple[Picture, ...], Recolor]:
    """Changes the colours of the pictures as `config.color` says.

    Args:
      config: from `settings.resolve`.
      photo: the photograph.
      paintings: the style images.

    Returns:
      The photograph and the paintings as the loss reads them, and a function that changes the colours of the
      result.
    """
    mode, transform, space = config.color.mode, config.color.transform, config.color.space
    rgb_HxWx3, alpha_HxW = photo.rgb_HxWx3, photo.alpha_HxW  # statistics leave out transparent parts

    def match(x_HxWx3, x_alpha_HxW):
        return color.match(x_HxWx3, rgb_HxWx3, transform, space, x_alpha_HxW, alpha_HxW)

    def grey(x_HxWx3, x_alpha_HxW):
        return color.match_luminance(x_HxWx3, rgb_HxWx3, space, x_alpha_HxW, alpha_HxW)

    def recolored(picture, function):
        return picture._replace(rgb_HxWx3=np.clip(function(picture.rgb_HxWx3, picture.alpha_HxW), 0, 1))

    if mode == "match":
        return photo, tuple(recolored(painting, match) for painting in paintings), _unchanged
    if mode == "luminance":
        paintings = tuple(recolored(painting, grey) for painting in paintings)
        photo = recolored(photo, lambda x, _: color.luminance(x, space))
        return photo, paintings, lambda x: color.with_colors_of(x, rgb_HxWx3, space)
    return photo, tuple(paintings), (lambda x: match(x, alpha_HxW)) if mode == "after" else _unchanged


def _unchanged(x_HxWx3: np.ndarray) -> np.ndarray:
    return x_HxWx3


def initial_image(config: ConfigDict, content_HxWx3: np.ndarray, style_HxWx3: np.ndarray) -> np.ndarray:
    """Returns the image that the optimisation starts from, `HxWx3`; values of noise may lie outside [0, 1].

    As `init.kind` says, it is the photograph; the first painting, stretched to the photograph's size; noise
    around a centre; the centre itself; a blend r * noise + (1 - r) * photograph; or another picture.

    Args:
      config: from `settings.resolve`; `init`, `seed` and `resize_filter` are used.
      content_HxWx3: the photograph.
      style_HxWx3: the first painting, of any size.

    Raises:
      UserError: the picture is not named or cannot be read.
    """
    init = config.init
    height, width, _ = content_HxWx3.shape
    if init.kind == "content":
        return content_HxWx3
    if init.kind == "style":
        return images.resize(style_HxWx3, height, width, config.resize_filter)
    if init.kind == "image":
        if not init.image:
            raise UserError("init.image: give the picture to start from: --config.init.image=result.png")
        rgb = images.read(init.image, config.max_megapixels).rgb_HxWx3
        return images.resize(rgb, height, width, config.resize_filter)
    center = np.asarray(init.center, np.float32)  # one grey level, or three
    if init.kind == "grey":
        return np.broadcast_to(center, content_HxWx3.shape)
    key = jax.random.fold_in(jax.random.key(config.seed), 0)
    sample = {"normal": jax.random.normal, "uniform": partial(jax.random.uniform, minval=-1, maxval=1)}
    noise = center + init.noise_scale * np.asarray(sample[init.noise](key, content_HxWx3.shape))
    share = init.blend if init.kind == "blend" else 1.0
    return share * noise + (1 - share) * content_HxWx3
