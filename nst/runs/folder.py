"""The run folder: the files from which a run can be understood and continued.

config.json       every field in its normal form
manifest.json     hashes of the inputs, and for each session its versions, device, command and commit
metrics.jsonl     one line per record: step, evaluations, seconds, loss, each weighted term; with
                  optimizer.tolerance > 0, also the change of the loss that is compared with the tolerance
previews/         images of intermediate steps
checkpoint.npz    the whole state, including the optimiser's memory, and the identity of the run
result.png        the result, in the format that output.format says
size_N/           a smaller size of a pyramid, as a run folder of its own
"""

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import filelock

from nst import outputs
from nst.devices import processes
from nst.errors import Busy, OtherRun, UserError, optional
from nst.files import read_json, read_json_lines, remove_leftovers, replacing, write_json
from nst.runs import checkpoint, identity, session, settings
from nst.runs.checkpoint import ELSEWHERE
from nst.runs.identity import Identity

SWEEP = "sweep.json"  # by which a folder of a sweep is known
# schemas (nst/files.py) of the content on which other code relies
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


@processes.on_primary
def check_writable(workdir: Path) -> None:
    """Checks, without changing anything, that a run folder can be made or written.

    Args:
      workdir: the run folder, which need not exist.

    Raises:
      UserError: it cannot.
    """
    outputs.check_writable(workdir)


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
def check(workdir: Path, run_identity: Identity) -> None:
    """Checks that a folder holds no other run and no sweep, without changing anything in it.

    Args:
      workdir: the locked folder.
      run_identity: the identity of the run that is to be begun or continued there.

    Raises:
      OtherRun: the folder holds another run; the message names every field and file that differs.
      UserError: the folder holds a sweep, or a file that cannot be read.
    """
    if (workdir / SWEEP).exists():
        raise UserError(f"{workdir} holds a sweep: {ELSEWHERE}")
    if not begun(workdir):
        return
    read_metrics(workdir)  # a damaged file is an error now, and not after the first files have been written
    config = read_json(workdir / "config.json", dict)
    manifest = read_json(workdir / "manifest.json", MANIFEST)
    if config is not None and manifest is not None:
        found = identity.make(config, manifest["inputs"], manifest.get("start", ""))
        if differences := identity.differences(found, run_identity):
            raise OtherRun(f"{workdir} holds another run: {'; '.join(differences)}", ELSEWHERE)
    # each checkpoint, also of a smaller size, holds the identity of its own run
    elif (results := [*workdir.glob("result.*")]) and not (workdir / checkpoint.NAME).exists():
        raise UserError(
            f"{results[0]}: config.json or manifest.json is missing, so it is not known which run made this; "
            "move it away or use another --workdir"
        )


def begun(workdir: Path) -> bool:
    """Returns whether a folder holds a checkpoint or a result, from which a run continues.

    Args:
      workdir: a run folder.
    """
    kept = checkpoint.NAME, "result.*"
    return any(True for name in kept for where in (name, f"size_*/{name}") for _ in workdir.glob(where))


@processes.on_primary
def enter(
    workdir: Path, config: dict, run_identity: Identity, notes: Sequence[str], sharing: int = 1
) -> list[str]:
    """Begins or continues the run of a folder: writes its config and manifest, and removes leftovers.

    A run that was killed before its first checkpoint cannot be continued, but may have left previews, which
    would be mixed with the previews of the new run.

    Args:
      workdir: the locked folder, after `check`.
      config: from nst.runs.settings.as_dict.
      run_identity: the identity of the run.
      notes: lines about the inputs, for the manifest.
      sharing: the number of devices that share the work.

    Returns:
      Warnings for the user; None in all processes but the primary one.
    """
    if _abandoned(workdir):
        _empty(workdir)
    (workdir / "previews").mkdir(exist_ok=True)
    for leftovers in (workdir, workdir / "previews"):
        remove_leftovers(leftovers)
    old = read_json(workdir / "manifest.json", MANIFEST) if begun(workdir) else None
    manifest = (old or {"sessions": []}) | {
        "config_digest": settings.digest(config), "seed": config["seed"], "inputs": run_identity.inputs,
        "start": run_identity.start,
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
    """Removes the files that a run has written into a folder, and the folder if nothing else is in it.

    Args:
      workdir: the run folder, which need not exist.

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
    """Returns whether a run of nst has written into a folder, but left nothing to continue from."""
    try:
        return not begun(workdir) and read_json(workdir / "manifest.json", MANIFEST) is not None
    except UserError:  # another program has written a file of that name
        return False


def _empty(workdir: Path) -> None:
    """Removes the files that a run has written into a folder."""
    # checkpoints are removed first: if the process is then killed, `begun` is False for what is left
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
    """Returns the records of metrics.jsonl in order; a last line that was not written to its end is left out.

    Args:
      workdir: the run folder.
      schema: schema of a record (nst/files.py).

    Raises:
      UserError: the file cannot be read, or a line is not a record.
    """
    return read_json_lines(workdir / "metrics.jsonl", schema)


def rewind_metrics(workdir: Path, step: int) -> list[dict]:
    """Drops the records after a step from metrics.jsonl, and a line that was not written to its end.

    Args:
      workdir: the run folder.
      step: step of the last record that may stay.

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
    """Returns the class SummaryWriter of tensorboardX, which drops the events from `purge_step` on.

    Raises:
      UserError: tensorboardX is not installed.
    """
    return optional("tensorboardX", "tensorboard", "log.tensorboard").SummaryWriter
