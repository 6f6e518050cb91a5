"""The commands that repeat a run of a sweep."""

import shlex

from nst.report.fields import flatten

# the types whose values a flag of the config can give exactly
_SCALARS = (bool, int, float, str)
# flags of nst sweep, besides those of the config, on which the values of a row depend
_SWEEP_FLAGS = ("instrument", "target_loss")


def sweep_command(sweep: dict, workdir: str, row: dict) -> str:
    """Returns the command that runs one point of a sweep again, in the folder of the sweep.

    Args:
      sweep: the content of sweep.json.
      workdir: the sweep's folder, as the user has written it.
      row: the point's row of the table.
    """
    words = ["nst", "sweep", f"--config={sweep['config']}"]
    words += [*config_flags(sweep, _SWEEP_FLAGS), f"--workdir={workdir}", f"--only={row['index']}"]
    return shlex.join(words + ["--retry-failed"] * (row["status"] == "failed"))


def stylize_command(sweep: dict, workdir: str, point: dict) -> str | None:
    """Returns the command that repeats the run of one point by itself, in a new folder.

    Args:
      sweep: the content of sweep.json.
      workdir: the sweep's folder, as the user has written it.
      point: one of the sweep's `points`.

    Returns:
      The command; None if flags cannot give one of the values exactly.
    """
    base, flags = flatten(sweep["base"]), []
    for field, value in point["overrides"].items():
        text = flag_value(base.get(field), value)
        if text is None:
            return None
        flags.append(f"--config.{field}={text}")
    words = ["nst", "stylize", f"--config={sweep['config']}", *config_flags(sweep)]
    folder = f"{workdir.rstrip('/')}_again/{point['name']}"
    return shlex.join([*words, *flags, f"--workdir={folder}"])


def config_flags(sweep: dict, names: tuple[str, ...] = ()) -> list[str]:
    """Returns the flags of the sweep's command that set config fields or have one of `names`."""
    base, words, flags = flatten(sweep["base"]), list(sweep.get("command") or ()), []
    while words:
        word = words.pop(0)
        name, _, value = word.lstrip("-").partition("=")
        field = name.removeprefix("no").removeprefix("config.")
        of_config = name.removeprefix("no").startswith("config.")
        if not word.startswith("-") or not (of_config or name.replace("-", "_") in names):
            continue
        flags.append(f"--{name}={value}" if "=" in word else f"--{name}")
        # the value may be the next word, as in `--config.steps 5`; the flag of a boolean has none
        if "=" not in word and not isinstance(base.get(field), bool) and words:
            flags[-1] += f"={words.pop(0)}"
    return flags


def flag_value(base, value) -> str | None:
    """Returns the text after `--config.field=` that sets a field to a value, or None if there is none.

    Args:
      base: the field's value in the base config; its type decides how the flag is parsed.
      value: the value to which the flag is to set the field.
    """
    if isinstance(base, list) and isinstance(value, list | str):
        # in a sweep, a single name stands for a sequence of one
        value = [value] if isinstance(value, str) else value
        return repr(tuple(value)) if all(isinstance(item, _SCALARS) for item in value) else None
    same_type = type(base) is type(value) or (isinstance(base, float) and type(value) is int)
    if not same_type or not isinstance(value, _SCALARS):
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)
