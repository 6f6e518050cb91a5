"""The pictures of a run, at the sizes and in the colours that its config asks for."""

import hashlib
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from nst import images
from nst.devices import mesh
from nst.errors import UserError, choose
from nst.files import digest
from nst.images import Picture, color
from nst.losses.spec import Spec
from nst.networks import vgg
from nst.runs import settings

INITS = ("content", "style", "noise", "grey", "blend", "image")
NOISES = ("normal", "uniform")
COLOR_MODES = ("none", "match", "luminance", "after")
FITS = ("scale", "shrink", "width", "stretch")


def read(content, style, config: ConfigDict, rows: int = 1):
    """The photograph and the paintings at their sizes, and {role: (original, resized, sha256)}.

    Their heights are rounded to multiples of `rows` (nst/devices/mesh.py).
    """
    content, sources = named_by(content, style, config)
    named = {"content": _read_sized("content", content, config.size, config, rows)}
    photo = named["content"][1].rgb_HxWx3.shape[:2]
    for index, (source, size) in enumerate(zip(sources, style_sizes(config, len(sources)), strict=True)):
        role = f"style {index}"
        named[role] = _read_sized(role, source, size, config, rows, config.style_fit, photo)
    photo, *paintings = (resized for _, resized, _ in named.values())
    return photo, tuple(paintings), named


def named_by(content, style, config: ConfigDict) -> tuple[Any, list]:
    """The sources of the photograph and of the paintings: those given, or the config's.

    Of a picture that no loss looks at, the other takes the place.
    """
    content = config.content if content is None else content
    sources = settings.paths(config.style) if style is None else style
    sources = list(sources) if isinstance(sources, list | tuple) else [sources]
    no_content = isinstance(content, str) and not content
    no_style = not sources or (isinstance(sources[0], str) and not sources[0])
    if no_content and (no_style or settings.names(config.content_loss.layers)):
        raise UserError("content: give a photograph: --config.content=photo.jpg")
    if no_style and settings.names(config.style_loss.layers):
        raise UserError("style: give a painting: --config.style=painting.jpg")
    return sources[0] if no_content else content, [content] if no_style else sources


def colored(config: ConfigDict, photo: Picture, paintings: Sequence[Picture]):
    """The pictures with the colours that config.color asks for, and what gives the result its own."""
    mode, transform, space = config.color.mode, config.color.transform, config.color.space
    choose("color.mode", mode, COLOR_MODES)
    choose("color.transform", transform, color.TRANSFORMS)
    choose("color.space", space, color.SPACES)
    rgb_HxWx3 = photo.rgb_HxWx3

    def matched(x_HxWx3):
        return color.match(x_HxWx3, rgb_HxWx3, transform, space)

    def recolored(picture, function):
        return picture._replace(rgb_HxWx3=np.clip(function(picture.rgb_HxWx3), 0, 1))

    if mode == "match":
        return photo, tuple(recolored(painting, matched) for painting in paintings), _as_it_is
    if mode == "luminance":
        grey = [recolored(p, lambda x: color.match_luminance(x, rgb_HxWx3, space)) for p in paintings]
        photo = recolored(photo, lambda x: color.luminance(x, space))
        return photo, tuple(grey), lambda x: color.with_colors_of(x, rgb_HxWx3, space)
    return photo, paintings, matched if mode == "after" else _as_it_is


def _as_it_is(x_HxWx3: np.ndarray) -> np.ndarray:
    return x_HxWx3


def style_sizes(config: ConfigDict, count: int) -> list[int]:
    """The `size` of each painting."""
    scales = settings.numbers("style_scale", config.style_scale)
    if len(scales) not in (1, count):
        raise UserError(f"style_scale = {scales}: {len(scales)} numbers for {count} paintings; give one each")
    if not all(scale > 0 for scale in scales):
        raise UserError(f"style_scale = {scales}: must be positive")
    if config.size == 0 and set(scales) != {1.0} and not config.style_size:
        raise UserError("style_scale is relative to size: give size or style_size in pixels")
    scales = scales * count if len(scales) == 1 else scales
    return [round((config.style_size or config.size) * scale) for scale in scales]


