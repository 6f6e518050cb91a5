"""What the host does between chunks: metrics, previews, checkpoints, progress."""

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
from nst.runs import folder


class Recorder:
    """Keeps the record of one run, in its folder, or in memory if `workdir` is None."""

    def __init__(
        self,
        workdir: Path | None,
        config: ConfigDict,
        show: Callable[[State], np.ndarray],
        description: str,
        log: Callable[[str], None],
        bar: bool = True,
    ):
        self.workdir, self.config, self.show = workdir, config, show
        self.description, self.log = description, log
        self.with_bar = bar and processes.is_primary() and sys.stderr.isatty()
        self.metrics: list[dict] = []
        self.seconds = 0.0  # worked so far, over all sessions
        self._saved_at = time.monotonic()
        self._kept = None  # the last good state, where there is no folder
        self._bar = self._writer = None

    def begin(self, step: int, seconds: float = 0.0) -> None:
        """Goes on from `step`: forgets what was recorded after it."""
        self.seconds = seconds
        if self.workdir:
            self.metrics = folder.rewind_metrics(self.workdir, step)
            if self.config.log.tensorboard and processes.is_primary():
                self._writer = folder.tensorboard_writer(self.workdir, step)
        if self.with_bar:
            self._bar = tqdm(total=self.config.steps, initial=max(step, 0), unit="step", dynamic_ncols=True)

    def close(self) -> None:
        for resource in (self._bar, self._writer):
            if resource is not None:
                resource.close()
        self._bar = self._writer = None

    def note(self, **facts) -> None:
        """Adds what became known of this session to the manifest."""
        if self.workdir:
            folder.note(self.workdir, facts)

    def advance(self, step: int, loss: float, seconds: float) -> None:
        """Notes that the work has come to `step`, `seconds` after the last note."""
        self.seconds += seconds
        if self._bar is not None:
            self._bar.set_postfix_str(f"loss {loss:.4g}", refresh=False)
            self._bar.update(step - self._bar.n)

    def record(self, state: State, terms: dict[str, float], pace: float) -> None:
        """Adds a line of metrics; on a terminal the bar shows the loss, elsewhere a line is said."""
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
        """Writes the picture as it is now to previews/."""
        if not self.workdir:
            return
        rgb = self.show(state)
        name = f"step_{int(state.step):06d}.jpg"
        path = self.workdir / "previews" / name
        processes.on_primary(images.write)(path, rgb, description=self.description)
        if self._writer is not None:
            self._writer.add_image("image", rgb, int(state.step), dataformats="HWC")

    def due(self) -> bool:
        """Whether the last checkpoint is old enough for another."""
        return bool(processes.broadcast(time.monotonic() - self._saved_at >= self.config.checkpoint.seconds))

    def checkpoint(self, state: State) -> None:
        """Saves a state whose loss is known to be finite."""
        state = jax.tree.map(processes.gather, state)
        if self.workdir:
            folder.save_checkpoint(self.workdir, state, self.seconds)
        else:
            self._kept = state
        self._saved_at = time.monotonic()

    def last_good(self, start: State) -> State:
        """The last saved state, or `start` if there is none."""
        if self.workdir:
            found = folder.load_checkpoint(self.workdir, start)
            return found[0] if found else start
        return start if self._kept is None else put(self._kept, start)

    def explain(self, error: OSError) -> UserError:
        """A disk that is full, or gone: what is safe and how to go on."""
        return UserError(
            f"{self.workdir}: cannot write ({error.strerror or error}); the last checkpoint is intact: "
            "make room and run the same command again"
        )
