"""The table of a config's fields: the values that each field of configs/default.py may hold.

`settings.resolve` brings every field to its normal form by this table, before anything else is done. A new
field of configs/default.py needs a row here. Choices are the keys of tables in the numeric packages.
Conditions on several fields at once are checked where the fields are used.
"""

from nst import images
from nst.images.color import TRANSFORMS
from nst.images.spaces import SPACES
from nst.losses.content import CONTENT, CONTENT_REPRESENTATIONS
from nst.losses.guidance import PROPAGATION
from nst.losses.regularizers import TOTAL_VARIATION
from nst.losses.smoothing import SMOOTHING
from nst.losses.spec import BLENDS
from nst.networks.convolution import CONVOLUTIONS, PADDING, PRECISION
from nst.networks.network import DTYPES, FIRST, PREPROCESSING
from nst.networks.pooling import POOLING
from nst.networks.remat import REMAT
from nst.networks.table import ARCHITECTURES
from nst.optimizers.table import HISTORY_DTYPES, LINE_SEARCHES, optimizer_names, schedule_names
from nst.runs.kinds import (
    Kind,
    choice,
    files,
    joined,
    layers,
    number,
    path,
    regions,
    several,
    switch,
    text,
    whole,
)
from nst.runs.pictures import COLOR_MODES, FITS, INITS, NOISES
from nst.styles.grams import GRAM_DISTANCE
from nst.styles.representation import NORMALIZATIONS
from nst.styles.table import STYLES

AUTO = "auto"  # for `size`, the layers of the losses, `network.precision` and `network.convolution`
_WEIGHT = number(least=0)
_WEIGHTS = several(_WEIGHT)
_POSITIVE = number(above=0)
_SHARE = number(least=0, most=1)


def _size() -> Kind:
    pixels = whole()
    return Kind(
        "pixels, 0 for the photograph's own size, or auto",
        lambda field, value: AUTO if isinstance(value, str) and value == AUTO else pixels.read(field, value),
    )


FIELDS: dict[str, Kind] = {
    "content": path(),
    "style": files(),
    "size": _size(),
    "size_mode": choice(images.SIZE_MODES),
    "max_megapixels": number(least=1),
    "resize_filter": choice(images.FILTERS),
    "style_size": whole(),
    "style_scale": several(_POSITIVE),
    "style_fit": choice(FITS),
    "seed": whole(),
    "strip": whole(),
    "steps": whole(least=1),
    "pyramid.min_size": whole(),
    "pyramid.factor": number(above=1),
    "pyramid.steps": several(whole(least=1)),
    "pyramid.style": choice(("scaled", "fixed")),
    "pyramid.content_factor": _POSITIVE,
    "pyramid.carry": switch(),
    "weights.name": path(),
    "weights.architecture": choice(ARCHITECTURES),
    "weights.preprocessing": choice(("", *PREPROCESSING)),
    "weights.normalize": path(),
    "network.pooling": choice(POOLING),
    "network.pooling_p": _POSITIVE,
    "network.pooling_mix": _SHARE,
    "network.pooling_gain": _WEIGHT,
    "network.padding": choice((*PADDING, FIRST)),
    "network.dtype": choice(DTYPES),
    "network.precision": choice((AUTO, *PRECISION)),
    "network.convolution": choice((AUTO, *CONVOLUTIONS)),
    "network.remat": choice(REMAT),
    "network.input_scale": _WEIGHT,
    "smoothing.kind": choice(SMOOTHING),
    "smoothing.temperature": _POSITIVE,
    "content_loss.layers": layers(),
    "content_loss.layer_weights": _WEIGHTS,
    "content_loss.weight": _WEIGHT,
    "content_loss.base_size": whole(),
    "content_loss.representation": choice(CONTENT_REPRESENTATIONS),
    "content_loss.samples": whole(least=1),
    "content_loss.normalization": choice(CONTENT),
    "style_loss.representation": joined(STYLES),
    "style_loss.representation_weights": _WEIGHTS,
    "style_loss.options": text(),
    "style_loss.normalization": choice(dict.fromkeys((*GRAM_DISTANCE, *NORMALIZATIONS))),
    "style_loss.resample": switch(),
    "style_loss.layers": layers(),
    "style_loss.layer_weights": _WEIGHTS,
    "style_loss.weight": _WEIGHT,
    "style_loss.image_weights": _WEIGHTS,
    "style_loss.blend": choice(BLENDS),
    "color.mode": choice(COLOR_MODES),
    "color.transform": choice(TRANSFORMS),
    "color.space": choice(SPACES),
    "guidance.content_masks": files(),
    "guidance.style_masks": files(),
    "guidance.styles": regions(),
    "guidance.weights": _WEIGHTS,
    "guidance.propagation": choice(PROPAGATION),
    "tv.weight": _WEIGHT,
    "tv.kind": choice(TOTAL_VARIATION),
    "tv.beta": _POSITIVE,
    "laplacian.weight": _WEIGHT,
    "laplacian.pool": whole(least=1),
    "range.weight": _WEIGHT,
    "photorealism.weight": _WEIGHT,
    "alpha_norm.weight": _WEIGHT,
    "alpha_norm.power": number(above=1),
    "init.kind": choice(INITS),
    "init.noise": choice(NOISES),
    "init.noise_scale": _WEIGHT,
    "init.center": several(_SHARE, counts=(1, 3)),
    "init.blend": _SHARE,
    "init.image": path(),
    "optimizer.name": choice(optimizer_names()),
    "optimizer.learning_rate": _POSITIVE,
    "optimizer.memory": whole(least=1),
    "optimizer.history_dtype": choice(HISTORY_DTYPES),
    "optimizer.line_search": choice(LINE_SEARCHES),
    "optimizer.max_line_search_steps": whole(least=1),
    "optimizer.options": text(),
    "optimizer.schedule": choice(("", *schedule_names())),
    "optimizer.schedule_options": text(),
    "optimizer.pixel_range": _POSITIVE,
    "optimizer.bands": whole(most=31),  # each band has half the height and width of the band before
    "optimizer.clamp": switch(),
    "optimizer.ema": number(least=0, below=1),
    "optimizer.ema_start": switch(),
    "optimizer.tolerance": number(least=0, below=1),
    "log.every": whole(least=1),
    "log.preview_every": whole(),
    "log.tensorboard": switch(),
    "checkpoint.seconds": _WEIGHT,
    "output.format": choice(images.FORMATS),
    "output.bits": whole(least=8, most=16),
    "resources.cpus": _WEIGHT,
    "resources.gpus": _WEIGHT,
    "resources.tpus": _WEIGHT,
    "devices": whole(),
    "memory_limit_gb": _WEIGHT,
}
