"""The record of a run: metrics, previews and checkpoints, in its folder or in memory."""

import errno
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import jax
import numpy as np

from nst import images
from nst.devices import processes
from nst.devices.mesh import put
from nst.errors import UserError
from nst.optimizers.steps import State
from nst.runs import checkpoint, folder, settings
from nst.runs.hooks import Hooks
from nst.runs.log import Detail
from nst.runs.pyramid import Level


class Recorder:
    """Keeps the record of one run, in its folder, or in memory if `workdir` is None."""

    def __init__(self, level: Level, show: Callable[[State], np.ndarray], hooks: Hooks):
        """Makes the recorder of a run; nothing is written yet.

        Args:
          level: the config, the folder and the identity of the run.
          show: returns the image of a state as it is saved, `HxWx3` in [0, 1].
          hooks: the functions of the caller; `log` and `lines` are used.

        Raises:
          UserError: the config asks for TensorBoard's files, and the package for them is missing.
        """
        self.config, self.workdir, self.identity = level
        self.show, self.log, self._lines = show, hooks.log, hooks.lines
        self.plain = settings.as_dict(self.config)
        self.description = settings.description(self.plain)
        self.metrics: list[dict] = []
        self.seconds = 0.0  # seconds of work so far, in all sessions
        self._saved_at = time.monotonic()
        self._last_good = None  # the last finite state, if there is no folder
        self._writer = None
        self._tensorboard = folder.tensorboard() if self.workdir and self.config.log.tensorboard else None

    def begin(self, step: int, notes: Sequence[str], sharing: int) -> None:
        """Begins this session: from here on, files are written. Records of steps after `step` are dropped.

        Args:
          step: step of the checkpoint; -1: there is no checkpoint.
          notes: lines about the inputs, for the manifest.
          sharing: the number of devices that share the work.
        """
        if not self.workdir:
            return
        # `enter` returns None in every process but the primary one
        for warning in folder.enter(self.workdir, self.plain, self.identity, notes, sharing) or ():
            self.log(warning)
        self.metrics = folder.rewind_metrics(self.workdir, step)
        if self._tensorboard and processes.is_primary():
            self._writer = self._tensorboard(self.workdir / "tensorboard", purge_step=step)

    def close(self) -> None:
        """Ends the TensorBoard events."""
        if self._writer is not None:
            self._writer.close()
        self._writer = None

    def note(self, **facts) -> None:
        """Adds facts to this session's entry in the manifest."""
        if self.workdir:
            folder.note(self.workdir, facts)

    def record(self, state: State, terms: dict[str, float], pace: float) -> None:
        """Adds a record to the metrics, and a line to the log if no bar is shown.

        Args:
          state: the state of the optimisation.
          terms: {name: value} of the terms of the loss at that state.
          pace: seconds per step; 0: not known yet.
        """
        step, loss = int(state.step), sum(terms.values())
        head = {"step": step, "evaluations": int(state.evaluations)}
        if state.window is not None and np.isfinite(state.window.change):
            head["change"] = float(state.window.change)
        line = head | {"seconds": round(self.seconds, 3), "loss": loss} | terms
        self.metrics.append(line)
        if self.workdir:
            folder.append_metrics(self.workdir, line)
        if self._writer is not None:
            for name, value in (terms | {"loss": loss}).items():
                self._writer.add_scalar(name, value, step)
        if self._lines:
            minutes, seconds = divmod(round(pace * (self.config.steps - step)), 60)
            rate = f", {1 / pace:.2f} steps/s, {minutes}:{seconds:02} left" if pace else ""
            made = f"step {step}/{self.config.steps}, {head['evaluations']} evaluations"
            self.log(Detail(f"{made}, loss {loss:.6g}{rate}"))

    def preview(self, state: State) -> Path | None:
        """Writes the image of a state to previews/ and returns its path, or None if there is no folder."""
        if not self.workdir:
            return None
        rgb_HxWx3 = self.show(state)
        name = f"step_{int(state.step):06d}.jpg"
        path = self.workdir / "previews" / name
        processes.on_primary(images.write)(path, rgb_HxWx3, description=self.description)
        if self._writer is not None:
            self._writer.add_image("image", rgb_HxWx3, int(state.step), dataformats="HWC")
        return path

    def due(self) -> bool:
        """Returns whether the next checkpoint is due."""
        return bool(processes.broadcast(time.monotonic() - self._saved_at >= self.config.checkpoint.seconds))

    def checkpoint(self, state: State) -> None:
        """Saves a state whose loss is known to be finite, after the records and previews up to it."""
        state = jax.tree.map(processes.gather, state)
        if self._writer is not None:
            self._writer.flush()
        if self.workdir:
            checkpoint.save(self.workdir, state, self.seconds, self.identity)
        else:
            self._last_good = state
        self._saved_at = time.monotonic()

    def last_good(self, start: State) -> State:
        """Returns the last saved state, or `start` if there is none."""
        if self.workdir:
            saved = checkpoint.load(self.workdir, start, self.identity)
            return saved[0] if saved else start
        return start if self._last_good is None else put(self._last_good, start)

    def explain(self, error: OSError) -> UserError:
        """Returns the error for a file that can no longer be written, as when the disk is full."""
        full = error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", None))  # Windows has no quotas
        advice = "free some space and run" if full else "when that is repaired, run"
        saved = "; the last checkpoint is intact" if (self.workdir / checkpoint.NAME).exists() else ""
        what = f"{self.workdir}: cannot write ({error.strerror or error}){saved}"
        return UserError(f"{what}: {advice} the same command again")