def _read_sized(
    role: str,
    source,
    size: int,
    config: ConfigDict,
    rows: int,
    fit: str = "scale",
    photo: tuple[int, int] | None = None,
) -> tuple[Picture, Picture, str]:
    original = images.read(source)
    height, width = fitted(original.rgb_HxWx3.shape[:2], size, config.size_mode, fit, photo)
    asked, height = height, mesh.rounded(height, rows)
    if not height:
        raise UserError(
            f"{role}: {width}x{asked} px is too small for so many devices: they want {rows} rows, one each "
            "of the deepest layer; raise size or style_size, or lower devices"
        )
    is_file = isinstance(source, str | Path)
    sha256 = (
        digest(source) if is_file else hashlib.sha256(np.ascontiguousarray(original.rgb_HxWx3)).hexdigest()
    )
    resized = images.resize_picture(original, height, width, config.resize_filter)
    if height != asked:
        note = f"{height} rows in place of {asked}, so that the devices share them alike"
        resized = resized._replace(notes=(*resized.notes, note))
    return original, resized, sha256


def fitted(
    shape: tuple[int, int], size: int, mode: str, fit: str, photo: tuple[int, int] | None
) -> tuple[int, int]:
    """(height, width) of a painting, `photo` those of the picture to be made; as style_fit says."""
    choose("style_fit", fit, FITS)
    height, width = images.target_size(*shape, size, mode)
    if fit == "stretch":
        return photo
    if fit == "width":
        return max(1, round(shape[0] * photo[1] / shape[1])), photo[1]
    return shape if fit == "shrink" and height > shape[0] else (height, width)


def size_notes(spec: Spec, named) -> Iterator[str]:
    """What became of each picture's size; refuses those too small for the deepest layer."""
    least = vgg.minimum_size(spec.network, spec.layers)
    for role, (original, resized, _) in named.items():
        before, after = original.rgb_HxWx3.shape[:2], resized.rgb_HxWx3.shape[:2]
        if min(after) < least:
            deepest = vgg.layers_to(spec.network.architecture, spec.layers)[-1]
            raise UserError(
                f"{role}: {after[1]}x{after[0]} px is too small for {deepest}, which needs {least} px; "
                "raise size or style_size, or ask for shallower layers"
            )
        change = "" if before == after else f", from {before[1]}x{before[0]}"
        change += ", enlarged" if max(after) > max(before) else ""
        yield f"{role}: {after[1]}x{after[0]} px{change}"


def initial_image(config: ConfigDict, content_HxWx3: np.ndarray, style_HxWx3: np.ndarray) -> np.ndarray:
    """The image that the optimisation starts from, `HxWx3`; noise may leave [0, 1].

    Kinds: the content; the first style image (stretched to the content's size); noise around a centre;
    the centre itself; a blend r * noise + (1 - r) * content; another picture.
    """
    init = config.init
    choose("init.kind", init.kind, INITS)
    choose("init.noise", init.noise, NOISES)
    if not 0 <= init.blend <= 1:
        raise UserError(f"init.blend = {init.blend}: must lie in [0, 1]")
    height, width, _ = content_HxWx3.shape
    if init.kind == "content":
        return content_HxWx3
    if init.kind == "style":
        return images.resize(style_HxWx3, height, width, config.resize_filter)
    if init.kind == "image":
        rgb = images.read(init.image).rgb_HxWx3
        return images.resize(rgb, height, width, config.resize_filter)
    center = np.asarray(settings.check_center(init.center), np.float32)
    if init.kind == "grey":
        return np.broadcast_to(center, content_HxWx3.shape)
    key = jax.random.fold_in(jax.random.key(config.seed), 0)
    draw = {"normal": jax.random.normal, "uniform": partial(jax.random.uniform, minval=-1, maxval=1)}
    noise = center + init.noise_scale * np.asarray(draw[init.noise](key, content_HxWx3.shape))
    share = init.blend if init.kind == "blend" else 1.0
    return share * noise + (1 - share) * content_HxWx3
