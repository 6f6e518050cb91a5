"""The job of a run: everything that the optimisation starts from, made from a config and pictures."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh
from ml_collections import ConfigDict

from nst import images
from nst.devices import mesh as device_mesh
from nst.devices import processes, programs
from nst.errors import UserError
from nst.files import digest
from nst.images import Picture, Source
from nst.losses import problem
from nst.losses.guidance import Regions
from nst.losses.problem import Problem
from nst.losses.spec import Spec
from nst.losses.weights import LossWeights
from nst.networks.table import multiples
from nst.optimizers import steps
from nst.optimizers.steps import CarriedState, State
from nst.optimizers.table import Optimizer, method
from nst.runs import forecast, masks, pictures, pyramid, settings, sharding, specs
from nst.runs.log import Detail
from nst.runs.network import LoadNetwork, load_network
from nst.runs.pictures import Recolor


class Job(NamedTuple):
    """A run before its first step."""

    # the static choices, which determine the compiled program together with the shapes of the arrays
    spec: Spec
    optimizer: Optimizer
    mesh: Mesh | None  # the devices that share the image's height; None: one device
    # the arrays of the loss
    variables: dict  # variables of the frozen network
    loss_weights: LossWeights
    content: Picture  # the photograph, at the size of the result
    styles: tuple[Picture, ...]
    regions: Regions
    # the start
    seed: int
    start: np.ndarray  # 1xHxWx3, the initial image
    carried: CarriedState | None  # state from another size; None: the state of the optimiser is new
    # for the log and the files of the run
    recolor: Recolor  # gives the result its colours
    inputs: dict[str, str]  # role -> sha256 of the file or array
    originals: tuple[tuple[int, int], ...]  # height and width of photograph and paintings before resizing
    notes: tuple[str, ...]  # lines for the log


def prepare(
    content: Source | None,
    style: Source | Sequence[Source] | None,
    config: ConfigDict,
    load: LoadNetwork = load_network,
) -> Job:
    """Reads and checks everything that a run needs, before anything is computed on a device.

    Args:
      content: the photograph; None: `config.content`.
      style: one painting or several; None: `config.style`.
      config: from a file of configs/, or from `settings.resolve`.
      load: loads the network; a function from `cached_loader` lets several runs share one network.

    Raises:
      UserError: an input is invalid; the message names the field or the file.
      TooSmall: a picture has too few pixels.
    """
    config = settings.resolve(config)  # changes nothing if the config is resolved already
    images.check_format(config.output.format, config.output.bits)
    optimizer = specs.make_optimizer(config)
    convention, spec = specs.read_network(config)
    mesh = _mesh(config, spec, optimizer)
    fits = forecast.make_check(spec, optimizer, mesh, config.memory_limit_gb)
    multiple, wrap = sharding.height_multiple(spec, mesh), multiples(spec.network, spec.layers)
    inputs = pictures.read(content, style, config, multiple, wrap, fits)
    photo, paintings, recolor = pictures.with_colors(
        config, inputs[0].picture, [painting.picture for painting in inputs[1:]]
    )
    regions = masks.read(config, spec, photo, paintings)
    loss_weights = specs.make_problem_weights(config, spec, len(paintings), max(photo.rgb_HxWx3.shape))
    size_notes = tuple(pictures.size_notes(spec, inputs))
    start = pictures.initial_image(config, photo.rgb_HxWx3, paintings[0].rgb_HxWx3)
    originals = tuple(picture.original for picture in inputs)
    pyramid.plan(config, None, originals)  # raises the error of sizes that are no pyramid
    network = load(config, spec, convention)  # after all checks, since it may have to be downloaded
    hashes = {picture.role: picture.sha256 for picture in inputs} | regions.inputs
    if config.init.kind == "image":
        hashes["init.image"] = digest(config.init.image)
    notes = tuple(f"{role}: {note}" for role, picture, *_ in inputs for note in picture.notes)
    return Job(
        spec=spec,
        optimizer=optimizer,
        mesh=mesh,
        variables=network.variables,
        loss_weights=loss_weights,
        content=photo,
        styles=paintings,
        regions=regions.regions,
        seed=config.seed,
        start=start[None],
        carried=None,
        recolor=recolor,
        inputs=hashes | network.inputs,
        originals=originals,
        notes=(*specs.notes(config), *regions.notes, *notes, *size_notes, *network.notes),
    )


def _mesh(config: ConfigDict, spec: Spec, optimizer: Optimizer) -> Mesh | None:
    """Returns the devices of a run; raises UserError if choices exclude each other."""
    if spec.resample and not method(optimizer).carries:
        raise UserError(
            f"style_loss.resample: {optimizer.name} compares losses of different steps; use a first-order "
            "optimiser, such as optimizer.name = adam, or set resample = False"
        )
    mesh = device_mesh.make_mesh(config.devices)
    if mesh and spec.strip:
        raise UserError(f"strip = {spec.strip}: strips are for one device; set strip = 0, or devices = 1")
    return mesh


_init = jax.jit(steps.init, static_argnums=0)  # one program; without jit, each operation would be one


def first_state(job: Job) -> State:
    """Returns the state before the first step, on the job's devices.

    Args:
      job: from `prepare`.
    """
    if job.mesh is None:
        return programs.call(_init, job.optimizer, job.start, job.carried)
    init = partial(steps.init, job.optimizer)
    like = sharding.state(job.mesh, jax.eval_shape(init, job.start))
    start = device_mesh.put(job.start, like.pixels)
    carried = None
    if job.carried is not None:
        carried = device_mesh.put(job.carried, CarriedState(like.optimizer, like.scale))
    return jax.jit(init, out_shardings=device_mesh.shardings(like))(start, carried)


def ended(job: Job, config: ConfigDict, state: State) -> str:
    """Returns the reason why a run has ended, "steps" or "tolerance", or "" if it has not ended.

    Args:
      job: from `prepare`.
      config: the config that the job was made from.
      state: the state of the run.
    """
    if int(state.step) >= config.steps:
        return "steps"
    return "tolerance" if steps.converged(job.optimizer, state) else ""


def make_problem(job: Job) -> Problem:
    """Computes the targets of a job on its devices.

    Args:
      job: from `prepare`.
    """
    distribute = partial(device_mesh.distribute, job.mesh)
    spec, variables, seed = job.spec, distribute(job.variables), distribute(np.int32(job.seed))
    photo = distribute(job.content.rgb_HxWx3[None], 1)
    paintings = [distribute(picture.rgb_HxWx3[None], 1) for picture in job.styles]
    weights, regions = distribute(job.loss_weights), distribute(job.regions, 0)
    described = problem.describe(spec, variables, photo, paintings, regions, seed, call=programs.call)
    made = problem.from_described(spec, variables, described, photo, weights, regions, seed)
    return device_mesh.put(made, sharding.problem(job.mesh, made))


def description(job: Job, config: ConfigDict) -> list[str]:
    """Returns lines for the log that describe a run.

    Args:
      job: from `prepare`.
      config: the config that the job was made from.
    """
    spec, net, optimizer = job.spec, job.spec.network, job.optimizer
    architecture = f"{net.architecture}, slim" if net.widths else net.architecture
    search = f", {optimizer.line_search} line search" if optimizer.name == "lbfgs" else ""
    style = f"{spec.representation}, {spec.style_normalization}"
    return [
        *job.notes,
        Detail(f"content: {' '.join(spec.content_layers) or 'none'}, {spec.content_normalization}"),
        Detail(f"style: {' '.join(spec.style_layers) or 'none'}, {style}"),
        Detail(f"network: {architecture}, {net.pooling} pooling, {net.padding} padding, {net.dtype}"),
        Detail(f"optimiser: {optimizer.name}{search}, {config.steps} steps from {config.init.kind}"),
    ]


def shown(job: Job, state: State) -> tuple[np.ndarray, np.ndarray | None]:
    """Returns the image of a state as it is written to files.

    Args:
      job: the job of the run.
      state: the state of the optimisation.

    Returns:
      The image, `HxWx3` in [0, 1], with the colours that `config.color` says; and the photograph's alpha,
      `HxW`, or None.
    """
    rgb_HxWx3 = np.clip(processes.gather(steps.image(job.optimizer, state))[0], 0, 1)
    return np.clip(job.recolor(rgb_HxWx3), 0, 1), job.content.alpha_HxW
