"""The main job: a config, a photograph and a painting in; the picture, and how it came about, out."""

import contextlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from ml_collections import ConfigDict

from nst import config as configs
from nst import images, memory, optimize, runs
from nst.errors import UserError
from nst.loop import Run, drive, picture
from nst.optimize import State
from nst.prepare import Job, check_memory, compile_run, make_problem, prepare
from nst.recorder import Recorder


class Result(NamedTuple):
    """What a run leaves."""

    image: np.ndarray  # HxWx3, or HxWx4 if the photograph had alpha; float32 in [0, 1]
    metrics: list[dict]  # the records of metrics.jsonl
    config: dict  # every field, resolved
    step: int
    finished: bool  # False: stopped before config.steps


def stylize(
    content,
    style,
    config: ConfigDict,
    workdir: str | Path | None = None,
    *,
    stop: Callable[[], bool] = lambda: False,
    say: Callable[[str], None] = print,
) -> Result:
    """Finds the image whose content is `content`'s and whose style is `style`'s.

    Args:
      content: path, PIL image or array (nst.images.read); None: `config.content`.
      style: one or several of the same, in a list; None: `config.style`.
      config: from a file of configs/, changed at will.
      workdir: the run folder; one that holds the same run is continued, to the same bytes. None: nothing
        is written.
      stop: asked between chunks; True ends the run early, with a checkpoint.
      say: receives lines for people.

    Raises:
      UserError: one line on what is wrong and what to do.
    """
    job = prepare(content, style, config)
    plain = configs.as_dict(config)
    digest = f"nst config {configs.digest(plain)}"
    workdir = Path(workdir) if workdir else None
    recorder = Recorder(workdir, config, job.optimizer, digest, say)
    try:
        with runs.locked(workdir) if workdir else contextlib.nullcontext(), contextlib.closing(recorder):
            for warning in runs.enter(workdir, plain, job.inputs, job.notes) if workdir else ():
                say(warning)
            if config.coarse_steps and not (workdir and (workdir / "checkpoint.npz").exists()):
                coarse = _coarse(content, style, config, workdir, stop, say)
                if not coarse.finished:
                    return coarse._replace(config=plain, step=0)
                job = job._replace(start=_enlarge(coarse.image, job.start))
            state = _restore(recorder, job, config)
            if state is None or int(state.step) < config.steps:
                compiled = compile_run(job)
                limit = int(config.memory_limit_gb * 1e9) or memory.available(jax.devices()[0])
                _announce(job, config, check_memory(job, compiled, limit), say)
                state = drive(Run(job, config, compiled, make_problem(job), recorder), state, stop)
            finished = int(state.step) >= config.steps
            image, alpha = picture(job, state)
            if workdir and finished:
                path = workdir / f"result.{config.output.format}"
                images.write(path, image, alpha, bits=config.output.bits, description=digest)
                say(f"done: {path}")
    except OSError as error:
        raise recorder.explain(error) from error
    if alpha is not None:
        image = np.concatenate([image, alpha[..., None]], axis=-1)
    return Result(image, recorder.metrics, plain, int(state.step), finished)


def _coarse(content, style, config: ConfigDict, workdir: Path | None, stop, say) -> Result:
    """The same picture at half the size, in a folder of its own: from it the full size starts."""
    half = config.copy_and_resolve_references()
    half.size, half.style_size = config.size // 2, config.style_size // 2
    half.steps, half.coarse_steps = config.coarse_steps, 0
    say("first at half the size")
    result = stylize(content, style, half, workdir and workdir / "coarse", stop=stop, say=say)
    say("now at the full size")
    return result


def _enlarge(image_HxWxC: np.ndarray, like_1xHxWx3: np.ndarray) -> np.ndarray:
    return images.resize(image_HxWxC[..., :3], *like_1xHxWx3.shape[1:3], "lanczos")[None]


def _restore(recorder: Recorder, job: Job, config: ConfigDict) -> State | None:
    """The state of the folder's checkpoint, or None; readies the recorder either way."""
    template = jax.eval_shape(partial(optimize.init, job.optimizer), job.start)
    found = runs.load_checkpoint(recorder.workdir, template) if recorder.workdir else None
    state, seconds = found or (None, 0.0)
    step = int(state.step) if found else -1
    if step > config.steps:
        raise UserError(f"steps = {config.steps}: this run is at step {step} already; raise steps")
    recorder.begin(step, seconds)
    if found:
        recorder.say(f"continuing from step {step}")
    return state


def _announce(job: Job, config: ConfigDict, need: int, say) -> None:
    """Says what will be done, before the first step."""
    device = jax.devices()[0]
    spec, net, opt = job.spec, job.spec.network, job.optimizer
    count = sum(leaf.size for leaf in jax.tree.leaves(job.variables["params"]))
    for note in job.notes:
        say(note)
    say(f"content: {' '.join(spec.content_layers) or 'none'}, {spec.content_normalization}")
    styled = f"{spec.representation}, {spec.style_normalization}"
    say(f"style: {' '.join(spec.style_layers) or 'none'}, {styled}")
    slim = ", slim" if net.widths else ""
    say(f"network: {net.architecture}{slim}, {net.pooling} pooling, {net.padding} padding, {net.dtype}")
    search = f", {opt.line_search} line search" if opt.name == "lbfgs" else ""
    say(f"optimiser: {opt.name}{search}, {config.steps} steps from {config.init.kind}")
    say(f"device: {device.device_kind} ({device.platform}), {count / 1e6:.1f} M parameters, "
        f"{memory.text(need)} needed")  # fmt: skip
