"""Makes one picture of `nst photo.jpg painting.jpg`: finds out whether it is finished, and its network."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ml_collections import ConfigDict

from nst import images
from nst.cli import chosen
from nst.cli.pairs import Pair
from nst.cli.process import say
from nst.errors import Busy, OtherRun, UserError
from nst.files import read_json, remove_leftovers
from nst.networks import checkpoints
from nst.outputs import check_writable
from nst.runs import fitting, folder, identity, settings
from nst.runs.network import LoadNetwork
from nst.runs.stylize import stylize
from nst.sweeps.identity import expected


class Choices(NamedTuple):
    """How the pictures of a command are made."""

    config: ConfigDict  # the config without the pictures
    network_chosen: bool  # whether the user has chosen the network
    overwrite: bool  # whether other pictures are replaced, and unfinished pictures begun again
    keep: bool  # whether the run folders stay
    verbose: bool  # whether the settings and the progress of each run are printed
    names: Mapping[str, str]  # {field: option}, for errors
    stop: Callable[[], bool] = lambda: False


class Task(NamedTuple):
    """A picture that is to be made or continued."""

    pair: Pair
    config: ConfigDict


# --- what is finished, and what is to be made


def find_finished(asked: Sequence[Pair], choices: Choices) -> dict[Pair, str]:
    """Returns the pictures that are finished, and the networks with which they were made.

    Args:
      asked: the pictures of a command.
      choices: how the pictures of the command are made.

    Raises:
      UserError: another picture or file has the name of a picture that is to be made.
    """
    finished, others = {}, []
    names = chosen.possible(choices.config.weights.name, choices.network_chosen)
    for pair in asked:
        description = images.read_description(pair.output)
        candidates = names if description.startswith("nst ") else ()
        made = [name for name in candidates if _description(_config(choices, pair, name)) == description]
        if made:
            finished[pair] = made[0]
            if not folder.begun(pair.folder):
                _remove(pair.folder)  # a killed process may have left files in it
        elif pair.output.is_dir() or (pair.output.exists() and not choices.overwrite):
            others.append(pair)
    if others:
        _check(others[0], choices)  # first, since another name does not help if the picture cannot be made
        more = f" (and {len(others) - 1} more)" if others[1:] else ""
        kept = folder.begun(others[0].folder)
        with_more = "; with more --steps and nothing else, --overwrite continues the kept run" if kept else ""
        raise UserError(
            f"{others[0].output}{more}: there already, and made from other pictures or settings, or not by "
            f"nst; give another name with -o, or replace it with --overwrite{with_more}"
        )
    return finished


def plan(asked: Sequence[Pair], before: Sequence[str], choices: Choices) -> list[Task]:
    """Returns the pictures that are to be made, each with its network.

    Args:
      asked: the pictures of a command that are not finished.
      before: the networks with which the other pictures were made.
      choices: how the pictures of the command are made.

    Raises:
      UserError: a folder cannot be written, or VGG-19 cannot be stored or used.
    """
    for folder_of_results in {pair.output.parent for pair in asked}:
        check_writable(folder_of_results)
    if choices.network_chosen:
        return [Task(pair, _config(choices, pair, choices.config.weights.name)) for pair in asked]
    begun = {pair: chosen.begun(pair.folder) for pair in asked}
    used = [*before, *filter(None, begun.values())]
    if not (used or any(_can_be_made(pair, choices) for pair in asked)):
        used = [chosen.FULL]  # it is not downloaded, since making the pictures ends with errors before that
    name = asked and chosen.settle(used, say)
    return [Task(pair, _config(choices, pair, begun[pair] or name)) for pair in asked]


def _check(pair: Pair, choices: Choices) -> None:
    """Raises UserError if a picture cannot be made, as far as that is known without the network's weights.

    If the user has not chosen a network, the small one is checked, which needs less of everything.
    """
    fitting.check(
        _config(choices, pair, choices.config.weights.name if choices.network_chosen else chosen.SMALL)
    )


def _can_be_made(pair: Pair, choices: Choices) -> bool:
    """Returns whether `_check` finds no error, or the network need not be downloaded anyway."""
    try:
        if not checkpoints.on_disk(chosen.FULL):
            _check(pair, choices)
    except Exception:  # making the picture raises the error again, of whatever kind it is
        return False
    return True


def _config(choices: Choices, pair: Pair, network: str) -> ConfigDict:
    config = choices.config.copy_and_resolve_references()
    config.content, config.style, config.weights.name = pair.photo, pair.paintings, network
    return config


def _description(config: ConfigDict, inputs: Mapping[str, str] | None = None) -> str:
    """Returns the description in the metadata of a picture; "?" if an input of the picture is missing.

    Args:
      config: the config of the run.
      inputs: {role: sha256} of the files that it was made from; None: of the files as they are now.
    """
    if inputs is None:
        found = expected(config)
        if found is None:
            return "?"
        inputs = found["inputs"]
    return f"nst {identity.of_picture(settings.as_dict(config), inputs)}"


# --- the making


def make(task: Task, choices: Choices, load: LoadNetwork, log: Callable[[str], None]) -> bool:
    """Makes or continues a picture; returns whether it is finished (False: it was stopped).

    The run folder is removed when the picture has been written.

    Args:
      task: the picture.
      choices: how the pictures of the command are made.
      load: as for `nst.stylize`.
      log: receives one line of text at a time.

    Raises:
      UserError: as from `nst.stylize`; or an unfinished picture of that name has other inputs or settings.
    """
    pair, config = task
    begin = lambda: stylize(None, None, config, pair.folder, stop=choices.stop, log=log, load=load)  # noqa: E731
    try:
        result = begin()
    except OtherRun as error:
        if not choices.overwrite:
            raise UserError(
                f"{error.finding}; give another name with -o, or begin again with --overwrite"
            ) from error
        folder.remove(pair.folder)
        result = begin()
    if not result.finished:
        return False
    inputs = read_json(pair.folder / "manifest.json", folder.MANIFEST)["inputs"]
    description = _description(config, inputs)
    try:
        # a process that was killed while it wrote the picture may have left a file
        remove_leftovers(pair.output.parent, pair.output.name)
        result.save(pair.output, config.output.bits, description)
    except OSError as error:
        raise UserError(
            f"{pair.output}: cannot write it ({error.strerror or error}); {pair.folder} keeps it: run the "
            "same command again"
        ) from error
    if not choices.keep:
        _remove(pair.folder)
    return True


def _remove(workdir: Path) -> None:
    """Removes a run folder that is no longer needed, unless another process has begun to use it."""
    with contextlib.suppress(Busy):
        folder.remove(workdir)
