"""Config and pictures -> everything that the optimisation starts from."""

import hashlib
import math
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from nst import config as configs
from nst import images, memory, optimize, problem, vgg, weights
from nst.errors import UserError, choose
from nst.files import digest
from nst.images import Picture
from nst.optimize import Optimizer
from nst.problem import Problem, Spec

INITS = ("content", "style", "noise", "grey", "blend", "image")
NOISES = ("normal", "uniform")


class Job(NamedTuple):
    """A run before its first step."""

    spec: Spec
    optimizer: Optimizer
    variables: dict  # the frozen network
    loss_weights: problem.Weights
    content: Picture  # at the size of the result
    styles: tuple[Picture, ...]
    start: np.ndarray  # 1xHxWx3, the initial image
    inputs: dict[str, str]  # role -> sha256 of the file or array
    notes: tuple[str, ...]  # what a user should know of the inputs


class Frozen(NamedTuple):
    """The network of a run."""

    variables: dict  # from vgg.freeze
    inputs: dict[str, str]  # role -> sha256
    notes: tuple[str, ...]


def freeze(config: ConfigDict, spec: Spec, made_for: weights.Convention) -> Frozen:
    """Loads the network that a config names, as deep as its Spec asks, scaled as `weights.normalize` says."""
    chosen = config.weights
    loaded = weights.load(chosen.name, made_for.architecture, spec.layers, config.seed)
    source = loaded.path or f"seed {config.seed}, untrained: colours, not strokes; the full network is vgg19"
    inputs = {"weights": loaded.sha256}
    notes = [f"weights: {chosen.name} ({source}), {made_for.preprocessing} input"]
    if made_for.widths:
        notes.append(
            "weights: a small network; for the full one: --config.weights.name=vgg19 (80 MB, fetched once)"
        )
    params = loaded.params
    if chosen.normalize:
        if made_for.widths:
            raise UserError(
                f"weights.normalize: {chosen.name} is read through maps to VGG-19's scale; leave it empty"
            )
        files = _image_files(Path(chosen.normalize))
        params = vgg.normalize(spec.network, params, _small_images(files))
        inputs["weights.normalize"] = hashlib.sha256("".join(map(digest, files)).encode()).hexdigest()
        notes.append(f"weights: each filter scaled to mean activation 1 over {len(files)} images")
    return Frozen(vgg.freeze(params, spec.network.dtype, spec.network.frame), inputs, tuple(notes))


Load = Callable[[ConfigDict, Spec, weights.Convention], Frozen]


def prepare(content, style, config: ConfigDict, load: Load = freeze) -> Job:
    """Reads and checks every input; nothing is computed on the device that the config could still refuse.

    Args:
      content: a picture as nst.images.read takes it, or None for `config.content`.
      style: one or several (in a list or tuple), or None for `config.style`.
      config: made by configs.default.get_config and changed at will.
      load: `freeze`, or one that remembers.

    Raises:
      UserError: naming the field or the file.
    """
    configs.check_counts(config)
    images.check_format(config.output.format, config.output.bits)
    optimizer = configs.make_optimizer(config)
    made_for, spec = configs.read_network(config)
    photo, paintings, named = _read_pictures(content, style, config)
    loss_weights = configs.make_problem_weights(config, spec, len(paintings))
    notes = [f"{role}: {note}" for role, (_, picture, _) in named.items() for note in picture.notes]
    notes += _size_notes(spec, named)
    start = initial_image(config, photo.rgb_HxWx3, paintings[0].rgb_HxWx3)
    inputs = {role: sha256 for role, (_, _, sha256) in named.items()}
    if config.init.kind == "image":
        inputs["init.image"] = digest(config.init.image)
    frozen = load(config, spec, made_for)
    inputs |= frozen.inputs
    notes += frozen.notes
    variables = frozen.variables
    return Job(spec, optimizer, variables, loss_weights, photo, paintings, start[None], inputs, tuple(notes))


def _read_pictures(content, style, config: ConfigDict):
    """The photograph and the paintings at their sizes, and {role: (original, resized, sha256)}."""
    content = config.content if content is None else content
    sources = configs.paths(config.style) if style is None else style
    sources = list(sources) if isinstance(sources, list | tuple) else [sources]
    if isinstance(content, str) and not content:
        raise UserError("content: give a photograph: --config.content=photo.jpg")
    if not sources or (isinstance(sources[0], str) and not sources[0]):
        raise UserError("style: give a painting: --config.style=painting.jpg")
    size = style_size(config)
    named = {"content": _read_sized(content, config.size, config)}
    for index, source in enumerate(sources):
        named[f"style {index}"] = _read_sized(source, size, config)
    photo, *paintings = (resized for _, resized, _ in named.values())
    return photo, tuple(paintings), named


