"""The record of a run: metrics, previews, checkpoints and progress, in its folder or in memory."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
from ml_collections import ConfigDict
from tqdm import tqdm

from nst import images
from nst.devices import processes
from nst.devices.mesh import put
from nst.errors import UserError
from nst.optimizers.steps import State
from nst.runs import folder, settings


class Recorder:
    """Keeps the record of one run, in its folder, or in memory if `workdir` is None."""

    def __init__(
        self,
        workdir: Path | None,
        config: ConfigDict,
        show: Callable[[State], np.ndarray],
        log: Callable[[str], None],
    ):
        """Makes the recorder of a run; nothing is written yet.

        Args:
          workdir: the run folder, or None.
          config: from `settings.resolve`.
          show: returns the image of a state as it is saved, `HxWx3` in [0, 1].
          log: receives one line of text.
        """
        self.workdir, self.config, self.show, self.log = workdir, config, show, log
        self.plain = settings.as_dict(config)
        self.description = f"nst config {settings.digest(self.plain)}"  # of images, for their metadata
        self.metrics: list[dict] = []
        self.seconds = 0.0  # of work so far, over all sessions
        self._saved_at = time.monotonic()
        self._last_good = None  # the last finite state, where there is no folder
        self._bar = self._writer = None

    def begin(self, step: int, seconds: float = 0.0) -> None:
        """Continues the record from a step; records of later steps are dropped.

        Args:
          step: of the checkpoint; -1: there is none.
          seconds: of work up to that step.
        """
        self.seconds = seconds
        if self.workdir:
            self.metrics = folder.rewind_metrics(self.workdir, step)
            if self.config.log.tensorboard and processes.is_primary():
                self._writer = folder.tensorboard_writer(self.workdir, step)

    def show_progress(self, step: int) -> None:
        """Shows a progress bar from this step on if the program runs in a terminal."""
        if processes.is_primary() and sys.stderr.isatty():
            self._bar = tqdm(total=self.config.steps, initial=step, unit="step", dynamic_ncols=True)

    def close(self) -> None:
        """Ends the progress bar and the TensorBoard events."""
        for resource in (self._bar, self._writer):
            if resource is not None:
                resource.close()
        self._bar = self._writer = None

    def note(self, **facts) -> None:
        """Adds facts to this session's entry in the manifest."""
        if self.workdir:
            folder.note(self.workdir, facts)

    def advance(self, step: int, loss: float, seconds: float) -> None:
        """Counts the steps made up to `step`, in `seconds` since the last call."""
        self.seconds += seconds
        if self._bar is not None:
            self._bar.set_postfix_str(f"loss {loss:.4g}", refresh=False)
            self._bar.update(step - self._bar.n)

    def record(self, state: State, terms: dict[str, float], pace: float) -> None:
        """Adds a line to the metrics, and to the log where there is no progress bar.

        Args:
          state: of the optimisation.
          terms: of the loss at that state, by name.
          pace: seconds per step; 0: not known yet.
        """
        step, loss = int(state.step), sum(terms.values())
        head = {"step": step, "evaluations": int(state.evaluations)}
        line = head | {"seconds": round(self.seconds, 3), "loss": loss} | terms
        self.metrics.append(line)
        if self.workdir:
            folder.append_metrics(self.workdir, line)
        if self._writer is not None:
            for name, value in (terms | {"loss": loss}).items():
                self._writer.add_scalar(name, value, step)
        if self._bar is None:
            minutes, seconds = divmod(round(pace * (self.config.steps - step)), 60)
            rate = f", {1 / pace:.2f} steps/s, {minutes}:{seconds:02} left" if pace else ""
            self.log(
                f"step {step}/{self.config.steps}, {head['evaluations']} evaluations, loss {loss:.6g}{rate}"
            )

    def preview(self, state: State) -> None:
        """Writes the image of a state to previews/."""
        if not self.workdir:
            return
        rgb_HxWx3 = self.show(state)
        name = f"step_{int(state.step):06d}.jpg"
        path = self.workdir / "previews" / name
        processes.on_primary(images.write)(path, rgb_HxWx3, description=self.description)
        if self._writer is not None:
            self._writer.add_image("image", rgb_HxWx3, int(state.step), dataformats="HWC")

    def due(self) -> bool:
        """Returns whether the last checkpoint is so old that the next one is due."""
        return bool(processes.broadcast(time.monotonic() - self._saved_at >= self.config.checkpoint.seconds))

    def checkpoint(self, state: State) -> None:
        """Saves a state whose loss is known to be finite."""
        state = jax.tree.map(processes.gather, state)
        if self.workdir:
            folder.save_checkpoint(self.workdir, state, self.seconds)
        else:
            self._last_good = state
        self._saved_at = time.monotonic()

    def last_good(self, start: State) -> State:
        """Returns the last saved state, or `start` if there is none."""
        if self.workdir:
            checkpoint = folder.load_checkpoint(self.workdir, start)
            return checkpoint[0] if checkpoint else start
        return start if self._last_good is None else put(self._last_good, start)

    def explain(self, error: OSError) -> UserError:
        """Returns the error to raise when the folder can no longer be written, as when the disk is full."""
        return UserError(
            f"{self.workdir}: cannot write ({error.strerror or error}); the last checkpoint is intact: "
            "free some space and run the same command again"
        )
