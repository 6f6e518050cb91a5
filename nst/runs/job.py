"""Config and pictures -> everything that the optimisation starts from."""

import dataclasses
import hashlib
import math
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from ml_collections import ConfigDict

from nst import images
from nst.devices import memory
from nst.devices import mesh as device_mesh
from nst.errors import UserError
from nst.files import digest
from nst.images import Picture, folders
from nst.losses import guidance, problem, strips
from nst.losses.problem import Loss, Problem
from nst.losses.spec import Spec
from nst.losses.weights import Weights
from nst.networks import checkpoints, vgg
from nst.optimizers import steps
from nst.optimizers.steps import State
from nst.optimizers.table import Optimizer, method
from nst.runs import masks, pictures, settings, sharding
from nst.runs.masks import Regions


class Job(NamedTuple):
    """A run before its first step."""

    spec: Spec
    optimizer: Optimizer
    variables: dict  # the frozen network
    loss_weights: Weights
    content: Picture  # at the size of the result
    styles: tuple[Picture, ...]
    regions: Regions
    recolor: Callable[[np.ndarray], np.ndarray]  # the picture, HxWx3, as it is to be shown
    seed: int
    start: np.ndarray  # 1xHxWx3, the initial image
    carried: Any  # the optimiser's state at the start, of another size; None: a new one
    inputs: dict[str, str]  # role -> sha256 of the file or array
    notes: tuple[str, ...]  # what a user should know of the inputs
    mesh: Mesh | None  # the devices among which its height is divided; None: one device


class FrozenNetwork(NamedTuple):
    """The network of a run."""

    variables: dict  # from vgg.freeze
    inputs: dict[str, str]  # role -> sha256
    notes: tuple[str, ...]


def load_network(config: ConfigDict, spec: Spec, made_for: checkpoints.Convention) -> FrozenNetwork:
    """Loads the network that a config names, as deep as its Spec asks, scaled as `weights.normalize` says."""
    chosen = config.weights
    loaded = checkpoints.load(chosen.name, made_for.architecture, spec.layers, config.seed)
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
        files = folders.files(chosen.normalize, "weights.normalize")
        params = vgg.normalize(spec.network, params, _small_images(files))
        inputs["weights.normalize"] = hashlib.sha256("".join(map(digest, files)).encode()).hexdigest()
        notes.append(f"weights: each filter scaled to mean activation 1 over {len(files)} images")
    net = spec.network
    return FrozenNetwork(vgg.freeze(params, net.dtype, net.frame, net.convolution), inputs, tuple(notes))


LoadNetwork = Callable[[ConfigDict, Spec, checkpoints.Convention], FrozenNetwork]


def cached_loader() -> LoadNetwork:
    """`load_network` that keeps the last network for those who ask for it again."""
    kept = {}

    def load(config: ConfigDict, spec: Spec, made_for: checkpoints.Convention) -> FrozenNetwork:
        key = network_key(config), spec.network, spec.layers
        if key not in kept:
            kept.clear()  # before another one is read
            kept[key] = load_network(config, spec, made_for)
        return kept[key]

    return load


def network_key(config: ConfigDict) -> tuple:
    """What decides a network's weights, beside the Spec."""
    chosen = config.weights
    return chosen.to_json(), config.seed if chosen.name == "random" else None


