"""Judges pictures, from this program or another, against a photograph and a painting: a table.

python -m experiments.measure --content=photo.jpg --style=painting.jpg runs/*/result.png
python -m experiments.measure --content=photo.jpg --style=a.jpg,b.jpg --images=x.png,y.png --json=out.json

Every picture is judged by the same fixed instrument at its own size (nst/metrics/instrument.py); what the columns
mean stands in nst/metrics/measures.py. --network=vgg19_slim needs no download; its numbers compare with its own only.
A picture that cannot be judged is said, and the others are; the exit status is then 1.
"""

import sys
from pathlib import Path

from absl import flags

from experiments import cli
from nst import images
from nst.errors import UserError
from nst.metrics import instrument, measures
from nst.runs import folder, settings

CONTENT = flags.DEFINE_string("content", "", "The photograph.")
STYLE = flags.DEFINE_string("style", "", "The painting, or several with commas between.")
IMAGES = flags.DEFINE_string("images", "", "The pictures, with commas between; or give them without a flag.")
NETWORK = flags.DEFINE_string("network", "vgg19", "The instrument's: a value of weights.name.")
JSON = flags.DEFINE_string("json", "", "A file for all numbers.")

SUMMARY = tuple(name for name in measures.NAMES if "/" not in name)
BY_LAYER = tuple(name for name in measures.NAMES if "/" in name)


def table(rows: list[tuple[str, dict[str, float]]]) -> str:
    """Markdown: the measures of each picture, then those by layer.

    Args:
      rows: (name of a picture, its measures).
    """
    parts = []
    for names in (SUMMARY, BY_LAYER):
        lines = [
            [picture.replace("|", "\\|"), *(f"{found[name]:.4g}" for name in names)]
            for picture, found in rows
        ]
        parts.append(cli.markdown(("picture", *names), lines))
    return "\n\n".join(parts)


def judge_all(fixed: instrument.Instrument, paths, photo, paintings) -> list[tuple[str, dict[str, float]]]:
    """(path, measures) of the pictures that can be judged; the others, and odd shapes, are said."""
    rows = []
    for path in paths:
        try:
            found = instrument.judge_files(fixed, path, photo, paintings)
            say_shape(path, photo)
            rows.append((path, found))
        except UserError as error:
            print(f"error: {error}", file=sys.stderr)
    return rows


def say_shape(path: str, photo) -> None:
    """Says if a picture is not of the shape of the photograph (`HxWx3`), but for rounding."""
    height, width, _ = images.read(path).rgb_HxWx3.shape
    expected = images.target_size(*photo.shape[:2], max(height, width), "long")
    if max(abs(height - expected[0]), abs(width - expected[1])) > 1:
        print(
            f"{path}: {width}x{height} px is not the photograph's shape, which was stretched to it: "
            "content, ssim and psnr mean little",
            file=sys.stderr,
        )


def write(path: str, content) -> None:
    """JSON, whole or not at all."""
    try:
        folder.write_json(Path(path), content)
    except OSError as error:
        raise UserError(f"{path}: cannot write it ({error.strerror}); use another path") from error


def main(argv) -> int:
    paths, styles = [*settings.paths(IMAGES.value), *argv[1:]], settings.paths(STYLE.value)
    if not (CONTENT.value and styles and paths):
        raise UserError("give --content=photo.jpg --style=painting.jpg and pictures to judge")
    photo, *paintings = (images.read(path).rgb_HxWx3 for path in (CONTENT.value, *styles))
    fixed = instrument.load(NETWORK.value)
    print(f"instrument: {fixed.name}", file=sys.stderr)
    rows = judge_all(fixed, paths, photo, paintings)
    if rows:
        print(table(rows))
    if JSON.value:
        judged = [{"image": path, "measures": found} for path, found in rows]
        head = {"instrument": fixed.name, "content": CONTENT.value, "style": list(styles)}
        write(JSON.value, head | {"images": judged})
    return int(len(rows) < len(paths))


if __name__ == "__main__":
    cli.run(main, config=False)
