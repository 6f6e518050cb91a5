"""The run folder: all that a run was, and all that it takes to continue it.

config.json       every field, resolved
manifest.json     versions, device, command, commit, hashes of the inputs, one entry a session
metrics.jsonl     a line a record: step, evaluations, seconds, loss, each weighted term
previews/         pictures on the way
checkpoint.npz    the whole state, optimiser memory included
result.png        the picture (or as output.format says)
"""

import contextlib
import functools
import importlib.metadata
import json
import platform
import subprocess
import sys
import time
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import filelock
import jax
import numpy as np

from nst.devices import processes
from nst.devices.mesh import put
from nst.errors import Busy, UserError
from nst.files import replacing
from nst.runs import settings


@contextlib.contextmanager
def locked(workdir: Path) -> Iterator[Path]:
    """Makes the folder and holds it for this process, and those of its run; any other is refused."""
    with _lock(workdir) or contextlib.nullcontext():
        yield workdir


@processes.on_primary
def _lock(workdir: Path) -> filelock.FileLock:
    try:
        (workdir / "previews").mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(workdir / ".lock")
        return lock.acquire(timeout=0)
    except filelock.Timeout as error:
        raise Busy(f"{workdir}: another process works in this folder; wait, or use another") from error
    except OSError as error:
        raise UserError(f"{workdir}: cannot write there ({error.strerror}); use another folder") from error


def write_json(path: Path, content) -> None:
    """Writes readable JSON, whole or not at all."""
    with replacing(path) as file:
        file.write((json.dumps(content, indent=2) + "\n").encode())


def read_json(path: Path):
    """The content of a JSON file, or None if it is not there."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: damaged ({error}); move it away or use another folder") from error


@processes.on_primary
def enter(
    workdir: Path, config: dict, inputs: Mapping[str, str], notes: Sequence[str], sharing: int = 1
) -> list[str]:
    """Begins or continues the run of a folder: checks that it is the same run, writes config and manifest.

    Returns warnings for the user.

    Args:
      workdir: the locked folder.
      config: from nst.runs.settings.as_dict.
      inputs: {role: sha256} of every file that the result depends on.
      notes: what was done to the inputs, for the manifest.
      sharing: devices among which the work is divided.

    Raises:
      UserError: the folder holds another run; names every field or file that differs.
    """
    old_config, manifest = read_json(workdir / "config.json"), read_json(workdir / "manifest.json")
    if not [*workdir.glob("checkpoint.npz"), *workdir.glob("result.*")]:  # nothing to continue, or to lose
        old_config = manifest = None
    if old_config is not None:
        found = settings.differences(old_config, config)
        before = (manifest or {}).get("inputs", inputs)
        roles = sorted(before.keys() | inputs.keys())
        found += [
            f"{role}: another file than before" for role in roles if before.get(role) != inputs.get(role)
        ]
        if found:
            raise UserError(f"{workdir} holds another run: {'; '.join(found)}; use another --workdir")
    manifest = manifest or {"sessions": []}
    manifest |= {"config_digest": settings.digest(config), "seed": config["seed"], "inputs": dict(inputs)}
    now = session() | {"notes": list(notes)}
    if sharing != 1:
        now["device"]["sharing"] = sharing
    manifest["sessions"].append(now)
    write_json(workdir / "config.json", config)
    write_json(workdir / "manifest.json", manifest)
    first = manifest["sessions"][0]
    return [
        f"{what} changed since this run began: its bytes may differ from an uninterrupted one's"
        for what in ("versions", "device")
        if first[what] != now[what]
    ]


@processes.on_primary
def note(workdir: Path, facts: Mapping) -> None:
    """Adds facts to the manifest's entry of this session."""
    manifest = read_json(workdir / "manifest.json")
    manifest["sessions"][-1] |= facts
    write_json(workdir / "manifest.json", manifest)


def session() -> dict:
    """How and on what this process runs."""
    packages = ("nst", "jax", "jaxlib", "flax", "optax", "numpy", "pillow", "ml_collections")
    devices = jax.devices()
    return {
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "command": sys.argv,
        "git_commit": git_commit(),
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in packages},
        "platform": platform.platform(),
        "device": {"kind": devices[0].device_kind, "backend": devices[0].platform, "count": len(devices)},
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


@functools.cache
def git_commit() -> str | None:
    """The commit of this source tree, with `-dirty` if it was changed, or None."""
    try:
        output = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
        return output.stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


@processes.on_primary
def append_metrics(workdir: Path, record: Mapping[str, float]) -> None:
    """Adds one line to metrics.jsonl."""
    with open(workdir / "metrics.jsonl", "a") as file:
        file.write(json.dumps(record) + "\n")


def read_metrics(workdir: Path) -> list[dict]:
    """Returns the records of metrics.jsonl in their order; a line that is not a whole record is left out."""
    try:
        lines = (workdir / "metrics.jsonl").read_bytes().splitlines()
    except FileNotFoundError:
        return []
    return [record for line in lines if isinstance(record := _parse(line), dict)]


def _parse(line: bytes):
    """The value of a line of JSON, or None if the line was only half written."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def rewind_metrics(workdir: Path, step: int) -> list[dict]:
    """Drops the records after `step` (and a half-written line); returns those that stay."""
    kept = [record for record in read_metrics(workdir) if record["step"] <= step]
    _write_metrics(workdir / "metrics.jsonl", kept)
    return kept


@processes.on_primary
def _write_metrics(path: Path, records: Sequence[Mapping]) -> None:
    with replacing(path) as file:
        file.write("".join(json.dumps(record) + "\n" for record in records).encode())


@processes.on_primary
def save_checkpoint(workdir: Path, state, seconds: float) -> None:
    """Writes the state's leaves, bit for bit, and the seconds worked so far."""
    leaves = {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree.leaves_with_path(state)}
    arrays = {name: np.asarray(leaf) for name, leaf in leaves.items()}
    with replacing(workdir / "checkpoint.npz") as file:
        np.savez(file, seconds=np.float64(seconds), **arrays)


def load_checkpoint(workdir: Path, template):
    """(state, seconds) of the checkpoint, or None if there is none.

    `template` is a state or its shapes, and says how it is divided over devices (nst/devices/mesh.py); a checkpoint
    of another structure is refused.
    """
    path = workdir / "checkpoint.npz"
    if not path.exists():
        return None
    leaves, treedef = jax.tree.flatten_with_path(template)
    try:
        with open(path, "rb") as file:  # np.load leaves a damaged file open
            saved = np.load(file, allow_pickle=False)
            arrays = {name: saved[name] for name in saved.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, KeyError) as error:
        raise UserError(f"{path}: damaged ({error}); delete it to begin this run again") from error
    restored = []
    for key, leaf in leaves:
        array = arrays.get(jax.tree_util.keystr(key))
        if array is None or array.shape != leaf.shape or array.dtype != leaf.dtype:
            raise UserError(
                f"{path}: does not fit this version of nst, or this number of devices, which rounds the "
                "height; take the old one, or delete it to begin this run again"
            )
        restored.append(put(array, leaf))
    return jax.tree.unflatten(treedef, restored), float(arrays["seconds"])


def tensorboard_writer(workdir: Path, step: int):
    """A tensorboardX writer into the run folder that forgets what came after `step`."""
    try:
        from tensorboardX import SummaryWriter
    except ImportError as error:
        raise UserError("log.tensorboard needs tensorboardX: pip install -e '.[tensorboard]'") from error
    return SummaryWriter(workdir / "tensorboard", purge_step=step)
