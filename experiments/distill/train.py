"""Distils VGG-19 into a slim network: nst/data/vgg19_slim.safetensors.

python -m experiments.distill --config=experiments/distill/config.py --config.photos=photos \
    --config.paintings=paintings --workdir=runs/distill

The same command continues a run that was stopped. The run folder gets metrics.jsonl, report.md (errors on
held-out pictures) and slim.safetensors, which weights.name takes as a path.
"""

import json
import math
import time
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from experiments import cli
from experiments.distill import export, fit, student
from experiments.distill.checks import check, resolve
from experiments.distill.student import State
from experiments.distill.trainer import TEACHER, Trainer
from nst.cli import signals
from nst.cli.tables import markdown
from nst.errors import UserError
from nst.images import folders
from nst.runs import checkpoint, folder, settings


def validate(trainer: Trainer, state: State) -> dict[str, float]:
    """Computes the errors on the middles of the held-out pictures, as means over the pictures.

    Returns:
      {"features/relu1_1": error, "gram/relu1_1": error, ...}.
    """
    errors = []
    for picture in trainer.data.held_out:
        image = folders.center(picture, trainer.config.warm_start.size)[None]
        errors.append(
            student.evaluate(
                TEACHER,
                trainer.network,
                trainer.layers,
                trainer.variables,
                state.params,
                state.scales,
                jnp.asarray(image),
            )
        )
    return flatten(jax.tree.map(lambda *values: float(np.mean(values)), *errors))


def flatten(errors: dict) -> dict[str, float]:
    """Turns {layer: {kind: value}} into {kind/layer: value}."""
    return {
        f"{kind}/{layer}": float(value) for layer, kinds in errors.items() for kind, value in kinds.items()
    }


def held_out(errors: dict[str, float]) -> dict[str, float]:
    """Returns the fields of a record that hold the result of `validate`."""
    return {f"held_out/{name}": value for name, value in errors.items()}


def report(before: dict[str, float], after: dict[str, float], layers: Sequence[str]) -> str:
    """Returns the validation before and after the training as a Markdown table."""
    rows = []
    for kind in ("features", "gram"):
        for name, errors in (("warm start", before), ("trained", after)):
            rows.append([f"{kind}, {name}", *(f"{errors[f'{kind}/{layer}']:.4f}" for layer in layers)])
    return markdown(("held-out pictures", *layers), rows) + "\n"


def train(trainer: Trainer, state: State, seconds: float, stop: Callable[[], bool]) -> State:
    """Trains to config.steps, writing records and checkpoints into the run folder.

    Args:
      trainer: of this run.
      state: to begin with.
      seconds: that earlier sessions have taken.
      stop: called before each step; True ends the training early.

    Raises:
      UserError: an error that is not finite.
    """
    config, workdir = trainer.config, trainer.workdir
    every, step = config.stylised.every, int(state.step)
    resume_pictures(trainer, state)
    saved = began = time.monotonic()
    with tqdm(total=config.steps, initial=step, unit="step", dynamic_ncols=True, disable=None) as bar:
        while step < config.steps and not stop():
            if step % every == 0:
                trainer.make_pictures(state)
                trainer.make_pool(state, step)
            state, errors = trainer.step(state)
            step += 1
            bar.update()
            if step % config.log_every == 0 or step == config.steps:
                write_record(trainer, state, errors, seconds + time.monotonic() - began)
            if time.monotonic() - saved >= config.checkpoint_seconds:
                checkpoint.save(workdir, state, seconds + time.monotonic() - began, trainer.identity)
                saved = time.monotonic()
    checkpoint.save(workdir, state, seconds + time.monotonic() - began, trainer.identity)
    return state


def resume_pictures(trainer: Trainer, state: State) -> None:
    """Restores the pictures and the pool that an uninterrupted run has at this step."""
    step, every = int(state.step), trainer.config.stylised.every
    renewed = (step - 1) // every * every  # the step of the latest renewal
    for earlier in (renewed - every, renewed):
        if earlier >= 0:
            trainer.load_pictures(earlier)
    if step % every and step < trainer.config.steps:
        trainer.make_pool(state, renewed)


