"""The check of a distillation's config before anything is computed."""

from ml_collections import ConfigDict

from nst.errors import UserError, choose
from nst.networks import table
from nst.runs import kinds

_SEQUENCES = {
    "widths": kinds.several(kinds.whole()),
    "shares": kinds.several(kinds.number()),
    "layers": kinds.layers(),
    "held_out_paintings": kinds.layers(),
    "stylised.snapshots": kinds.several(kinds.whole()),
}
_POSITIVE = (
    "steps",
    "decay_steps",
    "batch",
    "pool",
    "size",
    "learning_rate",
    "log_every",
    "validate_every",
    "warm_start.batches",
    "warm_start.batch",
    "warm_start.size",
    "stylised.every",
    "stylised.pairs",
    "stylised.size",
)
_NOT_NEGATIVE = ("warm_start.renewals", "warm_start.rounds")


def resolve(config: ConfigDict) -> ConfigDict:
    """Returns a copy of a config whose sequences, however they were typed, are tuples.

    Args:
      config: of a distillation.

    Raises:
      UserError: a sequence that cannot be read; names the field.
    """
    config = config.copy_and_resolve_references()
    for field, kind in _SEQUENCES.items():
        group, _, leaf = field.rpartition(".")
        values = config[group] if group else config
        values[leaf] = kinds.normal_form(field, values[leaf], kind)
    return config


def check(config: ConfigDict) -> None:
    """Checks the fields of experiments/distill/config.py.

    Args:
      config: of a distillation.

    Raises:
      UserError: a field whose value makes no sense.
    """
    _check_layers(config)
    if len(config.shares) != 4 or min(config.shares) < 0 or sum(config.shares) <= 0:
        raise UserError(f"shares = {tuple(config.shares)}: give four that are not negative, not all 0")
    for field in _POSITIVE:
        if _value(config, field) <= 0:
            raise UserError(f"{field} = {_value(config, field)}: must be positive")
    for field in _NOT_NEGATIVE:
        if _value(config, field) < 0:
            raise UserError(f"{field} = {_value(config, field)}: must not be negative")
    if not 0 <= config.warm_up < config.decay_steps:
        raise UserError(
            f"warm_up = {config.warm_up}: must be at least 0 and less than decay_steps = {config.decay_steps}"
        )


def _check_layers(config: ConfigDict) -> None:
    """Checks the student's widths and the layers that it has."""
    convolutions = table.convolutions("vgg19")
    if not 1 <= len(config.widths) <= len(convolutions) or min(config.widths) < 1:
        raise UserError(
            f"widths = {tuple(config.widths)}: give 1 to {len(convolutions)} positive numbers of channels"
        )
    known = [name.replace("conv", "relu") for name in convolutions[: len(config.widths)]]
    if config.after:
        choose("after", config.after, known[:-1])  # the last layer would leave nothing to train
    for layer in config.layers:
        choose("layers", layer, known)


def _value(config: ConfigDict, field: str):
    """Returns the value of a field such as warm_start.batch."""
    for name in field.split("."):
        config = config[name]
    return config
