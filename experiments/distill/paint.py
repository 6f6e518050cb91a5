"""Paints the style pictures that come with the code, each from a seed.

The README's first commands need paintings that anyone may redistribute. These commands make them:

python -m experiments.distill.paint --kind=swirls --out=nst/data/images/swirls.jpg
python -m experiments.distill.paint --kind=mosaic --size=600 --out=nst/data/images/mosaic.jpg
python -m experiments.distill.paint --kind=geometry --size=600 --seed=1 --out=nst/data/images/geometry.jpg

The generators are swirls.py, mosaic.py and geometry.py in this folder.
"""

from pathlib import Path

from absl import app, flags

from experiments.distill.geometry import geometry
from experiments.distill.mosaic import mosaic
from experiments.distill.swirls import swirls

KINDS = {"swirls": swirls, "mosaic": mosaic, "geometry": geometry}
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
    app.run(main)
