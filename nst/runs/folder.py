"""The run folder: what is needed to understand a run, and to continue it.

config.json       every field in its normal form
manifest.json     hashes of the inputs, and for each session its versions, device, command and commit
metrics.jsonl     one line per record: step, evaluations, seconds, loss, each weighted term
previews/         images of the steps in between
checkpoint.npz    the whole state, the optimiser's memory included
result.png        the result (or as output.format says)
size_N/           a smaller size of a pyramid, as a run folder of its own
"""

import contextlib
import json
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
from nst.files import read_json, read_json_lines, replacing, write_json
from nst.runs import session, settings

# what the files hold, as far as other code relies on it (nst/files.py says how it is written)
MANIFEST = {
    "config_digest": str,
    "inputs": {str: str},
    "sessions": [
        {"versions": {str: (str, None)}, "device": dict, "compile_seconds?": float, "memory_bytes?": int}
    ],
}
RECORD = {"step": int, "seconds": float, str: float}


@contextlib.contextmanager
def locked(workdir: Path) -> Iterator[Path]:
    """Creates a run folder and locks it for the processes of this run until the end of the `with` block.

    Args:
      workdir: the run folder.

    Raises:
      Busy: another process has locked the folder.
      UserError: the folder cannot be written.
    """
    with _lock(workdir) or contextlib.nullcontext():
        yield workdir


@processes.on_primary
def _lock(workdir: Path) -> filelock.FileLock:
    try:
        (workdir / "previews").mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(workdir / ".lock")
        return lock.acquire(timeout=0)
    except filelock.Timeout as error:
        raise Busy(
            f"{workdir}: another process is using this folder; wait for it, or use another folder"
        ) from error
    except OSError as error:
        raise UserError(f"{workdir}: cannot write there ({error.strerror}); use another folder") from error


@processes.on_primary
def enter(
    workdir: Path, config: dict, inputs: Mapping[str, str], notes: Sequence[str], sharing: int = 1
) -> list[str]:
    """Begins or continues the run of a folder, and writes its config and manifest.

    Args:
      workdir: the locked folder.
      config: from nst.runs.settings.as_dict.
      inputs: {role: sha256} of every file that the result depends on.
      notes: lines about the inputs, for the manifest.
      sharing: the number of devices that share the work.

    Returns:
      Warnings for the user; None in processes other than the primary one.

    Raises:
      UserError: the folder holds another run; names every field or file that differs.
    """
    old_config = read_json(workdir / "config.json", dict)
    manifest = read_json(workdir / "manifest.json", MANIFEST)
    # without these there is nothing to continue, and nothing that another run could overwrite
    if not [*workdir.glob("checkpoint.npz"), *workdir.glob("result.*")]:
        old_config = manifest = None
    if old_config is not None:
        differences = settings.differences(old_config, config)
        before = (manifest or {}).get("inputs", inputs)
        roles = sorted(before.keys() | inputs.keys())
        differences += [
            f"{role}: another file than before" for role in roles if before.get(role) != inputs.get(role)
        ]
        if differences:
            raise UserError(f"{workdir} holds another run: {'; '.join(differences)}; use another --workdir")
    manifest = manifest or {"sessions": []}
    manifest |= {"config_digest": settings.digest(config), "seed": config["seed"], "inputs": dict(inputs)}
    now = session.describe() | {"notes": list(notes)}
    if sharing != 1:
        now["device"]["sharing"] = sharing
    manifest["sessions"].append(now)
    write_json(workdir / "config.json", config)
    write_json(workdir / "manifest.json", manifest)
    first = manifest["sessions"][0]
    return [
        f"{what} changed since this run began: its result may differ from an uninterrupted run's"
        for what in ("versions", "device")
        if first[what] != now[what]
    ]


@processes.on_primary
def note(workdir: Path, facts: Mapping) -> None:
    """Adds facts to this session's entry in the manifest.

    Args:
      workdir: the run folder.
      facts: JSON values by name.
    """
    manifest = read_json(workdir / "manifest.json", MANIFEST)
    manifest["sessions"][-1] |= facts
    write_json(workdir / "manifest.json", manifest)


@processes.on_primary
def append_metrics(workdir: Path, record: Mapping[str, float]) -> None:
    """Adds one line to metrics.jsonl.

    Args:
      workdir: the run folder.
      record: values by name.
    """
    with open(workdir / "metrics.jsonl", "a") as file:
        file.write(json.dumps(record) + "\n")


def read_metrics(workdir: Path, schema: dict = RECORD) -> list[dict]:
    """Returns the records of metrics.jsonl in their order; a last line that is half written is left out.

    Args:
      workdir: the run folder.
      schema: of a record (nst/files.py).

    Raises:
      UserError: the file cannot be read, or a line is not a record.
    """
    return read_json_lines(workdir / "metrics.jsonl", schema)


def rewind_metrics(workdir: Path, step: int) -> list[dict]:
    """Drops the records after a step, and a half-written line, from metrics.jsonl.

    Args:
      workdir: the run folder.
      step: of the last record that may stay.

    Returns:
      The records that stay.
    """
    kept = [record for record in read_metrics(workdir) if record["step"] <= step]
    _write_metrics(workdir / "metrics.jsonl", kept)
    return kept


@processes.on_primary
def _write_metrics(path: Path, records: Sequence[Mapping]) -> None:
    with replacing(path) as file:
        file.write("".join(json.dumps(record) + "\n" for record in records).encode())


@processes.on_primary
def save_checkpoint(workdir: Path, state, seconds: float) -> None:
    """Writes a state bit for bit to checkpoint.npz, one array per leaf.

    Args:
      workdir: the run folder.
      state: any pytree of arrays.
      seconds: of work so far.
    """
    leaves = {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree.leaves_with_path(state)}
    arrays = {name: np.asarray(leaf) for name, leaf in leaves.items()}
    with replacing(workdir / "checkpoint.npz") as file:
        np.savez(file, seconds=np.float64(seconds), **arrays)


def load_checkpoint(workdir: Path, template):
    """Reads the state that checkpoint.npz holds.

    Args:
      workdir: the run folder.
      template: a state or its shapes; it also says how the arrays are divided over devices
        (nst/devices/mesh.py).

    Returns:
      The state and the seconds of work up to it, or None if there is no checkpoint.

    Raises:
      UserError: the file is damaged, or the checkpoint has another structure than the template.
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
                f"{path}: does not fit this version of nst, or this number of devices, for which the height "
                "is rounded; use the old one, or delete the file to begin this run again"
            )
        restored.append(put(array, leaf))
    return jax.tree.unflatten(treedef, restored), float(arrays["seconds"])


def tensorboard_writer(workdir: Path, step: int):
    """Returns a tensorboardX writer into the run folder, which drops the events after a step.

    Args:
      workdir: the run folder.
      step: of the last event that may stay.

    Raises:
      UserError: tensorboardX is not installed.
    """
    try:
        from tensorboardX import SummaryWriter
    except ImportError as error:
        raise UserError("log.tensorboard needs tensorboardX: pip install -e '.[tensorboard]'") from error
    return SummaryWriter(workdir / "tensorboard", purge_step=step)
