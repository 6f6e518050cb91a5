"""The frozen network of a config, as deep as some layers."""

from collections.abc import Sequence
from typing import NamedTuple

from ml_collections import ConfigDict

from nst import config as configs
from nst.prepare import freeze
from nst.spec import Spec
from nst.vgg import Network
from nst.weights import convention


class Seen(NamedTuple):
    """A network and its weights."""

    network: Network
    variables: dict  # from vgg.freeze
    notes: tuple[str, ...]  # what a user should know of the weights


def load(config: ConfigDict, layers: Sequence[str]) -> Seen:
    """The network that `config.weights` and `config.network` name, up to the deepest of `layers`.

    Raises:
      UserError: an unknown layer or weights, or weights that cannot be read.
    """
    chosen = config.weights
    made_for = convention(chosen.name, chosen.architecture, chosen.preprocessing)
    spec = Spec(configs.make_network(config, made_for), content_layers=tuple(layers), style_layers=())
    frozen = freeze(config, spec, made_for)
    return Seen(spec.network, frozen.variables, frozen.notes)
