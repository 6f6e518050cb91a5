"""The fields and columns of a report: which vary, which are measures, and what these mean."""

import math

# the start of a column's name -> (what it is, whether less or more of it is better, or neither)
MEANINGS = {
    "style": (
        "Distance from the painting in style: of the Gram matrices, relative to the painting's; the mean of "
        "five layers of the instrument, or at one of them",
        "less",
    ),
    "moments": (
        "The same of the means and standard deviations of the channels instead of the Gram matrices",
        "less",
    ),
    "content": ("Distance from the photograph in content: at relu4_2, relative to the photograph's", "less"),
    "ssim": ("Structural similarity to the photograph (Wang et al. 2004) in luminance; 1: equal", "more"),
    "psnr": ("Peak signal-to-noise ratio to the photograph, of the luminance, in decibels", "more"),
    "tv": ("Total variation of the picture: how restless it is from one pixel to the next", ""),
    "color_mean": ("Distance of the mean colour from the painting's, in Oklab", "less"),
    "color_covariance": ("Distance of the covariance of colours from the painting's, in Oklab", "less"),
    "seconds": ("Time that the run worked, over all its sessions", "less"),
    "seconds_per_evaluation": ("Time of one value and gradient of the loss", "less"),
    "evaluations": ("How often the loss and its gradient were computed", "less"),
    "steps": ("Updates of the picture", ""),
    "loss": ("The loss at the end; it compares only among runs with the same losses and weights", "less"),
    "compile_seconds": ("Time to compile, before the first step", "less"),
    "memory_bytes": ("Memory that the compiled program needs", "less"),
    "seconds_to_loss": ("Time until the loss was as low as the sweep asks", "less"),
}  # fmt: skip
TEXTS = ("index", "name", "status", "error", "folder", "instrument")  # the columns that are not numbers


def flatten(config: dict, prefix: str = "") -> dict:
    """{dotted field: value}."""
    flat = {}
    for name, value in config.items():
        flat |= flatten(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat


def columns(rows: list[dict]) -> list[str]:
    """Every column of the table, in order."""
    return list(dict.fromkeys(name for row in rows for name in row))


def measures(names: list[str], fields: list[str]) -> list[dict]:
    """[{"name", "meaning", "better": less, more or ""}] of the columns that hold numbers."""
    found = []
    for name in names:
        if name not in (*TEXTS, *fields):
            meaning, better = MEANINGS.get(name) or MEANINGS.get(name.split("/")[0], ("", ""))
            found.append({"name": name, "meaning": meaning, "better": better})
    return found


def plain(value):
    """The same as JSON can hold it: what is not a finite number is None."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
