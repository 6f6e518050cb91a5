"""The commands that make a cell of a sweep again."""

import shlex

from nst.report.fields import flatten

# the types that a flag of the config holds exactly
_SCALARS = (bool, int, float, str)
# flags of experiments.sweep, besides those of the config, that the numbers of a row depend on
_KEPT = ("instrument", "target_loss")


def sweep_command(sweep: dict, workdir: str, row: dict) -> str:
    """The command that starts one point of a sweep again, in its folder."""
    words = ["python", "-m", "experiments.sweep", f"--config={sweep['config']}", *config_flags(sweep, _KEPT)]
    words += [f"--workdir={workdir}", f"--only={row['index']}"]
    return shlex.join(words + ["--retry_failed"] * (row["status"] == "failed"))


def stylize_command(sweep: dict, workdir: str, point: dict) -> str | None:
    """The command that makes the same run by itself, in a new folder; None if no flags say it exactly."""
    base, flags = flatten(sweep["base"]), []
    for field, value in point["overrides"].items():
        text = flag_value(base.get(field), value)
        if text is None:
            return None
        flags.append(f"--config.{field}={text}")
    words = ["python", "-m", "experiments.stylize", f"--config={sweep['config']}", *config_flags(sweep)]
    folder = f"{workdir.rstrip('/')}_again/{point['name']}"
    return shlex.join([*words, *flags, f"--workdir={folder}"])


def config_flags(sweep: dict, kept: tuple[str, ...] = ()) -> list[str]:
    """The flags of the sweep's own command that set fields of the config, and those of `kept`."""
    base, words, found = flatten(sweep["base"]), list(sweep.get("command") or ()), []
    while words:
        word = words.pop(0)
        name, _, value = word.lstrip("-").partition("=")
        field = name.removeprefix("no").removeprefix("config.")
        of_config = name.removeprefix("no").startswith("config.")
        if not word.startswith("-") or not (of_config or name in kept):
            continue
        found.append(f"--{name}={value}" if "=" in word else f"--{name}")
        # `--config.steps 5` in two words; a flag of yes or no has none
        if "=" not in word and not isinstance(base.get(field), bool) and words:
            found[-1] += f"={words.pop(0)}"
    return found


def flag_value(base, value) -> str | None:
    """What follows `--config.field=` for a value; None if nothing gives it exactly.

    Args:
      base: the field's value in the base, whose type the flag's parser goes by.
      value: what it shall be.
    """
    if isinstance(base, list) and isinstance(value, list | str):
        # a sweep takes one name for a sequence of one
        value = [value] if isinstance(value, str) else value
        return repr(tuple(value)) if all(isinstance(item, _SCALARS) for item in value) else None
    same = type(base) is type(value) or (isinstance(base, float) and type(value) is int)
    if not same or not isinstance(value, _SCALARS):
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)
