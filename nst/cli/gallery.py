"""Makes the pictures of `nst photo.jpg painting.jpg`: one, or each photograph with each painting."""

import argparse
import math
import os
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nst import images
from nst.cli import catalogue, making, options, pairs, plain, signals
from nst.cli.making import Choices, Task
from nst.cli.pairs import Found, Pair
from nst.cli.process import say
from nst.cli.tables import counted, duration
from nst.errors import UserError
from nst.files import remove_leftovers
from nst.networks import fallback
from nst.report import sheet
from nst.report.sheet import Cell
from nst.runs import compiling, settings, specs
from nst.runs.log import Detail, Log, once
from nst.runs.network import LoadNetwork, cached_loader
from nst.runs.pictures import fitted

SHEET = "nst contact sheet"  # the description in the file of a contact sheet
# steps between the previews of a run that is kept, which gives `nst animate` ten or more in each second
FILM = 5
_MOST_SHAPES = 8  # most shapes of photographs whose programs are in memory together
_MOST_PIXELS = 12_000  # about the most pixels along an edge of the contact sheet


def run(args: argparse.Namespace) -> int:
    """Makes the pictures that the arguments describe; returns the exit status.

    Raises:
      UserError: the pictures cannot be made; nothing has been written then.
    """
    if catalogue.has_sweep(args.config_file):
        raise UserError(
            f"--config={args.config_file} is a sweep: run nst sweep; for a picture, give another config"
        )
    choices, given = plain.chosen(args), plain.given(args.config_flags)
    suffix = Path(args.output or "").suffix.lower()
    if suffix in images.SUFFIXES and not os.path.isdir(args.output):
        choices["output.format"] = f"-o {args.output}", images.SUFFIXES[suffix]
    if args.keep and "log.preview_every" not in given:
        choices["log.preview_every"] = "--keep", FILM
    plain.apply(args.config, choices, given)
    config = settings.resolve(args.config)
    images.check_format(config.output.format, config.output.bits)
    specs.read_network(config)  # raises an error for a wrong network or layer
    # a user who chooses a config has also chosen its network
    chosen = args.config_file != "default" or "weights.name" in given | choices
    choices = Choices(config, chosen, args.overwrite, args.keep, args.verbose, args.names)
    found = pairs.find(args.pictures, args.output, given, config)
    _check_sheet(found, args.overwrite)
    finished = making.find_finished(found.pairs, choices)
    asked = [pair for pair in found.pairs if pair not in finished]
    tasks = making.plan(asked, list(finished.values()), choices)
    received = signals.catch()
    choices = choices._replace(stop=lambda: bool(received))
    status = (make_one if found.folder is None else make_all)(found, tasks, choices)
    return 128 + received[0] if status is None else status


def _log(verbose: bool, prefix: str = "") -> Log:
    """Returns a log for a run, which leaves out details unless `verbose` is true."""
    return lambda line: say(f"{prefix}{line}") if verbose or not isinstance(line, Detail) else None


def make_one(found: Found, tasks: Sequence[Task], choices: Choices) -> int | None:
    """Makes the only picture of a command, unless it is already finished.

    Args:
      found: the picture that the command asks for.
      tasks: the picture, if it is not finished.
      choices: how the pictures of the command are made.

    Returns:
      0, or None if the command was stopped.
    """
    (pair,) = found.pairs
    for task in tasks:
        began = time.monotonic()
        load = _announced(cached_loader(), f"{_what(pair)}: {_how(task)}")
        if not making.make(task, choices, load, _log(choices.verbose)):
            say("the same command continues it")
            return None
        say(f"{pair.output}: {duration(time.monotonic() - began)}")
    if not tasks:
        say(f"{pair.output}: finished already")
    return 0


def _announced(load: LoadNetwork, line: str) -> LoadNetwork:
    """Returns a loader that first prints a line; a run loads its network when all else has been checked."""
    announce = once(say)

    def call(*rest):
        announce(line)
        return load(*rest)

    return call


def _what(pair: Pair) -> str:
    """Returns a text that names the pictures from which a picture is made."""
    return " in the style of ".join(filter(None, [pair.photo, " and ".join(pair.paintings)]))


def _how(task: Task) -> str:
    """Returns a text that names the size and the network of a picture."""
    size, network = task.config.size, task.config.weights.name
    pixels = {0: "its own size", settings.AUTO: "the largest size that fits"}.get(size, f"{size} px")
    names = {
        fallback.FULL: "VGG-19",
        fallback.SMALL: f"the small network, {fallback.SMALL}",
        "random": f"{task.config.weights.architecture} with random weights",
    }
    return f"{pixels}, {names.get(network, f'network {network}')}"


# --- several pictures


