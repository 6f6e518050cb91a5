"""The columns of a report: which of them are measures, and the meaning of the measures."""

import math

# the start of a column's name -> (its meaning, whether "less" or "more" of it is better, "" for neither)
MEANINGS = {
    "style": (
        "Style distance from the painting: between Gram matrices, relative to the painting's; the mean over "
        "five layers of the instrument, or at one of them",
        "less",
    ),
    "moments": (
        "Style distance from the painting: between means and standard deviations of channels instead of Gram "
        "matrices",
        "less",
    ),
    "content": (
        "Content distance from the photograph: between activations at relu4_2, relative to the photograph's",
        "less",
    ),
    "cfsd": (
        "Distance of self-similarities at relu3_1 from the photograph's (CFSD, Chung et al. 2024): how far "
        "the structure has changed, whatever its colours and textures",
        "less",
    ),
    "lpips_alex": ("LPIPS distance from the photograph by AlexNet (Zhang et al. 2018)", "less"),
    "lpips_vgg": ("LPIPS distance from the photograph by VGG-16 (Zhang et al. 2018)", "less"),
    "dists": ("DISTS distance from the photograph: structure and texture (Ding et al. 2020)", "less"),
    "dists_texture": ("Distance from the painting by the texture term of DISTS alone", "less"),
    "checkerboard": (
        "How far the frequencies of a grid stand out of the picture's spectrum, in decibels: the largest of "
        "periods 2, 4, 8 and 16 px, or one of them; 0: no grid",
        "less",
    ),
    "entropy": (
        "How evenly the activations of the run's own network are spread for the photograph, mean of the "
        "style layers or one of them, smoothed as in the loss: 1 if all are equal, near 0 if a few stand out",
        "",
    ),
    "ssim": ("Structural similarity of the luma to the photograph's (Wang et al. 2004)", "more"),
    "psnr": ("Peak signal-to-noise ratio of the luma to the photograph's, in decibels", "more"),
    "tv": ("Total variation of the image: how much neighbouring pixels differ", ""),
    "color_mean": ("Distance between the mean colours of the image and the painting, in Oklab", "less"),
    "color_covariance": (
        "Distance between the covariances of the colours of the image and the painting, in Oklab",
        "less",
    ),
    "seconds": ("Seconds of optimisation, over all sessions of the run, without compiling", "less"),
    "seconds_per_evaluation": ("Seconds for one evaluation of the loss and its gradient", "less"),
    "evaluations": ("Number of evaluations of the loss and its gradient", "less"),
    "steps": ("Number of updates of the image", ""),
    "loss": ("Loss at the end; comparable only between runs with the same losses and weights", "less"),
    "compile_seconds": ("Seconds of compiling before the first step", "less"),
    "memory_bytes": ("Bytes of memory that the compiled program needs", "less"),
    "seconds_to_loss": ("Seconds until the loss had fallen to the sweep's --target_loss", "less"),
}  # fmt: skip
TEXTS = ("index", "name", "status", "error", "folder", "instrument")  # columns that are not measures


def flatten(config: dict, prefix: str = "") -> dict:
    """Returns {dotted field: value} of a config that is a dict of dicts."""
    flat = {}
    for name, value in config.items():
        flat |= flatten(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat


def columns(rows: list[dict]) -> list[str]:
    """Returns the names of all columns of the table, in order of first appearance."""
    return list(dict.fromkeys(name for row in rows for name in row))


def measures(names: list[str], fields: list[str]) -> list[dict]:
    """Describes the columns that are measures.

    Args:
      names: names of all columns.
      fields: the columns that hold fields of the config.

    Returns:
      [{"name", "meaning", "better": "less", "more" or ""}], one for each measure.
    """
    described = []
    for name in names:
        if name not in (*TEXTS, *fields):
            meaning, better = MEANINGS.get(name) or MEANINGS.get(name.split("/")[0], ("", ""))
            described.append({"name": name, "meaning": meaning, "better": better})
    return described


def json_value(value):
    """Returns a value that JSON can hold: tuples become lists, numbers that are not finite become None."""
    if isinstance(value, dict):
        return {str(key): json_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
