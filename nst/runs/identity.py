"""The identity of a run: everything that its pixels depend on, apart from the number of its steps.

A run continues only from files that have its own identity. checkpoint.npz holds the identity of its run
(nst/runs/checkpoint.py), and config.json and manifest.json together hold the same.
"""

import hashlib
import json
from collections.abc import Collection, Mapping
from typing import NamedTuple

from nst.runs import settings

# fields that may differ when a run is continued: files are compared by their content, and the numbers of
# steps at the smaller sizes are part of `Identity.start`
_FREE = {*settings.HOST, *settings.FILES, "steps", "output", "pyramid.steps"}


class Identity(NamedTuple):
    """Everything that a run's pixels depend on, as JSON values."""

    config: dict  # the fields that the pixels depend on
    inputs: dict[str, str]  # role -> sha256 of every file or array that was read
    start: str  # the smaller sizes before this one, from `start_after`; "": the run starts from `config.init`


def make(config: dict, inputs: Mapping[str, str], start: str = "") -> Identity:
    """Returns the identity of a run.

    Args:
      config: every field, from `settings.as_dict`.
      inputs: {role: sha256} of every file that the result depends on.
      start: the smaller sizes before this run, from `start_after`; "": the run starts from `config.init`.
    """
    return Identity(_deciding(config), dict(inputs), start)


def _deciding(config: dict, free: Collection[str] = _FREE, prefix: str = "") -> dict:
    """Returns the fields on which the pixels of a run depend, leaving out those in `free`."""
    return {
        name: _deciding(value, free, f"{prefix}{name}.") if isinstance(value, dict) else value
        for name, value in config.items()
        if prefix + name not in free
    }


def of_picture(config: dict, inputs: Mapping[str, str]) -> str:
    """Returns a line that identifies a finished picture; it does not depend on where the input files lie.

    Args:
      config: every field, from `settings.as_dict`, including the number of steps and the output format.
      inputs: {role: sha256} of every file that the result depends on.
    """
    parts = {"settings": _deciding(config, {*settings.HOST, *settings.FILES}), "inputs": dict(inputs)}
    texts = {name: json.dumps(part, sort_keys=True) for name, part in parts.items()}
    return " ".join(
        f"{name} {hashlib.sha256(text.encode()).hexdigest()[:16]}" for name, text in texts.items()
    )


def start_after(identity: Identity, steps: int) -> str:
    """Returns `Identity.start` of a run that starts from the result of another run.

    Args:
      identity: the identity of the other run, which has a smaller size.
      steps: number of steps of the other run.
    """
    text = json.dumps([*identity, steps], sort_keys=True)
    before = identity.start.partition(" (")[0]
    sizes = f"{before and f'{before}, '}{steps} steps at {identity.config['size']} px"
    return f"{sizes} ({hashlib.sha256(text.encode()).hexdigest()[:16]})"


def differences(old: Identity, new: Identity) -> list[str]:
    """Returns a line for each difference of two runs in fields, files and smaller sizes; [] if there is none.

    Args:
      old, new: the identities.
    """
    lines = settings.differences(old.config, new.config)
    lines += [
        f"{role}: another file than before"
        for role in sorted(old.inputs.keys() | new.inputs.keys())
        if old.inputs.get(role) != new.inputs.get(role)
    ]
    if not lines and old.start != new.start:
        # the smaller sizes differ in their steps alone, which the text names; the digests would say no more
        before, after = (start.partition(" (")[0] or "init" for start in (old.start, new.start))
        lines.append(f"it starts from: {before} -> {after}")
    return lines
