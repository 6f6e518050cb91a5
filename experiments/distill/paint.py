r"""Paints the style pictures that come with the code, each from a seed.

The README's first commands need paintings that anyone may redistribute. These commands make them, in bash:

for each in swirls "mosaic --size=600" "geometry --size=600 --seed=1" "ink --size=900" "dots --size=900" \
    "night --size=900" "cutouts --size=900 --seed=5" "watercolour --size=900 --seed=8"; do
  python -m experiments.distill.paint --kind=$each --out=nst/data/images/${each%% *}.jpg
done

The generator of each kind is the file of that name in this folder.
"""

from pathlib import Path

from absl import flags

from experiments import cli
from experiments.distill.cutouts import cutouts
from experiments.distill.dots import dots
from experiments.distill.geometry import geometry
from experiments.distill.ink import ink
from experiments.distill.mosaic import mosaic
from experiments.distill.night import night
from experiments.distill.swirls import swirls
from experiments.distill.watercolour import watercolour

KINDS = {
    "swirls": swirls,
    "mosaic": mosaic,
    "geometry": geometry,
    "ink": ink,
    "dots": dots,
    "cutouts": cutouts,
    "watercolour": watercolour,
    "night": night,
}
OUT = flags.DEFINE_string("out", "painting.jpg", "The file to write.")
KIND = flags.DEFINE_enum("kind", "swirls", list(KINDS), "Which painting.")
SIZE = flags.DEFINE_integer("size", 640, "Width in pixels; the height is four fifths of it.", lower_bound=16)
SEED = flags.DEFINE_integer("seed", 0, "Seed of everything random in the painting.")


def main(argv):
    """Paints and saves the picture that the flags describe."""
    del argv
    Path(OUT.value).parent.mkdir(parents=True, exist_ok=True)
    KINDS[KIND.value](SIZE.value, SEED.value).save(OUT.value, quality=90)


if __name__ == "__main__":
    cli.run(main, config=False)
