"""The identity of a run: everything that its pixels depend on, apart from the number of its steps.

Whatever a run can be continued from says which run it belongs to: `checkpoint.npz` holds the identity of its
run (nst/runs/checkpoint.py), and config.json and manifest.json together hold the same. A run continues only
from what has its own identity.
"""

import hashlib
import json
from collections.abc import Collection, Mapping
from typing import NamedTuple

from nst.runs import settings

# these may differ when a run is continued: files are compared by their content, and the numbers of steps at
# the smaller sizes are part of `Identity.start`
_FREE = {*settings.HOST, *settings.FILES, "steps", "output", "pyramid.steps"}


class Identity(NamedTuple):
    """What a run's pixels depend on; JSON values."""

    config: dict  # the fields that decide the pixels
    inputs: dict[str, str]  # role -> sha256 of every file or array that was read
    start: str  # the smaller sizes that came before, from `handed_on`; "": the run starts from `config.init`


def make(config: dict, inputs: Mapping[str, str], start: str = "") -> Identity:
    """Returns the identity of a run.

    Args:
      config: every field, from `settings.as_dict`.
      inputs: {role: sha256} of every file that the result depends on.
      start: what the run starts from, from `handed_on`; "": `config.init`.
    """
    return Identity(_deciding(config), dict(inputs), start)


def _deciding(config: dict, free: Collection[str] = _FREE, prefix: str = "") -> dict:
    """Returns the fields that decide the pixels of a run with any given number of steps."""
    return {
        name: _deciding(value, free, f"{prefix}{name}.") if isinstance(value, dict) else value
        for name, value in config.items()
        if prefix + name not in free
    }


def of_picture(config: dict, inputs: Mapping[str, str]) -> str:
    """Returns a line that identifies a finished picture, wherever the files that it was made from lie.

    Args:
      config: every field, from `settings.as_dict`; the number of steps and the format of the file count, too.
      inputs: {role: sha256} of every file that the result depends on.
    """
    parts = {"settings": _deciding(config, {*settings.HOST, *settings.FILES}), "inputs": dict(inputs)}
    texts = {name: json.dumps(part, sort_keys=True) for name, part in parts.items()}
    return " ".join(
        f"{name} {hashlib.sha256(text.encode()).hexdigest()[:16]}" for name, text in texts.items()
    )


def handed_on(identity: Identity, steps: int) -> str:
    """Returns the `start` of the run that begins with the result of another one.

    Args:
      identity: of the other run, which is at a smaller size.
      steps: that the other run makes.
    """
    text = json.dumps([*identity, steps], sort_keys=True)
    before = identity.start.partition(" (")[0]
    sizes = f"{before and f'{before}, '}{steps} steps at {identity.config['size']} px"
    return f"{sizes} ({hashlib.sha256(text.encode()).hexdigest()[:16]})"


def differences(old: Identity, new: Identity) -> list[str]:
    """Returns a line for each field, file and smaller size in which two runs differ; [] if they are the same.

    Args:
      old, new: the identities.
    """
    lines = settings.differences(old.config, new.config)
    lines += [
        f"{role}: another file than before"
        for role in sorted(old.inputs.keys() | new.inputs.keys())
        if old.inputs.get(role) != new.inputs.get(role)
    ]
    if old.start != new.start:
        lines.append(f"it starts from: {old.start or 'init'} -> {new.start or 'init'}")
    return lines
