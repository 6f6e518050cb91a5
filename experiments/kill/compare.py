"""Compares the folder of a run or a sweep with one that was never interrupted."""

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from nst.sweeps import results

_SAME = ("*.png", "*.jpg", "config.json", "measures.json")  # files that agree to the byte


def differences(folder: Path, right: Path, stopped: bool) -> list[str]:
    """Returns what a folder has that it should not have, or has not.

    Pictures, configs and measures must be the same to the byte; metrics, checkpoints and tables are the same
    but for the clock; manifests name the same config and inputs. No file may be missing or left over.

    Args:
      folder: what was interrupted and continued to its end.
      right: the same, never interrupted.
      stopped: whether a signal that can be caught was among the interruptions; a run then also leaves the
        picture of the step at which it stopped.
    """
    names, wanted = _files(folder), _files(right)
    if stopped:
        names -= {name for name in names - wanted if Path(name).match("previews/step_*.jpg")}
    found = [f"{name} is left over" for name in sorted(names - wanted)]
    found += [f"{name} is missing" for name in sorted(wanted - names)]
    for name in sorted(names & wanted):
        read = next((read for pattern, read in _READ.items() if Path(name).match(pattern)), None)
        if read is None:  # a lock, or a file that depends on the clock
            continue
        try:
            if read(folder / name) != read(right / name):
                found.append(f"{name} differs")
        except Exception as error:  # of any reader: the file is damaged
            found.append(f"{name} cannot be read: {error!r}")
    return found


def _files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def _metrics(path: Path) -> list[dict]:
    records = [json.loads(line) for line in path.read_text().splitlines()]
    return [{name: value for name, value in record.items() if name != "seconds"} for record in records]


def _checkpoint(path: Path) -> dict[str, bytes]:
    with open(path, "rb") as file, np.load(file) as arrays:  # np.load leaves a damaged file open
        return {name: arrays[name].tobytes() for name in arrays.files if name != "seconds"}


def _manifest(path: Path) -> list:
    manifest = json.loads(path.read_text())
    return [manifest[name] for name in ("config_digest", "seed", "inputs")]


def _table(path: Path) -> list[dict]:
    with open(path, newline="") as file:
        return [
            {name: cell for name, cell in row.items() if name not in results.TIMINGS}
            for row in csv.DictReader(file)
        ]


def _sweep(path: Path) -> list:
    sweep = json.loads(path.read_text())
    return [sweep[name] for name in ("base", "points", "target_loss")]


_READ: dict[str, Callable] = {pattern: Path.read_bytes for pattern in _SAME} | {
    "checkpoint.npz": _checkpoint,
    "manifest.json": _manifest,
    "metrics.jsonl": _metrics,
    "results.csv": _table,
    "sweep.json": _sweep,
}


def damage(folder: Path) -> Iterator[str]:
    """Yields what is not whole in a folder whose program has just been killed.

    Args:
      folder: of a run or a sweep.
    """
    for path in folder.rglob("*"):
        read = next((read for pattern, read in _READ.items() if path.match(pattern)), None)
        # a record may be half written; the next start drops it
        if read is None or not path.is_file() or path.name in ("metrics.jsonl", "results.csv"):
            continue
        try:
            data = read(path)
            if path.suffix == ".json":
                json.loads(path.read_text())
            if not data:
                yield f"{path.relative_to(folder)} is empty"
        except Exception as error:  # of any reader
            yield f"{path.relative_to(folder)} was left damaged: {error!r}"