def prepare(content, style, config: ConfigDict, load: LoadNetwork = load_network) -> Job:
    """Reads and checks every input; nothing is computed on the device that the config could still refuse.

    Args:
      content: a picture as nst.images.read takes it, or None for `config.content`.
      style: one or several (in a list or tuple), or None for `config.style`.
      config: made by configs.default.get_config and changed at will.
      load: `load_network`, or one from `cached_loader`.

    Raises:
      UserError: naming the field or the file.
    """
    settings.check_counts(config)
    images.check_format(config.output.format, config.output.bits)
    optimizer = settings.make_optimizer(config)
    made_for, spec = settings.read_network(config)
    if spec.resample and not method(optimizer).carries:
        raise UserError(
            f"style_loss.resample: {optimizer.name} compares losses of different steps; use a first-order "
            "optimiser, such as optimizer.name = adam, or leave it off"
        )
    mesh = device_mesh.make_mesh(config.devices)
    if mesh and spec.strip:
        raise UserError(f"strip = {spec.strip}: strips are for one device; set strip = 0, or devices = 1")
    photo, paintings, named = pictures.read(content, style, config, sharding.height_multiple(spec, mesh))
    photo, paintings, recolor = pictures.colored(config, photo, paintings)
    found = masks.regions(config, spec, photo, paintings)
    loss_weights = settings.make_problem_weights(config, spec, len(paintings))
    notes = [*found.notes] + [
        f"{role}: {note}" for role, (_, picture, _) in named.items() for note in picture.notes
    ]
    notes += pictures.size_notes(spec, named)
    start = pictures.initial_image(config, photo.rgb_HxWx3, paintings[0].rgb_HxWx3)
    inputs = {role: sha256 for role, (_, _, sha256) in named.items()} | found.inputs
    if config.init.kind == "image":
        inputs["init.image"] = digest(config.init.image)
    frozen = load(config, spec, made_for)
    inputs |= frozen.inputs
    notes += frozen.notes
    return Job(
        spec, optimizer, frozen.variables, loss_weights, photo, paintings, found, recolor, config.seed,
        start[None], None, inputs, tuple(notes), mesh,
    )  # fmt: skip


def _small_images(files: list[Path]) -> Iterator[np.ndarray]:
    for path in files:
        rgb = images.read(path).rgb_HxWx3
        height, width = images.target_size(*rgb.shape[:2], min(512, max(rgb.shape)), "long")
        yield images.resize(rgb, height, width, "lanczos")[None]


def first_state(job: Job) -> State:
    """The state before the first step."""
    if job.mesh is None:
        return steps.init(job.optimizer, job.start, job.carried)
    init = partial(steps.init, job.optimizer)
    like = sharding.state(job.mesh, jax.eval_shape(init, job.start))
    start = device_mesh.put(job.start, like.pixels)
    carried = None if job.carried is None else device_mesh.put(job.carried, like.optimizer)
    return jax.jit(init, out_shardings=device_mesh.shardings(like))(start, carried)


def make_problem(job: Job) -> Problem:
    """The targets, on the device or devices."""
    distribute = partial(device_mesh.distribute, job.mesh)
    made = problem.make_problem(
        job.spec,
        distribute(job.variables),
        distribute(job.content.rgb_HxWx3[None], 1),
        [distribute(picture.rgb_HxWx3[None], 1) for picture in job.styles],
        distribute(job.loss_weights),
        guidance.Regions(*(distribute(guides, 0) for guides in job.regions[:2])),
        distribute(np.int32(job.seed)),
    )
    return device_mesh.put(made, sharding.problem(job.mesh, made))


def compile_run(job: Job, size: tuple[int, int] | None = None) -> jax.stages.Compiled:
    """The compiled `steps.run` of a job, from shapes alone; `size` (height, width) in place of its own.

    Jobs of the same Spec, Optimizer and shapes share it.
    """
    sizes = [size or job.content.rgb_HxWx3.shape[:2], *(style.rgb_HxWx3.shape[:2] for style in job.styles)]
    leaves, structure = jax.tree.flatten((job.variables, job.loss_weights))
    described = tuple((leaf.shape, leaf.dtype) for leaf in leaves)
    guided = tuple(tuple(map(bool, guides)) for guides in job.regions[:2])
    return _compiled(job.spec, job.optimizer, tuple(sizes), guided, structure, described, job.mesh)


