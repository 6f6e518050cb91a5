"""The table of the representations of style.

To add a representation, write its statistics, its distance and its factory `make_<name>` in the file of its
kind, and add a row here. A factory takes style_loss.normalization and, as keyword arguments, the options that
style_loss.options may set. It returns a `Representation` (nst/styles/representation.py).
"""

import inspect
from functools import partial

from nst import options
from nst.errors import UserError, choose
from nst.styles import grams, matching, mmd, moments, transport
from nst.styles.representation import Representation

STYLES = {
    "gram": grams.make_gram,
    "gram_shift": grams.make_gram_shift,
    "gram_cross": grams.make_gram_cross,
    "gram_long": grams.make_gram_long,
    "moments": moments.make_moments,
    "moments_k": moments.make_moments_k,
    "histogram": transport.make_histogram,
    "sliced_wasserstein": transport.make_sliced_wasserstein,
    "wasserstein_gaussian": transport.make_wasserstein_gaussian,
    "mmd_linear": mmd.make_mmd_linear,
    "mmd_polynomial": mmd.make_mmd_polynomial,
    "mmd_gaussian": mmd.make_mmd_gaussian,
    "mmd_laplacian": mmd.make_mmd_laplacian,
    "mmd_cosine": mmd.make_mmd_cosine,
    "mrf": matching.make_mrf,
    "contextual": matching.make_contextual,
    "remd": matching.make_remd,
    "column_moments": matching.make_column_moments,
    "palette": matching.make_palette,
}


def linear() -> tuple[str, ...]:
    """Returns the representations that can be computed strip by strip, with their default options.

    Returns:
      The names in STYLES.
    """
    return tuple(name for name, make in STYLES.items() if make("relative").linear)


def style(names: str, normalization: str, text: str = "") -> dict[str, Representation]:
    """Returns {name: representation} for the style loss of a config.

    Args:
      names: names in STYLES joined by "+", such as "gram+histogram"; the losses are added.
      normalization: a name in GRAM_DISTANCE for Gram matrices, and in NORMALIZATIONS for the others.
      text: the options, such as "degree=3,samples=512"; each is passed to the representations that have it.

    Returns:
      The representations, in the order of `names`.

    Raises:
      UserError: an unknown name, normalisation or option, or a name given twice.
    """
    kinds = [choose("style_loss.representation", name.strip(), STYLES) for name in names.split("+")]
    if len(set(kinds)) < len(kinds):
        raise UserError(f"style_loss.representation = {names}: name each representation once")
    # the normalization is bound, so that style_loss.options cannot set it
    values = options.parse("style_loss.options", text, *(partial(STYLES[kind], "") for kind in kinds))
    representations = {}
    for kind in kinds:
        parameters = inspect.signature(STYLES[kind]).parameters
        own = {name: value for name, value in values.items() if name in parameters}
        representations[kind] = STYLES[kind](normalization, **own)
    return representations
