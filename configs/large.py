"""4096 pixels overnight in 8 GB: from small to large, the largest sizes strip by strip.

    python -m experiments.stylize --config=configs/large.py --config.content=photo.jpg \
        --config.style=painting.jpg --workdir=runs/large

Gatys et al. 2017, *Controlling Perceptual Factors in Neural Style Transfer*, section 5: at a small size the
strokes come about, and each larger size only has to sharpen what the last has left, in ever fewer updates.
Here 512, 1024, 2048 and 4096 pixels, the long edge of picture and painting. From 1024 on the network sees 256
rows of the picture at a time, with 80 more on either side (nst/losses/strips.py), so that the loss and its gradient
are those of the whole image, at about twice the work: the rows of the neighbours, and each strip seen twice.

Memory at 4096x3072: 6.2 GB, of which 3.0 are for a strip, 0.15 for each image that L-BFGS keeps (memory = 5
makes a dozen) and 0.4 for the content's activations. Less: --config.strip=128, --config.optimizer.name=adam
with a learning rate. Stopped, it is continued by the same command.

One evaluation at 4096x3072 takes 211 seconds on two cores (docs/benchmarks.md), which makes some four hours
for all: 1.8 at 4096, 1.2 at 2048, 1 below. An estimate: the whole of it has not been run.
"""

from configs import default


def get_config():
    config = default.get_config()
    config.size = 4096
    config.strip = 256
    config.steps = 30
    config.pyramid.min_size = 512
    config.pyramid.steps = (300, 200, 80)
    config.optimizer.memory = 5
    config.log.preview_every = 10
    return config
