"""The run folder: what is needed to understand a run, and to continue it.

config.json       every field in its normal form
manifest.json     hashes of the inputs, and for each session its versions, device, command and commit
metrics.jsonl     one line per record: step, evaluations, seconds, loss, each weighted term; with
                  optimizer.tolerance > 0, also the change of the loss that it is compared with
previews/         images of the steps in between
checkpoint.npz    the whole state, the optimiser's memory included, and the identity of the run
result.png        the result (or as output.format says)
size_N/           a smaller size of a pyramid, as a run folder of its own
"""

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import filelock

from nst.devices import processes
from nst.errors import Busy, OtherRun, UserError, optional
from nst.files import read_json, read_json_lines, remove_leftovers, replacing, write_json
from nst.runs import checkpoint, identity, session, settings
from nst.runs.checkpoint import ELSEWHERE
from nst.runs.identity import Identity

# what the files hold, as far as other code relies on it (nst/files.py says how it is written)
MANIFEST = {
    "config_digest": str,
    "inputs": {str: str},
    "start?": str,
    "sessions": [
        {"versions": {str: (str, None)}, "device": dict, "compile_seconds?": float, "memory_bytes?": int}
    ],
}
_OTHERS = (
    "previews", "tensorboard", "metrics.jsonl", "manifest.json", "config.json", "last_finite.png",
)  # fmt: skip
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
        workdir.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(workdir / ".lock")
        return lock.acquire(timeout=0)
    except filelock.Timeout as error:
        raise Busy(
            f"{workdir}: another process is using this folder; wait for it, or use another folder"
        ) from error
    except OSError as error:
        raise UserError(f"{workdir}: cannot write there ({error.strerror}); use another folder") from error


@processes.on_primary
def check(workdir: Path, whose: Identity) -> None:
    """Checks that a folder holds no other run, and changes nothing in it.

    Args:
      workdir: the locked folder.
      whose: the identity of the run that is to be begun or continued there.

    Raises:
      OtherRun: the folder holds another run; names every field and file that differs.
      UserError: a file cannot be read.
    """
    if not begun(workdir):
        return
    read_metrics(workdir)  # raises for a damaged file now, not when the first files have been written
    config = read_json(workdir / "config.json", dict)
    manifest = read_json(workdir / "manifest.json", MANIFEST)
    if config is not None and manifest is not None:
        found = identity.make(config, manifest["inputs"], manifest.get("start", ""))
        if differences := identity.differences(found, whose):
            raise OtherRun(f"{workdir} holds another run: {'; '.join(differences)}", ELSEWHERE)
    # a checkpoint says itself whose it is, and so do those of the smaller sizes
    elif (results := [*workdir.glob("result.*")]) and not (workdir / checkpoint.NAME).exists():
        raise UserError(
            f"{results[0]}: config.json or manifest.json is missing, so it is not known which run made this; "
            "move it away or use another --workdir"
        )


def begun(workdir: Path) -> bool:
    """Returns whether a folder holds something that a run can continue from, or that it would overwrite.

    Args:
      workdir: a run folder.
    """
    kept = checkpoint.NAME, "result.*"
    return any(True for name in kept for where in (name, f"size_*/{name}") for _ in workdir.glob(where))


@processes.on_primary
def enter(workdir: Path, config: dict, whose: Identity, notes: Sequence[str], sharing: int = 1) -> list[str]:
    """Begins or continues the run of a folder: writes its config and manifest, and removes what is left over.

    A run that was killed before its first checkpoint has left nothing to continue from, but perhaps previews,
    which would stand among those of the run that begins.

    Args:
      workdir: the locked folder, which `check` has found fit.
      config: from nst.runs.settings.as_dict.
      whose: the identity of the run.
      notes: lines about the inputs, for the manifest.
      sharing: the number of devices that share the work.

    Returns:
      Warnings for the user; None in processes other than the primary one.
    """
    if _abandoned(workdir):
        _empty(workdir)
    (workdir / "previews").mkdir(exist_ok=True)
    for leftovers in (workdir, workdir / "previews"):
        remove_leftovers(leftovers)
    old = read_json(workdir / "manifest.json", MANIFEST) if begun(workdir) else None
    manifest = (old or {"sessions": []}) | {
        "config_digest": settings.digest(config), "seed": config["seed"], "inputs": whose.inputs,
        "start": whose.start,
    }  # fmt: skip
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


def remove(workdir: Path) -> None:
    """Removes what a run has written into a folder, and the folder if there is nothing else in it.

    Args:
      workdir: the run folder; if there is none, there is nothing to do.

    Raises:
      Busy: another process has locked the folder.
    """
    if not workdir.exists():
        return
    with locked(workdir):
        _empty(workdir)
    (workdir / ".lock").unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        workdir.rmdir()


def _abandoned(workdir: Path) -> bool:
    """Returns whether a run of ours has written into a folder, and has left nothing to continue from."""
    try:
        return not begun(workdir) and read_json(workdir / "manifest.json", MANIFEST) is not None
    except UserError:  # of another program
        return False


def _empty(workdir: Path) -> None:
    """Removes what a run has written into a folder."""
    # the checkpoints first: without them, `begun` does not take what a killed process leaves for a run
    for name in (checkpoint.NAME, "result.*", "size_*", *_OTHERS):
        for path in workdir.glob(name):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    remove_leftovers(workdir)


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
    kept = [record for record in read_metrics(workdir) if record["step"] <= step] if step >= 0 else []
    _write_metrics(workdir / "metrics.jsonl", kept)
    return kept


@processes.on_primary
def _write_metrics(path: Path, records: Sequence[Mapping]) -> None:
    with replacing(path) as file:
        file.write("".join(json.dumps(record) + "\n" for record in records).encode())


def tensorboard() -> Callable:
    """Returns tensorboardX's SummaryWriter; events of steps from its `purge_step` on are dropped.

    Raises:
      UserError: tensorboardX is not installed.
    """
    return optional("tensorboardX", "tensorboard", "log.tensorboard").SummaryWriter