@lru_cache(maxsize=16)  # as many as a pyramid has sizes
def _compiled(
    spec: Spec, optimizer: Optimizer, sizes, guided, structure, leaves, mesh: Mesh | None
) -> jax.stages.Compiled:
    content, *styles = (jax.ShapeDtypeStruct((1, *size, 3), jnp.float32) for size in sizes)
    variables, loss_weights = structure.unflatten(jax.ShapeDtypeStruct(*leaf) for leaf in leaves)
    where = [sizes[0]] * len(guided[0]), [sizes[1 + found[0]] for found in spec.regions or [(0,)]]
    guides = [
        [masks.shapes(spec, size) if is_guided else {} for size, is_guided in zip(*pair, strict=True)]
        for pair in zip(where, guided, strict=True)
    ]
    targets = partial(problem.make_problem, spec)
    made = jax.eval_shape(targets, variables, content, styles, loss_weights, guidance.Regions(*guides))
    state = jax.eval_shape(partial(steps.init, optimizer), content)
    count = jax.ShapeDtypeStruct((), jnp.int32)
    if mesh is None:
        lowered = steps.run.lower(Loss(spec), optimizer, made, state, count)
    else:
        made, state, count = (
            sharding.problem(mesh, made),
            sharding.state(mesh, state),
            device_mesh.sharded(mesh, count),
        )
        # the state comes out as it went in, so that it can go in again
        results = device_mesh.shardings((state, device_mesh.sharded(mesh, count)))
        run = jax.jit(partial(steps.run, Loss(spec), optimizer), donate_argnums=1, out_shardings=results)
        lowered = run.lower(made, state, count)
    compiled = lowered.compile()
    memory.release()
    return compiled


def fixed_bytes(job: Job) -> int:
    """Bytes of the network's weights, which no size of the picture changes."""
    return sum(leaf.nbytes for leaf in jax.tree.leaves(job.variables))


def largest(job: Job, compiled: jax.stages.Compiled, limit: int) -> tuple[int, int] | None:
    """(height, width) of about the largest picture, up to the job's, that fits in `limit` bytes; or None."""
    height, width = job.content.rgb_HxWx3.shape[:2]
    least = vgg.minimum_size(job.spec.network, job.spec.layers)
    rows, fixed = sharding.height_multiple(job.spec, job.mesh), fixed_bytes(job)
    need, found, scale = memory.forecast(compiled, fixed), (height, width), 1.0
    beside = need - memory.program_bytes(compiled) + fixed
    # all but the network's weights, and what is beside, grows with the pixels
    if need > limit:
        scale = math.sqrt(max(limit - beside, 0) / (need - beside)) if need > beside else 0.0
    while min(height, width) * scale >= least:
        found = device_mesh.rounded(round(height * scale), rows), round(width * scale)
        if found[0] and memory.forecast(compile_run(job, found), fixed) <= limit:
            return found
        scale *= 0.95
    return None


def check_memory(job: Job, compiled: jax.stages.Compiled, limit: int) -> int:
    """The bytes that the run needs.

    Raises:
      UserError: more than `limit`; names the largest size that fits, checked by compiling it.
    """
    need = memory.forecast(compiled, fixed_bytes(job))
    if need <= limit:
        return need
    height, width = job.content.rgb_HxWx3.shape[:2]
    smaller = largest(job, compiled, limit)
    advice = "no size fits: ask for fewer layers or a smaller optimizer.memory"
    if smaller:
        advice = f"the largest size that fits is about {smaller[1]}x{smaller[0]} (long edge {max(smaller)})"
    if strip := _fitting_strip(job, limit):
        advice += f"; or, at this size, --config.strip={strip}"
    raise UserError(
        f"{width}x{height} px needs {memory.format_bytes(need)}, and {memory.format_bytes(limit)} are available: {advice}"
    )


def _fitting_strip(job: Job, limit: int) -> int:
    """The highest strips, less high than the job's, that fit; 0: none do."""
    height = job.content.rgb_HxWx3.shape[0]
    for strip in (512, 256, 128, 64):
        try:
            spec = dataclasses.replace(job.spec, strip=strip)
        except UserError:  # the loss needs the whole image
            return 0
        smaller = strip < (job.spec.strip or height)
        if smaller and strips.layout(spec, spec.layers, height):
            if memory.forecast(compile_run(job._replace(spec=spec)), fixed_bytes(job)) <= limit:
                return strip
    return 0


def forget() -> None:
    """Drops every compiled program from memory; those on the disk (nst/devices/compilation_cache.py) stay."""
    jax.clear_caches()
    _compiled.cache_clear()