def write_record(trainer: Trainer, state: State, errors: dict, seconds: float) -> None:
    """Appends a record of the step to metrics.jsonl and prints it; some records include a validation.

    Raises:
      UserError: an error that is not finite.
    """
    config, step = trainer.config, int(state.step)
    record = {"step": step, "seconds": round(seconds, 1)} | flatten(errors)
    if step % config.validate_every == 0 or step == config.steps:
        record |= held_out(validate(trainer, state))
    if not all(map(math.isfinite, record.values())):
        raise UserError(f"the error is not finite at step {step}; lower learning_rate")
    folder.append_metrics(trainer.workdir, record)
    print(json.dumps(record), flush=True)


def begin(trainer: Trainer) -> tuple[State, float]:
    """Reads the checkpoint of the run folder, or fits the layers if there is none.

    Returns:
      The state, and the seconds that earlier sessions have taken.
    """
    workdir = trainer.workdir
    saved = checkpoint.load(workdir, trainer.template(), trainer.identity)
    if saved:
        return saved
    for remains in (workdir / "metrics.jsonl", *workdir.glob("stylised_*.npz")):
        remains.unlink(missing_ok=True)
    print("fitting the layers", flush=True)
    state = trainer.start()
    checkpoint.save(workdir, state, 0.0, trainer.identity)
    return state, 0.0


def first_record(trainer: Trainer, state: State) -> dict:
    """Returns the record of step 0, which validates the warm start; writes it if it is missing."""
    records = folder.rewind_metrics(trainer.workdir, int(state.step))
    if records:
        return records[0]
    record = {"step": 0, "seconds": 0.0} | held_out(validate(trainer, state))
    folder.append_metrics(trainer.workdir, record)
    print(json.dumps(record), flush=True)
    return record


def conclude(trainer: Trainer, state: State, before: dict[str, float], config_digest: str) -> None:
    """Fits the maps of the remaining layers, and writes report.md and slim.safetensors.

    Args:
      trainer: of this run.
      state: at the end of the training.
      before: the validation of the warm start.
      config_digest: for the metadata of the network's file.
    """
    others = [layer for layer in trainer.every_layer() if layer not in trainer.layers]
    batches = trainer.warm_batches(sum(trainer.pictures.values(), []))
    params, scales = fit.fit_maps(trainer.teacher, jax.device_get(state.params), others, batches)
    scales |= {layer: float(state.scales[layer]) for layer in trainer.layers}
    text = report(before, validate(trainer, state), trainer.layers)
    (trainer.workdir / "report.md").write_text(text)
    path = trainer.workdir / "slim.safetensors"
    export.write(path, trainer.config.widths, params, scales, trainer.sha256, config_digest)
    print(f"{text}\ndone: {path}, {path.stat().st_size / 1e6:.1f} MB")


def main(argv) -> int:
    """Runs or continues the distillation that the flags describe; returns the exit status."""
    del argv
    config = resolve(cli.CONFIG.value)
    check(config)
    received = signals.catch()
    trainer = Trainer(config, cli.workdir("runs/distill"))
    plain = settings.as_dict(config)
    with folder.locked(trainer.workdir) as workdir:
        folder.check(workdir, trainer.identity)
        for warning in folder.enter(workdir, plain, trainer.identity, []):
            print(warning)
        state, seconds = begin(trainer)
        first = first_record(trainer, state)
        state = train(trainer, state, seconds, lambda: bool(received))
        if int(state.step) < config.steps:
            print(f"stopped at step {int(state.step)} of {config.steps}; the same command continues it")
            return 128 + received[0]
        before = {name.removeprefix("held_out/"): value for name, value in first.items()}
        conclude(trainer, state, before, settings.digest(plain))
        return 0