def make_all(found: Found, tasks: Sequence[Task], choices: Choices) -> int | None:
    """Makes the pictures that are not finished, and the contact sheet.

    If a picture cannot be made, the others still are.

    Args:
      found: the pictures that the command asks for.
      tasks: the pictures that are not finished.
      choices: how the pictures of the command are made.

    Returns:
      0, or 1 if some pictures have failed, or None if the command was stopped.
    """
    total, done = len(found.pairs), len(found.pairs) - len(tasks)
    how = f": {_how(tasks[0])}" if tasks else ""
    say(f"{counted(total, 'picture')}: {done} finished already, {len(tasks)} to be made{how}")
    groups, failures = _by_shape(tasks, choices)
    load = cached_loader()
    for number, group in enumerate(groups, 1):
        for task in group:
            if choices.stop():
                break
            began, output = time.monotonic(), task.pair.output
            finished, failure = _attempt(task, choices, load)
            if failure:
                failures[task.pair] = failure
                say(f"failed: {output}: {failure}")
            elif finished:
                done += 1
                say(f"{done}/{total} {output}: {duration(time.monotonic() - began)}")
        if number % _MOST_SHAPES == 0:
            compiling.drop_programs()
    if done + len(failures) < total:
        say(f"stopped: {done} of {counted(total, 'picture')} finished; the same command continues")
        return None
    _write_sheet(found, bool(tasks))
    if failures:
        lines = [f"    {pair.output}: {failure}" for pair, failure in failures.items()]
        say("\n".join([f"{len(failures)} of {counted(total, 'picture')} failed:", *lines]))
    return int(bool(failures))


def _attempt(task: Task, choices: Choices, load: LoadNetwork) -> tuple[bool, str]:
    """Makes a picture; returns whether it is finished, and the error, or "" if there was none."""
    try:
        return making.make(task, choices, load, _log(choices.verbose, f"{task.pair.output}: ")), ""
    except UserError as error:
        return False, str(options.renamed(error, choices.names))
    except OSError as error:
        return False, str(error)
    except Exception as error:  # an error of any kind must not end the others
        return False, f"{type(error).__name__}: {error}"


def _by_shape(tasks: Sequence[Task], choices: Choices) -> tuple[list[list[Task]], dict[Pair, str]]:
    """Returns the pictures in groups whose photographs have the same shape, so that they share a program.

    Returns:
      The groups, in the order of their first pictures, and {pair: error} of pictures that cannot be read.
    """
    config, groups, failures = choices.config, {}, {}
    shapes: dict[str, tuple[int, int] | None] = {}
    errors: dict[str, str] = {}
    for task in tasks:
        for path in task.pair.inputs:
            if path in shapes or choices.stop():
                continue
            try:
                shapes[path] = images.read(path, config.max_megapixels).rgb_HxWx3.shape[:2]
            except (UserError, OSError) as error:
                shapes[path], errors[path] = None, str(error)
                say(f"failed: {error}")
        if bad := [errors[path] for path in task.pair.inputs if path in errors]:
            failures[task.pair] = bad[0]
            continue
        shape = shapes.get(task.pair.inputs[0])
        if shape and config.size != settings.AUTO:
            shape = fitted(shape, config.size, config)
        groups.setdefault(shape, []).append(task)
    return list(groups.values()), failures


# --- the contact sheet


def _sheet_of(found: Found) -> Path | None:
    return found.folder / "sheet.png" if found.folder and len(found.pairs) > 1 else None


def _check_sheet(found: Found, overwrite: bool) -> None:
    """Raises UserError if the contact sheet would replace another file."""
    path = _sheet_of(found)
    if path and path.exists() and not overwrite and images.read_description(path) != SHEET:
        raise UserError(
            f"{path}: there already, and no contact sheet of nst; give another folder with -o, or replace it "
            "with --overwrite"
        )


def _write_sheet(found: Found, changed: bool) -> None:
    """Writes the contact sheet, unless there is one that is newer than all pictures."""
    path = _sheet_of(found)
    made = [pair.output.stat().st_mtime_ns for pair in found.pairs if pair.output.exists()]
    # a sheet may be older than the pictures if the process was killed before it wrote the sheet again
    if path is None or not made or not (changed or not path.exists() or path.stat().st_mtime_ns < max(made)):
        return
    rows = _rows(found)
    edge = max(32, min(sheet.CELL, _MOST_PIXELS // max(len(rows), len(rows[0]))))
    try:
        remove_leftovers(path.parent, path.name)  # of a process that was killed while it wrote the sheet
        images.write(path, np.asarray(sheet.draw(rows, edge=edge)) / 255, description=SHEET)
    except OSError as error:
        raise UserError(
            f"{path}: cannot write it ({error.strerror or error}); the pictures are there: run the same "
            "command again"
        ) from error
    say(f"{path}: {counted(len(made), 'picture')}")


def _rows(found: Found) -> list[list[Cell | None]]:
    """Returns the cells of the sheet: photographs by paintings, or all results if one of them is single."""
    photos = list(dict.fromkeys(pair.photo for pair in found.pairs))
    paintings = list(dict.fromkeys(pair.paintings for pair in found.pairs))
    if len(photos) > 1 and len(paintings) > 1:
        return [[None, *(_named(paths[0]) for paths in paintings)]] + [
            [_named(photo), *(Cell(pair.output, "") for pair in found.pairs if pair.photo == photo)]
            for photo in photos
        ]
    sources = filter(None, photos if len(photos) == 1 else paintings[0])
    cells = [*map(_named, sources), *(_named(pair.output) for pair in found.pairs)]
    columns = math.ceil(math.sqrt(len(cells)))
    return [cells[start : start + columns] for start in range(0, len(cells), columns)]


def _named(path: str | Path) -> Cell:
    return Cell(Path(path), Path(path).stem)
