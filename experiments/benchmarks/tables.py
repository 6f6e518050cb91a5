"""The output of the benchmarks: the machine and the versions, rows of tables, files of results."""

import importlib.util
import json
import os
import platform
from collections.abc import Mapping, Sequence

import jax


def environment() -> dict[str, dict]:
    """Returns the machine and the versions of the programs that are compared.

    Returns:
      {"machine": {...}, "versions": {...}}, for a file of results.
    """
    versions = {"python": platform.python_version(), "jax": jax.__version__}
    if importlib.util.find_spec("torch"):
        import torch

        versions["torch"] = torch.__version__
    device = jax.devices()[0]
    machine = {"device": device.device_kind, "platform": device.platform, "cpus": os.cpu_count()}
    return {"machine": machine, "versions": versions}


def environment_line(*remarks: str) -> str:
    """Returns the environment as one line, with remarks such as the number of rounds after it."""
    about = environment()
    machine = about["machine"]
    versions = (f"{name} {version}" for name, version in about["versions"].items())
    return ", ".join((f"{machine['device']} ({machine['cpus']} CPUs)", *versions, *remarks))


def write_json(path: str | None, results: Mapping) -> None:
    """Writes results to a file, with the environment beside them, if a path is given."""
    if path:
        with open(path, "w") as file:
            json.dump(environment() | dict(results), file, indent=2)


def row(cells: Sequence[str]) -> str:
    """Returns one line of a Markdown table, for a table that is printed as it is measured."""
    return f"| {' | '.join(cells)} |"