def style_size(config: ConfigDict) -> int:
    """The `size` of the paintings."""
    if config.size == 0 and config.style_scale != 1 and not config.style_size:
        raise UserError("style_scale is relative to size: give size or style_size in pixels")
    return config.style_size or round(config.size * config.style_scale)


def _read_sized(source, size: int, config: ConfigDict) -> tuple[Picture, Picture, str]:
    original = images.read(source)
    height, width = images.target_size(*original.rgb_HxWx3.shape[:2], size, config.size_mode)
    is_file = isinstance(source, str | Path)
    sha256 = (
        digest(source) if is_file else hashlib.sha256(np.ascontiguousarray(original.rgb_HxWx3)).hexdigest()
    )
    return original, images.resize_picture(original, height, width, config.resize_filter), sha256


def _size_notes(spec: Spec, named) -> Iterator[str]:
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


def _image_files(folder: Path) -> list[Path]:
    suffixes = {*images.SUFFIXES, ".bmp", ".gif"}
    files = [p for p in sorted(folder.glob("*")) if p.suffix.lower() in suffixes] if folder.is_dir() else []
    if not files:
        raise UserError(f"weights.normalize = {str(folder)!r}: no images there; give a folder of images")
    return files


def _small_images(files: list[Path]) -> Iterator[np.ndarray]:
    for path in files:
        rgb = images.read(path).rgb_HxWx3
        height, width = images.target_size(*rgb.shape[:2], min(512, max(rgb.shape)), "long")
        yield images.resize(rgb, height, width, "lanczos")[None]


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
    center = np.asarray(configs.check_center(init.center), np.float32)
    if init.kind == "grey":
        return np.broadcast_to(center, content_HxWx3.shape)
    key = jax.random.fold_in(jax.random.key(config.seed), 0)
    draw = {"normal": jax.random.normal, "uniform": partial(jax.random.uniform, minval=-1, maxval=1)}
    noise = center + init.noise_scale * np.asarray(draw[init.noise](key, content_HxWx3.shape))
    share = init.blend if init.kind == "blend" else 1.0
    return share * noise + (1 - share) * content_HxWx3


def make_problem(job: Job) -> Problem:
    """The targets, on the device."""
    styles = [jnp.asarray(picture.rgb_HxWx3)[None] for picture in job.styles]
    content = jnp.asarray(job.content.rgb_HxWx3)[None]
    return problem.make_problem(job.spec, job.variables, content, styles, job.loss_weights)


def compile_run(job: Job, size: tuple[int, int] | None = None) -> jax.stages.Compiled:
    """The compiled `optimize.run` of a job, from shapes alone; `size` (height, width) in place of its own.

    Jobs of the same Spec, Optimizer and shapes share it.
    """
    sizes = [size or job.content.rgb_HxWx3.shape[:2], *(style.rgb_HxWx3.shape[:2] for style in job.styles)]
    leaves, structure = jax.tree.flatten((job.variables, job.loss_weights))
    described = tuple((leaf.shape, leaf.dtype) for leaf in leaves)
    return _compiled(job.spec, job.optimizer, tuple(sizes), structure, described)


@lru_cache(maxsize=4)
def _compiled(spec: Spec, optimizer: Optimizer, sizes, structure, leaves) -> jax.stages.Compiled:
    content, *styles = (jax.ShapeDtypeStruct((1, *size, 3), jnp.float32) for size in sizes)
    variables, loss_weights = structure.unflatten(jax.ShapeDtypeStruct(*leaf) for leaf in leaves)
    targets = partial(problem.make_problem, spec)
    made = jax.eval_shape(targets, variables, content, styles, loss_weights)
    state = jax.eval_shape(partial(optimize.init, optimizer), content)
    count = jax.ShapeDtypeStruct((), jnp.int32)
    return optimize.run.lower(spec, optimizer, made, state, count).compile()


def check_memory(job: Job, compiled: jax.stages.Compiled, limit: int) -> int:
    """The bytes that the compiled step needs.

    Raises:
      UserError: more than `limit`; names the largest size that fits, checked by compiling it.
    """
    need = memory.needed(compiled)
    if need <= limit:
        return need
    height, width = job.content.rgb_HxWx3.shape[:2]
    fixed = sum(leaf.nbytes for leaf in jax.tree.leaves(job.variables))
    least = vgg.minimum_size(job.spec.network, job.spec.layers)
    # all but the network's weights grows with the pixels
    scale = math.sqrt(max(limit - fixed, 0) / (need - fixed))
    advice = "no size fits: ask for fewer layers or a smaller optimizer.memory"
    while min(height, width) * scale >= least:
        smaller = round(height * scale), round(width * scale)
        if memory.needed(compile_run(job, smaller)) <= limit:
            advice = (
                f"the largest size that fits is about {smaller[1]}x{smaller[0]} (long edge {max(smaller)})"
            )
            break
        scale *= 0.95
    raise UserError(
        f"{width}x{height} px needs {memory.text(need)}, and {memory.text(limit)} are available: {advice}"
    )
