"""A run that is open in this process: its job, recorder and state, while its folder is locked."""

import contextlib
from collections.abc import Iterator, Sequence
from functools import partial
from os import PathLike
from typing import NamedTuple

import jax
import numpy as np
from ml_collections import ConfigDict

from nst import images
from nst.devices import processes
from nst.errors import OtherRun, UserError
from nst.optimizers import steps
from nst.optimizers.steps import CarriedState, State
from nst.runs import checkpoint, folder, pyramid, settings, sharding
from nst.runs.hooks import Hooks
from nst.runs.job import Job, ended, first_state, shown
from nst.runs.log import Detail
from nst.runs.pyramid import Level
from nst.runs.recorder import Recorder


class Run(NamedTuple):
    """A run that is ready for its next step."""

    job: Job
    config: ConfigDict
    recorder: Recorder
    state: State | None  # from the checkpoint; None: there is none


class Result(NamedTuple):
    """The result of a run."""

    image: np.ndarray  # HxWx3, or HxWx4 if the photograph had alpha; float32 in [0, 1]
    state: State  # the state of the optimisation
    metrics: list[dict]  # the records of metrics.jsonl
    config: dict  # every field, resolved
    step: int  # number of updates made
    finished: bool  # False: the run was stopped before its end
    reason: str = ""  # why it is finished: "steps": all are made; "tolerance": the loss has settled

    def save(self, path: str | PathLike, bits: int = 8, description: str = "") -> None:
        """Writes the image as a file.

        Args:
          path: path of the file; the suffix names the format: png, tiff, jpg or webp.
          bits: bits of each channel: 8, or 16 for PNG and TIFF.
          description: text for the file's metadata; "": the digest of the config.

        Raises:
          UserError: the suffix is another one, or the format does not support that number of bits.
        """
        description = description or settings.description(self.config)
        images.write(path, *self._planes(), bits=bits, description=description)

    def _planes(self) -> tuple[np.ndarray, np.ndarray | None]:
        return self.image[..., :3], self.image[..., 3] if self.image.shape[-1] == 4 else None

    def _repr_png_(self) -> bytes:  # a notebook shows this picture
        return images.encode("png", *self._planes())

    def __repr__(self):  # without the arrays
        height, width, _ = self.image.shape
        settled = ", the loss has settled" if self.reason == "tolerance" else ""
        return f"Result({width}x{height} px, step {self.step} of {self.config['steps']}{settled})"


@contextlib.contextmanager
def opened(job: Job, level: Level, hooks: Hooks, smaller: Sequence[Level] = ()) -> Iterator[Run]:
    """Opens a run and locks its folder until the end of the `with` block; nothing is written before `begin`.

    Args:
      job: from `prepare`.
      level: the config that the job was made from, and the run folder.
      hooks: the functions of the caller.
      smaller: the sizes that a new run makes first; their folders must not hold another run, either.

    Raises:
      UserError: another process has locked the folder, or the folder holds another run or cannot be written.
    """
    config, workdir, run_identity = level
    recorder = Recorder(level, lambda state: shown(job, state)[0], hooks)
    if workdir is None:
        with contextlib.closing(recorder):
            yield Run(job, config, recorder, None)
        return
    if changed := [role for role, sha256 in run_identity.inputs.items() if job.inputs.get(role) != sha256]:
        raise UserError(f"{', '.join(changed)}: the file changed while the run was using it; run it again")
    try:
        with folder.locked(workdir), contextlib.closing(recorder):
            folder.check(workdir, run_identity)
            state = _restore(recorder, job)
            for before in smaller if state is None else ():
                folder.check(before.workdir, before.identity)
            yield Run(job, config, recorder, state)
    except OSError as error:
        raise recorder.explain(error) from error


def _restore(recorder: Recorder, job: Job) -> State | None:
    """Returns the state in the folder's checkpoint, or None if there is no checkpoint."""
    template = sharding.state(job.mesh, jax.eval_shape(partial(steps.init, job.optimizer), job.start))
    saved = checkpoint.load(recorder.workdir, template, recorder.identity)
    if saved is None:
        return None
    state, recorder.seconds = saved
    step = int(state.step)
    if step > recorder.config.steps:
        raise OtherRun(f"steps = {recorder.config.steps}: this run is at step {step} already", "raise steps")
    recorder.log(f"continuing from step {step}")
    return state


def begin(run: Run) -> None:
    """Begins this session of a run: from here on, files are written into its folder.

    Args:
      run: from `opened`.
    """
    job, step = run.job, -1 if run.state is None else int(run.state.step)
    run.recorder.begin(step, job.notes, job.mesh.size if job.mesh else 1)


def follow(run: Run, result: Result | None) -> Run:
    """Returns a run that starts from the result of another size, instead of `config.init`.

    Args:
      run: from `opened`; a run that has a state from a checkpoint still continues from that state.
      result: the result of the other size; None: `run` is returned unchanged.
    """
    if result is None:
        return run
    job, config = run.job, run.config
    height, width = job.start.shape[1:3]
    # the iterate, and not the image that is shown, whose colours may have been changed
    last_1xHxWx3 = processes.gather(steps.image(job.optimizer, result.state))
    start = images.resize(np.clip(last_1xHxWx3[0], 0, 1), height, width, config.resize_filter)
    carried = None
    if config.pyramid.carry:
        inner = pyramid.carry(job.optimizer, result.state.optimizer, height, width)
        carried = None if inner is None else CarriedState(inner, result.state.scale)
    return run._replace(job=job._replace(start=start[None], carried=carried))


def finish(run: Run, state: State | None) -> Result:
    """Returns the result of a run, and writes its image if the run is finished.

    Args:
      run: from `opened`.
      state: the state after the last step; None: the run has made no step.
    """
    job, config, recorder = run.job, run.config, run.recorder
    state = first_state(job) if state is None else state
    reason, step = ended(job, config, state), int(state.step)
    image, alpha = shown(job, state)
    if alpha is not None:
        image = np.concatenate([image, alpha[..., None]], axis=-1)
    result = Result(
        image=image,
        state=state,
        metrics=recorder.metrics,
        config=recorder.plain,
        step=step,
        finished=bool(reason),
        reason=reason,
    )
    if reason == "tolerance":
        change, tolerance = float(state.window.change), config.optimizer.tolerance
        recorder.log(
            f"step {step} of {config.steps} was the last: over {steps.WINDOW} updates, the loss changed by a "
            f"share of {change:.2g}, no more than optimizer.tolerance = {tolerance}"
        )
    if recorder.workdir and reason:
        path = recorder.workdir / f"result.{config.output.format}"
        processes.on_primary(result.save)(path, config.output.bits)
        recorder.log(Detail(f"done: {path}"))
    return result
